//! Panics and errors of everything inside become answers: logged once, with nothing in them that callers should not see.
//!
//! An error is logged where it was made, which is known by the `Status` that travels beside an answer within a process. What came
//! over the wire was logged by whoever made it, and passes.

mod codec;

use std::{
    any::Any,
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt;
use tower::{Layer, Service};

use super::{AnswerFuture, body, request_id::RequestId};
use crate::error::{self, Error, Level, Reason, Row};

/// Makes answers of panics, and fit answers of errors.
#[derive(Clone, Copy, Debug)]
pub struct RescueLayer {
    /// Whether the bodies of answers are made in this process.
    bodies_are_ours: bool,
}

impl RescueLayer {
    /// For a service, whose answers are its own to the last frame.
    #[must_use]
    pub fn service() -> Self {
        Self { bodies_are_ours: true }
    }

    /// For the gateway, whose answers' bodies come from services that rescue them themselves.
    #[must_use]
    pub fn gateway() -> Self {
        Self { bodies_are_ours: false }
    }
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Rescue { layer: *self, inner }
    }
}

/// A service that always answers.
#[derive(Clone, Copy, Debug)]
pub struct Rescue<S> {
    layer: RescueLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Rescue<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ours = self.layer.bodies_are_ours;
        let id = request
            .extensions()
            .get::<RequestId>()
            .map_or_else(|| Arc::from(""), |id| Arc::clone(&id.0));
        // A handler may panic before its future is there.
        let answer = std::panic::catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let answered = match answer {
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            let Ok(mut response) = answered.unwrap_or_else(|panic| Ok(Status::from(panicked(&panic)).into_http()));
            match (
                body::code_in(response.headers()),
                response.extensions_mut().remove::<Status>(),
            ) {
                (Some(Code::Ok), _) | (Some(_), None) => Ok(response),
                (Some(_), Some(status)) => {
                    // Beside the status stand headers of other layers, such as a challenge.
                    let headers = response.headers_mut();
                    headers.remove(Status::GRPC_STATUS_DETAILS);
                    headers.remove(Status::GRPC_MESSAGE);
                    headers.extend(body::trailers(&fit(status, &id)));
                    Ok(response)
                }
                (None, _) => Ok(response.map(|inner| {
                    Body::new(Rescued {
                        inner: Some(inner),
                        id,
                        ours,
                    })
                })),
            }
        })
    }
}

fn panicked(panic: &Box<dyn Any + Send>) -> Error {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!("panicked: {}", text.as_deref().unwrap_or("no message")))
}

/// Logs an error, and gives what the caller may see of it.
fn fit(status: Status, id: &str) -> Status {
    let status = codec::error(&status).map_or(status, Status::from);
    let reason = Error::reason_of(&status);
    let row = reason.map_or(Row::of(status.code()), |r| r.kind().row());
    log(&status, reason, row);
    let hidden = matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss) && reason.is_none();
    let status = if hidden {
        Status::from(Error::internal("hidden"))
    } else {
        status
    };
    let mut details = status.get_error_details();
    if !id.is_empty() {
        details.set_request_info(id, "");
    }
    // tonic's sentences repeat headers of the caller.
    let message = error::sentence(status.message());
    Status::with_error_details_and_metadata(status.code(), message, details, status.metadata().clone())
}

fn log(status: &Status, reason: Option<Reason>, row: Row) {
    let code = error::code_name(status.code());
    let reason = reason.map_or("NONE", Reason::as_str);
    let error = status.message();
    // The message of an error of ours is in its `Status` already; what is told here is what lies behind it.
    let cause = std::error::Error::source(status)
        .map(|s| s.downcast_ref::<Error>().map_or(Some(s), std::error::Error::source))
        .and_then(|s| s.map(error::chain));
    let cause = cause.as_deref();
    match row.level {
        Level::Debug => tracing::debug!(code, reason, error, cause, "call refused"),
        Level::Info => tracing::info!(code, reason, error, cause, "call refused"),
        Level::Warn => tracing::warn!(code, reason, error, cause, "call failed"),
        Level::Error => tracing::error!(code, reason, error, cause, "call failed"),
    }
}

/// A body whose panics and errors become trailers.
struct Rescued {
    /// `None` once it is over.
    inner: Option<Body>,
    id: Arc<str>,
    ours: bool,
}

impl Rescued {
    fn last(&mut self, status: Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.inner = None;
        Poll::Ready(Some(Ok(Frame::trailers(body::trailers(&fit(status, &self.id))))))
    }

    fn trailers(&mut self, trailers: HeaderMap) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let code = body::code_in(&trailers).unwrap_or(Code::Unknown);
        if code != Code::Ok
            && self.ours
            && let Some(status) = Status::from_header_map(&trailers)
        {
            return self.last(status);
        }
        self.inner = None;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

impl http_body::Body for Rescued {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = self.inner.as_mut() else {
            return Poll::Ready(None);
        };
        match std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(cx))) {
            Err(panic) => self.last(panicked(&panic).into()),
            Ok(Poll::Ready(Some(Err(status)))) => self.last(status),
            Ok(Poll::Ready(Some(Ok(frame)))) => match frame.into_trailers() {
                Ok(trailers) => self.trailers(trailers),
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            Ok(other) => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use tonic::service::Routes;
    use tower::ServiceExt;

    use super::*;
    use crate::{
        api::admin::{self as pb, audit_ingest_service_server as ingest},
        layer::request_id::RequestIdLayer,
        telemetry::capture,
    };

    const PATH: &str = "/logicore.admin.v1.AuditIngestService/AppendAuditEvents";
    const SECRET: &str = "the table of accounts is gone";

    /// A service that does as the request id says.
    struct Moody;

    #[tonic::async_trait]
    impl ingest::AuditIngestService for Moody {
        async fn append_audit_events(
            &self,
            request: tonic::Request<pb::AppendAuditEventsRequest>,
        ) -> Result<tonic::Response<pb::AppendAuditEventsResponse>, Status> {
            match &*request.extensions().get::<RequestId>().unwrap().0 {
                "panic" => panic!("{SECRET}"),
                "internal" => Err(Error::internal(SECRET).into()),
                "foreign" => Err(Status::unknown(SECRET)),
                "refused" => Err(Error::new(Reason::ResourceNotFound, "there is no such user").into()),
                _ => Ok(tonic::Response::new(Default::default())),
            }
        }
    }

    async fn call(mood: &str, body: &'static [u8]) -> (Response<Body>, Vec<serde_json::Value>) {
        let routes = Routes::new(ingest::AuditIngestServiceServer::new(Moody).max_decoding_message_size(64));
        let stack = tower::ServiceBuilder::new()
            .layer(RequestIdLayer)
            .layer(RescueLayer::service())
            .service(routes);
        let request = Request::post(PATH)
            .header("content-type", "application/grpc")
            .header("x-request-id", mood)
            .body(Body::new(Full::from(body)))
            .unwrap();
        let (log, _on) = capture::start("debug");
        let Ok(response) = stack.oneshot(request).await;
        let ours = log
            .lines()
            .into_iter()
            .filter(|l| l["target"] == "logicore::layer::rescue")
            .collect();
        (response, ours)
    }

    const EMPTY: &[u8] = &[0, 0, 0, 0, 0];

    fn status(response: &Response<Body>) -> Status {
        Status::from_header_map(response.headers()).unwrap()
    }

    #[tokio::test]
    async fn defects_answer_a_fixed_sentence_and_the_request_id() {
        for mood in ["panic", "internal", "foreign"] {
            let (response, log) = call(mood, EMPTY).await;
            let status = status(&response);
            assert_eq!(status.code(), Code::Internal, "{mood}");
            assert_eq!(Error::reason_of(&status), Some(Reason::Internal), "{mood}");
            assert!(!status.message().contains(SECRET), "{mood}");
            assert_eq!(status.get_details_request_info().unwrap().request_id, mood);
            assert_eq!(response.headers()["x-request-id"], mood);
            assert_eq!(log.len(), 1, "{mood}: logged once");
            assert_eq!(log[0]["level"], "ERROR");
            assert!(log[0].to_string().contains(SECRET), "{mood}: the log has the cause");
        }
    }

    #[tokio::test]
    async fn a_refusal_stays_what_it_is_and_is_logged_quietly() {
        let (response, log) = call("refused", EMPTY).await;
        assert_eq!(Error::reason_of(&status(&response)), Some(Reason::ResourceNotFound));
        assert_eq!(status(&response).message(), "there is no such user");
        assert_eq!(log.len(), 1);
        assert_eq!(
            (&log[0]["level"], &log[0]["reason"]),
            (&"DEBUG".into(), &"RESOURCE_NOT_FOUND".into())
        );
    }

    #[tokio::test]
    async fn a_good_answer_passes_untouched() {
        let (response, log) = call("good", EMPTY).await;
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(body::code_in(collected.trailers().unwrap()), Some(Code::Ok));
        assert!(log.is_empty());
    }

    #[tokio::test]
    async fn a_callers_garbage_is_no_defect_of_ours() {
        let table: [(&[u8], Reason); 6] = [
            (&[0, 0, 0, 0, 2, 0xff, 0xff], Reason::MalformedMessage),
            (&[0, 0, 0, 0, 9, 1], Reason::MalformedMessage),
            (&[7, 0, 0, 0, 0], Reason::MalformedMessage),
            (&[1, 0, 0, 0, 0], Reason::MalformedMessage),
            (&[], Reason::MessageCount),
            (&[0, 0, 0, 0, 200], Reason::MessageTooLarge),
        ];
        for (body, reason) in table {
            let (response, _) = call("good", body).await;
            assert_eq!(Error::reason_of(&status(&response)), Some(reason), "{body:?}");
        }
    }

    #[test]
    fn what_is_repeated_of_a_callers_headers_is_clipped() {
        let told = fit(Status::unimplemented("`".repeat(16 << 10)), "r-1");
        assert_eq!(told.code(), Code::Unimplemented);
        assert!(told.message().len() <= 512 && told.get_details_request_info().is_some());
    }

    #[tokio::test]
    async fn a_stream_that_panics_ends_with_a_status() {
        let panics = |_| async {
            let stream =
                futures_util::stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, Status>>> { panic!("{SECRET}") });
            Ok(Response::new(Body::new(http_body_util::StreamBody::new(stream))))
        };
        let stack = RescueLayer::gateway().layer(tower::service_fn(panics));
        let Ok(response) = stack.oneshot(Request::new(Body::empty())).await;
        let collected = response.into_body().collect().await.unwrap();
        let status = Status::from_header_map(collected.trailers().unwrap()).unwrap();
        assert_eq!(
            (status.code(), status.message().contains(SECRET)),
            (Code::Internal, false)
        );
    }

    #[tokio::test]
    async fn headers_beside_a_refusal_stay() {
        let refuses = |_| async {
            let error = Error::new(Reason::AuthTokenExpired, "expired").retry_after(std::time::Duration::from_secs(1));
            Ok(crate::layer::refuse(error))
        };
        let stack = RequestIdLayer.layer(RescueLayer::gateway().layer(tower::service_fn(refuses)));
        let Ok(response) = stack.oneshot(Request::new(Body::empty())).await;
        let headers = response.headers();
        assert!(headers["www-authenticate"].to_str().unwrap().contains("expired"));
        assert_eq!(headers["grpc-retry-pushback-ms"], "1000");
        for once in [
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "grpc-retry-pushback-ms",
        ] {
            assert_eq!(headers.get_all(once).iter().count(), 1, "{once}");
        }
        assert!(status(&response).get_details_request_info().is_some());
    }

    #[tokio::test]
    async fn what_came_over_the_wire_passes_as_it_came() {
        let upstream = |_| async {
            let mut response = Status::unknown("says the upstream").into_http();
            response.extensions_mut().clear();
            Ok(response)
        };
        let stack = RescueLayer::gateway().layer(tower::service_fn(upstream));
        let Ok(response) = stack.oneshot(Request::new(Body::empty())).await;
        assert_eq!(status(&response).message(), "says the upstream");
    }
}
