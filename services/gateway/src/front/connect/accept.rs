//! Which compressed messages a caller reads.

use http::{HeaderValue, header::GetAll};
use logicore::compression::Encoding;

/// The encodings that a caller reads beside plain messages, best first. Never `deflate`, of which HTTP knows two kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted(Vec<Encoding>);

impl Accepted {
    /// As its headers say; without any, what it sends itself.
    pub(super) fn new(headers: GetAll<'_, HeaderValue>, sent: Option<Encoding>) -> Self {
        let mut named = headers.iter().peekable();
        if named.peek().is_none() {
            return Self(sent.into_iter().collect());
        }
        let items = named.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
        Self(items.filter_map(item).collect())
    }

    /// What this caller likes best.
    pub(super) fn best(&self) -> Option<Encoding> {
        self.0.first().copied()
    }

    /// Whether it reads this one.
    pub(super) fn reads(&self, encoding: Encoding) -> bool {
        self.0.contains(&encoding)
    }

    /// The same as gRPC says it; `None` where it reads plain messages only.
    pub(super) fn as_grpc(&self) -> Option<HeaderValue> {
        let names: Vec<_> = self.0.iter().map(|e| e.as_str()).collect();
        (!names.is_empty()).then(|| HeaderValue::try_from(names.join(",")).ok())?
    }
}

fn item(text: &str) -> Option<Encoding> {
    let (name, weight) = text.split_once(';').unwrap_or((text, ""));
    let refused = weight
        .trim()
        .strip_prefix("q=")
        .is_some_and(|q| q.parse().is_ok_and(|q: f32| q <= 0.0));
    let encodings = [Encoding::Gzip, Encoding::Br, Encoding::Zstd];
    let found = encodings
        .into_iter()
        .find(|e| name.trim().eq_ignore_ascii_case(e.as_str()));
    found.filter(|_| !refused)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::ACCEPT_ENCODING};

    use super::*;

    #[test]
    fn the_order_counts_and_what_is_refused_is_not_taken() {
        use Encoding::{Br, Gzip, Zstd};
        for (text, sent, accepted) in [
            (Some("gzip, br"), None, vec![Gzip, Br]),
            (Some("gzip, deflate, br, zstd"), None, vec![Gzip, Br, Zstd]),
            (Some("zstd;q=0, GZIP;q=0.5"), None, vec![Gzip]),
            (Some("identity"), Some(Gzip), vec![]),
            (Some("*"), None, vec![]),
            (None, Some(Zstd), vec![Zstd]),
            (None, None, vec![]),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(text) = text {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            }
            let read = Accepted::new(headers.get_all(ACCEPT_ENCODING), sent);
            assert_eq!(read, Accepted(accepted), "{text:?} {sent:?}");
        }
        assert_eq!(Accepted(vec![Gzip, Zstd]).as_grpc().unwrap(), "gzip,zstd");
        assert_eq!(Accepted::default().as_grpc(), None);
    }
}
