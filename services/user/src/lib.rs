//! User profiles.
//!
//! | module | owns |
//! |---|---|
//! | [`rpc`] | gRPC: convert, call, convert |
//! | [`domain`] | what may happen to a user, and in which order |
//! | [`store`] | where profiles are kept: a trait, SQLite behind it, and the suite that every implementation passes |
//! | [`neighbour`] | the auth service, as the domain's trait |
//! | [`sweeper`] | finishes or undoes users that were left half made |
//!
//! The service starts and answers without auth: a profile is shown without its email then, and what needs an account waits.

mod domain;
mod neighbour;
mod rpc;
mod store;
mod sweeper;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use logicore::{Context, Error, api::user::user_service_server::UserServiceServer};
use logicore_store::{Db, outbox};
use tonic::{codec::CompressionEncoding, service::Routes};

use crate::{domain::Users, neighbour::GrpcAccounts, rpc::UserRpc, store::SqliteStore};

/// Opens the store, starts the background tasks and returns the service's routes.
///
/// # Errors
/// When the store cannot be opened.
pub async fn start(ctx: &Context) -> Result<Routes, Error> {
    let path = ctx.settings.data_dir.join("user.db");
    let db = Db::open(&path, &store::MIGRATOR, &ctx.clock, &ctx.metrics).await?;
    outbox::dispatch(ctx, &db, "user");
    db.close_with(ctx);
    let users = Arc::new(Users::new(
        Arc::new(SqliteStore::new(db)),
        Arc::new(GrpcAccounts::new(ctx.neighbours.auth.clone())),
        ctx.clock.clone(),
    ));
    users.make_demo_profiles(ctx.settings.demo_plan()).await?;
    sweeper::start(ctx, Arc::clone(&users));
    let service = UserServiceServer::new(UserRpc::new(users))
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .accept_compressed(CompressionEncoding::Zstd);
    Ok(Routes::new(service))
}
