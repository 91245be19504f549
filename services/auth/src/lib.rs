//! The auth service: who can sign in, who has, and what a token is worth.
//!
//! | module | owns |
//! |---|---|
//! | [`rpc`] | the gRPC face: convert, call, convert |
//! | [`auth`] | the domain in one value; its operations stand beside their nouns |
//! | [`accounts`], [`passwords`], [`codes`] | who can sign in, and by what |
//! | [`logins`], [`throttle`] | signing in, and slowing down who guesses |
//! | [`sessions`], [`refresh`] | logins that last, and how they go on |
//! | [`keys`] | signing keys and access tokens |
//! | [`revocations`], [`feed`] | making older tokens void, and telling everybody |
//! | [`introspect`], [`statistics`], [`audit`] | answering about all that |
//! | [`bootstrap`], [`demo`] | the first accounts |
//! | [`store`] | what is kept; the domain knows the trait alone |
//! | [`sweeper`] | deleting what is over |

mod accounts;
mod audit;
mod auth;
mod bootstrap;
mod codes;
mod demo;
mod feed;
mod introspect;
mod keys;
mod logins;
mod passwords;
mod refresh;
mod revocations;
mod rpc;
mod sessions;
mod statistics;
mod store;
mod sweeper;
#[cfg(test)]
mod tests;
mod throttle;

use std::{sync::Arc, time::Duration};

use logicore::{
    Context, Error,
    feed::{AUTH, Producer},
};
use logicore_store::{Db, outbox};
use tonic::service::Routes;

use crate::{
    auth::{Auth, Lives},
    feed::Publisher,
    store::{MIGRATOR, SqliteStore, Store},
};

/// Starts the service: opens its store and its keys, does what this start must do about demo accounts, and begins to publish.
///
/// # Errors
/// When the store or the keys cannot be opened; the message says what to do.
pub async fn start(ctx: &Context) -> Result<Routes, Error> {
    let parts = Parts::open(ctx, passwords::Params::default()).await?;
    outbox::dispatch(ctx, &parts.db, "auth");
    parts.db.close_with(ctx);
    sweeper::start(ctx, Arc::clone(&parts.auth));
    Ok(parts.routes())
}

/// The service, before anything in it runs by itself.
struct Parts {
    db: Db,
    auth: Arc<Auth>,
    producer: Arc<Producer>,
}

impl Parts {
    async fn open(ctx: &Context, hashing: passwords::Params) -> Result<Self, Error> {
        let path = ctx.settings.data_dir.join("auth.db");
        let db = Db::open(&path, &MIGRATOR, &ctx.clock, &ctx.metrics).await?;
        let publisher = Arc::new(Publisher::default());
        let store = Arc::new(SqliteStore::new(db.clone(), publisher.clone()));
        let auth = Arc::new(open(ctx, store, hashing).await?);
        auth.apply_demo(ctx.settings.demo_plan()).await?;

        // The snapshot is read after all that start changed, and nothing else can write before the routes are served.
        let producer = producer(&auth).await?;
        publisher.connect(Arc::clone(&producer));
        Ok(Self { db, auth, producer })
    }

    fn routes(&self) -> Routes {
        Routes::new(rpc::auth_service(&self.auth))
            .add_service(rpc::account_service(&self.auth))
            .add_service(self.producer.service())
    }
}

/// The domain over a store.
async fn open(ctx: &Context, store: Arc<dyn Store>, hashing: passwords::Params) -> Result<Auth, Error> {
    let jwt = &ctx.settings.jwt;
    let seconds = i64::try_from(jwt.expiry.as_secs()).unwrap_or(i64::MAX);
    let longest = store.token_life_raise(seconds).await?;
    let lives = Lives {
        access: jwt.expiry,
        access_longest: Duration::from_secs(longest.unsigned_abs()).max(jwt.expiry),
        refresh: jwt.refresh_expiry,
        session: jwt.session_expiry,
    };
    let loaded = keys::load(store.as_ref(), &ctx.settings, &lives, ctx.clock.now()).await?;
    Ok(Auth {
        store,
        clock: ctx.clock.clone(),
        hasher: passwords::Hasher::new(hashing, ctx.metrics.clone()),
        throttle: throttle::Throttle::new(ctx.clock.clone()),
        signer: loaded.signer,
        refresh_keys: loaded.refresh,
        lives,
        counts: statistics::Counters::default(),
        metrics: ctx.metrics.clone(),
        verifier: ctx.verifier.clone(),
    })
}

/// A producer of everything that is in force.
async fn producer(auth: &Auth) -> Result<Arc<Producer>, Error> {
    let (revision, marks) = auth.store.mark_list().await?;
    let keys = auth.signer.keys().iter().filter_map(feed::resource_of_key);
    let resources = keys.chain(marks.iter().map(feed::resource_of_mark)).collect();
    Ok(Producer::new(AUTH, auth.store.epoch().to_string(), revision, resources))
}
