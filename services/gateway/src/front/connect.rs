//! Connect (connectrpc.com, "Connect Protocol Reference"): unary calls are plain HTTP with a bare message, streams are messages in
//! envelopes whose last one tells the end.
//!
//! What a caller compresses is inflated here, since it is read or counted anyway and not every service inflates what Connect
//! clients may send. Answers in protobuf pass as the service compressed them, within what the caller reads.

mod accept;
mod adapt;
mod error;
mod form;
mod head;
mod messages;
mod metadata;
mod query;
mod stream;
#[cfg(test)]
mod tests;
mod unary;

use std::sync::Arc;

use http::{Request, Response};
use logicore::{Error, compression::Encoding, layer::body::code_in};
use prost_reflect::MethodDescriptor;
use tonic::{Status, body::Body};

pub(crate) use adapt::adapt;
pub(crate) use form::names_it;

use self::{accept::Accepted, form::Form};
use super::{Face, Inward, note};
use crate::{protocol::Protocol, routes::Table, stack::Unrouted};

/// Longest message of an answer that is read here: as REST has it.
const MESSAGE_LIMIT: usize = 64 << 20;
/// Shorter messages are not compressed here: what that saves is less than a packet.
const WORTH_COMPRESSING: usize = 1 << 10;

/// A call by Connect whose head was understood.
pub(crate) struct Call {
    form: Form,
    method: MethodDescriptor,
    /// The message, where it came in the query.
    query: Option<Vec<u8>>,
    /// How the caller compresses.
    sent: Option<Encoding>,
    /// What the caller reads.
    accepted: Accepted,
}

/// A call, understood or not.
pub(super) struct Connect {
    form: Form,
    call: Option<Arc<Call>>,
}

impl Face for Connect {
    fn begin(request: &mut Request<Body>, table: &Table) -> Result<Self, Box<Response<Body>>> {
        let form = Form::of(request);
        let route = table.get(request.uri().path()).cloned();
        let call = route.as_ref().map(|route| head::read(request, form, route));
        let call = match call.transpose() {
            Ok(call) => call.map(Arc::new),
            Err(error) => {
                note(request, Protocol::Connect, None);
                request.extensions_mut().insert(Unrouted::new(error));
                return Ok(Self { form, call: None });
            }
        };
        note(request, Protocol::Connect, route.as_ref());
        if let Some(call) = &call {
            request.extensions_mut().insert(Inward::Connect(Arc::clone(call)));
        }
        Ok(Self { form, call })
    }

    async fn answer(self, answer: Response<Body>) -> Response<Body> {
        let (parts, body) = answer.into_parts();
        let mut out = match (self.call, code_in(&parts.headers)) {
            (Some(call), None) if self.form.stream => stream::answer(&call, &parts, body),
            (Some(call), None) => unary::answer(&call, &parts, body).await,
            // It ends with its head, and so does whatever was not understood.
            _ => {
                let mut status = Status::from_header_map(&parts.headers).unwrap_or_else(|| error::no_status().into());
                // There are no trailers apart from the head, which goes on as a head.
                status.metadata_mut().clear();
                error::answer(self.form, &status)
            }
        };
        metadata::leading(&parts.headers, out.headers_mut());
        *out.extensions_mut() = parts.extensions;
        out
    }

    fn refusal(error: Error) -> Response<Body> {
        // Whether the call would have been a stream is not asked: its clients read an HTTP status as well.
        error::answer(Form::default(), &error.into())
    }
}
