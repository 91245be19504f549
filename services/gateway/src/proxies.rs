//! Who calls, where proxies stand in front: `X-Forwarded-*`, believed as far as they were written by proxies that the settings name.
//!
//! What comes from anybody else is taken off, and so are the like of other makers and what `Connection` names: nothing behind believes
//! or passes on a word about the way here that is not ours. `X-Forwarded-For` is read from the right: each proxy adds whom it heard
//! from, so the first address that is none of ours is the caller. What stands left of it is the caller's own word.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Request, header, uri::Authority};
use ipnet::IpNet;
use logicore::{
    layer::origin::begins_like,
    server::{Networks, PeerAddr},
};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// What the names of headers begin with that tell of the way here.
const FAMILY: &str = "x-forwarded-";
/// The same in other words.
const COUSINS: [HeaderName; 4] = [
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];
/// Headers that are for every recipient of a request.
const EVERYBODYS: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::USER_AGENT,
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

/// The proxies that are believed.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Networks,
    /// How callers come who use no proxy.
    proto: HeaderValue,
}

impl Proxies {
    /// `tls`: whether the listener speaks it.
    pub(crate) fn new(trusted: &[IpNet], tls: bool) -> Self {
        Self {
            trusted: Networks::new(trusted),
            proto: if tls { HTTPS } else { HTTP },
        }
    }

    /// Puts the caller's address in the place of the proxy's, and leaves of the headers about the way here what is known to be so.
    pub(crate) fn resolve<B>(&self, request: &mut Request<B>) {
        strip_named(request.headers_mut());
        let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0);
        let trusted = peer.filter(|peer| self.trusted.contain(peer.ip()));
        if let Some(proxy) = trusted {
            self.find_caller(request, proxy);
        }
        let headers = request.headers_mut();
        let (proto, host) = match trusted {
            Some(_) => (told_proto(headers), told_host(headers)),
            None => (None, None),
        };
        strip_family(headers);
        headers.insert(FORWARDED_PROTO, proto.unwrap_or_else(|| self.proto.clone()));
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host);
        }
    }

    fn find_caller<B>(&self, request: &mut Request<B>, peer: SocketAddr) {
        let headers = request.headers().get_all(FORWARDED_FOR).iter().rev();
        let texts = headers.map(|value| value.to_str().unwrap_or_default());
        let mut caller = peer.ip();
        for text in texts.flat_map(|text| text.rsplit(',')) {
            // What is no address was written by nobody whom we know.
            let Some(heard) = address(text.trim()) else { break };
            caller = heard;
            if !self.trusted.contain(heard) {
                break;
            }
        }
        if caller != peer.ip() {
            request.extensions_mut().insert(PeerAddr(SocketAddr::new(caller, 0)));
        }
    }
}

/// Takes off what `Connection` names (RFC 9110, 7.6.1): it was meant for us. Before anything of ours is set, which must stay. What is
/// meant for every recipient may not be named there, and stays: a hop in between must not take a caller's token away, nor a caller whose
/// `Connection` a proxy passes on that proxy's word. What the family tells is read first and taken off then.
fn strip_named(headers: &mut HeaderMap) {
    if !headers.contains_key(header::CONNECTION) {
        return;
    }
    let values = headers.get_all(header::CONNECTION).iter();
    let names: Vec<HeaderName> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !EVERYBODYS.contains(name) && !begins_like(name, FAMILY))
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn strip_family(headers: &mut HeaderMap) {
    let cousin = |name: &HeaderName, of: &str| name.as_str().len() == of.len() && begins_like(name, of);
    let foreign = |name: &&HeaderName| begins_like(name, FAMILY) || COUSINS.iter().any(|of| cousin(name, of.as_str()));
    while let Some(name) = headers.keys().find(foreign).cloned() {
        headers.remove(name);
    }
}

/// The protocol as the proxy says it: the last word, since each proxy speaks for whom it heard.
fn told_proto(headers: &HeaderMap) -> Option<HeaderValue> {
    let said = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    let last = said.rsplit(',').next()?.trim();
    [HTTP, HTTPS]
        .into_iter()
        .find(|known| last.eq_ignore_ascii_case(known.to_str().unwrap_or_default()))
}

/// The host as the proxy says it, where it is one.
fn told_host(headers: &HeaderMap) -> Option<HeaderValue> {
    let said = headers.get_all(FORWARDED_HOST).iter().next_back()?.to_str().ok()?;
    let last = said.rsplit(',').next()?.trim();
    let authority = last.parse::<Authority>().ok().filter(|a| !a.as_str().contains('@'))?;
    HeaderValue::try_from(authority.as_str()).ok()
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
        Proxies::new(&trusted, false).resolve(&mut request);
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

    #[test]
    fn a_caller_cannot_take_a_proxys_word_away() {
        let mut request = Request::new(());
        let proxy = PeerAddr("10.0.0.1:5".parse().unwrap());
        request.extensions_mut().insert(proxy);
        for (name, value) in [
            ("connection", "close, X-Forwarded-For, x-forwarded-proto"),
            ("connection", "X-Forwarded-Host"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example.com"),
        ] {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        Proxies::new(&["10.0.0.0/8".parse().unwrap()], false).resolve(&mut request);
        let caller = request.extensions().get::<PeerAddr>().unwrap();
        assert_eq!(caller.0.ip().to_string(), "192.0.2.7");
        assert_eq!(request.headers()[FORWARDED_PROTO], "https");
        assert_eq!(request.headers()[FORWARDED_HOST], "api.example.com");
        assert!(!request.headers().contains_key(FORWARDED_FOR));
    }

    /// The headers of a request from `peer`, one `name: value` a line, after all is resolved.
    fn left(peer: &str, tls: bool, headers: &[(&str, &str)]) -> Vec<String> {
        let mut request = Request::new(());
        let peer = SocketAddr::new(peer.parse().unwrap(), 5);
        request.extensions_mut().insert(PeerAddr(peer));
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        Proxies::new(&["10.0.0.0/8".parse().unwrap()], tls).resolve(&mut request);
        let mut left: Vec<_> = request
            .headers()
            .iter()
            .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
            .collect();
        left.sort();
        left
    }

    #[test]
    fn a_strangers_word_about_the_way_is_taken_off() {
        let said = [
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "bank.example"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-user", "admin"),
            ("forwarded", "for=192.0.2.7;proto=https"),
            ("x-real-ip", "192.0.2.7"),
            ("x-original-url", "/admin"),
            ("x_forwarded_for", "192.0.2.7"),
            ("x-forwarded_host", "bank.example"),
            ("x_real_ip", "192.0.2.7"),
            ("x_rewrite.url", "/admin"),
            ("accept", "text/plain"),
            ("x_real_ip_note", "1"),
        ];
        assert_eq!(
            left("192.0.2.1", false, &said),
            ["accept: text/plain", "x-forwarded-proto: http", "x_real_ip_note: 1"]
        );
        assert_eq!(left("192.0.2.1", true, &said)[1], "x-forwarded-proto: https");
    }

    #[test]
    fn a_proxys_last_word_is_believed_where_it_makes_sense() {
        let said = |proto: &str, host: &str| {
            let headers = [
                ("x-forwarded-proto", proto),
                ("x-forwarded-host", host),
                ("x-forwarded-port", "443"),
                ("forwarded", "for=192.0.2.7"),
            ];
            left("10.0.0.1", false, &headers)
        };
        let both = ["x-forwarded-host: api.example.com", "x-forwarded-proto: https"];
        assert_eq!(said("https", "api.example.com"), both);
        assert_eq!(said("http, HTTPS", "evil.example, api.example.com"), both);
        for (proto, host) in [
            ("gopher", "a b"),
            ("", ""),
            ("https;", "user@host"),
            ("https, x", "a/b"),
        ] {
            assert_eq!(said(proto, host), ["x-forwarded-proto: http"], "{proto} {host}");
        }
    }

    #[test]
    fn what_connection_names_goes_no_further_and_nothing_of_ours_with_it() {
        let said = [
            ("connection", "close, X-Private,x-forwarded-proto"),
            ("connection", "x-other, ,@, Authorization"),
            ("authorization", "Bearer x"),
            ("x-private", "1"),
            ("x-other", "2"),
            ("x-stays", "3"),
        ];
        let left = left("192.0.2.1", true, &said);
        assert_eq!(left[0], "authorization: Bearer x");
        assert_eq!(left[3..], ["x-forwarded-proto: https", "x-stays: 3"], "{left:?}");
    }
}
