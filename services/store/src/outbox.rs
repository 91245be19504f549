//! Audit records, written in the transaction of the change they tell of, and delivered afterwards.
//!
//! The sequence is gapless and starts at 1: it is a counter row, since an AUTOINCREMENT would leave gaps where a job fails. A
//! record leaves the outbox after admin has answered, so it arrives at least once and in order; admin passes over repetitions.

mod dispatch;
mod record;

use std::sync::Arc;

use prost::Message;

pub use dispatch::dispatch;
pub use record::{AuditRecord, Outcome};

use crate::{Error, Tx};

/// Adds a record to the outbox; it is delivered once the transaction is committed. Returns its place in the sequence.
///
/// # Errors
/// What the database says.
pub async fn append_in_tx(tx: &mut Tx, record: &AuditRecord) -> Result<u64, Error> {
    const NEXT: &str = "UPDATE outbox_head SET next_seq = next_seq + 1 WHERE only_row = 1 RETURNING next_seq - 1";
    const ADD: &str = "INSERT INTO outbox (seq, event) VALUES ($1, $2)";
    let seq: i64 = sqlx::query_scalar(NEXT).fetch_one(tx.conn()).await?;
    let event = record.event(tx.now()).encode_to_vec();
    sqlx::query(ADD).bind(seq).bind(event).execute(tx.conn()).await?;
    let wake = Arc::clone(&tx.outbox);
    tx.on_commit(move || wake.notify_one());
    Ok(seq.unsigned_abs())
}
