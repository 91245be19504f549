//! The store on SQLite: one file, one writer.
//!
//! Every change raises the feed's revision in its own transaction and is published when that commits, so the order of the feed
//! is the order of the commits.

mod audit;
mod breakers;
mod head;
mod roles;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use logicore::{
    Error,
    clock::Clock,
    ids::{RoleName, TenantId},
    telemetry::Metrics,
};
use logicore_store::{Db, Tx};
use uuid::Uuid;

use super::{AuditQuery, Counts, Store};
use crate::{
    audit::{Batch, Event, Record},
    feed::{Fact, Publish},
    roles::{Decide, Role},
};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// What the feed begins with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Epoch of the store.
    pub epoch: Arc<str>,
    /// Revision that the facts are in force at.
    pub head: u64,
    /// What is in force.
    pub facts: Vec<Fact>,
}

/// Opens the store, or makes it.
///
/// # Errors
/// When the file cannot be used, or a newer program wrote it.
pub async fn open(path: &Path, clock: &Clock, metrics: &Arc<Metrics>) -> Result<Db, Error> {
    Ok(Db::open(path, &MIGRATIONS, clock, metrics).await?)
}

/// Raises the feed's revision and reads what is in force. The raise is for what is not in the store: the built-in roles, which
/// another version of the program may publish otherwise.
///
/// # Errors
/// When the store cannot be used.
pub async fn begin(db: &Db) -> Result<Begin, Error> {
    let (head, facts) = db
        .write("feed_begin", |tx| {
            Box::pin(async move {
                let head = head::raise_in_tx(tx.conn()).await?;
                Ok::<_, Error>((head, head::facts_in_tx(tx.conn()).await?))
            })
        })
        .await?;
    let epoch = db.epoch();
    Ok(Begin { epoch, head, facts })
}

/// The store on SQLite.
#[derive(Clone, Debug)]
pub struct Sqlite {
    db: Db,
    publish: Arc<dyn Publish>,
}

impl Sqlite {
    /// The store in `db`, which tells of its changes by `publish`.
    #[must_use]
    pub fn new(db: Db, publish: Arc<dyn Publish>) -> Self {
        Self { db, publish }
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn role_list(&self, tenant: &TenantId, after: &str, limit: usize) -> Result<Vec<Role>, Error> {
        let (tenant, after) = (tenant.clone(), after.to_owned());
        self.db
            .read("role_list", |c| {
                Box::pin(async move { roles::list(c, &tenant, &after, limit).await })
            })
            .await
    }

    async fn role_find(&self, tenant: &TenantId, names: &[RoleName]) -> Result<Vec<Role>, Error> {
        let (tenant, names) = (tenant.clone(), names.to_vec());
        self.db
            .read("role_find", |c| {
                Box::pin(async move { roles::find(c, &tenant, &names).await })
            })
            .await
    }

    async fn role_change(
        &self,
        tenant: &TenantId,
        name: &RoleName,
        held: &[RoleName],
        now: DateTime<Utc>,
        decide: Decide,
    ) -> Result<Option<Role>, Error> {
        let (tenant, name, held) = (tenant.clone(), name.clone(), held.to_vec());
        let told = self.told();
        self.db
            .write("role_change", move |tx| {
                Box::pin(async move {
                    let facts = roles::facts_in_tx(tx.conn(), &tenant, &name, &held, now).await?;
                    let change = decide(facts)?;
                    if let Some((fact, record)) = roles::apply_in_tx(tx.conn(), &tenant, &name, change, now).await? {
                        told.tell_in_tx(tx, vec![fact], record).await?;
                    }
                    Ok(roles::find(tx.conn(), &tenant, &[name]).await?.pop())
                })
            })
            .await
    }

    async fn grant_release(&self, lease: Uuid) -> Result<(), Error> {
        self.db
            .write("grant_release", move |tx| {
                Box::pin(async move { roles::release_in_tx(tx.conn(), lease).await })
            })
            .await
    }

    async fn breaker_reset(&self, breaker: &str, now: DateTime<Utc>, record: Record) -> Result<u64, Error> {
        let (breaker, told) = (breaker.to_owned(), self.told());
        self.db
            .write("breaker_reset", move |tx| {
                Box::pin(async move {
                    let (order, facts) = breakers::reset_in_tx(tx.conn(), &breaker, now).await?;
                    told.tell_in_tx(tx, facts, record).await?;
                    Ok(order)
                })
            })
            .await
    }

    async fn audit_append(&self, batch: Batch, now: DateTime<Utc>) -> Result<u64, Error> {
        let epoch = self.db.epoch();
        self.db
            .write("audit_append", move |tx| {
                Box::pin(async move { audit::append_in_tx(tx.conn(), &epoch, batch, now).await })
            })
            .await
    }

    async fn audit_note(&self, record: Record) -> Result<(), Error> {
        let epoch = self.db.epoch();
        self.db
            .write("audit_note", move |tx| {
                Box::pin(async move { audit::own_in_tx(tx.conn(), &epoch, record).await })
            })
            .await
    }

    async fn audit_list(&self, query: AuditQuery) -> Result<Vec<Event>, Error> {
        self.db
            .read("audit_list", |c| Box::pin(async move { audit::list(c, &query).await }))
            .await
    }

    async fn tenant_counts(&self, tenant: &TenantId) -> Result<Counts, Error> {
        let tenant = tenant.clone();
        self.db
            .snapshot("tenant_counts", |c| {
                Box::pin(async move {
                    Ok(Counts {
                        roles: roles::count(&mut *c, &tenant).await?,
                        audit_events: audit::count(c, &tenant).await?,
                    })
                })
            })
            .await
    }
}

/// What a change leaves besides itself: its event in the log, and its facts in the feed.
struct Told {
    publish: Arc<dyn Publish>,
    epoch: Arc<str>,
}

impl Told {
    async fn tell_in_tx(self, tx: &mut Tx, facts: Vec<Fact>, record: Record) -> Result<(), Error> {
        audit::own_in_tx(tx.conn(), &self.epoch, record).await?;
        let revision = head::raise_in_tx(tx.conn()).await?;
        tx.on_commit(move || self.publish.publish(revision, facts));
        Ok(())
    }
}

impl Sqlite {
    fn told(&self) -> Told {
        Told {
            publish: self.publish.clone(),
            epoch: self.db.epoch(),
        }
    }
}

fn failed(error: sqlx::Error) -> Error {
    logicore_store::Error::from(error).into()
}

/// What was checked when it was written, and does not hold now.
fn corrupt(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    logicore_store::Error::Corrupt(Arc::new(error)).into()
}

fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(corrupt)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        roles::{Change, Role},
        store::contract::{self, Fixture, Published},
    };

    struct Folder {
        dir: Arc<tempfile::TempDir>,
        db: Db,
    }

    #[async_trait]
    impl contract::Backend for Folder {
        async fn restored(&self) -> Fixture {
            let forgotten: Result<(), Error> = self
                .db
                .write("restore", |tx| {
                    Box::pin(async move {
                        let query = sqlx::query("DELETE FROM meta WHERE name = 'epoch'");
                        query.execute(tx.conn()).await.map(drop).map_err(failed)
                    })
                })
                .await;
            forgotten.unwrap();
            self.db.close().await;
            fixture_in(self.dir.clone()).await
        }
    }

    /// A store in a folder of its own that goes with it.
    pub(crate) async fn fixture() -> Fixture {
        fixture_in(Arc::new(tempfile::tempdir().unwrap())).await
    }

    async fn fixture_in(dir: Arc<tempfile::TempDir>) -> Fixture {
        let clock = Clock::manual(contract::now());
        let db = open(&dir.path().join("admin.db"), &clock, &Metrics::new())
            .await
            .unwrap();
        let published = Arc::new(Published::default());
        let store = Sqlite::new(db.clone(), published.clone());
        Fixture {
            store: Arc::new(store),
            published,
            backend: Box::new(Folder { dir, db }),
        }
    }

    contract::suite!(fixture);

    #[tokio::test]
    async fn what_is_in_force_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.db");
        let clock = Clock::manual(contract::now());
        let db = open(&path, &clock, &Metrics::new()).await.unwrap();
        let first = begin(&db).await.unwrap();
        let published = Arc::new(Published::default());
        let store = Sqlite::new(db.clone(), published.clone());
        let role = Role {
            tenant: TenantId::default(),
            name: "editor".parse().unwrap(),
            description: String::new(),
            permissions: vec!["users.read".to_owned()],
            created: clock.now(),
            updated: clock.now(),
            etag: "e".to_owned(),
        };
        let (put, record) = (role.clone(), contract::record("default", "role.create", 0));
        let decide: Decide = Box::new(move |_| Ok(Change::Put(put, record)));
        let changed = store.role_change(&role.tenant, &role.name, &[], clock.now(), decide);
        changed.await.unwrap();
        let reset = contract::record("default", "breaker.reset", 0);
        let order = store.breaker_reset("user", clock.now(), reset).await.unwrap();
        let last = published.all().pop().unwrap().0;
        db.close().await;

        let db = open(&path, &clock, &Metrics::new()).await.unwrap();
        let again = begin(&db).await.unwrap();
        assert_eq!(again.epoch, first.epoch);
        assert!(
            again.head > last && last > first.head,
            "a revision is never given twice"
        );
        let facts = [Fact::Role(role), Fact::BreakerReset("user".to_owned(), order)];
        assert!(facts.iter().all(|fact| again.facts.contains(fact)));
        let kept = |fact: &&Fact| !facts.contains(fact);
        assert_eq!(
            again.facts.iter().filter(kept).cloned().collect::<Vec<_>>(),
            first.facts
        );
    }
}
