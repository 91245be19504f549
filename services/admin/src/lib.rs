//! The admin service: roles, grants, the audit log, and the operators' face for tokens, breakers and figures.
//!
//! | module | owns |
//! |---|---|
//! | [`rpc`] | the services on the wire |
//! | [`app`] | what the nouns share; the neighbours as traits |
//! | [`roles`], [`grants`], [`permissions`] | who may do what, and who may say so |
//! | [`tokens`], [`breakers`], [`overview`] | what operators do and look at |
//! | [`audit`] | the log of what happened |
//! | [`tenants`] | tenants |
//! | [`feed`] | what watchers get to know |
//! | [`store`] | what is kept, and how |
//! | [`neighbour`] | the auth service |

pub mod app;
pub mod audit;
pub mod breakers;
pub mod caller;
pub mod feed;
pub mod grants;
pub mod neighbour;
pub mod overview;
pub mod permissions;
pub mod roles;
pub mod rpc;
pub mod store;
pub mod tenants;
#[cfg(test)]
mod tests;
pub mod tokens;

use std::sync::Arc;

use logicore::{
    Context, Error,
    api::admin::{admin_service_server::AdminServiceServer, audit_ingest_service_server::AuditIngestServiceServer},
};
use tonic::{codec::CompressionEncoding, service::Routes};

use crate::{app::Admin, feed::Publisher, neighbour::Auth, permissions::Catalogue, rpc::Rpc, store::sqlite};

/// Name of the store's file in the data folder.
const FILE: &str = "admin.db";

/// Opens the store, starts admin's side of the access feed and returns the services to serve. Needs no neighbour to be up.
///
/// # Errors
/// When the store cannot be opened.
pub async fn start(ctx: &Context) -> Result<Routes, Error> {
    let path = ctx.settings.data_dir.join(FILE);
    let catalogue = Arc::new(Catalogue::new(&ctx.policies));
    let db = sqlite::open(&path, &ctx.clock, &ctx.metrics).await?;
    db.close_with(ctx);
    let begin = sqlite::begin(&db).await?;
    let publisher = Publisher::new(catalogue.clone(), &begin.epoch, begin.head, &begin.facts);
    let publisher = Arc::new(publisher);
    let admin = Admin {
        store: Arc::new(sqlite::Sqlite::new(db, publisher.clone())),
        accounts: Arc::new(Auth::new(ctx.neighbours.auth.clone())),
        gateways: publisher.clone(),
        catalogue,
        clock: ctx.clock.clone(),
        tasks: ctx.tasks.clone(),
    };
    let rpc = Rpc(admin);
    let service = AdminServiceServer::new(rpc.clone())
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .accept_compressed(CompressionEncoding::Zstd);
    Ok(Routes::new(service)
        .add_service(AuditIngestServiceServer::new(rpc))
        .add_service(publisher.producer().service()))
}
