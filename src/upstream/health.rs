//! Endpoints asked for their health (`grpc.health.v1`), where the settings say how often.
//!
//! Asked for the server as a whole, by the empty name. What says NOT_SERVING, or cannot be asked, is not chosen until it says
//! otherwise, unless all say so: then they are as good as each other. A server without the service, or without an entry for the
//! whole, has said that it is there, which is all that can be known of it.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Request, header};
use prost::Message;
use tonic::{Code, body::Body, codegen::http::uri::PathAndQuery};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};

use super::{Upstream, answer::code_of, balance::Balance, endpoint::Endpoint};

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest answer that is read: one field.
const LONGEST: usize = 1024;

impl Upstream {
    /// Asks every endpoint for its health, now and then `every` so long, for as long as somebody holds the upstream.
    pub fn check_health(&self, every: Duration) {
        let (service, held) = (self.0.name, Arc::downgrade(&self.0.held));
        let balance = Arc::downgrade(&self.0.balance);
        tokio::spawn(async move {
            let mut due = tokio::time::interval(every);
            due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                due.tick().await;
                // Who looks names up may hold the endpoints a while longer.
                if held.strong_count() == 0 {
                    return;
                }
                let Some(balance) = balance.upgrade() else { return };
                check_all(service, &balance, every.min(PATIENCE)).await;
            }
        });
    }
}

async fn check_all(service: &str, balance: &Balance, patience: Duration) {
    let endpoints = balance.known().await;
    let checks = endpoints.iter().map(|endpoint| async move {
        let asked = tokio::time::timeout(patience, check(endpoint)).await;
        let verdict = asked.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let serves = verdict.is_ok();
        if endpoint.serves() != serves {
            let why = verdict.err().unwrap_or_default();
            tracing::warn!(
                service,
                endpoint = endpoint.name,
                serves,
                why,
                "health of an endpoint changed"
            );
        }
        endpoint.set_serves(serves);
    });
    futures_util::future::join_all(checks).await;
}

/// Whether an endpoint serves; if not, why.
async fn check(endpoint: &Endpoint) -> Result<(), String> {
    let response = endpoint
        .send(question(endpoint), true)
        .await
        .map_err(|failure| crate::error::chain(&failure.error))?;
    let (head, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(http_body_util::Limited::new(body, LONGEST))
        .await
        .map_err(|e| e.to_string())?;
    let code = code_of(&head.headers).or_else(|| code_of(body.trailers()?));
    match code {
        Some(Code::Unimplemented | Code::NotFound) => Ok(()),
        Some(Code::Ok) => serving(&body.to_bytes()),
        Some(code) => Err(format!("the check ended {code:?}")),
        None => Err(format!("no gRPC answers (HTTP {})", head.status)),
    }
}

fn serving(data: &[u8]) -> Result<(), String> {
    let message = data.get(5..).ok_or("the answer to the check is no message")?;
    let answer = HealthCheckResponse::decode(message).map_err(|e| e.to_string())?;
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        other => Err(other.as_str_name().to_owned()),
    }
}

fn question(endpoint: &Endpoint) -> Request<Body> {
    // The empty message: the server as a whole.
    let empty = HealthCheckRequest::default().encode_to_vec();
    let framed = [&[0, 0, 0, 0, empty.len() as u8][..], &empty].concat();
    let mut request = Request::new(Body::new(http_body_util::Full::from(framed)));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = endpoint.uri(Some(PathAndQuery::from_static(CHECK)));
    for (name, value) in [
        (header::CONTENT_TYPE, "application/grpc"),
        (header::TE, "trailers"),
        (HeaderName::from_static("grpc-timeout"), "1S"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}
