//! REST for every method that carries `google.api.http`, transcoded at run time from descriptors.
//!
//! [`Routes`] says which method a path means; [`decode`] turns the request into a framed gRPC request and [`encode`] the
//! answer back into JSON. Input is strict: what the request message has no place for is refused and never dropped, since a
//! misspelt field that is silently ignored is a bug that nobody sees.
//!
//! | module | owns |
//! |---|---|
//! | `template`, `trie`, `path`, `binding` | which method a path means, and which fields path, query and body fill |
//! | `headers`, `accept`, `compress` | headers and metadata, the form of a stream, the coding of an answer |
//! | `decode` | a request that is read whole: path, query and body, each field once |
//! | `upload`, `lines`, `inflate` | bodies that are not collected, and those that came compressed |
//! | `intake` | JSON straight into protobuf's bytes; what it does not take for certain it leaves to `message` |
//! | `message`, `json`, `value`, `wellknown`, `mask` | JSON into messages, strictly; every error about a body comes from here |
//! | `query`, `scalar` | text of a query or a path into fields |
//! | `encode`, `stream`, `raw` | answers: one message, several, and `google.api.HttpBody` |
//! | `direct` | protobuf's bytes straight into JSON; what is rare it leaves to `write` |
//! | `write` | messages into JSON, whatever they are |
//! | `zero` | messages into protobuf's bytes, where one of them holds -0.0 |
//! | `shape`, `wire`, `frames` | what `intake` and `direct` know of messages beforehand, protobuf's encoding, gRPC's frames |
//! | `error` | `google.rpc.Status` as JSON |
//! | `codec` | JSON for the protocols beside REST |
//!
//! `intake` and `direct` are the quick ways. Each gives up where it is not sure, and the slow one begins anew with the same bytes: a
//! tree for `message`, a dynamic message for `write`. So what a caller reads or is told never depends on which of the two it was.

mod accept;
mod binding;
mod codec;
mod compress;
mod decode;
mod direct;
mod encode;
mod error;
mod frames;
mod headers;
mod inflate;
mod intake;
mod json;
mod lines;
mod mask;
mod message;
mod path;
mod query;
mod raw;
pub(crate) mod scalar;
mod shape;
mod stream;
mod template;
mod trie;
mod upload;
mod value;
mod wellknown;
mod wire;
mod write;
mod zero;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method};
use logicore::{Error, Reason};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::Status;

pub use accept::Form;
pub use binding::{Binding, BodyRule};
pub(crate) use codec::{from_json, to_json};
use compress::Accepted;
pub use decode::decode;
pub use encode::encode;
pub use error::http_error;
pub(crate) use error::{error_json, known as known_detail};
pub(crate) use headers::{disown, from_metadata, take_off, to_metadata};
pub use template::{Segment, Template, Variable};
use trie::{Found, Trie};
pub(crate) use upload::upload;

/// The routes of all pools that were added.
#[derive(Debug, Default)]
pub struct Routes {
    trie: Trie<Arc<Binding>>,
    bindings: Vec<Arc<Binding>>,
}

/// A request's route.
#[derive(Clone, Debug)]
pub struct Match {
    /// Path of the gRPC method: `/logicore.auth.v1.AuthService/Login`.
    pub method_path: Arc<str>,
    /// The binding that matched.
    pub binding: Arc<Binding>,
    /// Values of the template's variables, decoded, in its order.
    values: Vec<String>,
    /// The caller asked for the head only.
    head: bool,
    /// How a stream is answered.
    form: Form,
    /// How an answer may be compressed.
    codings: Accepted,
    /// What was found wrong with a stream of the caller when its answer had begun.
    wrong: Arc<OnceLock<Status>>,
}

impl Match {
    /// Notes what the caller accepts: the form of a stream, and how answers may be compressed.
    pub(crate) fn accept(&mut self, headers: &HeaderMap) {
        self.form = Form::of(headers);
        self.codings = Accepted::of(headers);
    }
}

/// Why a request has no route.
#[derive(Debug)]
pub enum NoMatch {
    /// No such path.
    NotFound,
    /// The path is there, the verb is not.
    MethodNotAllowed {
        /// Value of the `Allow` header.
        allow: String,
    },
    /// The caller asked by OPTIONS what the path takes.
    Options {
        /// Value of the `Allow` header.
        allow: String,
    },
    /// The path cannot be read.
    MalformedPath(Error),
}

/// Why routes cannot be served. It is shown as a sentence that names the binding, or both.
#[derive(Debug, thiserror::Error)]
pub enum Unroutable {
    /// An annotation means nothing.
    #[error("{0}")]
    Binding(String),
    /// Two bindings want the same requests.
    #[error("{new} collides with {taken}")]
    Collision {
        /// The one that came later.
        new: Arc<Binding>,
        /// The one that has the place.
        taken: Arc<Binding>,
    },
}

impl From<Unroutable> for String {
    fn from(why: Unroutable) -> Self {
        why.to_string()
    }
}

impl Routes {
    /// The routes of one pool.
    ///
    /// # Errors
    /// What cannot be served.
    pub fn build(pool: &DescriptorPool) -> Result<Self, Unroutable> {
        let mut routes = Self::default();
        routes.add(pool, |_| true)?;
        Ok(routes)
    }

    /// Adds the routes of a further pool, of those methods that are `served` from it.
    ///
    /// # Errors
    /// What cannot be served.
    pub fn add(&mut self, pool: &DescriptorPool, served: impl Fn(&MethodDescriptor) -> bool) -> Result<(), Unroutable> {
        for binding in Binding::all(pool, served).map_err(Unroutable::Binding)? {
            let new = Arc::new(binding);
            let place = self.trie.insert(new.http.clone(), &new.template, new.clone());
            if let Err(taken) = place {
                let taken = taken.clone();
                return Err(Unroutable::Collision { new, taken });
            }
            self.bindings.push(new);
        }
        Ok(())
    }

    /// Every binding, in the order of the descriptors.
    #[must_use]
    pub fn bindings(&self) -> &[Arc<Binding>] {
        &self.bindings
    }

    /// The route of a request. HEAD is served wherever GET is.
    ///
    /// # Errors
    /// See [`NoMatch`].
    pub fn matched(&self, method: &Method, path: &str) -> Result<Match, NoMatch> {
        let pieces = path::split(path)
            .map_err(NoMatch::MalformedPath)?
            .ok_or(NoMatch::NotFound)?;
        let head = method == Method::HEAD;
        let found = match self.trie.find(method, &pieces) {
            Found::OtherMethods(m) if head && m.contains(&&Method::GET) => self.trie.find(&Method::GET, &pieces),
            found => found,
        };
        match found {
            Found::Route(binding) => Ok(Match {
                method_path: binding.method_path.clone(),
                values: binding.values(pieces).map_err(NoMatch::MalformedPath)?,
                binding: binding.clone(),
                head,
                form: Form::default(),
                codings: Accepted::default(),
                wrong: Arc::default(),
            }),
            Found::OtherMethods(methods) if method == Method::OPTIONS => {
                Err(NoMatch::Options { allow: allow(methods) })
            }
            Found::OtherMethods(methods) => Err(NoMatch::MethodNotAllowed { allow: allow(methods) }),
            Found::Nothing => Err(NoMatch::NotFound),
        }
    }
}

impl From<NoMatch> for Error {
    /// The error that answers the request; `Allow` travels in its metadata. OPTIONS is no error: answer it with
    /// [`options`].
    fn from(no: NoMatch) -> Self {
        match no {
            NoMatch::NotFound => Error::new(Reason::RouteNotFound, "no such route; `/openapi.json` lists them all"),
            NoMatch::MethodNotAllowed { allow } | NoMatch::Options { allow } => {
                Error::new(Reason::MethodNotAllowed, format!("the path takes {allow}")).with(error::ALLOW, allow)
            }
            NoMatch::MalformedPath(error) => error,
        }
    }
}

/// The answer to OPTIONS: no content, and what the path takes.
#[must_use]
pub fn options(allow: &str) -> http::Response<tonic::body::Body> {
    let mut answer = http::Response::new(tonic::body::Body::empty());
    *answer.status_mut() = http::StatusCode::NO_CONTENT;
    if let Ok(allow) = allow.parse() {
        answer.headers_mut().insert(http::header::ALLOW, allow);
    }
    answer
}

/// The `Allow` header: sorted, with what the gateway serves by itself.
fn allow(methods: Vec<&Method>) -> String {
    let mut names: Vec<&str> = methods.iter().map(|m| m.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
