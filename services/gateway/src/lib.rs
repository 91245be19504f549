//! The gateway: one port for gRPC, gRPC-Web and REST in front of gRPC services.
//!
//! | module | owns |
//! |---|---|
//! | [`http_rules`] | host names, CORS, security headers: what HTTP asks of every answer |
//! | `front` | which protocol a request speaks, and which method it means |
//! | `proxies` | who calls, where proxies stand in front |
//! | `routes` | every public method: its policy, where it goes, its counters |
//! | `stack` | the way in, composed in one function |
//! | `bodies` | how much is taken from whom |
//! | `observe`, `limits`, `transcode`, `fallback`, `forward` | the layers that only a gateway has |
//! | [`rest`], [`openapi`] | REST from descriptors, and its description |
//! | `own` | what the gateway answers by itself: state, health, reflection |
//! | `documents`, [`docs`] | metrics and keys for programs, pages for people |

mod bodies;
pub mod docs;
mod documents;
mod fallback;
mod forward;
mod front;
pub mod http_rules;
mod limits;
mod observe;
pub mod openapi;
mod own;
mod protocol;
mod proxies;
pub mod rest;
mod routes;
mod stack;
mod transcode;

use std::sync::Arc;

use logicore::{Context, Error, api, policy, server::HttpService};
use prost_reflect::DescriptorPool;

use crate::{front::Inner, proxies::Proxies};

/// The gateway as one HTTP service, ready to be served on the port that callers see.
///
/// # Errors
/// When a descriptor or a REST binding cannot be served: a defect of the build.
pub fn start(ctx: &Context) -> Result<HttpService, Error> {
    let pool = public_pool()?;
    let table = Arc::new(routes::Table::new(ctx, &pool).map_err(Error::internal)?);
    let own = own::services(ctx)?;
    // One for all: the documents are no way around it.
    let by_address = limits::LimitLayer::new(ctx, limits::By::Address);
    let stack = stack::stack(ctx, &table, own, by_address.clone());
    let pages = docs::Pages::new(openapi::openapi(
        table.rest(),
        |path| table.get(path).map(|route| Arc::clone(&route.method)),
        &ctx.settings.public_url,
    ));
    let documents = documents::Documents::new(ctx, by_address);
    attach_breakers(ctx);
    let front = front::front(Inner {
        proxies: Proxies::new(&ctx.settings.trusted_proxies),
        web: front::web(stack.clone()),
        table,
        stack,
        documents,
        pages,
    });
    Ok(http_rules::wrap(&ctx.settings, front))
}

/// The OpenAPI document (JSON) of everything that is routed.
///
/// # Errors
/// When the descriptors cannot be read: a defect of the build.
pub fn openapi_document(public_url: &str) -> Result<Vec<u8>, Error> {
    let pool = public_pool()?;
    let routes = rest::Routes::build(&pool).map_err(Error::internal)?;
    let policies = policy::Table::from_pool(&pool);
    Ok(openapi::openapi(
        &routes,
        |path| policies.get(path).cloned(),
        public_url,
    ))
}

fn public_pool() -> Result<DescriptorPool, Error> {
    DescriptorPool::decode(api::PUBLIC_DESCRIPTORS).map_err(Error::internal)
}

/// Operators see this gateway's breakers, and reset them.
fn attach_breakers(ctx: &Context) {
    let neighbours = ctx.neighbours.clone();
    ctx.access.report_breakers(move || neighbours.breakers());
    let neighbours = ctx.neighbours.clone();
    ctx.access.on_breaker_reset(move |name| {
        for upstream in neighbours.all() {
            upstream.reset_breaker(name);
        }
    });
}
