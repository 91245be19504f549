//! The gateway: one port for gRPC, gRPC-Web and REST in front of gRPC services.
//!
//! | module | owns |
//! |---|---|
//! | [`http_rules`] | host names, CORS, security headers: what HTTP asks of every answer |
//! | `front` | which protocol a request speaks, and which method it means |
//! | `proxies` | who calls, where proxies stand in front |
//! | `live` | what is served now, read again while calls run |
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
mod live;
mod observe;
pub mod openapi;
mod own;
mod protocol;
mod proxies;
pub mod rest;
mod routes;
mod shown;
mod stack;
mod transcode;

use std::sync::Arc;

use arc_swap::ArcSwap;
use logicore::{Context, Error, api, server::HttpService};
use prost_reflect::DescriptorPool;

use crate::{
    front::Inner,
    live::{Current, Live, Reloader, State, Upstreams},
    proxies::Proxies,
};

/// The gateway as one HTTP service, ready to be served on the port that callers see.
///
/// # Errors
/// When the routes of other services are not good, or a descriptor of ours cannot be served, which is a defect of the build.
pub async fn start(ctx: &Context) -> Result<HttpService, Error> {
    let (live, state) = live(ctx).await?;
    Ok(assemble(ctx, live, state))
}

/// The gateway over what is served; `state` is what came of reading the routes of other services.
fn assemble(ctx: &Context, live: Current, state: Arc<ArcSwap<State>>) -> HttpService {
    let own = own::services(ctx, &live, state);
    // One for all: the documents are no way around it.
    let by_address = limits::LimitLayer::new(ctx, limits::By::Address);
    let stack = stack::stack(ctx, own, by_address.clone());
    let documents = documents::Documents::new(ctx, by_address);
    attach_breakers(ctx, &live);
    let front = front::front(Inner {
        proxies: Proxies::new(&ctx.settings.trusted_proxies, ctx.settings.tls.is_some()),
        live,
        stack,
        documents,
        pages: docs::Pages,
    });
    http_rules::wrap(&ctx.settings, front)
}

/// What is served from now on, and what came of reading the routes of other services.
async fn live(ctx: &Context) -> Result<(Current, Arc<ArcSwap<State>>), Error> {
    let pool = public_pool()?;
    let live = Current::new(Live::own(ctx, &pool).map_err(Error::internal)?);
    let Some(path) = ctx.settings.routes.clone() else {
        return Ok((live, Arc::default()));
    };
    let mut reloader = Reloader::new(ctx, pool, path, live.clone());
    reloader.begin().await?;
    let state = reloader.state();
    ctx.tasks.spawn(reloader.watch());
    Ok((live, state))
}

/// The OpenAPI document (JSON) of everything that is routed.
///
/// # Errors
/// As [`start`].
pub async fn openapi_document(ctx: &Context) -> Result<Vec<u8>, Error> {
    Ok(live(ctx).await?.0.load().openapi().to_vec())
}

/// Everything that is routed, as a table for people: method, REST path, access, idempotency, upstream. And what is not served as its
/// owner may think, a sentence each.
///
/// # Errors
/// As [`start`].
pub async fn routes_table(ctx: &Context) -> Result<(String, Vec<String>), Error> {
    let (live, state) = live(ctx).await?;
    let state = state.load();
    let pending = state
        .pending
        .iter()
        .map(|(name, why)| format!("upstream `{name}` is not routed: {why}"));
    Ok((
        shown::table(&live.load()),
        state.notes.iter().cloned().chain(pending).collect(),
    ))
}

fn public_pool() -> Result<DescriptorPool, Error> {
    DescriptorPool::decode(api::PUBLIC_DESCRIPTORS).map_err(Error::internal)
}

/// Operators see this gateway's breakers, and reset them.
fn attach_breakers(ctx: &Context, live: &Current) {
    let upstreams = Upstreams::new(ctx, live);
    let reported = upstreams.clone();
    ctx.access.report_breakers(move || reported.breakers());
    ctx.access.on_breaker_reset(move |name| {
        for upstream in upstreams.all() {
            upstream.reset_breaker(name);
        }
    });
}
