//! Which of Connect's forms a call has: unary or stream, protobuf or JSON.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};

/// Header that says that a request is Connect.
pub(super) const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Codec {
    /// Protobuf's wire format.
    Proto,
    /// Protobuf's JSON.
    #[default]
    Json,
}

/// The form of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) stream: bool,
    pub(super) codec: Codec,
}

impl Form {
    /// The form of a request that is Connect; unary JSON where it does not say.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        named(request.headers()).unwrap_or_default()
    }

    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match (self.stream, self.codec) {
            (false, Codec::Proto) => "application/proto",
            (false, Codec::Json) => "application/json",
            (true, Codec::Proto) => "application/connect+proto",
            (true, Codec::Json) => "application/connect+json",
        })
    }
}

/// The form that a content type names.
pub(super) fn named(headers: &HeaderMap) -> Option<Form> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is = |name: &str| kind.trim().eq_ignore_ascii_case(name);
    let (stream, codec) = match () {
        () if is("application/json") => (false, Codec::Json),
        () if is("application/proto") => (false, Codec::Proto),
        () if is("application/connect+json") => (true, Codec::Json),
        () if is("application/connect+proto") => (true, Codec::Proto),
        () => return None,
    };
    utf8(parameters).then_some(Form { stream, codec })
}

/// Whether no parameter names another character set than the one there is.
fn utf8(parameters: &str) -> bool {
    let mut pairs = parameters.split(';').map(str::trim).filter(|p| !p.is_empty());
    pairs.all(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

/// Whether a request says by itself that it is Connect. JSON to the path of a method is it, too, though it does not say so.
pub(crate) fn names_it<B>(request: &Request<B>) -> bool {
    match *request.method() {
        Method::POST => match named(request.headers()) {
            Some(Form {
                stream: false,
                codec: Codec::Json,
            }) => request.headers().contains_key(VERSION),
            form => form.is_some(),
        },
        Method::GET => super::query::is_call(request.uri().query().unwrap_or_default()),
        _ => false,
    }
}
