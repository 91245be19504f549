//! What a call hands on to the calls that it makes: request id, trace, time left. Kept for the task that handles the request, so
//! that generated clients deep inside a handler need not be told.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::{
    deadline::{self, Deadline},
    request_id,
    scope::Known,
};
use crate::telemetry::trace_context;

tokio::task_local! {
    static CALL: Arc<Call>;
    static DEADLINE: Deadline;
}

/// What [`trace`](super::trace) knows of the call that is being handled.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) request_id: Option<HeaderValue>,
    /// The caller's `traceparent` and `tracestate`, for the time that no spans are exported.
    pub(crate) trace: Option<(HeaderValue, Option<HeaderValue>)>,
    /// What the log says of it, where no span does.
    pub(crate) known: Option<Known>,
}

pub(crate) fn with_call<F: Future>(call: Arc<Call>, future: F) -> impl Future<Output = F::Output> {
    CALL.scope(call, future)
}

/// Does something within a call, without waiting.
pub(super) fn within_call<T>(call: Arc<Call>, work: impl FnOnce() -> T) -> T {
    CALL.sync_scope(call, work)
}

/// Looks at the call in hand; `None` outside of one.
pub(super) fn with_current<T>(look: impl FnOnce(&Arc<Call>) -> T) -> Option<T> {
    CALL.try_with(look).ok()
}

pub(crate) fn with_deadline<F: Future>(deadline: Deadline, future: F) -> impl Future<Output = F::Output> {
    DEADLINE.scope(deadline, future)
}

/// Gives work that goes on in a task of its own what the call in hand would give it, but for the deadline: it is not its caller's
/// patience that ends it.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let call = CALL.try_with(Arc::clone).unwrap_or_default();
    with_call(call, work)
}

/// When the call that this task handles must have its answer.
#[must_use]
pub fn deadline() -> Option<Deadline> {
    DEADLINE.try_with(|d| *d).ok()
}

/// Puts onto an outgoing request what the call in hand gives it: `x-request-id` unless one is there, `traceparent` of the current
/// span (or the caller's own), and `grpc-timeout` with what is left unless a shorter one is there.
pub fn propagate(headers: &mut HeaderMap) {
    let exported = trace_context::inject_current(headers);
    let _ = CALL.try_with(|call| {
        if let Some(id) = &call.request_id
            && !headers.contains_key(request_id::HEADER)
        {
            headers.insert(request_id::HEADER, id.clone());
        }
        if let (false, Some((parent, state))) = (exported, &call.trace) {
            headers.insert(trace_context::PARENT, parent.clone());
            if let Some(state) = state {
                headers.insert(trace_context::STATE, state.clone());
            }
        }
    });
    if let Some(left) = deadline().map(Deadline::left) {
        let theirs = headers.get(deadline::HEADER).and_then(|v| deadline::parse(v).ok());
        let left = theirs.map_or(left, |theirs| theirs.min(left));
        headers.insert(deadline::HEADER, deadline::format(left));
    }
}
