//! Who calls: places of an address, and balancers that speak the PROXY protocol.

use super::*;

const LAST: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// An answer to a request from another address of this machine.
async fn from(local: &str, server: &Running) -> String {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{local}:0").parse().unwrap()).unwrap();
    http1(socket.connect(server.address).await.unwrap(), LAST).await
}

#[tokio::test]
async fn one_address_does_not_take_the_places_of_others() {
    let mut limited = settings();
    limited.limits.connections_per_address = 1;
    let server = start(limited.clone()).await;
    let mut first = http2(server.connect().await).await;
    first.send_request(get("/")).await.unwrap();
    let refused = from("127.0.0.1", &server).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    let other = from("127.0.0.2", &server).await;
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    let metrics = server.ctx.metrics.text();
    assert!(metrics.contains(r#"connections_refused_total{why="address"} 1"#));

    limited.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let server = start(limited).await;
    let mut first = http2(server.connect().await).await;
    first.send_request(get("/")).await.unwrap();
    let proxied = from("127.0.0.1", &server).await;
    assert!(proxied.starts_with("HTTP/1.1 200"), "a proxy brings many: {proxied}");
}

const V2: &[u8] = &[
    b'\r', b'\n', b'\r', b'\n', 0, b'\r', b'\n', b'Q', b'U', b'I', b'T', b'\n', 0x21, 0x11, 0, 12, 192, 0, 2, 7, 198,
    51, 100, 1, 0x12, 0x67, 0, 80,
];

async fn said(server: &Running, header: &[u8]) -> String {
    let mut io = server.connect().await;
    io.write_all(header).await.unwrap();
    http1(io, LAST).await
}

/// The same, once the place of the connection before is free: its worker gives it back a moment after the caller has seen its end.
async fn said_in_turn(server: &Running, header: &[u8]) -> String {
    for _ in 0..500 {
        let answer = said(server, header).await;
        if !answer.starts_with("HTTP/1.1 503") {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the place is never free");
}

#[tokio::test]
async fn a_balancer_says_who_calls() {
    let mut balanced = settings();
    balanced.proxy_protocol = vec!["127.0.0.0/8".parse().unwrap()];
    balanced.limits.connections_per_address = 1;
    let server = start(balanced).await;
    let v1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n";
    for header in [&v1[..], V2] {
        let answer = said_in_turn(&server, header).await;
        assert!(answer.ends_with("192.0.2.7:4711"), "{answer}");
    }
    assert_eq!(said(&server, b"").await, "", "the header is required");
    assert_eq!(said(&server, b"PROXY TCP9 a b c d\r\n").await, "");

    // The places are those of whom the balancer names; this one was not here before.
    let mut fresh = V2.to_vec();
    fresh[19] = 9;
    let mut held = server.connect().await;
    held.write_all(&fresh).await.unwrap();
    let mut held = http2(held).await;
    held.send_request(get("/")).await.unwrap();
    assert!(said(&server, &fresh).await.starts_with("HTTP/1.1 503"));
    let other = said(&server, b"PROXY TCP4 192.0.2.8 198.51.100.1 4711 80\r\n").await;
    assert!(other.ends_with("192.0.2.8:4711"), "{other}");
}

#[tokio::test]
async fn nobody_else_is_believed_by_a_proxy_header() {
    let server = start(settings()).await;
    for header in [&b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n"[..], V2] {
        let answer = said(&server, header).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

#[tokio::test]
async fn a_balancers_header_stands_before_the_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = write_certificate(dir.path());
    let mut settings = with_tls(dir.path());
    settings.proxy_protocol = vec!["127.0.0.1/32".parse().unwrap()];
    let server = start(settings).await;
    let mut io = server.connect().await;
    io.write_all(V2).await.unwrap();
    let io = handshake_on(io, &certificate, b"http/1.1").await.unwrap();
    let answer = http1(io, LAST).await;
    assert!(answer.ends_with("192.0.2.7:4711"), "{answer}");
}
