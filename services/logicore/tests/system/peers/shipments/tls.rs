//! Beyond loopback: the service takes calls over mutual TLS alone, and the gateway shows its certificate.

use std::path::Path;

use logicore_harness::{Layout, soon};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::example::Service;
use crate::support::{in_both_layouts, start};

in_both_layouts!(a_service_that_asks_for_certificates_is_called_with_one);

const NAME: &str = "ships.internal";

/// A certificate of this name. Subjects differ, since OpenSSL takes one whose issuer has the same for self-signed.
fn named(name: &str) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// Writes an authority, and the certificates of the service and the gateway that it signed.
fn certificates(folder: &Path) -> anyhow::Result<()> {
    let mut params = named("ca.internal")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    for (who, name) in [("server", NAME), ("client", "gateway.internal")] {
        let key = KeyPair::generate()?;
        let certificate = named(name)?.signed_by(&key, &issuer)?;
        std::fs::write(folder.join(format!("{who}.pem")), certificate.pem())?;
        std::fs::write(folder.join(format!("{who}.key")), key.serialize_pem())?;
    }
    Ok(())
}

async fn a_service_that_asks_for_certificates_is_called_with_one(layout: Layout) -> anyhow::Result<()> {
    let certs = tempfile::tempdir()?;
    certificates(certs.path())?;
    let folder = certs.path().display().to_string();
    let service = Service::start(&["--certs", &folder]).await?;
    let routes = service.routes("shipments.binpb")?;
    let plain = std::fs::read_to_string(&routes)?;
    let without = format!("{plain}\n[upstream.tls]\nca = \"{folder}/ca.pem\"\nserver_name = \"{NAME}\"\n");
    std::fs::write(&routes, &without)?;
    let system = start(layout, &[("LOGICORE_ROUTES", &routes)]).await?;
    let admin = system.admin().await?;
    let refused = system.get("/v1/shipments", &admin.access).await?;
    assert_eq!(refused.status, 503, "no certificate, no call: {}", refused.text());
    assert!(!service.log()?.contains("ListShipments"));

    let with = format!("{without}cert = \"{folder}/client.pem\"\nkey = \"{folder}/client.key\"\n");
    std::fs::write(&routes, with)?;
    soon("the new routes are taken", async || {
        let listed = system.get("/v1/shipments", &admin.access).await?;
        Ok((listed.status == 200).then_some(()))
    })
    .await?;
    assert!(service.log()?.contains("x-logicore-tenant=default"));
    Ok(())
}
