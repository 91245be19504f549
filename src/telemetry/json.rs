//! Logs as JSON, one object a line: `time`, `level`, `target`, `message`, then the event's fields and those of its spans.
//!
//! Spans are flattened into the line, inner ones first, so that `request_id` stands where a search expects it. What only an exporter
//! of traces wants (`otel.*`) stays out.

use std::fmt;

use chrono::SecondsFormat;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormattedFields,
        format::{JsonFields, Writer},
    },
    registry::LookupSpan,
};

use crate::clock::Clock;

/// Formats events as JSON; spans must be formatted by [`JsonFields`].
#[derive(Debug, Default)]
pub(super) struct Json {
    clock: Clock,
}

impl<S> FormatEvent<S, JsonFields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let time = self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
        line.insert("time".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        event.record(&mut Fields(&mut line));
        let spans = ctx.event_scope().into_iter().flatten();
        for span in spans {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<JsonFields>>() else {
                continue;
            };
            let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields) else {
                continue;
            };
            for (name, value) in fields {
                if !name.starts_with("otel.") {
                    line.entry(name).or_insert(value);
                }
            }
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, crate::error::chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::capture;

    #[test]
    fn a_line_holds_the_event_and_its_spans() {
        let (log, _on) = capture::start("info");
        let outer = tracing::error_span!("rpc", request_id = "r-1", otel.kind = "server", n = 1).entered();
        let inner = tracing::info_span!("commit", service = "auth", n = 2);
        inner.in_scope(|| tracing::warn!(attempt = 3_u64, ratio = 0.5, late = true, "disk is slow"));
        drop(outer);
        let lines = log.lines();
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert!(line["time"].as_str().is_some_and(|t| t.ends_with('Z')));
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "logicore::telemetry::json::tests");
        assert_eq!(line["message"], "disk is slow");
        assert_eq!(line["attempt"], 3);
        assert_eq!(line["ratio"], 0.5);
        assert_eq!(line["late"], true);
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["n"], 2, "the inner span stands nearer");
        assert!(line.get("otel.kind").is_none());
    }

    #[test]
    fn crates_below_stay_quiet_unless_named() {
        let (log, _on) = capture::start("trace");
        tracing::trace!(target: "h2::codec", "frame");
        tracing::debug!(target: "hyper::proto", "headers");
        assert_eq!(log.text(), "");
        let (log, _on) = capture::start("info,h2=trace");
        tracing::trace!(target: "h2::codec", "frame");
        assert_eq!(log.lines().len(), 1);
    }
}
