//! Watches a request's body on its way to the upstream: no message above the limit, compressed ones included; one message where
//! the method takes one; and a caller who breaks off is told apart from an upstream that does. Bytes pass as they came.
//!
//! Where one message is taken, the end of it waits until the body has ended too. So an upstream never acts on a call that turns
//! out to be none. Most bodies end together with their message, and nothing waits.

mod rules;
#[cfg(test)]
mod tests;

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use logicore::{Error, layer::body::unreadable};
use tokio::sync::oneshot;
use tonic::{Status, body::Body};

pub(super) use rules::Rules;

/// A body under watch, and what becomes wrong with it; the second never ends while all is well.
///
/// # Errors
/// What is wrong with a body that has ended before it began.
pub(super) fn watch(body: Body, rules: Rules) -> Result<(Body, impl Future<Output = Error> + Unpin + Send), Error> {
    if body.is_end_stream() {
        rules.end()?;
    }
    let (tell, told) = oneshot::channel();
    let watched = Watched {
        inner: body,
        rules,
        held: None,
        ended: false,
        tell: Some(tell),
    };
    Ok((Body::new(watched), Wrong(Some(told))))
}

struct Wrong(Option<oneshot::Receiver<Error>>);

impl Future for Wrong {
    type Output = Error;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(told) = &mut self.0 else {
            return Poll::Pending;
        };
        match Pin::new(told).poll(cx) {
            Poll::Ready(Ok(error)) => Poll::Ready(error),
            Poll::Ready(Err(_)) => {
                // The body was read to its end, or nobody wants it any more.
                self.0 = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

struct Watched {
    inner: Body,
    rules: Rules,
    /// The end of the one message, until the body has ended.
    held: Option<Frame<Bytes>>,
    ended: bool,
    /// Empty once something was wrong: nothing more is read then.
    tell: Option<oneshot::Sender<Error>>,
}

impl Watched {
    fn wrong(&mut self, error: Error) -> Polled {
        self.held = None;
        if let Some(tell) = self.tell.take() {
            // Nobody listens when the answer has begun: then its end is all that the caller gets.
            if tell.send(error).is_err() {
                return Poll::Ready(Some(Err(Status::cancelled("the request broke off"))));
            }
        }
        // The call is being dropped; it must not see an error that it would take for the upstream's.
        Poll::Pending
    }

    /// What comes next, checked; `None` where it is held.
    fn frame(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Error> {
        let Some(data) = frame.data_ref() else {
            // Trailers, which mean nothing in a request.
            return Ok(self.held.take());
        };
        self.rules.data(data)?;
        if self.inner.is_end_stream() {
            self.rules.end()?;
            self.ended = true;
            // Should something be held, then this is empty.
            return Ok(Some(self.held.take().unwrap_or(frame)));
        }
        if !self.rules.complete() {
            return Ok(Some(frame));
        }
        self.held.get_or_insert(frame);
        Ok(None)
    }

    fn end(&mut self) -> Result<Option<Frame<Bytes>>, Error> {
        self.ended = true;
        self.rules.end().map(|()| self.held.take())
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        if this.tell.is_none() {
            return Poll::Pending;
        }
        while !this.ended {
            let next = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => this.frame(frame),
                Some(Err(status)) => Err(unreadable(status)),
                None => this.end(),
            };
            match next {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(error) => return this.wrong(error),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && (self.ended || self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
