//! Bodies of answers that are looked at, or cut short, on their way out.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status, body::Body};

use super::scope::Scope;

use crate::error::{Error, Reason};

/// The code of an answer that ends with its head (a trailers-only answer), if it does.
#[must_use]
pub fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers
        .get(Status::GRPC_STATUS)
        .map(|value| Code::from_bytes(value.as_bytes()))
}

/// A status as trailers.
#[must_use]
pub fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    // Fails for messages that cannot be header text, which percent-encoding rules out.
    let _ = status.add_header(&mut trailers);
    trailers
}

/// The error of a request's body that could not be read on: what an adapter on its way said of it, or that the caller has gone.
#[must_use]
pub fn unreadable(status: Status) -> Error {
    let said = std::error::Error::source(&status).and_then(|e| e.downcast_ref::<Error>());
    let error = match said {
        Some(error) => Error::new(error.reason(), error.message().to_owned()),
        None => Error::new(Reason::CallerGone, "the request broke off"),
    };
    error.because(status)
}

/// Calls `ended` once with the code that a call ended with, `CANCELLED` when nobody read the answer to its end. The body is
/// read within `scope`.
pub fn watch<F>(response: Response<Body>, scope: Scope, ended: F) -> Response<Body>
where
    F: FnOnce(Code) + Send + 'static,
{
    if let Some(code) = code_in(response.headers()) {
        ended(code);
        return response;
    }
    response.map(|inner| {
        Body::new(Watched {
            inner,
            scope,
            ended: Some(ended),
        })
    })
}

struct Watched<F: FnOnce(Code)> {
    inner: Body,
    scope: Scope,
    ended: Option<F>,
}

// No field is pinned: bodies are boxed, hence `Unpin`.
impl<F: FnOnce(Code)> Unpin for Watched<F> {}

impl<F: FnOnce(Code)> Watched<F> {
    fn end(&mut self, code: Code) {
        if let Some(ended) = self.ended.take() {
            ended(code);
        }
    }
}

impl<F: FnOnce(Code) + Send + 'static> http_body::Body for Watched<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let polled = this.scope.within(|| Pin::new(&mut this.inner).poll_frame(cx));
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(code_in(trailers).unwrap_or(Code::Unknown));
                }
            }
            Poll::Ready(Some(Err(status))) => this.end(status.code()),
            // gRPC ends with trailers; whoever ends without has broken off.
            Poll::Ready(None) => this.end(Code::Unknown),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<F: FnOnce(Code)> Drop for Watched<F> {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// Ends an answer with the status that `cut` gives, should that come before the answer's own end.
pub fn cut_short<F>(response: Response<Body>, cut: F) -> Response<Body>
where
    F: Future<Output = Status> + Send + 'static,
{
    if code_in(response.headers()).is_some() {
        return response;
    }
    response.map(|inner| {
        Body::new(Cut {
            inner,
            cut,
            over: false,
        })
    })
}

pin_project! {
    struct Cut<F> {
        inner: Body,
        #[pin]
        cut: F,
        over: bool,
    }
}

impl<F: Future<Output = Status>> http_body::Body for Cut<F> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.over {
            return Poll::Ready(None);
        }
        // First, so that a stream which always has something to say is cut as well.
        if let Poll::Ready(status) = this.cut.poll(cx) {
            *this.over = true;
            // What produces the rest stops now, not when the connection gets around to it.
            *this.inner = Body::empty();
            return Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))));
        }
        let polled = Pin::new(this.inner).poll_frame(cx);
        *this.over = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, Status>>;

    fn answer(frames: Frames) -> Response<Body> {
        Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))))
    }

    fn seen(response: Response<Body>) -> (Response<Body>, Arc<Mutex<Vec<Code>>>) {
        let codes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&codes);
        let response = watch(response, Scope::nothing(), move |code| sink.lock().unwrap().push(code));
        (response, codes)
    }

    #[tokio::test]
    async fn the_end_is_told_once_from_wherever_it_comes() {
        let not_found = || trailers(&Status::not_found(""));
        let table: [(Frames, Code); 4] = [
            (vec![Ok(Frame::trailers(not_found()))], Code::NotFound),
            (
                vec![
                    Ok(Frame::data("x".into())),
                    Ok(Frame::trailers(trailers(&Status::ok("")))),
                ],
                Code::Ok,
            ),
            (vec![Err(Status::unavailable(""))], Code::Unavailable),
            (vec![Ok(Frame::data("x".into()))], Code::Unknown),
        ];
        for (frames, code) in table {
            let (response, codes) = seen(answer(frames));
            let _ = response.into_body().collect().await;
            assert_eq!(*codes.lock().unwrap(), [code]);
        }
        let (_, codes) = seen(Status::aborted("").into_http());
        assert_eq!(*codes.lock().unwrap(), [Code::Aborted]);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_cancelled() {
        let (response, codes) = seen(answer(vec![Ok(Frame::data("x".into()))]));
        drop(response);
        assert_eq!(*codes.lock().unwrap(), [Code::Cancelled]);
    }

    #[tokio::test]
    async fn a_stream_that_never_pauses_is_cut() {
        let endless = tokio_stream::iter(std::iter::repeat_with(|| {
            Ok::<_, Status>(Frame::data(Bytes::from("x")))
        }));
        let response = Response::new(Body::new(StreamBody::new(endless)));
        let cut = cut_short(response, std::future::ready(Status::unavailable("over")));
        let collected = cut.into_body().collect().await.unwrap();
        assert_eq!(code_in(collected.trailers().unwrap()), Some(Code::Unavailable));
    }
}
