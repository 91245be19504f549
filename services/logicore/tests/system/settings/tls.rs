//! TLS on the listener.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use logicore_harness::{Layout, System, framed, get, soon};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::CertificateDer, pki_types::ServerName},
};

use crate::support::{PROGRAM, in_both_layouts};

in_both_layouts!(the_listener_speaks_tls_with_both_http_versions);

async fn the_listener_speaks_tls_with_both_http_versions(layout: Layout) -> anyhow::Result<()> {
    let mut system = System::prepare(PROGRAM, layout, &[])?;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let (cert, key) = (system.dir().join("cert.pem"), system.dir().join("key.pem"));
    std::fs::write(&cert, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let half = [("LOGICORE_TLS_CERT", cert.display().to_string())];
    for (name, value) in half {
        system.set(name, &value);
    }
    let refused = system.command(system.parts()[0], &["check-config"]).await?;
    assert_eq!(refused.code, Some(64), "a certificate without its key");
    assert!(refused.stderr.contains("LOGICORE_TLS_KEY"), "{}", refused.stderr);
    system.set("LOGICORE_TLS_KEY", &cert.display().to_string());
    let front = if layout == Layout::One { "all" } else { "gateway" };
    for command in ["check-config", front] {
        let refused = system.command(front, &[command]).await?;
        assert_eq!(refused.code, Some(1), "{command}: {}", refused.stderr);
        assert!(
            refused.stderr.contains("no private key in") && !refused.stderr.contains("listening"),
            "{command}: {}",
            refused.stderr
        );
    }
    system.set("LOGICORE_TLS_KEY", &key.display().to_string());
    for part in system.parts() {
        system.start_part(part)?;
    }
    let at = system.address();
    let trust = made.cert.der().clone();
    let ready = soon("it serves over TLS", async || {
        let (head, _) = http1(at, &trust).await?;
        Ok((head.status() == 200).then_some(head))
    });
    let ready = ready.await?;
    let year = "max-age=31536000; includeSubDomains";
    assert_eq!(text(ready.headers(), "strict-transport-security"), year);
    assert!(text(ready.headers(), "content-security-policy").contains("upgrade-insecure-requests"));

    let (head, trailers) = http2(at, &trust).await?;
    assert_eq!(
        (head.status().as_u16(), text(&trailers, "grpc-status")),
        (200, "0".to_owned())
    );
    assert!(
        get(at, "/health", "").await.is_err(),
        "plaintext is not served beside it"
    );
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    assert!(
        http1(at, stranger.cert.der()).await.is_err(),
        "the test does look at certificates"
    );
    Ok(())
}

async fn connect(at: SocketAddr, trust: &CertificateDer<'static>, alpn: &[u8]) -> anyhow::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trust.clone())?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(at).await?;
    let stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
    Ok(stream)
}

/// `GET /readyz` over HTTP/1.1.
async fn http1(at: SocketAddr, trust: &CertificateDer<'static>) -> anyhow::Result<(Response<()>, Bytes)> {
    let io = TokioIo::new(connect(at, trust, b"http/1.1").await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    let driver = tokio::spawn(connection);
    let request = Request::get("/readyz").header("host", "localhost");
    let (head, body) = sender
        .send_request(request.body(Full::new(Bytes::new()))?)
        .await?
        .into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok((Response::from_parts(head, ()), body))
}

/// A gRPC call; its head and trailers.
async fn http2(at: SocketAddr, trust: &CertificateDer<'static>) -> anyhow::Result<(Response<()>, HeaderMap)> {
    let io = TokioIo::new(connect(at, trust, b"h2").await?);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    let driver = tokio::spawn(connection);
    let request = Request::post("https://localhost/logicore.mesh.v1.GatewayService/GetHealth")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (head, body) = sender
        .send_request(request.body(Full::new(framed(&[])))?)
        .await?
        .into_parts();
    let trailers = body.collect().await?.trailers().cloned().unwrap_or_default();
    driver.abort();
    Ok((Response::from_parts(head, ()), trailers))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|v| v.to_str().ok());
    value.unwrap_or_default().to_owned()
}
