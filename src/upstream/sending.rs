//! A request's body on its way into its stream. A body that is there already goes at once, in the call's own task; what is not gets a
//! task, since it goes on while the answer comes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::task::AbortHandle;
use tonic::body::Body;

/// A body that is being sent.
pub(super) struct Sending {
    stream: SendStream<Bytes>,
    body: Body,
    /// What waits for room, and whether it is the last.
    held: Option<(Bytes, bool)>,
    /// The first piece needs no room: h2 keeps it until the stream is open, and the caller has sent it whole.
    first: bool,
}

/// Sends what is there. The task of the rest, where there is one.
pub(super) fn send_body(mut sending: Sending, cx: &mut Context<'_>) -> Option<AbortHandle> {
    match Pin::new(&mut sending).poll(cx) {
        Poll::Ready(()) => None,
        Poll::Pending => Some(tokio::spawn(sending).abort_handle()),
    }
}

impl Sending {
    pub(super) fn new(stream: SendStream<Bytes>, body: Body) -> Self {
        Self {
            stream,
            body,
            held: None,
            first: true,
        }
    }

    /// Waits for room, and gives it what waits.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, h2::Error>> {
        let Some((data, last)) = self.held.take() else {
            return Poll::Ready(Ok(false));
        };
        let now = std::mem::take(&mut self.first) || data.is_empty();
        while !now && self.stream.capacity() == 0 {
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(room)) => room.map(drop)?,
                // Reset: nobody takes the rest.
                Poll::Ready(None) => return Poll::Ready(Ok(true)),
                Poll::Pending => {
                    self.held = Some((data, last));
                    return Poll::Pending;
                }
            }
        }
        self.stream.send_data(data, last)?;
        Poll::Ready(Ok(last))
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            // Asked before each wait, so that a reset ends it.
            if self.stream.poll_reset(cx)?.is_ready() || ready!(self.poll_held(cx))? {
                return Poll::Ready(Ok(()));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let last = self.body.is_end_stream();
                        // One byte asks for as much as there is; all of it would hold other streams up.
                        self.stream.reserve_capacity(usize::from(!data.is_empty()));
                        self.held = Some((data, last));
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        return Poll::Ready(self.stream.send_trailers(trailers));
                    }
                },
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Ok(()));
                }
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
            }
        }
    }
}

impl Future for Sending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Err(error) = ready!(self.poll_all(cx)) {
            // The answer tells what became of the call.
            tracing::debug!(%error, "request was not sent to its end");
        }
        Poll::Ready(())
    }
}
