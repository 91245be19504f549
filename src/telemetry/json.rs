//! Logs as JSON, one object a line: `time`, `level`, `message`, `target`, then the event's fields, those of its spans, and what is
//! known of the call in hand where no span says it (see [`scope`](crate::layer::scope)).
//!
//! Spans are flattened into the line, inner ones first, so that `request_id` stands where a search expects it. What only an exporter
//! of traces wants (`otel.*`, `rpc.*`) stays out.
//!
//! A layer of our own and not a format of `tracing_subscriber::fmt`: that keeps a span's fields as text, which every `record` reads and
//! writes anew and every line reads again. An event's fields are written as they are visited, into buffers that each thread keeps: every
//! request has its line.

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    io::Write as _,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tracing::{
    Event, Id, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use crate::{clock::Clock, layer::scope};

thread_local! {
    /// The line that this thread writes, kept for the next one.
    static LINE: RefCell<Line> = RefCell::default();
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

/// Fields of a span, in the order in which they came; of two with one name the later holds.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        let name = field.name();
        if is_for_exporters(name) {
            return;
        }
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

fn is_for_exporters(name: &str) -> bool {
    name.starts_with("otel.") || name.starts_with("rpc.")
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

/// A line in the making. Writing into memory does not fail.
#[derive(Debug, Default)]
struct Line {
    out: Vec<u8>,
    /// Members that stand behind `target`.
    members: Vec<u8>,
    seen: Vec<&'static str>,
    /// A value's text before it is escaped.
    text: String,
    /// The second that `date` is the text of.
    second: i64,
    date: String,
}

impl Line {
    fn begin(&mut self, now: DateTime<Utc>, level: tracing::Level) {
        self.out.clear();
        self.members.clear();
        self.seen.clear();
        if self.second != now.timestamp() || self.date.is_empty() {
            self.second = now.timestamp();
            self.date.clear();
            let _ = write!(self.date, "{}", now.format("%Y-%m-%dT%H:%M:%S"));
        }
        let (date, micros) = (&self.date, now.timestamp_subsec_micros());
        let _ = write!(
            self.out,
            "{{\"time\":\"{date}.{micros:06}Z\",\"level\":\"{}\"",
            level.as_str()
        );
    }

    fn end(&mut self, target: &str) {
        member(&mut self.out, "target", target);
        self.out.extend_from_slice(&self.members);
        self.out.extend_from_slice(b"}\n");
    }

    /// Whether a member of this name may still be written; of two the first holds.
    fn is_new(&mut self, name: &'static str) -> bool {
        let new = !is_for_exporters(name) && !self.seen.contains(&name);
        if new {
            self.seen.push(name);
        }
        new
    }

    fn put<T: serde::Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        match name {
            "message" => member(&mut self.out, name, value),
            _ if self.is_new(name) => member(&mut self.members, name, value),
            _ => {}
        }
    }

    fn put_text(&mut self, name: &'static str, value: fmt::Arguments<'_>) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        let _ = text.write_fmt(value);
        self.put(name, text.as_str());
        self.text = text;
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field.name(), &crate::error::chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field.name(), format_args!("{value:?}"));
    }
}

impl scope::Facts for Line {
    fn text(&mut self, name: &'static str, value: &str) {
        self.put(name, value);
    }

    fn shown(&mut self, name: &'static str, value: &dyn fmt::Display) {
        self.put_text(name, format_args!("{value}"));
    }
}

fn member<T: serde::Serialize + ?Sized>(line: &mut Vec<u8>, name: &str, value: &T) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
    let _ = serde_json::to_writer(line, value);
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
        let metadata = event.metadata();
        // Taken and not borrowed: a value's `Debug` may log, too.
        let mut line = LINE.take();
        line.begin(self.clock.now(), *metadata.level());
        event.record(&mut line);
        for span in ctx.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            for (name, value) in extensions.get::<Fields>().into_iter().flat_map(|f| &f.0) {
                line.put(name, value);
            }
        }
        scope::tell(&mut line);
        line.end(metadata.target());
        // Where the log cannot be written there is no place to say so.
        let _ = self.writer.make_writer_for(metadata).write_all(&line.out);
        LINE.set(line);
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
