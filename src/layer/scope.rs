//! What the lines of a log belong to: the call in hand.
//!
//! A span says it where spans are read: by an exporter of traces, or by a log for people. Where nobody reads them the gateway opens none,
//! since a span costs more than most of what it stands around, and a log of JSON takes the same facts from here.

use std::{
    fmt,
    io::IsTerminal,
    sync::{Arc, OnceLock},
};

use tracing::Span;

use super::outgoing::{self, Call};
use crate::{
    ids::UserId,
    policy::Method,
    settings::{LogFormat, Settings},
    telemetry::trace_context,
};

/// What is known of a call, for the lines of its log.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) role: &'static str,
    pub(crate) method: Option<Arc<Method>>,
    pub(crate) request_id: Option<Arc<str>>,
    pub(crate) principal: OnceLock<UserId>,
    pub(crate) peer: OnceLock<&'static str>,
}

/// Takes facts of the call in hand, in the order and under the names of the span's fields.
pub(crate) trait Facts {
    /// A text.
    fn text(&mut self, name: &'static str, value: &str);
    /// A value that has to be made text first.
    fn shown(&mut self, name: &'static str, value: &dyn fmt::Display);
}

/// Whether anybody reads spans.
pub(super) fn spans_are_read(settings: &Settings) -> bool {
    let telemetry = &settings.telemetry;
    let for_people = match telemetry.log_format {
        LogFormat::Json => false,
        LogFormat::Text => true,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    // A filter may ask for spans by name: `[rpc{method=...}]`.
    for_people || telemetry.otlp_endpoint.is_some() || telemetry.log_level.contains('[')
}

/// Tells what is known of the call in hand, unless a span does.
pub(crate) fn tell(to: &mut impl Facts) {
    outgoing::with_current(|call| {
        let Some(known) = &call.known else { return };
        to.text("logicore.role", known.role);
        to.text("method", path(known.method.as_deref()));
        if let Some(id) = &known.request_id {
            to.text("request_id", id);
        }
        if let Some(id) = call
            .trace
            .as_ref()
            .and_then(|(parent, _)| trace_context::trace_id(parent))
        {
            to.text("trace_id", id);
        }
        if let Some(principal) = known.principal.get() {
            to.shown("principal", principal);
        }
        if let Some(peer) = known.peer.get() {
            to.text("peer", peer);
        }
    });
}

/// A method as logs and spans name it.
pub(super) fn path(method: Option<&Method>) -> &str {
    method.map_or("unknown", |m| m.path.trim_start_matches('/'))
}

/// What lines that are logged later belong to.
#[derive(Clone, Debug)]
pub struct Scope(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Nothing,
    Span(Span),
    Call(Arc<Call>),
}

impl Scope {
    /// The call in hand.
    #[must_use]
    pub fn current() -> Self {
        let call = outgoing::with_current(Arc::clone).filter(|call| call.known.is_some());
        Self(call.map_or_else(|| Kind::Span(Span::current()), Kind::Call))
    }

    /// Nothing: what is logged within belongs to whatever stands around it.
    #[must_use]
    pub fn nothing() -> Self {
        Self(Kind::Nothing)
    }

    /// Does something within it.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            Kind::Nothing => work(),
            Kind::Span(span) => span.in_scope(work),
            Kind::Call(call) => outgoing::within_call(Arc::clone(call), work),
        }
    }
}

impl From<Span> for Scope {
    fn from(span: Span) -> Self {
        Self(Kind::Span(span))
    }
}
