//! REST for every method that carries `google.api.http`, transcoded at run time from descriptors.
//!
//! [`Routes`] says which method a path means; [`decode`] turns the request into a framed gRPC request and [`encode`] the
//! answer back into JSON. Input is strict: what the request message has no place for is refused and never dropped, since a
//! misspelt field that is silently ignored is a bug that nobody sees.

mod binding;
mod decode;
mod encode;
mod error;
mod frames;
mod json;
mod mask;
mod message;
mod path;
mod query;
pub(crate) mod scalar;
mod template;
mod trie;
mod value;
mod wellknown;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::Method;
use logicore::{Error, Reason};
use prost_reflect::DescriptorPool;

pub use binding::{Binding, BodyRule};
pub use decode::decode;
pub use encode::encode;
pub(crate) use error::error_json;
pub use error::http_error;
pub use template::{Segment, Template, Variable};
use trie::{Found, Trie};

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

impl Routes {
    /// The routes of one pool.
    ///
    /// # Errors
    /// A sentence that names the binding that cannot be served, or the two that collide.
    pub fn build(pool: &DescriptorPool) -> Result<Self, String> {
        let mut routes = Self::default();
        routes.add(pool)?;
        Ok(routes)
    }

    /// Adds the routes of a further pool.
    ///
    /// # Errors
    /// As [`Routes::build`].
    pub fn add(&mut self, pool: &DescriptorPool) -> Result<(), String> {
        for binding in Binding::all(pool)? {
            let binding = Arc::new(binding);
            self.trie
                .insert(binding.http.clone(), &binding.template, binding.clone())
                .map_err(|taken| format!("{binding} collides with {taken}"))?;
            self.bindings.push(binding);
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
