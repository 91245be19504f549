//! Which `Host` names are served: a listener on loopback serves loopback's names alone, so that a page of somebody else
//! whose name was made to point at 127.0.0.1 (DNS rebinding) reaches nothing.

use std::net::IpAddr;

use http::{Request, Uri, header, uri::Authority};
use logicore::{Error, Reason, settings::Settings};

/// Names of this machine for itself. Any port: a forwarded one is as good.
const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// The names that are served.
#[derive(Debug)]
pub(super) struct Hosts {
    /// Lower case, without port; `None` where every name is served.
    names: Option<Vec<String>>,
    /// Whether a bare address is served too: off loopback probes and scrapers use it, and it cannot be rebound.
    addresses: bool,
}

impl Hosts {
    pub(super) fn new(settings: &Settings) -> Self {
        let loopback = settings.on_loopback();
        if !loopback && settings.allowed_hosts.is_empty() {
            return Self {
                names: None,
                addresses: true,
            };
        }
        let mut names: Vec<String> = LOOPBACK.iter().map(|n| (*n).to_owned()).collect();
        let public = settings.public_url.parse::<Uri>().ok();
        names.extend(public.as_ref().and_then(Uri::authority).map(name));
        let allowed = settings.allowed_hosts.iter();
        names.extend(allowed.filter_map(|h| h.parse::<Authority>().ok()).map(|a| name(&a)));
        Self {
            names: Some(names),
            addresses: !loopback,
        }
    }

    /// Checks `:authority` and `Host`; both where both are there.
    ///
    /// # Errors
    /// `HOST_NOT_SERVED`.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Error> {
        let Some(names) = &self.names else {
            return Ok(());
        };
        let mut found = 0;
        for host in request.headers().get_all(header::HOST) {
            let host = host.to_str().ok().and_then(|h| h.parse::<Authority>().ok());
            self.served(names, host.as_ref())?;
            found += 1;
        }
        if let Some(authority) = request.uri().authority() {
            self.served(names, Some(authority))?;
        } else if found != 1 {
            return Err(refused("none or several"));
        }
        Ok(())
    }

    fn served(&self, names: &[String], host: Option<&Authority>) -> Result<(), Error> {
        let host = host.ok_or_else(|| refused("what is no host"))?;
        let bare = without_dot(host);
        let known = names.iter().any(|name| name.eq_ignore_ascii_case(bare));
        let address = || self.addresses && bare.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        // What stands before an `@` is a trick and no host.
        match !host.as_str().contains('@') && (known || address()) {
            true => Ok(()),
            false => Err(refused(&bare.to_ascii_lowercase())),
        }
    }
}

/// The name without port, in lower case, without the root's dot.
fn name(authority: &Authority) -> String {
    without_dot(authority).to_ascii_lowercase()
}

fn without_dot(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_suffix('.').unwrap_or(host)
}

fn refused(host: &str) -> Error {
    Error::new(
        Reason::HostNotServed,
        "this host name is not served here; LOGICORE_ALLOWED_HOSTS and PUBLIC_URL name those that are",
    )
    .with("host", host)
}
