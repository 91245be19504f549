//! TLS towards upstreams, with authorities and certificates made here.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};

use super::*;
use crate::pem;

/// An authority and what it signed, as files.
struct Authority {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { dir, issuer }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes `who.pem` and `who.key`, for these names.
    fn sign(&self, who: &str, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        std::fs::write(self.file(&format!("{who}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{who}.key")), key.serialize_pem()).unwrap();
    }

    /// What a client needs that shows no certificate.
    fn tls(&self) -> Tls {
        Tls {
            ca: self.file("ca.pem"),
            cert: None,
            key: None,
            server_name: None,
        }
    }

    /// The same with the certificate of this name.
    fn mutual(&self, who: &str) -> Tls {
        Tls {
            cert: Some(self.file(&format!("{who}.pem"))),
            key: Some(self.file(&format!("{who}.key"))),
            ..self.tls()
        }
    }

    /// A server with the certificate of this name, which wants to know its clients where `knows` is an authority.
    fn server(&self, who: &str, knows: Option<&Path>, alpn: &[&[u8]]) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match knows {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(pem::certificates(ca).unwrap());
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = pem::certificates(&self.file(&format!("{who}.pem"))).unwrap();
        let key = pem::key(&self.file(&format!("{who}.key"))).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|a| a.to_vec()).collect();
        config
    }
}

fn behind(peer: &Peer, tls: Tls) -> Upstream {
    let Address::Tcp(address) = peer.address() else {
        unreachable!("peers listen on TCP")
    };
    to(vec![Address::Tls(address, tls.load().unwrap())], &resilience())
}

#[tokio::test]
async fn a_trusted_upstream_is_called_and_told_its_name() {
    let authority = Authority::new();
    authority.sign("server", &["127.0.0.1", "shipments.internal"]);
    let config = authority.server("server", None, &[b"h2"]);
    let peer = Peer::start_tls([Reply::Full(Code::Ok)], config).await;

    assert_eq!(call(&behind(&peer, authority.tls()), GET_USER).await.code(), Code::Ok);
    let named = Tls {
        server_name: Some("shipments.internal".to_owned()),
        ..authority.tls()
    };
    assert_eq!(call(&behind(&peer, named), GET_USER).await.code(), Code::Ok);

    let Address::Tcp(address) = peer.address() else {
        unreachable!("peers listen on TCP")
    };
    let asked: Vec<_> = peer.seen().iter().map(|s| s.base.clone()).collect();
    assert_eq!(
        asked,
        [format!("https://{address}"), "https://shipments.internal".to_owned()]
    );
}

#[tokio::test]
async fn whose_certificate_does_not_hold_is_not_called() {
    let (ours, other) = (Authority::new(), Authority::new());
    ours.sign("server", &["127.0.0.1"]);
    let peer = Peer::start_tls([Reply::Full(Code::Ok)], ours.server("server", None, &[b"h2"])).await;
    let misnamed = Tls {
        server_name: Some("shipments.internal".to_owned()),
        ..ours.tls()
    };
    for tls in [other.tls(), misnamed] {
        let answer = call(&behind(&peer, tls), GET_USER).await;
        assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable));
    }
    // Certificates are no matter of taste, and neither is the protocol behind them.
    let old = Peer::start_tls(
        [Reply::Full(Code::Ok)],
        ours.server("server", None, &[b"http/1.1", b"x"]),
    )
    .await;
    let none = Peer::start_tls([Reply::Full(Code::Ok)], ours.server("server", None, &[])).await;
    for peer in [&old, &none] {
        let answer = call(&behind(peer, ours.tls()), GET_USER).await;
        assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable));
    }
    assert_eq!(peer.calls() + old.calls() + none.calls(), 0);
}

#[tokio::test]
async fn an_upstream_that_asks_who_we_are_is_told() {
    let (ours, other) = (Authority::new(), Authority::new());
    ours.sign("server", &["127.0.0.1"]);
    ours.sign("gateway", &["gateway"]);
    other.sign("stranger", &["gateway"]);
    let ca = ours.file("ca.pem");
    let peer = Peer::start_tls([Reply::Full(Code::Ok)], ours.server("server", Some(&ca), &[b"h2"])).await;
    assert_eq!(
        call(&behind(&peer, ours.mutual("gateway")), GET_USER).await.code(),
        Code::Ok
    );
    let stranger = Tls {
        ca,
        ..other.mutual("stranger")
    };
    for tls in [ours.tls(), stranger] {
        let answer = call(&behind(&peer, tls), GET_USER).await;
        assert_eq!(answer.reason(), Some(Reason::UpstreamUnavailable));
    }
    assert_eq!(peer.calls(), 1);
}

#[test]
fn what_is_wrong_with_the_files_is_told_by_their_names() {
    let authority = Authority::new();
    authority.sign("a", &["a"]);
    authority.sign("b", &["b"]);
    std::fs::write(authority.file("empty.pem"), "").unwrap();
    let (file, whole) = (|name| authority.file(name), authority.mutual("a"));
    for (tls, told) in [
        (
            Tls {
                ca: file("none.pem"),
                ..whole.clone()
            },
            "none.pem",
        ),
        (
            Tls {
                ca: file("empty.pem"),
                ..whole.clone()
            },
            "no certificate in",
        ),
        (
            Tls {
                cert: Some(file("empty.pem")),
                ..whole.clone()
            },
            "empty.pem",
        ),
        (
            Tls {
                key: Some(file("empty.pem")),
                ..whole.clone()
            },
            "no private key in",
        ),
        (
            Tls {
                key: Some(file("b.key")),
                ..whole.clone()
            },
            "b.key",
        ),
        (
            Tls {
                key: None,
                ..whole.clone()
            },
            "a cert without a key",
        ),
        (
            Tls {
                cert: None,
                ..whole.clone()
            },
            "a key without a cert",
        ),
        (
            Tls {
                server_name: Some("a b".to_owned()),
                ..whole.clone()
            },
            "a b",
        ),
    ] {
        let error = tls.load().unwrap_err();
        assert!(error.message().contains(told), "{error}");
    }
}
