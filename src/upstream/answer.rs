//! The body of an upstream's response: passes untouched, and always ends with a status.
//!
//! A body that breaks off, ends without `grpc-status`, outlives the deadline or falls silent ends with trailers that say so,
//! since callers of gRPC-Web and REST could make nothing of a reset.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

use super::{
    breaker::Outcome,
    count::{Count, message_count},
    failure::{RETRY_AFTER, broken},
    idle::Activity,
    judge::Judge,
    places::Place,
    plan::out_of_time,
    wire::Wire,
};
use crate::{
    error::{Error, Reason},
    join::Joined,
};

/// A response body under watch.
pub(super) struct Answer {
    service: &'static str,
    inner: Joined<Wire>,
    /// Read ahead to learn whether the call may be repeated.
    held: Option<Frame<Bytes>>,
    judge: Option<Judge>,
    /// Kept as long as the upstream may send.
    place: Option<Place>,
    /// Where the answer must be one message.
    one: Option<Count>,
    timer: Option<(Limit, Pin<Box<Sleep>>)>,
    done: bool,
    /// Its trailers were made here.
    failed: bool,
}

/// What ends a body.
pub(super) enum Limit {
    /// The call's deadline, after so much time.
    Deadline(Duration),
    /// Silence.
    Idle(Activity),
}

impl Answer {
    /// `judge`: where the trailers judge the call. `one`: where the answer must be one message.
    pub(super) fn new(
        service: &'static str,
        inner: Wire,
        judge: Option<Judge>,
        one: Option<Count>,
        limit: Limit,
        end: Instant,
    ) -> Self {
        Self {
            service,
            inner: Joined::new(inner),
            held: None,
            judge,
            place: None,
            one,
            timer: Some((limit, Box::pin(tokio::time::sleep_until(end)))),
            done: false,
            failed: false,
        }
    }

    /// The call's place, which is free again once the answer has ended or is dropped.
    pub(super) fn holding(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Reads the first frame and holds it. Returns the status, when it is trailers.
    pub(super) async fn hold(&mut self) -> Option<(Code, Pushback)> {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await;
        let Some(Ok(frame)) = frame else { return None };
        let status = frame.trailers_ref().and_then(|trailers| {
            // What we tell callers to wait is nothing that the upstream has asked of us.
            let pushback = if self.failed {
                Pushback::Unsaid
            } else {
                Pushback::of(trailers)
            };
            Some((code_of(trailers)?, pushback))
        });
        self.held = Some(frame);
        status
    }

    fn ended(&mut self, trailers: HeaderMap) -> Frame<Bytes> {
        self.place = None;
        if self.one.as_ref().is_some_and(|one| !one.met()) && code_of(&trailers) == Some(Code::Ok) {
            return self.fail(message_count(self.service));
        }
        if let (Some((Limit::Deadline(budget), timer)), Some(code)) = (&self.timer, code_of(&trailers))
            && out_of_time(code, timer.deadline(), *budget)
        {
            return self.fail(deadline_exceeded(self.service));
        }
        self.done = true;
        if let Some(judge) = self.judge.take() {
            judge.status(code_of(&trailers).unwrap_or(Code::Unknown));
        }
        Frame::trailers(trailers)
    }

    fn data(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if let Some(judge) = &mut self.judge {
            judge.head();
        }
        if let (Some(one), Some(data)) = (&mut self.one, frame.data_ref())
            && one.exceeded_by(data)
        {
            return self.fail(message_count(self.service));
        }
        frame
    }

    fn fail(&mut self, error: Error) -> Frame<Bytes> {
        self.done = true;
        self.failed = true;
        if let Some(judge) = self.judge.take() {
            match error.reason() {
                Reason::DeadlineExceeded => drop(judge),
                // It works, though not as its descriptors say: nothing that a pause would mend.
                Reason::MessageCount => judge.status(Code::Unimplemented),
                _ => judge.outcome(Outcome::Failure),
            }
        }
        let mut trailers = HeaderMap::new();
        // A status that cannot be a header would have no details; ours are base64.
        let _ = Status::from(error).add_header(&mut trailers);
        Frame::trailers(trailers)
    }

    fn overdue(&mut self, cx: &mut Context<'_>) -> Option<Error> {
        let (limit, timer) = self.timer.as_mut()?;
        while timer.as_mut().poll(cx).is_ready() {
            match limit {
                Limit::Deadline(_) => return Some(deadline_exceeded(self.service)),
                Limit::Idle(activity) if activity.idle_at() <= Instant::now() => return Some(silent()),
                Limit::Idle(activity) => timer.as_mut().reset(activity.idle_at()),
            }
        }
        None
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if let Some(frame) = this.held.take() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if this.done {
            return Poll::Ready(None);
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some((Limit::Idle(activity), _)) = &this.timer {
                    activity.touch();
                }
                match frame.into_trailers() {
                    Ok(trailers) if code_of(&trailers).is_some() => this.ended(trailers),
                    Ok(_) => this.fail(no_status(this.service)),
                    Err(data) => this.data(data),
                }
            }
            Poll::Ready(Some(Err(error))) => this.fail(broken(this.service, error)),
            Poll::Ready(None) => this.fail(no_status(this.service)),
            Poll::Pending => match this.overdue(cx) {
                Some(error) => this.fail(error),
                None => return Poll::Pending,
            },
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.done && self.held.is_none()
    }

    /// Unknown: gRPC-Web frames the trailers into the body.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The status in a head or in trailers.
pub(super) fn code_of(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|v| Code::from_bytes(v.as_bytes()))
}

/// What an upstream asks for by `grpc-retry-pushback-ms` (gRPC A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushback {
    /// Nothing.
    Unsaid,
    /// To wait this long.
    Wait(Duration),
    /// Not to come back.
    Never,
}

impl Pushback {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get("grpc-retry-pushback-ms") else {
            return Self::Unsaid;
        };
        let millis = value.to_str().ok().and_then(|v| v.parse::<u64>().ok());
        millis.map_or(Self::Never, |ms| Self::Wait(Duration::from_millis(ms)))
    }
}

/// The call's time is over.
pub(super) fn deadline_exceeded(service: &str) -> Error {
    Error::new(
        Reason::DeadlineExceeded,
        format!("the deadline passed before the {service} service had answered"),
    )
}

/// No status came, which gRPC has answered by UNKNOWN or INTERNAL; here it is the row of a malformed answer.
fn no_status(service: &str) -> Error {
    Error::new(
        Reason::UpstreamMalformed,
        format!("the {service} service ended its answer without a status"),
    )
}

fn silent() -> Error {
    Error::new(Reason::UpstreamUnavailable, "the stream was silent for too long").retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushback_is_read_as_a6_says() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-retry-pushback-ms", http::HeaderValue::from_static(value));
            Pushback::of(&headers)
        };
        assert_eq!(of("20"), Pushback::Wait(Duration::from_millis(20)));
        assert_eq!(of("-1"), Pushback::Never);
        assert_eq!(of("soon"), Pushback::Never);
        assert_eq!(Pushback::of(&HeaderMap::new()), Pushback::Unsaid);
    }
}
