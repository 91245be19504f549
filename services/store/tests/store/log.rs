//! Stand-in of admin's audit log: really served, and misbehaving on order.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use logicore::{
    Context, Error, Reason,
    api::admin::{
        AppendAuditEventsRequest, AppendAuditEventsResponse, AuditEvent,
        audit_ingest_service_server::{AuditIngestService, AuditIngestServiceServer},
    },
    layer,
    mesh::{self, Address, Listener},
    secret::Secret,
    settings::{Role, Settings},
    testkit,
    upstream::Upstream,
};
use tokio::sync::Notify;
use tonic::{Request, Response, Status, service::Routes};

/// How long something that must come may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How the log behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
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

#[derive(Debug, Default)]
pub(crate) struct Book {
    mode: Mode,
    pub(crate) events: Vec<AuditEvent>,
    pub(crate) next: u64,
    /// First place and length of every run that came, empty ones aside.
    pub(crate) runs: Vec<(u64, usize)>,
    pub(crate) epochs: Vec<String>,
}

/// An audit log in memory.
#[derive(Debug)]
pub(crate) struct Log {
    book: Mutex<Book>,
    heard: Notify,
}

impl Log {
    pub(crate) fn new() -> Arc<Self> {
        let book = Book {
            next: 1,
            ..Book::default()
        };
        Arc::new(Self {
            book: Mutex::new(book),
            heard: Notify::new(),
        })
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no test panics with it")
    }

    pub(crate) fn turns(&self, mode: Mode) {
        self.book().mode = mode;
    }

    /// Waits until what came makes something true.
    pub(crate) async fn until(&self, true_by_now: impl Fn(&Book) -> bool) {
        let wait = async {
            loop {
                let heard = self.heard.notified();
                if true_by_now(&self.book()) {
                    return;
                }
                heard.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the records come");
    }

    /// The targets of what was taken, in order.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.book().events.iter().map(|e| e.target.clone()).collect()
    }
}

/// The log's judgement of a run.
fn take(book: &mut Book, run: AppendAuditEventsRequest) -> Result<u64, Status> {
    let first = run.events.first().map_or(book.next, |e| e.sequence);
    if !run.events.is_empty() {
        book.runs.push((first, run.events.len()));
        book.epochs.push(run.epoch);
    }
    match book.mode {
        Mode::Away => return Err(Status::unavailable("away")),
        Mode::Takes if first > book.next => return Err(Error::new(Reason::StateForbids, "a gap").into()),
        Mode::Jumps => book.next = book.next.max(first),
        Mode::Takes | Mode::Loses => {}
    }
    for event in run.events {
        assert_eq!(event.producer, run.producer);
        if event.sequence == book.next {
            book.next += 1;
            book.events.push(event);
        }
    }
    match book.mode {
        Mode::Loses => Err(Status::unavailable("the answer is lost")),
        _ => Ok(book.next),
    }
}

#[tonic::async_trait]
impl AuditIngestService for Log {
    async fn append_audit_events(
        &self,
        request: Request<AppendAuditEventsRequest>,
    ) -> Result<Response<AppendAuditEventsResponse>, Status> {
        let answer = take(&mut self.book(), request.into_inner());
        self.heard.notify_waiters();
        answer.map(|next_sequence| Response::new(AppendAuditEventsResponse { next_sequence }))
    }
}

fn context(role: Role) -> Context {
    let mut settings = Settings::defaults(role);
    settings.mesh.secret = Some(Secret::new("a secret that all roles of these tests share"));
    // The log is away on purpose: a breaker that stays open would only make the tests slow.
    settings.resilience.circuit_reset_timeout = Duration::from_millis(50);
    testkit::context_with(settings)
}

/// A process of the user service that reaches the log.
pub(crate) fn beside(log: &Arc<Log>) -> Context {
    let (admin, mut user) = (context(Role::Admin), context(Role::User));
    let (address, listener) = mesh::memory();
    let routes = Routes::new(AuditIngestServiceServer::from_arc(log.clone()));
    let stack = layer::service_stack(&admin, routes);
    tokio::spawn(async move { mesh::serve(&admin, Listener::Memory(listener), stack).await });
    user.neighbours.admin = Upstream::new(
        "admin",
        vec![Address::Memory(address)],
        user.identity.clone(),
        user.policies.clone(),
        &user.settings.resilience,
        user.metrics.clone(),
    );
    user
}
