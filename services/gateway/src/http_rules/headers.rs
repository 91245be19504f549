//! Security headers: what Helmet 8 sets by default, so that people find what they know.
//!
//! Tighter than Helmet in one place: nothing may be loaded from other origins, since nothing here needs to be. The docs page
//! needs inline styles (the widgets of Swagger UI set them); scripts are never inline.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Directives beside `upgrade-insecure-requests`.
const CSP: &str = "default-src 'self';base-uri 'self';font-src 'self' data:;form-action 'self';frame-ancestors 'self';\
img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' 'unsafe-inline'";

/// The same where TLS is on: what is http becomes https. Without TLS that would break the page itself.
const CSP_TLS: &str = "default-src 'self';base-uri 'self';font-src 'self' data:;form-action 'self';frame-ancestors 'self';\
img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' 'unsafe-inline';\
upgrade-insecure-requests";

/// Headers of every answer that a browser can see.
const ALWAYS: &[(&str, &str)] = &[
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// The headers, ready to be cloned: static names and values, so that none of them allocates.
#[derive(Debug)]
pub(super) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    pub(super) fn new(tls: bool) -> Self {
        let mut all: Vec<_> = ALWAYS
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let csp = if tls { CSP_TLS } else { CSP };
        all.push((header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp)));
        if tls {
            let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
            all.push((header::STRICT_TRANSPORT_SECURITY, year));
        }
        Self(all)
    }

    /// Adds them; what the answer says by itself stays.
    pub(super) fn add(&self, to: &mut HeaderMap) {
        for (name, value) in &self.0 {
            to.entry(name).or_insert_with(|| value.clone());
        }
    }
}
