//! Profiles in SQLite.

use chrono::{DateTime, Utc};
use logicore::ids::{TenantId, UserId};
use logicore_store::{
    Db, Error, Tx,
    outbox::{AuditRecord, append_in_tx},
};
use sqlx::{SqliteConnection, migrate::Migrator, types::Json};

use super::{
    Begin, Creation, Store,
    rows::{CreationRow, ProfileRow},
    statements,
};
use crate::domain::{Profile, Query};

/// The schema.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("./migrations/sqlite");

/// Profiles in SQLite.
#[derive(Debug)]
pub(crate) struct SqliteStore(Db);

impl SqliteStore {
    pub(crate) fn new(db: Db) -> Self {
        Self(db)
    }
}

#[async_trait::async_trait]
impl Store for SqliteStore {
    async fn creation_begin(&self, creation: &Creation, body_hash: &[u8]) -> Result<Begin, Error> {
        let (creation, body_hash) = (creation.clone(), body_hash.to_vec());
        self.0
            .write("creation_begin", move |tx| {
                Box::pin(async move { creation_begin_in_tx(tx, &creation, &body_hash).await })
            })
            .await
    }

    async fn creation_finish(
        &self,
        tenant: &TenantId,
        id: UserId,
        now: DateTime<Utc>,
        audit: &AuditRecord,
    ) -> Result<Option<Profile>, Error> {
        let (tenant, audit) = (tenant.clone(), audit.clone());
        self.0
            .write("creation_finish", move |tx| {
                Box::pin(async move { creation_finish_in_tx(tx, &tenant, id, now, &audit).await })
            })
            .await
    }

    async fn creation_abort(&self, tenant: &TenantId, id: UserId, audit: Option<&AuditRecord>) -> Result<(), Error> {
        const DELETE: &str = "DELETE FROM profile WHERE tenant = $1 AND id = $2 AND state = 'pending'";
        let (tenant, audit) = (tenant.clone(), audit.cloned());
        self.0
            .write("creation_abort", move |tx| {
                Box::pin(async move {
                    let delete = sqlx::query(DELETE).bind(tenant.as_str().to_owned()).bind(id.0);
                    let deleted = delete.execute(tx.conn()).await?.rows_affected();
                    append_if(tx, deleted == 1, audit.as_ref()).await
                })
            })
            .await
    }

    async fn creation_pending(&self, before: DateTime<Utc>, limit: usize) -> Result<Vec<Creation>, Error> {
        const READ: &str = "SELECT p.*, c.request_id, c.email, c.actor \
            FROM profile p JOIN creation c ON c.user_id = p.id \
            WHERE p.state = 'pending' AND p.create_time < $1 ORDER BY p.create_time LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.0
            .read("creation_pending", |c| {
                Box::pin(async move {
                    let rows: Vec<CreationRow> = sqlx::query_as(READ).bind(before).bind(limit).fetch_all(c).await?;
                    rows.into_iter().map(TryInto::try_into).collect()
                })
            })
            .await
    }

    async fn creation_forget(&self, before: DateTime<Utc>) -> Result<(), Error> {
        const OLD: &str = "SELECT EXISTS (SELECT 1 FROM creation c JOIN profile p ON c.user_id = p.id \
            WHERE p.state <> 'pending' AND p.create_time < $1)";
        const DELETE: &str = "DELETE FROM creation WHERE user_id IN \
            (SELECT id FROM profile WHERE state <> 'pending' AND create_time < $1)";
        // Looked at first: the sweeper asks often, and a write costs a sync of the disk.
        let any: bool = self
            .0
            .read("creation_old", |c| {
                Box::pin(async move { Ok::<_, Error>(sqlx::query_scalar(OLD).bind(before).fetch_one(c).await?) })
            })
            .await?;
        if !any {
            return Ok(());
        }
        self.0
            .write("creation_forget", move |tx| {
                Box::pin(async move { Ok(sqlx::query(DELETE).bind(before).execute(tx.conn()).await.map(drop)?) })
            })
            .await
    }

    async fn profile_find(&self, tenant: &TenantId, id: UserId) -> Result<Option<Profile>, Error> {
        let tenant = tenant.clone();
        self.0
            .read("profile_find", move |c| {
                Box::pin(async move { profile_find_on(c, &tenant, id).await })
            })
            .await
    }

    async fn profile_add(&self, profile: &Profile, audit: Option<&AuditRecord>) -> Result<(), Error> {
        let (profile, audit) = (profile.clone(), audit.cloned());
        self.0
            .write("profile_add", move |tx| {
                Box::pin(async move {
                    let added = profile_insert_in_tx(tx, &profile).await?;
                    append_if(tx, added, audit.as_ref()).await
                })
            })
            .await
    }

    async fn profile_replace(&self, profile: &Profile, revision: i64, audit: &AuditRecord) -> Result<bool, Error> {
        let (profile, audit) = (profile.clone(), audit.clone());
        self.0
            .write("profile_replace", move |tx| {
                Box::pin(async move {
                    let replaced = profile_update_in_tx(tx, &profile, revision).await?;
                    append_if(tx, replaced, Some(&audit)).await?;
                    Ok(replaced)
                })
            })
            .await
    }

    async fn profile_list(&self, query: &Query) -> Result<Vec<Profile>, Error> {
        let mut list = statements::list(query);
        self.0
            .read("profile_list", |c| {
                Box::pin(async move {
                    let rows: Vec<ProfileRow> = list.build_query_as().fetch_all(c).await?;
                    rows.into_iter().map(TryInto::try_into).collect()
                })
            })
            .await
    }

    async fn profile_none(&self) -> Result<bool, Error> {
        const READ: &str = "SELECT NOT EXISTS (SELECT 1 FROM profile)";
        self.0
            .read("profile_none", |c| {
                Box::pin(async move { Ok(sqlx::query_scalar(READ).fetch_one(c).await?) })
            })
            .await
    }
}

async fn append_if(tx: &mut Tx, changed: bool, audit: Option<&AuditRecord>) -> Result<(), Error> {
    if let (true, Some(audit)) = (changed, audit) {
        append_in_tx(tx, audit).await?;
    }
    Ok(())
}

async fn creation_begin_in_tx(tx: &mut Tx, creation: &Creation, body_hash: &[u8]) -> Result<Begin, Error> {
    const FIND: &str = "SELECT user_id, body_hash FROM creation WHERE tenant = $1 AND request_id = $2";
    const INSERT: &str = "INSERT INTO creation (user_id, tenant, request_id, body_hash, email, actor) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let Creation {
        profile,
        request_id,
        email,
        actor,
    } = creation;
    if let Some(request_id) = request_id {
        let find = sqlx::query_as(FIND)
            .bind(profile.tenant.as_str().to_owned())
            .bind(request_id);
        let found: Option<(uuid::Uuid, Vec<u8>)> = find.fetch_optional(tx.conn()).await?;
        if let Some((id, hash)) = found {
            if hash != body_hash {
                return Ok(Begin::Differs);
            }
            let made = profile_find_on(tx.conn(), &profile.tenant, UserId(id)).await?;
            let made = made.ok_or_else(|| Error::corrupt("a creation without its profile"))?;
            return Ok(Begin::Repeated(Box::new(made)));
        }
    }
    profile_insert_in_tx(tx, profile).await?;
    sqlx::query(INSERT)
        .bind(profile.id.0)
        .bind(profile.tenant.as_str().to_owned())
        .bind(request_id)
        .bind(body_hash.to_vec())
        .bind(email)
        .bind(Json(actor))
        .execute(tx.conn())
        .await?;
    Ok(Begin::Made)
}

async fn creation_finish_in_tx(
    tx: &mut Tx,
    tenant: &TenantId,
    id: UserId,
    now: DateTime<Utc>,
    audit: &AuditRecord,
) -> Result<Option<Profile>, Error> {
    const ACTIVATE: &str = "UPDATE profile SET state = 'active', update_time = $3, revision = revision + 1 \
        WHERE tenant = $1 AND id = $2 AND state = 'pending'";
    const UNNAMED: &str = "DELETE FROM creation WHERE user_id = $1 AND request_id IS NULL";
    const FORGET: &str = "UPDATE creation SET email = NULL WHERE user_id = $1";
    let activate = sqlx::query(ACTIVATE)
        .bind(tenant.as_str().to_owned())
        .bind(id.0)
        .bind(now);
    if activate.execute(tx.conn()).await?.rows_affected() == 1 {
        sqlx::query(UNNAMED).bind(id.0).execute(tx.conn()).await?;
        sqlx::query(FORGET).bind(id.0).execute(tx.conn()).await?;
        append_in_tx(tx, audit).await?;
    }
    let profile = profile_find_on(tx.conn(), tenant, id).await?;
    Ok(profile.filter(|p| p.state == crate::domain::State::Active))
}

async fn profile_find_on(c: &mut SqliteConnection, tenant: &TenantId, id: UserId) -> Result<Option<Profile>, Error> {
    const FIND: &str = "SELECT * FROM profile WHERE tenant = $1 AND id = $2";
    let find = sqlx::query_as(FIND).bind(tenant.as_str().to_owned()).bind(id.0);
    let row: Option<ProfileRow> = find.fetch_optional(c).await?;
    row.map(TryInto::try_into).transpose()
}

/// Returns whether the id was free.
async fn profile_insert_in_tx(tx: &mut Tx, profile: &Profile) -> Result<bool, Error> {
    const INSERT: &str = "INSERT INTO profile (id, tenant, display_name, given_name, family_name, phone, locale, \
        display_name_fold, given_name_fold, family_name_fold, labels, state, create_time, update_time, delete_time, revision) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (id) DO NOTHING";
    let fields = &profile.fields;
    let inserted = sqlx::query(INSERT)
        .bind(profile.id.0)
        .bind(profile.tenant.as_str().to_owned())
        .bind(&fields.display_name)
        .bind(&fields.given_name)
        .bind(&fields.family_name)
        .bind(&fields.phone)
        .bind(&fields.locale)
        .bind(fields.display_name.to_lowercase())
        .bind(fields.given_name.to_lowercase())
        .bind(fields.family_name.to_lowercase())
        .bind(Json(&fields.labels))
        .bind(profile.state.as_str())
        .bind(profile.create_time)
        .bind(profile.update_time)
        .bind(profile.delete_time)
        .bind(profile.revision)
        .execute(tx.conn())
        .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Returns whether the profile stood at `revision`.
async fn profile_update_in_tx(tx: &mut Tx, profile: &Profile, revision: i64) -> Result<bool, Error> {
    const UPDATE: &str = "UPDATE profile SET display_name = $4, given_name = $5, family_name = $6, phone = $7, locale = $8, \
        display_name_fold = $9, given_name_fold = $10, family_name_fold = $11, labels = $12, state = $13, update_time = $14, \
        delete_time = $15, revision = $16 WHERE tenant = $1 AND id = $2 AND revision = $3";
    let fields = &profile.fields;
    let updated = sqlx::query(UPDATE)
        .bind(profile.tenant.as_str().to_owned())
        .bind(profile.id.0)
        .bind(revision)
        .bind(&fields.display_name)
        .bind(&fields.given_name)
        .bind(&fields.family_name)
        .bind(&fields.phone)
        .bind(&fields.locale)
        .bind(fields.display_name.to_lowercase())
        .bind(fields.given_name.to_lowercase())
        .bind(fields.family_name.to_lowercase())
        .bind(Json(&fields.labels))
        .bind(profile.state.as_str())
        .bind(profile.update_time)
        .bind(profile.delete_time)
        .bind(profile.revision)
        .execute(tx.conn())
        .await?;
    Ok(updated.rows_affected() == 1)
}

#[cfg(test)]
pub(super) mod tests {
    use std::{path::Path, sync::Arc};

    use logicore::{api::admin::AuditEvent, clock::Clock, telemetry::Metrics};
    use logicore_store::Error;
    use prost::Message;

    use super::*;
    use crate::store::contract::{self, Backend, Fixture};

    struct Folder {
        dir: Arc<tempfile::TempDir>,
        clock: Clock,
        db: Db,
    }

    #[async_trait::async_trait]
    impl Backend for Folder {
        async fn audited(&self) -> Vec<AuditEvent> {
            let rows: Result<Vec<Vec<u8>>, Error> = self
                .db
                .read("audited", |c| {
                    Box::pin(async move {
                        Ok(sqlx::query_scalar("SELECT event FROM outbox ORDER BY seq")
                            .fetch_all(c)
                            .await?)
                    })
                })
                .await;
            let rows = rows.unwrap();
            rows.iter()
                .map(|bytes| AuditEvent::decode(&bytes[..]).unwrap())
                .collect()
        }

        async fn emails(&self) -> Vec<String> {
            const READ: &str = "SELECT email FROM creation WHERE email IS NOT NULL ORDER BY email";
            let emails: Result<_, Error> = self
                .db
                .read("emails", |c| {
                    Box::pin(async move { Ok(sqlx::query_scalar(READ).fetch_all(c).await?) })
                })
                .await;
            emails.unwrap()
        }

        async fn close(&self) {
            self.db.close().await;
        }

        async fn reopened(&self) -> Fixture {
            self.db.close().await;
            open(self.dir.clone(), &self.clock).await
        }
    }

    /// A store in a folder of its own that goes with it.
    pub(crate) async fn fixture(clock: &Clock) -> Fixture {
        open(Arc::new(tempfile::tempdir().unwrap()), clock).await
    }

    async fn open(dir: Arc<tempfile::TempDir>, clock: &Clock) -> Fixture {
        let path: &Path = dir.path();
        let db = Db::open(&path.join("user.db"), &MIGRATOR, clock, &Metrics::new())
            .await
            .unwrap();
        Fixture {
            store: Arc::new(SqliteStore::new(db.clone())),
            backend: Arc::new(Folder {
                clock: clock.clone(),
                db,
                dir,
            }),
        }
    }

    async fn claim() -> Fixture {
        fixture(&Clock::manual(contract::now())).await
    }

    contract::suite!(claim);
}
