//! What a write job sees of its transaction.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use logicore::clock::Clock;
use sqlx::SqliteConnection;
use tokio::sync::Notify;

use crate::Error;

/// Called after COMMIT.
pub(crate) type Hook = Box<dyn FnOnce() + Send>;

/// The transaction of a write job: the writer's connection and what shall happen once it is committed.
///
/// A job must await nothing but the connection, since all writers wait for it, and must not begin or end transactions.
pub struct Tx {
    pub(crate) conn: SqliteConnection,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) clock: Clock,
    pub(crate) outbox: Arc<Notify>,
}

impl Tx {
    /// The connection to run statements on.
    pub fn conn(&mut self) -> &mut SqliteConnection {
        &mut self.conn
    }

    /// The time now, cut to microseconds.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Calls `hook` once the job is on disk, in the order of commits, before anyone hears that it is. Not called when the job
    /// fails. It must be short and must not block.
    pub fn on_commit(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.push(Box::new(hook));
    }

    /// Runs one of the writer's own statements. They are sound, so where SQLite does not take one, the transaction is gone: a
    /// full disk, for one, makes it roll back by itself. To whoever waits for the transaction that is no defect.
    pub(crate) async fn control(&mut self, sql: &'static str) -> Result<(), Error> {
        let done = sqlx::query(sql).execute(&mut self.conn).await;
        done.map(drop).map_err(|error| match Error::from(error) {
            Error::Internal(cause) => Error::Unavailable(cause),
            other => other,
        })
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("hooks", &self.hooks.len())
            .finish_non_exhaustive()
    }
}
