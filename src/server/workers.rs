//! Threads that serve callers: one for each core, each with a runtime of its own.
//!
//! A connection stays with the worker that it was given to, and so do its calls and their connections to upstreams ([`current`]). Nothing
//! is handed from one thread to another on a call's way, which on a runtime of many threads is a wake-up, a queue and cold caches each
//! time: measured beside it, a call costs a fifth less on one core and a quarter less on two (`docs/performance.md`).
//!
//! The decision to question: nobody takes over what waits behind a busy connection. So a new one goes to the worker with the fewest, which
//! a listener for each worker (SO_REUSEPORT) would leave to a hash of addresses, and gRPC's few, long connections to chance.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// Number of the worker that runs this, 0 outside of all; below [`numbers`].
pub(crate) fn current() -> usize {
    NUMBER.get()
}

/// How many numbers there are.
pub(crate) fn numbers() -> usize {
    1 + cores()
}

/// Asked once: what is made for each number must be there for all of them.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// The workers of a process; they end when this is dropped. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    workers: Vec<Worker>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// That it serves.
    connections: AtomicUsize,
    ended: Arc<AtomicBool>,
}

impl Workers {
    /// Starts one for each core that this process may use.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be had.
    pub fn start() -> io::Result<Self> {
        Self::start_some(cores())
    }

    fn start_some(count: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let workers = (1..=count).map(|number| start(number, end.clone()));
        Ok(Self(Arc::new(Shared {
            workers: workers.collect::<io::Result<_>>()?,
            _end: end.drop_guard(),
        })))
    }

    /// The worker with the fewest connections, which has one more until what is given back is dropped. None where all have ended.
    pub(super) fn place(&self) -> Option<Place> {
        let workers = self.0.workers.iter().enumerate();
        // It would drop each connection at once, have the fewest for ever, and get them all.
        let running = workers.filter(|(_, worker)| !worker.ended.load(Relaxed));
        let (at, fewest) = running.min_by_key(|(_, worker)| worker.connections.load(Relaxed))?;
        fewest.connections.fetch_add(1, Relaxed);
        Some(Place {
            workers: Arc::clone(&self.0),
            at,
        })
    }
}

/// A connection's place at its worker.
#[derive(Debug)]
pub(super) struct Place {
    workers: Arc<Shared>,
    at: usize,
}

impl Place {
    /// Where its task runs.
    pub(super) fn runtime(&self) -> &Handle {
        &self.worker().runtime
    }

    fn worker(&self) -> &Worker {
        &self.workers.workers[self.at]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.worker().connections.fetch_sub(1, Relaxed);
    }
}

/// Tells that a worker's thread has ended, however that came.
struct Ending {
    number: usize,
    end: CancellationToken,
    ended: Arc<AtomicBool>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        if !self.end.is_cancelled() {
            tracing::error!(worker = self.number, "a worker broke; the others serve without it");
        }
    }
}

fn start(number: usize, end: CancellationToken) -> io::Result<Worker> {
    let (tell, told) = mpsc::channel();
    let ended = Arc::new(AtomicBool::new(false));
    let ending = Ending {
        number,
        end: end.clone(),
        ended: Arc::clone(&ended),
    };
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let _ending = ending;
        NUMBER.set(number);
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let _ = tell.send(Ok(runtime.handle().clone()));
                runtime.block_on(end.cancelled());
                // What others hold of it must not keep the thread.
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        }
    })?;
    Ok(Worker {
        runtime: told.recv().map_err(io::Error::other)??,
        connections: AtomicUsize::new(0),
        ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_shared_out_evenly_and_stay_where_they_are() {
        let workers = Workers::start_some(3).unwrap();
        assert_eq!(current(), 0);
        let mut places: Vec<Place> = (0..6).filter_map(|_| workers.place()).collect();
        let mut at = Vec::new();
        for place in &places {
            at.push(place.runtime().spawn(async { current() }).await.unwrap());
        }
        at.sort_unstable();
        assert_eq!(at, [1, 1, 2, 2, 3, 3]);
        // The next goes where one has left.
        let left = places.remove(1).at;
        assert_eq!(workers.place().unwrap().at, left);
    }

    #[tokio::test]
    async fn a_worker_that_has_ended_gets_no_connection() {
        let ends = [CancellationToken::new(), CancellationToken::new()];
        let workers = Workers(Arc::new(Shared {
            workers: vec![start(1, ends[0].clone()).unwrap(), start(2, ends[1].clone()).unwrap()],
            _end: CancellationToken::new().drop_guard(),
        }));
        let ended = |at: usize| while_not(Arc::clone(&workers.0.workers[at].ended));
        ends[0].cancel();
        ended(0).await;
        let places: Vec<_> = (0..3).filter_map(|_| workers.place()).collect();
        assert!(places.len() == 3 && places.iter().all(|place| place.at == 1));
        ends[1].cancel();
        ended(1).await;
        assert!(workers.place().is_none());
    }

    async fn while_not(said: Arc<AtomicBool>) {
        while !said.load(Relaxed) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn workers_end_with_their_owner() {
        let workers = Workers::start_some(1).unwrap();
        let runtime = workers.place().unwrap().runtime().clone();
        let endless = runtime.spawn(std::future::pending::<()>());
        drop(workers);
        assert!(endless.await.unwrap_err().is_cancelled());
    }
}
