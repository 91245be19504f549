//! Stand-in of admin's audit log: really served, and misbehaving on order.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tonic::{Request, Response, Status, service::Routes};

use super::deployment::within_patience;
use crate::{
    api::{
        admin::{
            AppendAuditEventsRequest, AppendAuditEventsResponse, AuditEvent,
            audit_ingest_service_server::{AuditIngestService, AuditIngestServiceServer},
        },
        mesh::Resource,
    },
    context::Context,
    error::{Error, Reason},
    feed::{ADMIN, Producer},
    mesh::{Address, Peer},
};

/// How the log behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Takes what continues it, refuses gaps.
    #[default]
    Takes,
    /// Takes nothing.
    Away,
    /// Takes what comes, and its answer is lost.
    Loses,
    /// Goes on behind a gap, as a log does that was restored.
    Jumps,
}

/// What came to the log.
#[derive(Debug, Default)]
pub struct Book {
    mode: Mode,
    /// What was taken, in order.
    pub events: Vec<AuditEvent>,
    /// Place of the next event.
    pub next: u64,
    /// First place and length of every run that came, empty ones aside.
    pub runs: Vec<(u64, usize)>,
    /// Epoch of each of them.
    pub epochs: Vec<String>,
}

/// An audit log of one producer in memory.
#[derive(Debug)]
pub struct Log {
    book: Mutex<Book>,
    heard: Notify,
}

impl Log {
    /// An empty one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let book = Book {
            next: 1,
            ..Book::default()
        };
        Arc::new(Self {
            book: Mutex::new(book),
            heard: Notify::new(),
        })
    }

    /// Serves it and admin's feed, in which these resources are in force.
    pub fn serve(self: &Arc<Self>, on: &Context, resources: Vec<Resource>) -> Address {
        let feed = Producer::new(ADMIN, super::EPOCH.to_owned(), 1, resources);
        let log = AuditIngestServiceServer::from_arc(Arc::clone(self));
        super::serve(on, Routes::new(log).add_service(feed.service()))
    }

    /// What came.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no test panics with it")
    }

    /// Behaves so from now on.
    pub fn turns(&self, mode: Mode) {
        self.book().mode = mode;
    }

    /// Waits until what came makes something true.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`](super::PATIENCE).
    pub async fn until(&self, so: impl Fn(&Book) -> bool) {
        within_patience("the records come", async {
            loop {
                let heard = self.heard.notified();
                if so(&self.book()) {
                    return;
                }
                heard.await;
            }
        })
        .await;
    }

    /// The targets of what was taken, in order.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        self.book().events.iter().map(|e| e.target.clone()).collect()
    }
}

impl Book {
    /// Judges a run. Returns the place of what comes next.
    fn take(&mut self, run: AppendAuditEventsRequest) -> Result<u64, Status> {
        let first = run.events.first().map_or(self.next, |e| e.sequence);
        if !run.events.is_empty() {
            self.runs.push((first, run.events.len()));
            self.epochs.push(run.epoch);
        }
        match self.mode {
            Mode::Away => return Err(Status::unavailable("away")),
            Mode::Takes if first > self.next => return Err(Error::new(Reason::StateForbids, "a gap").into()),
            Mode::Jumps => self.next = self.next.max(first),
            Mode::Takes | Mode::Loses => {}
        }
        for event in run.events {
            assert_eq!(event.producer, run.producer);
            if event.sequence == self.next {
                self.next += 1;
                self.events.push(event);
            }
        }
        match self.mode {
            Mode::Loses => Err(Status::unavailable("the answer is lost")),
            _ => Ok(self.next),
        }
    }
}

#[tonic::async_trait]
impl AuditIngestService for Log {
    async fn append_audit_events(
        &self,
        request: Request<AppendAuditEventsRequest>,
    ) -> Result<Response<AppendAuditEventsResponse>, Status> {
        let (_, extensions, run) = request.into_parts();
        let peer = extensions.get::<Peer>().expect("proven in front");
        assert!(peer.is(&run.producer) && !run.epoch.is_empty(), "{peer:?}");
        let answer = self.book().take(run);
        self.heard.notify_waiters();
        answer.map(|next_sequence| Response::new(AppendAuditEventsResponse { next_sequence }))
    }
}
