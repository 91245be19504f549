//! W3C trace context in and out of headers (<https://www.w3.org/TR/trace-context/>).

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Which trace and which span of it a request belongs to.
pub(crate) const PARENT: HeaderName = HeaderName::from_static("traceparent");
/// What vendors add.
pub(crate) const STATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace id of a `traceparent`, when the header is valid.
pub(crate) fn trace_id(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let real = |part: &str| part.bytes().any(|b| b != b'0');
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may add parts, version 00 may not.
    let ends = version != "00" || parts.next().is_none();
    let valid = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    (valid && ends && real(trace) && real(span)).then_some(trace)
}

/// The context that a request's headers carry.
pub(crate) fn extract(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &In(headers))
}

/// Puts the context of the current span into headers. Returns whether there is one, that is whether spans are exported.
pub(crate) fn inject_current(headers: &mut HeaderMap) -> bool {
    inject(&Span::current(), headers)
}

/// Puts a span's context into headers.
pub(crate) fn inject(span: &Span, headers: &mut HeaderMap) -> bool {
    let context = span.context();
    let valid = context.span().span_context().is_valid();
    if valid {
        TraceContextPropagator::new().inject_context(&context, &mut Out(headers));
    }
    valid
}

struct In<'a>(&'a HeaderMap);

impl Extractor for In<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Out<'a>(&'a mut HeaderMap);

impl Injector for Out<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_parents_are_taken() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let table = [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("01-{trace}-00f067aa0ba902b7-01-more"), true),
            (format!("00-{trace}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), false),
            (format!("00-{trace}-00f067aa0ba902b7"), false),
            (String::new(), false),
        ];
        for (text, valid) in table {
            let value = HeaderValue::try_from(&text).unwrap();
            assert_eq!(trace_id(&value), valid.then_some(trace), "{text}");
        }
    }
}
