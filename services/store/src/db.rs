//! One SQLite file: a small pool of readers and the handle of its single writer.

mod open;

use std::{fmt, path::Path, sync::Arc};

use logicore::{Context, clock::Clock, telemetry::Metrics};
use sqlx::{Acquire, SqliteConnection, SqlitePool, migrate::Migrator};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{Instrument, Span, field};

use crate::{
    BoxFuture, Error, Tx,
    writer::{Order, Typed},
};

/// A service's store. Cheap to clone; when the last handle is gone, the writer finishes its queue and closes the file.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    service: Arc<str>,
    epoch: Arc<str>,
    readers: SqlitePool,
    writer: mpsc::Sender<Order>,
    clock: Clock,
    metrics: Arc<Metrics>,
    outbox: Arc<Notify>,
}

impl Db {
    /// Opens the file, makes it where it is missing (mode 0600), brings its schema up to date and starts the writer. The
    /// file's name without `.db` is the service's name in metrics and spans.
    ///
    /// # Errors
    /// [`Error::NewerSchema`], [`Error::InUse`], [`Error::Open`], or what SQLite says.
    pub async fn open(path: &Path, migrator: &Migrator, clock: &Clock, metrics: &Arc<Metrics>) -> Result<Self, Error> {
        open::open(path, migrator, clock, metrics).await
    }

    /// The service's name: the file's, without its ending.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Random name of this file's history, made with the file. A restored or new file has another one.
    #[must_use]
    pub fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.0.epoch)
    }

    /// The clock that the store was opened with.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn outbox(&self) -> &Notify {
        &self.0.outbox
    }

    /// Reads. Each statement sees what is committed when it starts; where several must agree, use [`Db::snapshot`].
    ///
    /// # Errors
    /// The job's own, or [`Error::Unavailable`] when no reader is free in time.
    pub async fn read<T, E, F>(&self, name: &'static str, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send,
        E: From<Error>,
    {
        let span = tracing::info_span!("store.read", service = %self.0.service, job = name);
        async {
            let mut conn = self.0.readers.acquire().await.map_err(Error::from)?;
            job(&mut conn).await
        }
        .instrument(span)
        .await
    }

    /// Reads in one transaction: all statements see the same commit.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn snapshot<T, E, F>(&self, name: &'static str, job: F) -> Result<T, E>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send,
        E: From<Error>,
    {
        let span = tracing::info_span!("store.read", service = %self.0.service, job = name);
        async {
            let mut conn = self.0.readers.acquire().await.map_err(Error::from)?;
            let mut tx = conn.begin().await.map_err(Error::from)?;
            let result = job(&mut tx).await;
            tx.rollback().await.map_err(Error::from)?;
            result
        }
        .instrument(span)
        .await
    }

    /// Writes: runs the job in the single writer's next group commit and returns once that is on disk. A job that returns an
    /// error leaves nothing behind, and its neighbours in the commit do not notice. A caller who goes away before the job
    /// starts has it skipped; one who goes later does not stop it.
    ///
    /// # Errors
    /// The job's own, [`Error::Unavailable`] when the commit fails or the store is closed.
    pub async fn write<T, E, F>(&self, name: &'static str, job: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let span = tracing::info_span!("store.write", service = %self.0.service, job = name, jobs = field::Empty);
        let (reply, answer) = oneshot::channel();
        let job = Typed::new(job, reply, Span::clone(&span));
        async {
            let order = Order::Run(Box::new(job));
            self.0.writer.send(order).await.map_err(|_| Error::closed())?;
            answer.await.map_err(|_| Error::closed())?
        }
        .instrument(span)
        .await
    }

    /// Closes the store when the process ends, after the last request: `ctx.tasks` waits for it.
    pub fn close_with(&self, ctx: &Context) {
        let (db, shutdown) = (self.clone(), ctx.shutdown.clone());
        ctx.tasks.spawn(async move {
            shutdown.cancelled().await;
            db.close().await;
        });
    }

    /// Finishes the queue, folds the write-ahead log into the file and closes it. Later calls answer [`Error::Unavailable`].
    pub async fn close(&self) {
        self.0.readers.close().await;
        let (done, closed) = oneshot::channel();
        if self.0.writer.send(Order::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}
