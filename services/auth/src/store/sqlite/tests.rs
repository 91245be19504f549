use std::sync::Arc;

use async_trait::async_trait;
use logicore::{api::admin::AuditEvent, clock::Clock, telemetry::Metrics};
use logicore_store::Db;
use prost::Message;
use tempfile::TempDir;

use super::{Fault, MIGRATOR, SqliteStore};
use crate::store::contract::{self, Fixture, Told};

struct Folder {
    dir: Arc<TempDir>,
    db: Db,
}

#[async_trait]
impl contract::Backend for Folder {
    async fn records(&self) -> Vec<AuditEvent> {
        records(&self.db).await.into_iter().map(|(event, _)| event).collect()
    }

    async fn reopened(&self) -> Fixture {
        self.db.close().await;
        fixture_in(Arc::clone(&self.dir)).await
    }
}

/// What waits in the outbox, oldest first, read and as it is kept.
pub(crate) async fn records(db: &Db) -> Vec<(AuditEvent, Vec<u8>)> {
    const READ: &str = "SELECT seq, event FROM outbox ORDER BY seq";
    let rows: Result<Vec<(i64, Vec<u8>)>, Fault> = db
        .read("test_outbox", |c| {
            Box::pin(async move { Ok(sqlx::query_as(READ).fetch_all(c).await?) })
        })
        .await;
    let mut records = Vec::new();
    for (seq, bytes) in rows.unwrap() {
        let mut event = AuditEvent::decode(bytes.as_slice()).unwrap();
        event.sequence = seq.unsigned_abs();
        records.push((event, bytes));
    }
    records
}

async fn fixture() -> Fixture {
    fixture_in(Arc::new(tempfile::tempdir().unwrap())).await
}

async fn fixture_in(dir: Arc<TempDir>) -> Fixture {
    let clock = Clock::manual(contract::now());
    let path = dir.path().join("auth.db");
    let db = Db::open(&path, &MIGRATOR, &clock, &Metrics::new()).await.unwrap();
    let told = Arc::new(Told::default());
    Fixture {
        store: Arc::new(SqliteStore::new(db.clone(), told.clone())),
        told,
        backend: Box::new(Folder { dir, db }),
    }
}

contract::suite!(fixture);
