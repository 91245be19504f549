//! One watcher's stream, as the producer serves it.
//!
//! The answer's head goes out at once and the Hello is awaited behind it: a client that waits for the head before it writes
//! would otherwise wait for ever.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{
    HEARTBEAT, Producer,
    history::Next,
    resources::{PART, Snapshot},
};
use crate::{
    api::mesh::{self as pb, feed_service_server, sync_request::Message as Said, sync_response::Message},
    error::{Error, Reason},
};

/// How long a stream may take to say Hello.
const HELLO: Duration = Duration::from_secs(5);

/// How long one message may wait for a watcher that does not read.
const SEND: Duration = Duration::from_secs(10);

/// The server half of `FeedService`.
#[derive(Debug)]
pub struct FeedService(Arc<Producer>);

impl FeedService {
    pub(super) fn new(producer: Arc<Producer>) -> Self {
        Self(producer)
    }
}

#[tonic::async_trait]
impl feed_service_server::FeedService for FeedService {
    type SyncStream = ReceiverStream<Result<pb::SyncResponse, Status>>;

    async fn sync(&self, request: Request<Streaming<pb::SyncRequest>>) -> Result<Response<Self::SyncStream>, Status> {
        let (out, answers) = mpsc::channel(1);
        let stream = Stream {
            producer: self.0.clone(),
            said: request.into_inner(),
            out,
            end: CancellationToken::new(),
            have: None,
            part: usize::MAX,
        };
        tokio::spawn(stream.run());
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

struct Stream {
    producer: Arc<Producer>,
    said: Streaming<pb::SyncRequest>,
    out: mpsc::Sender<Result<pb::SyncResponse, Status>>,
    end: CancellationToken,
    have: Option<pb::Revision>,
    /// Resources of a snapshot that one message may hold.
    part: usize,
}

/// Unregisters the watcher however its stream ends.
struct Registered<'a>(&'a Producer, u64);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.0.disconnect(self.1);
    }
}

impl Stream {
    async fn run(mut self) {
        let hello = match timeout(HELLO, self.said.message()).await {
            Ok(Ok(Some(pb::SyncRequest {
                message: Some(Said::Hello(hello)),
            }))) => hello,
            _ => {
                let error = Error::new(Reason::MalformedMessage, "a watcher says hello first");
                let _ = self.out.try_send(Err(error.into()));
                return;
            }
        };
        tracing::debug!(
            producer = self.producer.name(),
            watcher = hello.watcher_id,
            role = hello.role,
            "watcher connected"
        );
        let producer = self.producer.clone();
        let registered = Registered(&producer, producer.connect(&hello, self.end.clone()));
        self.have = hello.have.filter(|h| !h.epoch.is_empty());
        if hello.parts {
            self.part = PART;
        }
        self.serve(registered.1).await;
        tracing::debug!(
            producer = producer.name(),
            watcher = hello.watcher_id,
            "watcher disconnected"
        );
    }

    /// Until the watcher leaves, does not read, or comes back on another connection.
    async fn serve(&mut self, number: u64) {
        let mut published = self.producer.published();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.end.cancelled() => return,
                said = self.said.message() => match said {
                    Ok(Some(request)) => if let Some(said) = request.message {
                        self.producer.hears(number, said);
                    },
                    Ok(None) | Err(_) => return,
                },
                changed = published.changed() => if changed.is_err() || !self.catch_up().await {
                    return;
                },
                _ = heartbeat.tick() => if !(self.catch_up().await && self.beat().await) {
                    return;
                },
            }
        }
    }

    /// Sends what the watcher lacks.
    async fn catch_up(&mut self) -> bool {
        let (next, head) = self.producer.next(self.have.as_ref());
        if !matches!(next, Next::Nothing) {
            self.have = Some(head);
        }
        match next {
            Next::Nothing => true,
            Next::Delta(update) => self.send(Message::Delta(update)).await,
            Next::Snapshot(snapshot) => self.start_over(&snapshot).await,
        }
    }

    /// Sends all there is, as it was at one point, whatever is published meanwhile.
    async fn start_over(&self, snapshot: &Snapshot) -> bool {
        for part in snapshot.parts(self.part) {
            if !self.send(Message::Snapshot(part)).await {
                return false;
            }
        }
        true
    }

    /// Sends the head that the watcher has been brought to.
    async fn beat(&self) -> bool {
        let head = self.have.clone();
        self.send(Message::Heartbeat(pb::Heartbeat { head })).await
    }

    async fn send(&self, message: Message) -> bool {
        let response = pb::SyncResponse { message: Some(message) };
        let sent = self.out.send_timeout(Ok(response), SEND);
        tokio::select! {
            sent = sent => sent.is_ok(),
            () = self.end.cancelled() => false,
        }
    }
}
