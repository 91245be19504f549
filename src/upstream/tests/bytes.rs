//! What passes: bodies, metadata, trailers, byte for byte; and what is put on or taken off.

use super::*;
use crate::framing::Prefix;

/// Every byte there is, in an order that no codec would choose, longer than a frame.
fn noise(size: usize) -> Bytes {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(next).collect()
}

/// One message of such bytes.
fn message(size: usize) -> Bytes {
    let prefix = Prefix { flags: 0, length: size };
    [&prefix.bytes()[..], &noise(size)].concat().into()
}

#[tokio::test]
async fn bodies_of_any_size_arrive_as_they_were() {
    let peer = Peer::start([Reply::Echo]).await;
    let upstream = to_peer(&peer);
    for path in [LOGIN, GET_USER, STREAM] {
        for size in [0, 1, 5, 16_384, 65_536, 65_537, 900_000] {
            let body = message(size);
            let answer = send(&upstream, request_of(path, body.clone())).await;
            assert_eq!(answer.code(), Code::Ok, "{path} {size}");
            assert_eq!(peer.seen().last().unwrap().body, body, "there: {path} {size}");
            assert_eq!(answer.data, body, "and back: {path} {size}");
        }
    }
}

#[tokio::test]
async fn a_message_in_pieces_is_the_same_message() {
    let peer = Peer::start([Reply::Echo]).await;
    let upstream = to_peer(&peer);
    let whole = message(10_000);
    let pieces: Vec<_> = whole.chunks(7).map(Bytes::copy_from_slice).collect();
    let frames = pieces.into_iter().map(|piece| Ok::<_, Status>(Frame::data(piece)));
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    let answer = send(&upstream, request(LOGIN).map(|_| body)).await;
    assert_eq!(answer.data, whole);
}

#[tokio::test]
async fn metadata_arrives_as_it_was_in_heads_and_in_trailers() {
    let peer = Peer::start([Reply::Echo]).await;
    let metadata = [
        ("x-own", "one"),
        ("x-own", "two"),
        ("x-own", ""),
        ("x-own-bin", "AAECAwQFBgcICQr/"),
        ("x-own-bin", "/+8"),
        ("x-own-text", "a, b; c=\"d\""),
    ];
    let request = metadata.into_iter().fold(request(GET_USER), |request, (name, value)| {
        with_header(request, name, value)
    });
    let answer = send(&to_peer(&peer), request).await;
    for (place, found) in [
        ("request", &peer.seen()[0].headers),
        ("head", &answer.head),
        ("trailers", &answer.trailers),
    ] {
        for name in ["x-own", "x-own-bin", "x-own-text"] {
            let sent: Vec<_> = metadata.iter().filter(|(n, _)| *n == name).map(|(_, v)| *v).collect();
            let found: Vec<_> = found.get_all(name).iter().collect();
            assert_eq!(found, sent, "{name} in the {place}");
        }
    }
}

#[tokio::test]
async fn the_details_of_a_refusal_pass() {
    let details = "CAMSBG9vcHMaKAoSdHlwZS5nb29nbGVhcGlzLmNvbQ";
    let peer = Peer::start([Reply::With(Code::NotFound, "grpc-status-details-bin", details)]).await;
    let answer = call(&to_peer(&peer), GET_USER).await;
    assert_eq!(answer.trailers["grpc-status-details-bin"], details);
    assert_eq!(answer.status().message(), "as scripted");
    assert_eq!(answer.http, StatusCode::OK);
}

#[tokio::test]
async fn what_belongs_to_a_connection_stays_on_it() {
    let peer = Peer::start([Reply::Echo]).await;
    let hop = [
        "connection",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "proxy-authenticate",
        "proxy-connection",
        "keep-alive",
        "trailer",
        "host",
    ];
    let mut request = hop
        .into_iter()
        .fold(request(LOGIN), |request, name| with_header(request, name, "x"));
    request
        .headers_mut()
        .insert("x-logicore-mesh", HeaderValue::from_static("lm1.admin.1.x"));
    request
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("999"));
    let upstream = to_peer(&peer);
    let answer = send(&upstream, with_header(request, "authorization", "Bearer x")).await;
    assert_eq!(answer.code(), Code::Ok);
    let Some(seen) = peer.seen().pop() else {
        panic!("it arrived");
    };
    assert_eq!(seen.path, LOGIN);
    for name in hop.into_iter().chain(["content-length"]) {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert_eq!(seen.headers["te"], "trailers");
    assert_eq!(seen.headers["authorization"], "Bearer x", "services judge it again");
    let proofs: Vec<_> = seen.headers.get_all("x-logicore-mesh").iter().collect();
    let Trust::Mesh(identity) = &upstream.0.trust else {
        panic!("a part of the deployment");
    };
    assert_eq!(proofs, [identity.header()], "the proof is our own");
}

#[tokio::test]
async fn a_service_of_others_is_told_who_asked_and_by_which_name_as_proxies_say() {
    let peer = Peer::start([Reply::Full(Code::Ok)]).await;
    let ctx = testkit::context(Role::Gateway);
    let foreign = Upstream::new(
        "shipments",
        vec![peer.address()],
        Trust::Foreign,
        ctx.policies,
        &resilience(),
        ctx.metrics,
    );
    let mut called = with_header(request(LOGIN), "host", "evil.example");
    let caller = crate::server::PeerAddr("[::ffff:192.0.2.7]:4711".parse().unwrap());
    called.extensions_mut().insert(caller);
    assert_eq!(send(&foreign, called).await.code(), Code::Ok);
    // A proxy in front that is believed has said it.
    let proxied = with_header(request(LOGIN), "x-forwarded-host", "api.example.com");
    assert_eq!(send(&foreign, proxied).await.code(), Code::Ok);
    let seen = peer.seen();
    assert!(
        !seen[0].headers.contains_key("x-forwarded-host"),
        "callers say any name"
    );
    assert_eq!(seen[1].headers["x-forwarded-host"], "api.example.com");
    assert_eq!(seen[0].headers["x-forwarded-for"], "192.0.2.7");
    assert!(!seen[0].headers.contains_key("x-logicore-mesh"));
}

#[tokio::test]
async fn no_spelling_of_what_stays_here_passes() {
    let peer = Peer::start([Reply::Full(Code::Ok)]).await;
    let ctx = testkit::context(Role::Gateway);
    let to = |trust: Trust| {
        let addresses = vec![peer.address()];
        let (policies, metrics) = (ctx.policies.clone(), ctx.metrics.clone());
        Upstream::new("shipments", addresses, trust, policies, &resilience(), metrics)
    };
    let spoofed = [
        "keep_alive",
        "keep.alive",
        "transfer_encoding",
        "proxy_authorization",
        "proxy.authorization",
        "proxy~authenticate",
        "proxy_connection",
        "content_length",
        "x_request_id",
        "x-request_id",
        "x.request.id",
        "grpc_timeout",
    ];
    let kept = ["my_keep_alive", "keep_alive_for", "x_request_note", "x.own"];
    for trust in [Trust::Foreign, ctx.identity.clone().into()] {
        let request = with_header(request(LOGIN), "x-request-id", "ours");
        let request = spoofed.into_iter().chain(kept).fold(request, |request, name| {
            with_header(with_header(request, name, "spoof"), name, "twice")
        });
        assert_eq!(send(&to(trust), request).await.code(), Code::Ok);
        let Some(seen) = peer.seen().pop() else {
            panic!("it arrived");
        };
        for name in spoofed {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
        for name in kept {
            assert_eq!(seen.headers.get_all(name).iter().count(), 2, "{name}");
        }
        assert_eq!(seen.headers["x-request-id"], "ours");
        assert!(seen.headers.contains_key("grpc-timeout"));
    }
}
