//! Logs as JSON, one object a line: `time`, `level`, `message`, `target`, then the event's fields and those of its spans.
//!
//! Spans are flattened into the line, inner ones first, so that `request_id` stands where a search expects it. What only an exporter
//! of traces wants (`otel.*`, `rpc.*`) stays out.
//!
//! A layer of our own and not a format of `tracing_subscriber::fmt`: that keeps a span's fields as text, which every `record` reads and
//! writes anew and every line reads again, and a span stands around every request.

use std::{cell::RefCell, fmt, io::Write as _};

use chrono::SecondsFormat;
use serde_json::Value;
use tracing::{
    Event, Id, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use crate::clock::Clock;

thread_local! {
    /// The line that this thread writes, kept for the next one.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes events as JSON.
#[derive(Debug)]
pub(super) struct Json<W> {
    clock: Clock,
    writer: W,
}

impl<W> Json<W> {
    pub(super) fn new(writer: W) -> Self {
        Self {
            clock: Clock::system(),
            writer,
        }
    }
}

/// Fields of a span or an event, in the order in which they came; of two with one name the later holds.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        if name.starts_with("otel.") || name.starts_with("rpc.") {
            return;
        }
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
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

impl<S, W> Layer<S> for Json<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        // Taken and not borrowed: a value's `Debug` may log, too.
        let mut line = LINE.take();
        line.clear();
        // Writing into memory does not fail.
        let _ = self.line(&mut line, event, &ctx);
        // Where the log cannot be written there is no place to say so.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(&line);
        LINE.set(line);
    }
}

impl<W> Json<W> {
    fn line<S>(&self, line: &mut Vec<u8>, event: &Event<'_>, ctx: &Context<'_, S>) -> std::io::Result<()>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        let mut own = Fields::default();
        event.record(&mut own);
        let time = self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
        write!(line, "{{\"time\":\"{time}\",\"level\":\"{}\"", metadata.level())?;
        let message = own.0.iter().position(|(name, _)| *name == "message");
        if let Some(message) = message.map(|at| own.0.remove(at)) {
            member(line, &message)?;
        }
        member(line, &("target", metadata.target().into()))?;
        for field in &own.0 {
            member(line, field)?;
        }
        let mut seen: Vec<&'static str> = own.0.iter().map(|(name, _)| *name).collect();
        for span in ctx.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            for field in extensions.get::<Fields>().into_iter().flat_map(|f| &f.0) {
                if !seen.contains(&field.0) {
                    seen.push(field.0);
                    member(line, field)?;
                }
            }
        }
        line.extend_from_slice(b"}\n");
        Ok(())
    }
}

fn member(line: &mut Vec<u8>, (name, value): &(&'static str, Value)) -> std::io::Result<()> {
    line.push(b',');
    serde_json::to_writer(&mut *line, name)?;
    line.push(b':');
    Ok(serde_json::to_writer(line, value)?)
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
