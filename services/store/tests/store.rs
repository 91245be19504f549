//! The store as services use it, on real files.

#[path = "store/commit.rs"]
mod commit;
#[path = "store/dispatch.rs"]
mod dispatch;
#[path = "store/file.rs"]
mod file;
#[path = "store/outbox.rs"]
mod outbox;

use std::{path::Path, sync::Arc};

use logicore::{clock::Clock, telemetry::Metrics};
use logicore_store::{Db, Error, Tx};
use sqlx::{
    SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

/// The schema of these tests up to version `newest`.
fn migrator(newest: i64) -> Migrator {
    let all = [
        (
            1,
            "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)",
        ),
        (2, "CREATE TABLE later (name TEXT NOT NULL PRIMARY KEY)"),
    ];
    let known = all.into_iter().filter(|(version, _)| *version <= newest);
    Migrator::with_migrations(
        known
            .map(|(version, sql)| {
                Migration::new(version, "test".into(), MigrationType::Simple, sql.into_sql_str(), false)
            })
            .collect(),
    )
}

async fn open(path: &Path, metrics: &Arc<Metrics>) -> Db {
    Db::open(path, &migrator(1), &Clock::system(), metrics)
        .await
        .expect("the store opens")
}

/// Inserts a row; a second one of that name is a unique violation.
async fn insert(tx: &mut Tx, name: &str) -> Result<(), Error> {
    sqlx::query("INSERT INTO counter (name, value) VALUES ($1, 0)")
        .bind(name)
        .execute(tx.conn())
        .await?;
    Ok(())
}

async fn names(db: &Db) -> Vec<String> {
    db.read("names", |c| {
        Box::pin(async move {
            Ok::<_, Error>(
                sqlx::query_scalar("SELECT name FROM counter ORDER BY name")
                    .fetch_all(c)
                    .await?,
            )
        })
    })
    .await
    .expect("names are read")
}
