//! Audit records in the transaction they tell of.

use logicore::telemetry::Metrics;
use logicore_store::{
    Db, Error,
    outbox::{AuditRecord, append_in_tx},
};

use super::{insert, open};

async fn change(db: &Db, name: &'static str) -> Result<u64, Error> {
    db.write("change", move |tx| {
        Box::pin(async move {
            let record = AuditRecord::new(
                logicore::ids::TenantId::default(),
                "test.change",
                format!("counter/{name}"),
            );
            let seq = append_in_tx(tx, &record).await?;
            insert(tx, name).await?;
            Ok(seq)
        })
    })
    .await
}

#[tokio::test]
async fn the_sequence_has_no_gap_where_a_job_failed() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    assert_eq!(change(&db, "a").await.unwrap(), 1);
    assert!(change(&db, "a").await.unwrap_err().is_unique_violation());
    assert_eq!(change(&db, "b").await.unwrap(), 2);
    db.close().await;
    drop(db);
    let again = open(&dir.path().join("test.db"), &Metrics::new()).await;
    assert_eq!(change(&again, "c").await.unwrap(), 3);
}
