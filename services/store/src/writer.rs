//! The single writer: takes jobs from a queue and commits as many at once as have come while the disk was busy.
//!
//! One fdatasync then serves a whole group, which is what makes `synchronous=FULL` affordable. Each job stands in a SAVEPOINT,
//! so that its failure takes back its own changes only. An answer leaves after COMMIT, never before.

mod job;

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use prometheus::Histogram;
use sqlx::Connection;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::Instrument;

pub(crate) use job::{Job, Typed};

use crate::{Error, Tx};

/// Jobs that wait for the writer; whoever comes then waits for a place.
pub(crate) const QUEUE: usize = 1024;
/// Jobs of one commit at most: bounds how much a failing COMMIT takes with it.
const BATCH_JOBS: usize = 128;
/// Time that a commit collects jobs at most: bounds what the first job of a batch waits for the others.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// What the writer is told.
pub(crate) enum Order {
    /// To run and commit this.
    Run(Box<dyn Job>),
    /// To close the file and answer.
    Close(oneshot::Sender<()>),
}

/// What a batch is measured by.
pub(crate) struct Gauges {
    pub(crate) duration: Histogram,
    pub(crate) jobs: Histogram,
}

/// Runs until the last handle is gone or somebody closes the store.
pub(crate) async fn run(mut tx: Tx, mut queue: mpsc::Receiver<Order>, gauges: Gauges) {
    let mut closing = None;
    while closing.is_none() {
        match queue.recv().await {
            Some(Order::Run(first)) => closing = batch(&mut tx, first, &mut queue, &gauges).await,
            Some(Order::Close(done)) => closing = Some(done),
            None => break,
        }
    }
    drop(queue);
    // The last connection's close folds the log into the file.
    if let Err(error) = tx.conn.close().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "store did not close cleanly");
    }
    if let Some(done) = closing {
        let _ = done.send(());
    }
}

/// Runs one batch from BEGIN to its answers. Returns whoever asked to close meanwhile.
async fn batch(
    tx: &mut Tx,
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Order>,
    gauges: &Gauges,
) -> Option<oneshot::Sender<()>> {
    let start = Instant::now();
    let mut done: Vec<Box<dyn Job>> = Vec::new();
    let mut closing = None;
    let mut outcome = begin(tx).await;
    let mut next = Some(first);
    while let Some(mut job) = next.take() {
        if !job.abandoned() {
            if outcome.is_ok() {
                outcome = run_one(tx, job.as_mut()).await;
            }
            done.push(job);
        }
        // After a failure nothing more is started: the jobs still in the queue get a batch of their own.
        if outcome.is_ok() && done.len() < BATCH_JOBS && start.elapsed() < BATCH_TIME {
            match queue.try_recv() {
                Ok(Order::Run(job)) => next = Some(job),
                Ok(Order::Close(answer)) => closing = Some(answer),
                Err(_) => {}
            }
        }
    }
    if outcome.is_ok() {
        outcome = tx.control("COMMIT").await;
    }
    match &outcome {
        Ok(()) => {
            gauges.duration.observe(start.elapsed().as_secs_f64());
            gauges.jobs.observe(done.len() as f64);
            run_hooks(tx);
        }
        Err(error) => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                jobs = done.len(),
                "batch was not committed"
            );
            tx.hooks.clear();
            // SQLite may have rolled back by itself; then there is nothing to roll back, and this says so.
            let _ = tx.control("ROLLBACK").await;
        }
    }
    let jobs = done.len();
    for job in done {
        job.answer(&outcome, jobs);
    }
    closing
}

async fn begin(tx: &mut Tx) -> Result<(), Error> {
    if tx.control("BEGIN IMMEDIATE").await.is_ok() {
        return Ok(());
    }
    // A transaction that an earlier failure left open would make every later batch fail.
    let _ = tx.control("ROLLBACK").await;
    tx.control("BEGIN IMMEDIATE").await
}

/// Runs one job in its savepoint. An error here is the batch's: the transaction itself is broken.
async fn run_one(tx: &mut Tx, job: &mut dyn Job) -> Result<(), Error> {
    let hooks = tx.hooks.len();
    tx.control("SAVEPOINT job").await?;
    let span = job.span().clone();
    let keep = AssertUnwindSafe(job.run(tx).instrument(span)).catch_unwind().await;
    if !keep.unwrap_or(false) {
        tx.hooks.truncate(hooks);
        tx.control("ROLLBACK TO job").await?;
    }
    tx.control("RELEASE job").await
}

fn run_hooks(tx: &mut Tx) {
    for hook in tx.hooks.drain(..) {
        if std::panic::catch_unwind(AssertUnwindSafe(hook)).is_err() {
            tracing::error!("a hook panicked after its commit");
        }
    }
}
