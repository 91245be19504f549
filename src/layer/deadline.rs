//! How long a call may take: the caller's `grpc-timeout`, the method's own deadline, or the default for unary calls, whichever is
//! shortest. What is left goes on to whatever is called next.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::Either;
use http::{HeaderValue, Request, Response};
use tokio::time::{Instant, Sleep};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{AnswerFuture, body, outgoing, refuse, route};
use crate::{
    error::{Error, Reason},
    policy::Method,
    settings::Settings,
};

/// The header, as the gRPC protocol names it.
pub const HEADER: &str = "grpc-timeout";
/// Beyond this a deadline is none, and sums with it could overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// When a call must have its answer; in the request's extensions when it has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// What is left, zero when it is over.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Holds calls to their deadlines.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    unary: Duration,
}

impl DeadlineLayer {
    /// With `SERVICE_TIMEOUT` for unary calls that say nothing else. Streams have no deadline unless the caller gives one.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            unary: settings.resilience.service_timeout,
        }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithDeadline {
            unary: self.unary,
            inner,
        }
    }
}

/// A service whose calls have deadlines.
#[derive(Clone, Copy, Debug)]
pub struct WithDeadline<S> {
    unary: Duration,
    inner: S,
}

impl<S> WithDeadline<S> {
    fn limit(&self, request: &Request<Body>) -> Result<Option<Duration>, Error> {
        let theirs = request.headers().get(HEADER).map(parse).transpose()?;
        let own = match route::method(request.extensions()) {
            Some(method) => own(method, self.unary),
            None => Some(self.unary),
        };
        Ok(match (theirs, own) {
            (Some(theirs), Some(own)) => Some(theirs.min(own)),
            (theirs, own) => theirs.or(own),
        })
    }
}

fn own(method: &Method, unary: Duration) -> Option<Duration> {
    method.unary().then(|| method.deadline.unwrap_or(unary))
}

impl<S> Service<Request<Body>> for WithDeadline<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, AnswerFuture>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let limit = match self.limit(&request) {
            Ok(None) => return Either::Left(self.inner.call(request)),
            Ok(Some(Duration::ZERO)) => return answer(refuse(exceeded())),
            Ok(Some(limit)) => limit.min(LONGEST),
            Err(error) => return answer(refuse(error)),
        };
        let deadline = Deadline(Instant::now() + limit);
        request.extensions_mut().insert(deadline);
        request.headers_mut().insert(HEADER, format(limit));
        let call = outgoing::with_deadline(deadline, self.inner.call(request));
        Either::Right(Box::pin(async move {
            let mut timer = Box::pin(tokio::time::sleep_until(deadline.0));
            tokio::select! {
                // An answer that is there in the last moment is an answer.
                biased;
                Ok(response) = call => Ok(body::cut_short(response, over(timer))),
                () = &mut timer => Ok(refuse(exceeded())),
            }
        }))
    }
}

async fn over(timer: Pin<Box<Sleep>>) -> Status {
    timer.await;
    exceeded().into()
}

fn answer<F>(response: Response<Body>) -> Either<F, AnswerFuture> {
    Either::Right(Box::pin(std::future::ready(Ok(response))))
}

fn exceeded() -> Error {
    Error::new(Reason::DeadlineExceeded, "the deadline of the call is over")
}

/// Reads `grpc-timeout`: 1 to 8 digits and a unit, nothing else.
///
/// # Errors
/// `MALFORMED_HEADER`.
pub fn parse(value: &HeaderValue) -> Result<Duration, Error> {
    let malformed = || {
        Error::new(
            Reason::MalformedHeader,
            "grpc-timeout is not 1 to 8 digits and one of H, M, S, m, u, n",
        )
    };
    let (unit, digits) = value.as_bytes().split_last().ok_or_else(malformed)?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let n = digits.iter().fold(0_u64, |n, digit| n * 10 + u64::from(digit - b'0'));
    Ok(match unit {
        b'H' => Duration::from_secs(n * 3600),
        b'M' => Duration::from_secs(n * 60),
        b'S' => Duration::from_secs(n),
        b'm' => Duration::from_millis(n),
        b'u' => Duration::from_micros(n),
        b'n' => Duration::from_nanos(n),
        _ => return Err(malformed()),
    })
}

/// Writes `grpc-timeout` in the finest unit that 8 digits hold, never more than `left`.
#[must_use]
pub fn format(left: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let units = [
        (left.as_micros(), 'u'),
        (left.as_millis(), 'm'),
        (u128::from(left.as_secs()), 'S'),
    ];
    let (n, unit) = units.into_iter().find(|(n, _)| *n <= MOST).unwrap_or((MOST, 'S'));
    let mut value = HeaderValue::try_from(format!("{n}{unit}")).expect("digits and a letter are header text");
    // Another one each time: see the request's id.
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::{BodyExt, StreamBody};
    use tonic::Code;
    use tower::ServiceExt;

    use super::*;
    use crate::policy::Table;

    const SLOW: Duration = Duration::from_secs(3600);

    fn layered<F, Fut>(handler: F) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible>
    where
        F: Fn(Request<Body>) -> Fut + Clone,
        Fut: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let settings = Settings::defaults(crate::settings::Role::Auth);
        DeadlineLayer::new(&settings).layer(tower::service_fn(handler))
    }

    async fn sleeper(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        tokio::time::sleep(SLOW).await;
        Ok(Response::new(Body::empty()))
    }

    fn request(path: &str, timeout: Option<&'static str>) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let table = Table::compiled_in();
        request.extensions_mut().insert(Arc::clone(table.get(path).unwrap()));
        if let Some(timeout) = timeout {
            request.headers_mut().insert(HEADER, HeaderValue::from_static(timeout));
        }
        request
    }

    const UNARY: &str = "/logicore.user.v1.UserService/GetUser";
    const STREAM: &str = "/logicore.mesh.v1.FeedService/Sync";

    #[test]
    fn timeouts_are_read_strictly() {
        let table = [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("00000250m", Some(Duration::from_millis(250))),
            ("0m", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("5u", Some(Duration::from_micros(5))),
            ("5n", Some(Duration::from_nanos(5))),
            ("", None),
            ("m", None),
            ("5", None),
            ("5s", None),
            ("-5m", None),
            ("+5m", None),
            (" 5m", None),
            ("5 m", None),
            ("5.5S", None),
            ("123456789m", None),
        ];
        for (text, expected) in table {
            let read = parse(&HeaderValue::from_static(text)).ok();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_never_more() {
        for left in [
            Duration::from_nanos(1),
            Duration::from_micros(1500),
            Duration::from_secs(5),
            Duration::from_secs(100),
            Duration::from_secs(100_000),
            LONGEST,
        ] {
            let read = parse(&format(left)).unwrap();
            assert!(
                read <= left && left - read < Duration::from_secs(1),
                "{left:?} {read:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_shortest_deadline_wins() {
        for (timeout, after) in [(None, 5000), (Some("100m"), 100), (Some("1H"), 5000)] {
            let start = Instant::now();
            let Ok(response) = layered(sleeper).oneshot(request(UNARY, timeout)).await;
            assert_eq!(body::code_in(response.headers()), Some(Code::DeadlineExceeded));
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(Error::reason_of(&status), Some(Reason::DeadlineExceeded));
            assert_eq!(start.elapsed().as_millis(), after);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_deadline_is_answered_without_a_call() {
        let never = |_| async { panic!("the handler must not be called") };
        let Ok(response) = layered(never).oneshot(request(UNARY, Some("0n"))).await;
        assert_eq!(body::code_in(response.headers()), Some(Code::DeadlineExceeded));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_goes_on() {
        let echo = |request: Request<Body>| async move {
            let value = parse(&request.headers()[HEADER]).unwrap();
            assert!(value <= Duration::from_millis(300) && value > Duration::from_millis(290));
            let deadline = request.extensions().get::<Deadline>().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(deadline.left(), Duration::from_millis(200));
            let mut next = http::HeaderMap::new();
            outgoing::propagate(&mut next);
            assert!(parse(&next[HEADER]).unwrap() <= Duration::from_millis(200));
            Ok(Response::new(Body::empty()))
        };
        let Ok(response) = layered(echo).oneshot(request(UNARY, Some("300m"))).await;
        assert_eq!(body::code_in(response.headers()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_has_no_deadline_but_its_callers() {
        let stream = |_| async {
            let never = StreamBody::new(futures_util::stream::pending::<
                Result<http_body::Frame<bytes::Bytes>, Status>,
            >());
            Ok(Response::new(Body::new(never)))
        };
        let Ok(response) = layered(stream).oneshot(request(STREAM, None)).await;
        let waited = tokio::time::timeout(SLOW, response.into_body().collect()).await;
        assert!(waited.is_err(), "no deadline");
        let Ok(response) = layered(stream).oneshot(request(STREAM, Some("2S"))).await;
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(
            body::code_in(collected.trailers().unwrap()),
            Some(Code::DeadlineExceeded)
        );
    }
}
