//! The producing side: takes committed changes, serves them to every watcher, and knows how far each has come.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    FeedService,
    history::{History, Next},
};
use crate::api::mesh::{self as pb, feed_service_server::FeedServiceServer};

/// Breakers of one report that are kept: far more than a gateway has, and a bound.
const MAX_BREAKERS: usize = 1024;

/// Publishes resources to every connected watcher.
#[derive(Debug)]
pub struct Producer {
    name: &'static str,
    state: Mutex<State>,
    /// Raised whenever the history grows.
    published: watch::Sender<u64>,
    /// Raised whenever a watcher comes, goes or acknowledges.
    heard: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    history: History,
    watchers: HashMap<u64, Connected>,
    connections: u64,
}

#[derive(Debug)]
struct Connected {
    watcher: Watcher,
    end: CancellationToken,
}

/// A connected watcher, as a producer sees it.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Unique for each running process.
    pub id: String,
    /// `gateway`, `auth`, `user` or `admin`.
    pub role: String,
    /// Revision acknowledged.
    pub acknowledged: u64,
    /// Breakers as reported.
    pub breakers: Vec<pb::CircuitBreaker>,
}

impl Producer {
    /// A producer whose history stands at (`epoch`, `head`) with these resources in force.
    #[must_use]
    pub fn new(name: &'static str, epoch: String, head: u64, resources: Vec<pb::Resource>) -> Arc<Self> {
        Arc::new(Self {
            name,
            state: Mutex::new(State {
                history: History::new(epoch, head, resources),
                watchers: HashMap::new(),
                connections: 0,
            }),
            published: watch::Sender::new(head),
            heard: watch::Sender::new(0),
        })
    }

    /// Tells of a committed change: `removed` first, then `upserts`. Must be called in commit order, and `revision` grows with
    /// each call. Never waits. Returns the revision to ask [`Producer::acknowledged`] about.
    pub fn publish(&self, revision: u64, upserts: Vec<pb::Resource>, removed: Vec<String>) -> u64 {
        let head = self.state().history.publish(revision, upserts, removed);
        if head != revision {
            tracing::error!(
                producer = self.name,
                revision,
                head,
                "published a revision that does not grow"
            );
        }
        self.published.send_replace(head);
        head
    }

    /// The gRPC service to serve.
    #[must_use]
    pub fn service(self: &Arc<Self>) -> FeedServiceServer<FeedService> {
        FeedServiceServer::new(FeedService::new(self.clone())).max_encoding_message_size(super::watcher::MAX_MESSAGE)
    }

    /// What every connected watcher last said.
    #[must_use]
    pub fn watchers(&self) -> Vec<Watcher> {
        self.state().watchers.values().map(|c| c.watcher.clone()).collect()
    }

    /// Waits until every connected watcher has acknowledged `revision`, at most `limit`. Returns whether they have. A watcher
    /// that connects later starts from a newer state, so it is not waited for.
    pub async fn acknowledged(&self, revision: u64, limit: Duration) -> bool {
        let mut heard = self.heard.subscribe();
        let all = async {
            while !self
                .state()
                .watchers
                .values()
                .all(|c| c.watcher.acknowledged >= revision)
            {
                if heard.changed().await.is_err() {
                    return;
                }
            }
        };
        timeout(limit, all).await.is_ok()
    }

    /// Name of the producer.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Wakes whenever something is published.
    pub(super) fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// What comes after `have`, and the head it leads to.
    pub(super) fn next(&self, have: Option<&pb::Revision>) -> (Next, pb::Revision) {
        let state = self.state();
        (state.history.next(have), state.history.head())
    }

    /// Registers a watcher. An older stream of the same process is ended: it is a connection that nobody has missed yet.
    pub(super) fn connect(&self, hello: &pb::Hello, end: CancellationToken) -> u64 {
        let mut state = self.state();
        state.connections += 1;
        let number = state.connections;
        state.watchers.retain(|_, old| {
            let same = old.watcher.id == hello.watcher_id;
            if same {
                old.end.cancel();
            }
            !same
        });
        let watcher = Watcher {
            id: hello.watcher_id.clone(),
            role: hello.role.clone(),
            acknowledged: 0,
            breakers: Vec::new(),
        };
        state.watchers.insert(number, Connected { watcher, end });
        drop(state);
        self.hear();
        number
    }

    /// Takes what a watcher says.
    pub(super) fn hears(&self, number: u64, said: pb::sync_request::Message) {
        let mut state = self.state();
        let epoch = state.history.head().epoch;
        let Some(connected) = state.watchers.get_mut(&number) else {
            return;
        };
        match said {
            pb::sync_request::Message::Ack(ack) => {
                let revision = ack.revision.filter(|r| r.epoch == epoch);
                let number = revision.map_or(0, |r| r.number);
                connected.watcher.acknowledged = connected.watcher.acknowledged.max(number);
            }
            pb::sync_request::Message::Breakers(mut report) => {
                report.breakers.truncate(MAX_BREAKERS);
                connected.watcher.breakers = report.breakers;
            }
            pb::sync_request::Message::Hello(_) => {}
        }
        drop(state);
        self.hear();
    }

    /// Forgets a watcher whose stream has ended.
    pub(super) fn disconnect(&self, number: u64) {
        self.state().watchers.remove(&number);
        self.hear();
    }

    fn hear(&self) {
        self.heard.send_modify(|n| *n += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn resources(&self) -> super::resources::Resources {
        self.state().history.resources().clone()
    }
}
