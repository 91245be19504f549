//! One attempt of a call: a place at the service, breaker of the service, balance and breaker of the endpoint, connection, judgement of what comes back.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use tonic::{Code, Status, body::Body};

use super::{
    Shared, Trust,
    answer::{Answer, Limit, Pushback, code_of, deadline_exceeded},
    breaker::Outcome,
    count::{Count, message_count},
    endpoint::Endpoint,
    failure::{Failure, Kind, RETRY_AFTER},
    judge::Judge,
    places::Place,
    plan::Plan,
    pool::no_endpoint,
    replay::Replay,
    wire::Wire,
};
use crate::{
    error::{Error, Reason},
    layer::{deadline, origin, request_id},
    mesh::ROLE_TOKEN,
    server::PeerAddr,
};

/// RFC 9110 (7.6.1) has them as hop by hop beside those that the library names.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Ends here.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::TRAILER,
    header::CONTENT_LENGTH,
    KEEP_ALIVE,
    PROXY_CONNECTION,
];

/// What an upstream answered.
pub(super) struct Reply {
    pub(super) response: Response<Body>,
    /// The status, where it was known before any data went on to the caller.
    pub(super) status: Option<(Code, Pushback)>,
}

/// Sends the call once, with headers that were [`prepare`]d.
pub(super) async fn run(shared: &Shared, plan: &Plan, parts: &Parts, replay: &Replay) -> Result<Reply, Failure> {
    // Before the breaker: who finds no place must not be its probe.
    let place = shared.places.take(&parts.extensions).map_err(Failure::refused)?;
    let permit = shared
        .breaker
        .acquire()
        .map_err(|wait| Failure::refused(open(shared.name, wait)))?;
    let Some(picked) = shared.balance.pick().await else {
        permit.record(Outcome::NoEndpoint);
        return Err(Failure::refused(no_endpoint(shared.name)));
    };
    let judge = Judge::new(permit, picked.permit, picked.call, plan);
    let Some(body) = replay.attempt() else {
        judge.outcome(Outcome::Neutral);
        return Err(Failure::refused(Error::internal("the request's body went by already")));
    };
    let request = request(plan, parts, &picked.endpoint, body);
    match picked.endpoint.send(request, plan.one_answer).await {
        Ok(response) => reply(shared, plan, response, judge, place).await,
        Err(failure) => {
            if failure.kind == Kind::Connection {
                shared.balance.suspect();
            }
            judge.outcome(failure.outcome());
            Err(failure)
        }
    }
}

fn request(plan: &Plan, parts: &Parts, endpoint: &Endpoint, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = endpoint.uri(parts.uri.path_and_query().cloned());
    *request.headers_mut() = headers(plan, &parts.headers);
    request
}

fn headers(plan: &Plan, prepared: &HeaderMap) -> HeaderMap {
    let mut headers = prepared.clone();
    match plan.remaining() {
        Some(left) => headers.insert(deadline::HEADER, deadline::format(left)),
        None => headers.remove(deadline::HEADER),
    };
    headers
}

/// Makes the headers of a request those that every attempt sends.
pub(super) fn prepare(shared: &Shared, parts: &mut Parts) {
    parts.headers.remove(header::HOST);
    take_off(&mut parts.headers);
    parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    match &shared.trust {
        Trust::Mesh(identity) => {
            parts.headers.insert(ROLE_TOKEN, identity.header());
        }
        Trust::Foreign => forwarded(parts),
    }
}

fn take_off(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    // What this process says on each call nobody else is to say beside it.
    let ours = |plain: &str| plain == request_id::HEADER || plain == deadline::HEADER;
    let named = |plain: &str| ours(plain) || HOP_BY_HOP.iter().any(|name| name == plain);
    let cousin = |name: &&HeaderName| matches!(origin::plain(name), Cow::Owned(plain) if named(&plain));
    // Empty but for attacks.
    let cousins: Vec<_> = headers.keys().filter(cousin).cloned().collect();
    for name in cousins {
        headers.remove(name);
    }
}

/// Says who asked in the header that services everywhere read. By which name says a proxy in front that is believed, or nobody: of the
/// caller it would be any name, and services make links of it.
fn forwarded(parts: &mut Parts) {
    let peer = parts
        .extensions
        .get::<PeerAddr>()
        .map(|peer| peer.0.ip().to_canonical());
    if let Some(caller) = peer.and_then(|ip| HeaderValue::try_from(ip.to_string()).ok()) {
        parts.headers.insert(FORWARDED_FOR, caller);
    }
}

async fn reply(
    shared: &Shared,
    plan: &Plan,
    response: Response<Wire>,
    judge: Judge,
    place: Place,
) -> Result<Reply, Failure> {
    let (mut head, incoming) = response.into_parts();
    // Of the body that came, not of the one that goes on: gRPC-Web writes the trailers into it.
    head.headers.remove(header::CONTENT_LENGTH);
    if let Some(code) = code_of(&head.headers) {
        if code == Code::Unauthenticated && matches!(shared.trust, Trust::Mesh(_)) && distrusts(&head.headers) {
            judge.outcome(Outcome::Failure);
            return Err(Failure {
                kind: Kind::Broken,
                error: Error::new(
                    Reason::UpstreamUnavailable,
                    format!(
                        "the {} service takes this process for a stranger: MESH_SECRET and the clocks must agree",
                        shared.name
                    ),
                ),
            });
        }
        judge.status(code);
        if plan.out_of_time(code) {
            return Err(Failure::refused(deadline_exceeded(shared.name)));
        }
        let status = Some((code, Pushback::of(&head.headers)));
        if code == Code::Ok && plan.one_answer {
            let response = Status::from(message_count(shared.name)).into_http();
            return Ok(Reply { response, status });
        }
        let response = Response::from_parts(head, Body::empty());
        return Ok(Reply { response, status });
    }
    if let Some(error) = no_grpc(shared.name, head.status, &head.headers) {
        judge.outcome(Outcome::Failure);
        return Err(Failure {
            kind: Kind::Broken,
            error,
        });
    }
    let judge = if plan.unary {
        Some(judge)
    } else {
        judge.status(Code::Ok);
        None
    };
    let (limit, end) = match plan.deadline.zip(plan.budget) {
        Some((deadline, budget)) => (Limit::Deadline(budget), deadline),
        None => (Limit::Idle(plan.activity.clone()), plan.activity.idle_at()),
    };
    let one = plan.one_answer.then(Count::default);
    let mut answer = Answer::new(shared.name, incoming, judge, one, limit, end).holding(place);
    let status = if plan.hold() { answer.hold().await } else { None };
    let response = Response::from_parts(head, Body::new(answer));
    Ok(Reply { response, status })
}

/// Whether an upstream refuses this process itself, and not the caller, whom that would puzzle.
fn distrusts(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|s| Error::reason_of(&s) == Some(Reason::PeerNotTrusted))
}

/// The error of an answer that is not gRPC, as the document "HTTP to gRPC status code mapping" splits them: what may pass is
/// UNAVAILABLE, what will not is ours to mend.
fn no_grpc(service: &str, status: StatusCode, headers: &HeaderMap) -> Option<Error> {
    let grpc = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"));
    match status {
        StatusCode::OK if grpc => None,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Some(
            Error::new(
                Reason::UpstreamUnavailable,
                format!("the {service} service cannot be reached (HTTP {status})"),
            )
            .retry_after(RETRY_AFTER),
        ),
        _ => Some(Error::new(
            Reason::UpstreamMalformed,
            format!("the {service} service answered HTTP {status} and no gRPC"),
        )),
    }
}

fn open(service: &str, wait: std::time::Duration) -> Error {
    Error::new(
        Reason::CircuitOpen,
        format!("the {service} service keeps failing and is left alone for a while"),
    )
    .with("breaker", service)
    .retry_after(wait)
}
