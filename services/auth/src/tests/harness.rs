//! The service as production composes it, in a folder of its own: cheap hashes, a clock that stands until it is moved, and the
//! access feed over the mesh in memory.

use std::{net::IpAddr, sync::Arc, time::Duration};

use chrono::DateTime;
use logicore::{
    Context, Error, Reason,
    access::Principal,
    api::admin::AuditEvent,
    clock::Clock,
    feed::{ADMIN, AUTH, Producer},
    ids::{TenantId, UserId},
    mesh::{self, Address, MemoryListener},
    secret::Secret,
    settings::{Role, Settings},
    testkit::{self, PATIENCE},
};
use logicore_store::Db;
use tempfile::TempDir;

use crate::{
    Parts,
    accounts::{Account, Email},
    audit::Actor,
    auth::{Auth, Tokens},
    passwords::{CHEAP, Params},
    refresh,
    store::records,
};

/// A password that the rules take.
pub(crate) const PASSWORD: &str = "purple monkey dishwasher";

/// Another one.
pub(crate) const OTHER: &str = "correct horse battery staple";

/// The service and what stands around it.
pub(crate) struct World {
    pub(crate) ctx: Context,
    pub(crate) auth: Arc<Auth>,
    pub(crate) producer: Arc<Producer>,
    pub(crate) db: Db,
    pub(crate) address: Address,
    dir: Arc<TempDir>,
}

/// Somebody with an account and a password.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) tenant: TenantId,
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) password: Secret,
}

impl World {
    /// A new one with default settings and without demo accounts.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A new one with settings of one's own.
    pub(crate) async fn with(set: impl FnOnce(&mut Settings)) -> Self {
        let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let dir = Arc::new(tempfile::tempdir().unwrap());
        Self::start(settings(&dir, set), CHEAP, dir, clock).await.unwrap()
    }

    /// A new one whose verifiers have heard of nothing yet.
    pub(crate) async fn deaf() -> Self {
        let world = Self::new().await;
        world.close().await;
        let settings = settings(&world.dir, |_| {});
        Self::open(settings, CHEAP, world.dir.clone(), world.ctx.clock.clone())
            .await
            .unwrap()
            .0
    }

    /// The same folder after a restart with other settings; the defaults where they say nothing. This one is over then.
    pub(crate) async fn restarted(&self, set: impl FnOnce(&mut Settings)) -> Result<Self, Error> {
        self.rehashing(CHEAP, set).await
    }

    /// The same, with other parameters of hashing.
    pub(crate) async fn rehashing(&self, hashing: Params, set: impl FnOnce(&mut Settings)) -> Result<Self, Error> {
        self.close().await;
        let clock = self.ctx.clock.clone();
        Self::start(settings(&self.dir, set), hashing, self.dir.clone(), clock).await
    }

    async fn close(&self) {
        self.ctx.shutdown.cancel();
        self.db.close().await;
    }

    async fn start(settings: Settings, hashing: Params, dir: Arc<TempDir>, clock: Clock) -> Result<Self, Error> {
        let (world, listener) = Self::open(settings, hashing, dir, clock).await?;
        testkit::serve_on(&world.ctx, listener, world.parts().routes());
        world.ctx.access.watch(&world.ctx);
        world.ctx.access.wait_ready(PATIENCE).await.unwrap();
        Ok(world)
    }

    async fn open(
        settings: Settings,
        hashing: Params,
        dir: Arc<TempDir>,
        clock: Clock,
    ) -> Result<(Self, MemoryListener), Error> {
        let (address, listener) = mesh::memory();
        let address = Address::Memory(address);
        let ctx = context(settings, clock, &address);
        let parts = Parts::open(&ctx, hashing).await?;
        let world = Self {
            ctx,
            auth: parts.auth,
            producer: parts.producer,
            db: parts.db,
            address,
            dir,
        };
        Ok((world, listener))
    }

    /// The parts that production serves.
    pub(crate) fn parts(&self) -> Parts {
        Parts {
            db: self.db.clone(),
            auth: Arc::clone(&self.auth),
            producer: Arc::clone(&self.producer),
        }
    }

    /// The folder that it keeps everything in.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.ctx.clock.advance(by);
    }

    /// Waits until verifiers know all that was committed.
    pub(crate) async fn settled(&self) {
        let (revision, _) = self.auth.store.mark_list().await.unwrap();
        assert!(
            self.producer.acknowledged(revision, PATIENCE).await,
            "the feed has stopped"
        );
    }

    /// Waits until somebody waits to have a password hashed.
    pub(crate) async fn somebody_waits_to_hash(&self) {
        self.until("nobody waits to hash", || self.ctx.metrics.hash_queue.get() > 0)
            .await;
    }

    /// Keeps from verifiers what is committed from now on.
    pub(crate) async fn cut_off(&self) {
        self.ctx.shutdown.cancel();
        self.until("a watcher stays", || self.producer.watchers().is_empty())
            .await;
    }

    /// Lets the others work until something is so.
    async fn until(&self, failing: &str, so: impl Fn() -> bool) {
        let waiting = async {
            while !so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect(failing);
    }

    /// Makes an account without a password; returns its code.
    pub(crate) async fn invited(&self, of: &str, called: &str) -> (Account, Secret) {
        let (id, email) = (UserId::generate(), email(called));
        let made = self.auth.provision(&tenant(of), id, &email, &nobody()).await.unwrap();
        (made.0, made.1.unwrap().text)
    }

    /// Makes an account with a password.
    pub(crate) async fn person(&self, of: &str, called: &str) -> Person {
        let (account, code) = self.invited(of, called).await;
        let password = Secret::new(PASSWORD);
        self.auth.set_password(&code, &password, &nobody()).await.unwrap();
        Person {
            tenant: account.tenant,
            id: account.id,
            email: account.email,
            password,
        }
    }

    pub(crate) async fn try_login(&self, person: &Person, from: &Actor) -> Result<Tokens, Error> {
        self.auth
            .login(&person.tenant, &person.email, &person.password, from)
            .await
    }

    pub(crate) async fn login(&self, person: &Person) -> Tokens {
        self.try_login(person, &nobody()).await.unwrap()
    }

    pub(crate) async fn refresh(&self, token: &Secret) -> Result<Tokens, Error> {
        self.auth.refresh(token, &nobody()).await
    }

    /// What verifiers say to an access token, once they know all.
    pub(crate) async fn verified(&self, token: &Secret) -> Result<Arc<Principal>, Reason> {
        self.settled().await;
        self.ctx.verifier.verify(token.expose()).map_err(|e| e.reason())
    }

    /// A person with a session, as callers are known.
    pub(crate) async fn caller(&self, person: &Person) -> (Arc<Principal>, Tokens) {
        let tokens = self.login(person).await;
        (self.verified(&tokens.access).await.unwrap(), tokens)
    }

    /// Audit records, oldest first.
    pub(crate) async fn records(&self) -> Vec<AuditEvent> {
        records(&self.db).await.into_iter().map(|(event, _)| event).collect()
    }
}

fn settings(dir: &TempDir, set: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::defaults(Role::All);
    settings.data_dir = dir.path().to_owned();
    settings.demo = Some(false);
    set(&mut settings);
    settings
}

/// A context whose auth is at `address` and whose admin knows the built-in roles.
fn context(settings: Settings, clock: Clock, address: &Address) -> Context {
    let mut ctx = testkit::context_at(settings, clock);
    ctx.access.learn(&ctx.policies);
    ctx.neighbours.auth = testkit::upstream(&ctx, AUTH, address.clone());
    let feed = Producer::new(ADMIN, testkit::EPOCH.to_owned(), 1, testkit::built_in_roles());
    let admin = testkit::serve(&ctx, crate::rpc::tests::alone(feed.service()));
    ctx.neighbours.admin = testkit::upstream(&ctx, ADMIN, admin);
    ctx
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn email(called: &str) -> Email {
    Email::new(&format!("{called}@example.com")).unwrap()
}

/// A caller of whom nothing is known.
pub(crate) fn nobody() -> Actor {
    Actor::default()
}

/// A caller from an address.
pub(crate) fn from(last: u8) -> Actor {
    Actor {
        address: Some(IpAddr::from([192, 0, 2, last])),
        ..nobody()
    }
}

/// A caller who is known by a token.
pub(crate) fn by(principal: &Principal) -> Actor {
    Actor {
        subject: Some(principal.subject),
        session: Some(principal.session),
        ..nobody()
    }
}

pub(crate) fn reason<T>(result: Result<T, Error>) -> Option<Reason> {
    result.err().map(|e| e.reason())
}

/// The refresh token that this one is.
pub(crate) fn opened(world: &World, token: &Secret) -> refresh::Token {
    refresh::Token::open(&world.auth.refresh_keys, token.expose()).unwrap()
}

/// Minutes.
pub(crate) const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// Days.
pub(crate) const fn days(n: u64) -> Duration {
    Duration::from_secs(86_400 * n)
}
