//! The connections of one endpoint: dialled when first used, more of them as load asks, and again after GOAWAY or loss.
//!
//! Calls fill the first connection that has room, so that those which are needed no more fall silent and are closed. Another one is
//! opened beside them when none has room, and nobody waits for it. Taking a live connection is a few atomic loads; only the first
//! dial is waited for, and those who wait for it share its failure instead of queueing for one each.

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{Request, Response};
use tonic::body::Body;

use super::{
    connection::{Connection, Dial},
    driver::Running,
    failure::{Failure, Kind},
    wire::Wire,
};
use crate::error::{BoxError, Error, Reason};

/// Connections of one worker to one endpoint at most, of those that take calls.
const MOST: usize = 8;
/// The same, with those that only finish what is on them. From then on calls go on connections too whose peers have seen many resets: a
/// caller who leaves a hundred calls and keeps one, again and again, must not open a connection each time.
const LIVING: usize = 4 * MOST;
/// Longest wait for a connection: three tries of it fit into the default deadline.
const DIAL_TIMEOUT: Duration = Duration::from_millis(1500);
/// A connection without a call for so long is closed, but for the last one within our own deployment: there it is kept warm, while
/// elsewhere something between may forget it without a word.
const IDLE: Duration = Duration::from_secs(60);
/// By then the peer has said how many streams it allows. Until then it is taken to allow enough, and h2 waits where it does not.
const SETTLED: Duration = Duration::from_millis(100);
/// Wait after a connection that load asked for could not be had.
const GROW_PAUSE: Duration = Duration::from_secs(1);
/// How often a request that was never sent is moved to a fresh connection before that counts as an attempt.
const MOVES: usize = 4;

/// The connections of an endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    service: &'static str,
    dial: Dial,
    /// A part of this deployment is at the other end.
    own: bool,
    open: ArcSwap<Vec<Arc<Connection>>>,
    dialling: tokio::sync::Mutex<()>,
    failures: AtomicU64,
    growing: AtomicBool,
    /// Connections that have not ended.
    living: AtomicUsize,
}

impl Pool {
    pub(super) fn new(service: &'static str, dial: Dial, own: bool) -> Self {
        Self(Arc::new(Shared {
            service,
            dial,
            own,
            open: ArcSwap::default(),
            dialling: tokio::sync::Mutex::default(),
            failures: AtomicU64::new(0),
            growing: AtomicBool::new(false),
            living: AtomicUsize::new(0),
        }))
    }

    /// Sends a request and waits for the response's head. Dropping the future or the response's body resets the stream.
    /// `one_answer`: it is one message.
    pub(super) async fn send(&self, mut request: Request<Body>, one_answer: bool) -> Result<Response<Wire>, Failure> {
        let shared = &self.0;
        for _ in 0..MOVES {
            let connection = shared
                .connection()
                .await
                .map_err(|e| Failure::connection(shared.service, e))?;
            match connection.send(request, one_answer) {
                Ok(waiting) => {
                    return waiting.await.map_err(|error| {
                        let failure = Failure::of(shared.service, error);
                        if failure.kind == Kind::Unprocessed {
                            shared.forget(&connection);
                        }
                        failure
                    });
                }
                // After GOAWAY, while old streams live, the connection does not look closed: it hands the request back.
                Err(unsent) => {
                    tracing::debug!(error = %unsent.error, "call is moved to another connection");
                    request = unsent.request;
                    shared.forget(&connection);
                }
            }
        }
        Err(Failure::connection(
            shared.service,
            "every connection closed before the request was sent",
        ))
    }

    /// How many connections calls may be put on.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.0.open.load().iter().filter(|c| c.usable()).count()
    }

    /// Calls on the connection that has most.
    #[cfg(test)]
    pub(super) fn most_streams(&self) -> usize {
        let open = self.0.open.load();
        open.iter().map(|c| c.streams()).max().unwrap_or_default()
    }

    /// How many connections have not ended.
    #[cfg(test)]
    pub(super) fn living(&self) -> usize {
        self.0.living.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn connection(self: &Arc<Self>) -> Result<Arc<Connection>, BoxError> {
        match self.choose() {
            Some(live) => Ok(live),
            // Apart: what a dial needs, TLS above all, would make every call's future as large as its own.
            None => Box::pin(self.first()).await,
        }
    }

    /// Dials, or waits for somebody who does.
    async fn first(self: &Arc<Self>) -> Result<Arc<Connection>, BoxError> {
        let failures = self.failures.load(Ordering::Acquire);
        let _turn = self.dialling.lock().await;
        if let Some(live) = self.choose() {
            return Ok(live);
        }
        if self.failures.load(Ordering::Acquire) != failures {
            return Err("another call's dial failed".into());
        }
        self.dial().await.inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::Release);
        })
    }

    /// The first connection with room, else the one with the fewest calls.
    fn choose(self: &Arc<Self>) -> Option<Arc<Connection>> {
        let open = self.open.load();
        let crowded = self.living.load(Ordering::Relaxed) >= LIVING;
        let usable = || open.iter().filter(|c| c.usable() || (crowded && c.lives()));
        if let Some(roomy) = usable().find(|c| c.has_room()) {
            return Some(Arc::clone(roomy));
        }
        let emptiest = usable().min_by_key(|c| c.streams()).cloned();
        if emptiest.is_some() && !crowded && usable().count() < MOST && !self.growing.swap(true, Ordering::AcqRel) {
            tokio::spawn(grow(Arc::clone(self)));
        }
        emptiest
    }

    async fn dial(self: &Arc<Self>) -> Result<Arc<Connection>, BoxError> {
        let dialled = tokio::time::timeout(DIAL_TIMEOUT, self.dial.connect(self.own)).await;
        let (connection, running) = dialled.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.open.rcu(|open| {
            // Worn-out ones stay until they end: where there are too many they are used again.
            let kept = open.iter().filter(|c| c.usable() || (c.lives() && c.streams() > 0));
            let mut now: Vec<_> = kept.cloned().collect();
            now.push(Arc::clone(&connection));
            now
        });
        self.living.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(run(running, Arc::downgrade(self), Arc::downgrade(&connection)));
        Ok(connection)
    }

    /// Puts no more calls on a connection; those that are on it go on.
    fn forget(&self, connection: &Arc<Connection>) {
        self.open.rcu(|open| without(open, connection));
    }

    /// Closes a connection that nobody used, where it may go.
    fn close_idle(&self, connection: &Arc<Connection>) {
        self.open.rcu(|open| match self.own && open.len() <= 1 {
            true => Vec::clone(open),
            false => without(open, connection),
        });
    }
}

fn without(open: &[Arc<Connection>], connection: &Arc<Connection>) -> Vec<Arc<Connection>> {
    open.iter().filter(|c| !Arc::ptr_eq(c, connection)).cloned().collect()
}

async fn grow(pool: Arc<Shared>) {
    if let Err(error) = pool.dial().await {
        tracing::debug!(%error, service = pool.service, "no further connection");
        tokio::time::sleep(GROW_PAUSE).await;
    }
    pool.growing.store(false, Ordering::Release);
}

/// Runs a connection to its end, which comes when nobody holds it any more: then h2 says GOAWAY and lets its calls finish.
async fn run(mut running: Running, pool: Weak<Shared>, connection: Weak<Connection>) {
    let (mut calls, mut pause) = (0, SETTLED);
    loop {
        if let Ok(ended) = tokio::time::timeout(pause, &mut running).await {
            if let Some(pool) = pool.upgrade() {
                pool.living.fetch_sub(1, Ordering::Relaxed);
            }
            if let Err(error) = ended {
                tracing::debug!(%error, "upstream connection ended");
            }
            return;
        }
        if let (Some(pool), Some(connection)) = (pool.upgrade(), connection.upgrade()) {
            connection.note_allowed(running.allowed());
            let before = std::mem::replace(&mut calls, connection.calls());
            if pause == IDLE && calls == before && connection.streams() == 0 {
                pool.close_idle(&connection);
            }
        }
        pause = IDLE;
    }
}

/// The error of an upstream without an address.
pub(super) fn no_endpoint(service: &str) -> Error {
    Error::new(
        Reason::UpstreamUnavailable,
        format!("the {service} service has no endpoint"),
    )
    .retry_after(super::failure::RETRY_AFTER)
}
