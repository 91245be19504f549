//! What a process knows of keys, revocations, roles and tenants.
//!
//! Each producer has a side: a replica behind a lock that only its watcher takes, and a compiled state that readers load
//! without one. A delta makes the next state from the last by copying a few nodes; a snapshot compiles anew.

mod side;
mod state;

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::{sync::watch, time::timeout};

use self::{
    side::Side,
    state::{AdminState, AuthState, jwks},
};
use super::{
    ADMIN, AUTH,
    replica::{OutOfStep, Prepared},
    resources::Snapshot,
    roles::Catalog,
    watcher,
};
use crate::{
    access::Principal,
    api::mesh::{self as pb, resource::Kind},
    context::Context,
    error::{Error, Reason},
    ids::{RoleName, TenantId},
    policy::Table,
    token::VerifyingKey,
};

type Apply = Box<dyn Fn(&str) + Send + Sync>;
type Read = Box<dyn Fn() -> Vec<pb::CircuitBreaker> + Send + Sync>;

/// What this process knows of keys, revocations, roles and tenants. Reading takes no lock.
pub struct AccessView {
    pub(super) dir: Option<PathBuf>,
    auth: Side,
    admin: Side,
    auth_state: ArcSwapOption<AuthState>,
    admin_state: ArcSwapOption<AdminState>,
    catalog: ArcSwap<Catalog>,
    changed: watch::Sender<u64>,
    resets: Mutex<Vec<Apply>>,
    reports: Mutex<Vec<Read>>,
}

/// Which producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Keys and revocations.
    Auth,
    /// Roles, tenants and orders.
    Admin,
}

impl Source {
    pub(super) const ALL: [Self; 2] = [Self::Auth, Self::Admin];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => AUTH,
            Self::Admin => ADMIN,
        }
    }
}

impl AccessView {
    /// A view that knows nothing yet. `dir` is where the last snapshots are kept, if anywhere.
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            dir,
            auth: Side::new(),
            admin: Side::new(),
            auth_state: ArcSwapOption::empty(),
            admin_state: ArcSwapOption::empty(),
            catalog: ArcSwap::default(),
            changed: watch::Sender::new(0),
            resets: Mutex::default(),
            reports: Mutex::default(),
        })
    }

    /// Starts from the snapshots on disk while they are young enough, and starts the watchers of auth and admin; they run until
    /// `ctx.shutdown`.
    pub fn watch(self: &Arc<Self>, ctx: &Context) {
        self.learn(&ctx.policies);
        watcher::start(self, ctx);
    }

    /// Takes the permissions that exist from the policies; built-in roles hold all of a scope.
    pub fn learn(&self, policies: &Table) {
        self.catalog.store(Arc::new(Catalog::new(policies)));
        let replica = self.admin.replica();
        if replica.revision().is_some() {
            self.compile_admin(&replica, true, true);
        }
    }

    /// Whether a first snapshot of auth and of admin is there.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.auth_known() && self.admin_known()
    }

    /// Whether a first snapshot of auth is there: tokens can be judged.
    #[must_use]
    pub fn auth_known(&self) -> bool {
        self.auth_state.load().is_some()
    }

    /// Whether a first snapshot of admin is there: permissions can be judged.
    #[must_use]
    pub fn admin_known(&self) -> bool {
        self.admin_state.load().is_some()
    }

    /// Time since each producer was last heard (`auth`, `admin`); `None` before the first time.
    #[must_use]
    pub fn ages(&self) -> [(&'static str, Option<Duration>); 2] {
        Source::ALL.map(|source| (source.as_str(), self.side(source).age()))
    }

    /// Whether any of these roles of the tenant holds the permission.
    #[must_use]
    pub fn allows(&self, tenant: &TenantId, roles: &[RoleName], permission: &str) -> bool {
        let state = self.admin_state.load();
        state.as_ref().is_some_and(|s| s.roles.allow(tenant, roles, permission))
    }

    /// Whether these roles make an operator: somebody who holds at least one permission of the platform. Only an operator may
    /// name another tenant than the own one.
    #[must_use]
    pub fn operator(&self, tenant: &TenantId, roles: &[RoleName]) -> bool {
        let state = self.admin_state.load();
        state.as_ref().is_some_and(|s| s.roles.platform(tenant, roles))
    }

    /// Every permission that these roles of the tenant hold, sorted by name.
    #[must_use]
    pub fn permissions(&self, tenant: &TenantId, roles: &[RoleName]) -> Vec<String> {
        let state = self.admin_state.load();
        state
            .as_ref()
            .map_or_else(Vec::new, |s| s.roles.permissions(tenant, roles))
    }

    /// Judges a verified principal by the revocations in force and its tenant's state.
    ///
    /// # Errors
    /// `AUTH_TOKEN_REVOKED`, `AUTH_TOKEN_STALE`, `TENANT_SUSPENDED`; `NOT_READY` before the first snapshot of auth.
    pub fn standing(&self, principal: &Principal) -> Result<(), Error> {
        let auth = self.auth_state.load();
        let Some(auth) = auth.as_ref() else {
            return Err(not_ready());
        };
        auth.marks.judge(principal, &auth.epoch)?;
        let admin = self.admin_state.load();
        let suspended = |s: &Arc<AdminState>| s.suspended.contains(principal.tenant.as_str());
        if admin.as_ref().is_some_and(suspended) {
            return Err(Error::new(
                Reason::TenantSuspended,
                format!("the tenant `{}` is suspended", principal.tenant),
            ));
        }
        Ok(())
    }

    /// The key in force of this `kid`.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<Arc<VerifyingKey>> {
        self.auth_state.load().as_ref()?.keys.get(kid).cloned()
    }

    /// Whether this very key is in force.
    #[must_use]
    pub fn holds_key(&self, key: &Arc<VerifyingKey>) -> bool {
        let state = self.auth_state.load();
        let held = state.as_ref().and_then(|s| s.keys.get(key.kid()));
        held.is_some_and(|held| Arc::ptr_eq(held, key))
    }

    /// The JWKS document (RFC 7517) of the keys in force.
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        let state = self.auth_state.load();
        state
            .as_ref()
            .map_or_else(|| jwks(&BTreeMap::new()), |s| s.jwks.clone())
    }

    /// Wakes whenever something changed that [`AccessView::standing`] or [`AccessView::allows`] may look at.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Grows with every change of roles and tenants: what was decided under another number may be decided otherwise now.
    #[must_use]
    pub fn policy_revision(&self) -> u64 {
        self.version(Source::Admin)
    }

    /// Calls `apply` with the name of each breaker that an operator resets, for the life of the process.
    pub fn on_breaker_reset(&self, apply: impl Fn(&str) + Send + Sync + 'static) {
        lock(&self.resets).push(Box::new(apply));
    }

    /// Adds to what the watchers report upward as this process's breakers.
    pub fn report_breakers(&self, read: impl Fn() -> Vec<pb::CircuitBreaker> + Send + Sync + 'static) {
        lock(&self.reports).push(Box::new(read));
    }

    /// Waits for [`AccessView::ready`].
    ///
    /// # Errors
    /// `NOT_READY` after `limit`.
    pub async fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let mut changed = self.changed();
        let ready = async {
            while !self.ready() {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(limit, ready).await.map_err(|_| not_ready())
    }

    /// Takes all that a producer holds.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn snapshot(&self, source: Source, update: pb::Update) {
        self.replace(source, update.into());
    }

    /// Takes all that a producer holds, put together already.
    pub(super) fn replace(&self, source: Source, snapshot: Snapshot) {
        let prepared = Prepared::from(snapshot);
        let mut replica = self.side(source).replica();
        let resets = replica.snapshot(prepared);
        match source {
            Source::Auth => self.compile_auth(&replica),
            Source::Admin => self.compile_admin(&replica, true, true),
        }
        drop(replica);
        self.told(source, &resets);
    }

    /// Takes what changed at a producer.
    pub(super) fn delta(&self, source: Source, update: pb::Update) -> Result<(), OutOfStep> {
        let mut replica = self.side(source).replica();
        let (changes, resets) = replica.delta(update)?;
        match source {
            Source::Auth => self.change_auth(&replica, &changes),
            Source::Admin => {
                let touched = |is: fn(&Kind) -> bool| changes.iter().any(|c| c.kinds().any(is));
                let roles = touched(|k| matches!(k, Kind::Role(_)));
                let tenants = touched(|k| matches!(k, Kind::Tenant(_)));
                self.compile_admin(&replica, roles, tenants);
            }
        }
        drop(replica);
        self.told(source, &resets);
        Ok(())
    }

    /// Forgets revocations that were over at `now`, in seconds since 1970; of very many, the rest the next time.
    pub(super) fn expire(&self, now: i64) {
        let mut replica = self.auth.replica();
        let (dropped, changes) = replica.expire(now);
        if dropped > 0 {
            self.change_auth(&replica, &changes);
            self.auth.version.fetch_add(1, Relaxed);
        }
    }

    /// The point in a producer's history that is held.
    pub(super) fn revision(&self, source: Source) -> Option<pb::Revision> {
        self.side(source).replica().revision().cloned()
    }

    /// Asks for a snapshot next time; what is held stays in force until then.
    pub(super) fn forget_revision(&self, source: Source) {
        self.side(source).replica().forget_revision();
    }

    /// All that is held of a producer, with a number that grows with every change. Takes as long for a million as for one.
    pub(super) fn held(&self, source: Source) -> Option<(u64, Snapshot)> {
        let side = self.side(source);
        let replica = side.replica();
        Some((side.version.load(Relaxed), replica.to_snapshot()?))
    }

    /// Number that grows with every change of what is held of a producer.
    pub(super) fn version(&self, source: Source) -> u64 {
        self.side(source).version.load(Relaxed)
    }

    /// Notes that a producer was heard `ago`.
    pub(crate) fn heard(&self, source: Source, ago: Duration) {
        self.side(source).hear(ago);
    }

    /// What this process's breakers look like.
    pub(super) fn breakers(&self) -> Vec<pb::CircuitBreaker> {
        lock(&self.reports).iter().flat_map(|read| read()).collect()
    }

    fn told(&self, source: Source, resets: &[String]) {
        self.side(source).version.fetch_add(1, Relaxed);
        self.changed.send_modify(|n| *n += 1);
        for breaker in resets {
            lock(&self.resets).iter().for_each(|apply| apply(breaker));
        }
    }

    fn side(&self, source: Source) -> &Side {
        match source {
            Source::Auth => &self.auth,
            Source::Admin => &self.admin,
        }
    }
}

/// What is asked before the first snapshot.
pub(crate) fn not_ready() -> Error {
    Error::new(
        Reason::NotReady,
        "what decides about tokens and permissions has not arrived yet",
    )
    .retry_after(Duration::from_secs(1))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for AccessView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessView")
            .field("ages", &self.ages())
            .finish_non_exhaustive()
    }
}
