//! Who calls, where proxies stand in front: `X-Forwarded-For`, believed as far as it was written by proxies that the settings name.
//!
//! Read from the right: each proxy adds whom it heard from, so the first address that is none of ours is the caller. What stands left of it
//! is the caller's own word.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderName, Request};
use ipnet::IpNet;
use logicore::server::PeerAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed.
#[derive(Clone, Debug)]
pub(crate) struct Proxies(Vec<IpNet>);

impl Proxies {
    pub(crate) fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.to_vec())
    }

    /// Puts the caller's address in the place of the proxy's.
    pub(crate) fn resolve<B>(&self, request: &mut Request<B>) {
        let Some(peer) = request.extensions().get::<PeerAddr>().map(|peer| peer.0) else {
            return;
        };
        if !self.trusts(peer.ip()) {
            return;
        }
        let headers = request.headers().get_all(FORWARDED_FOR).iter().rev();
        let texts = headers.map(|value| value.to_str().unwrap_or_default());
        let mut caller = peer.ip();
        for text in texts.flat_map(|text| text.rsplit(',')) {
            // What is no address was written by nobody whom we know.
            let Some(heard) = address(text.trim()) else { break };
            caller = heard;
            if !self.trusts(heard) {
                break;
            }
        }
        if caller != peer.ip() {
            request.extensions_mut().insert(PeerAddr(SocketAddr::new(caller, 0)));
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: some add a port, some put IPv6 into brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        let mut request = Request::new(());
        request
            .extensions_mut()
            .insert(PeerAddr(SocketAddr::new(peer.parse().unwrap(), 5)));
        for value in forwarded {
            request.headers_mut().append(FORWARDED_FOR, value.parse().unwrap());
        }
        Proxies::new(&trusted).resolve(&mut request);
        request.extensions().get::<PeerAddr>().unwrap().0.ip().to_string()
    }

    #[test]
    fn nobody_is_believed_who_is_not_named() {
        assert_eq!(caller(&[], "10.0.0.1", &["192.0.2.7"]), "10.0.0.1");
        assert_eq!(caller(&["10.0.0.0/8"], "192.0.2.1", &["192.0.2.7"]), "192.0.2.1");
    }

    #[test]
    fn the_first_stranger_from_the_right_is_the_caller() {
        let ours = ["10.0.0.0/8", "2001:db8::/32"];
        for (forwarded, expected) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["198.51.100.9, 192.0.2.7"], "192.0.2.7"),
            (&["198.51.100.9, 192.0.2.7, 10.1.1.1"], "192.0.2.7"),
            (&["198.51.100.9", "192.0.2.7", "10.1.1.1"], "192.0.2.7"),
            (&["192.0.2.7:4711"], "192.0.2.7"),
            (&["[2001:db9::1]:4711"], "2001:db9::1"),
            (&["2001:db8::5, 10.1.1.1"], "2001:db8::5"),
            (&["rubbish, 10.1.1.1"], "10.1.1.1"),
            (&["192.0.2.7, rubbish"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(caller(&ours, "10.0.0.1", forwarded), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_same_proxy() {
        assert_eq!(caller(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
    }
}
