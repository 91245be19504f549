//! The request's id: the caller's own when it is fit for logs, else a new one; told back in the answer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tonic::body::Body;
use tower::{Layer, Service};
use uuid::{Builder, Uuid};

use crate::clock::Clock;

/// The header, in requests and answers.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST: usize = 64;
/// Headers that layers and the way out add to a request.
const ADDED: usize = 12;

/// Id of a request; in its extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

/// Gives every request its id.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestIdLayer;

impl<S> Layer<S> for RequestIdLayer {
    type Service = WithRequestId<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithRequestId { inner }
    }
}

/// A service whose requests have an id.
#[derive(Clone, Copy, Debug)]
pub struct WithRequestId<S> {
    inner: S,
}

impl<S> Service<Request<Body>> for WithRequestId<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (id, mut value) = match request.headers().get(HEADER).and_then(accepted) {
            Some(theirs) => theirs,
            None => fresh(),
        };
        // Never seen again: in the tables of header compression (RFC 7541) it would push out what comes with every request.
        value.set_sensitive(true);
        // Layers add a dozen headers on the way: the map grows once, while there is little in it.
        request.headers_mut().reserve(ADDED);
        // The header goes on to the services behind, whatever it was before.
        request.headers_mut().insert(HEADER, value.clone());
        request.extensions_mut().insert(RequestId(id));
        ResponseFuture {
            future: self.inner.call(request),
            value: Some(value),
        }
    }
}

fn accepted(value: &HeaderValue) -> Option<(Arc<str>, HeaderValue)> {
    let text = value.to_str().ok()?;
    let fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(fit);
    fits.then(|| (text.into(), value.clone()))
}

/// A UUID of version 7, whose random part comes from the thread's generator: the system's would be a system call for each request.
fn fresh() -> (Arc<str>, HeaderValue) {
    let millis = u64::try_from(Clock::system().now().timestamp_millis()).unwrap_or_default();
    let id = Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
    let mut text = Uuid::encode_buffer();
    let text: &str = id.hyphenated().encode_lower(&mut text);
    let value = HeaderValue::from_str(text).expect("a UUID is header text");
    (text.into(), value)
}

pin_project! {
    /// The answer, with the id put into its headers.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
        value: Option<HeaderValue>,
    }
}

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for ResponseFuture<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut response) = ready!(this.future.poll(cx));
        if let Some(value) = this.value.take() {
            response.headers_mut().insert(HEADER, value);
        }
        Poll::Ready(Ok(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_fit_for_logs_are_taken_over() {
        for good in ["a", "A-1_b.c", &"x".repeat(64)] {
            assert!(accepted(&HeaderValue::from_str(good).unwrap()).is_some(), "{good}");
        }
        for bad in ["", "a b", "a\"b", "a{", "é", &"x".repeat(65)] {
            assert!(
                accepted(&HeaderValue::from_bytes(bad.as_bytes()).unwrap()).is_none(),
                "{bad}"
            );
        }
    }
}
