//! The tasks that keep an [`AccessView`] fresh: one watcher for each producer, and a [`keeper`].

use std::{sync::Arc, time::Duration};

use rand::Rng;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_stream::{StreamExt, wrappers::WatchStream};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use uuid::Uuid;

use super::{
    AccessView, HEARTBEAT,
    keeper::{self, Keeper},
    resources::{Gathering, PART},
    view::Source,
};
use crate::{
    api::mesh::{
        self as pb, feed_service_client::FeedServiceClient, sync_request::Message as Say, sync_response::Message,
    },
    context::Context,
    error::{Error, Reason},
    upstream::Upstream,
};

/// Largest message of the feed: a snapshot of a million revocations for a watcher that takes no parts. Peers are proven, callers
/// never get here.
pub(super) const MAX_MESSAGE: usize = 256 << 20;

/// Silence after which a connection counts as dead.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// How long the first answer may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Bounds of the wait before the next try.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// A producer that restarts is away for moments. One that stays away is told of, and again from time to time.
const PATIENCE: Duration = Duration::from_secs(5);
const COMPLAIN: Duration = Duration::from_secs(30);

/// How often breakers are reported though none has changed.
const REPORT: Duration = Duration::from_secs(5);

/// Starts the tasks; they end at `ctx.shutdown`.
pub(super) fn start(view: &Arc<AccessView>, ctx: &Context) {
    let role = ctx.settings.role.as_str();
    let id = format!("{role}-{}", Uuid::now_v7());
    keeper::restore(view, ctx);
    for source in Source::ALL {
        let upstream = match source {
            Source::Auth => &ctx.neighbours.auth,
            Source::Admin => &ctx.neighbours.admin,
        };
        let watcher = Watcher {
            view: view.clone(),
            source,
            upstream: upstream.unguarded(),
            hello: pb::Hello {
                watcher_id: id.clone(),
                role: role.to_owned(),
                have: None,
                parts: true,
            },
            shutdown: ctx.shutdown.clone(),
        };
        ctx.tasks.spawn(watcher.run());
    }
    ctx.tasks.spawn(Keeper::new(view, ctx).run(ctx.shutdown.clone()));
    let (view, gauge, born) = (view.clone(), ctx.metrics.feed_age.clone(), Instant::now());
    ctx.metrics.before_scrape(move || {
        for (producer, age) in view.ages() {
            let age = age.unwrap_or_else(|| born.elapsed());
            gauge.with_label_values(&[producer]).set(age.as_secs_f64());
        }
    });
}

struct Watcher {
    view: Arc<AccessView>,
    source: Source,
    upstream: Upstream,
    hello: pb::Hello,
    shutdown: CancellationToken,
}

impl Watcher {
    async fn run(self) {
        let mut backoff = BACKOFF.0;
        let mut quiet_until = Instant::now() + PATIENCE;
        loop {
            let began = Instant::now();
            let ended = tokio::select! {
                () = self.shutdown.cancelled() => return,
                ended = self.session() => ended,
            };
            if began.elapsed() > SILENCE {
                backoff = BACKOFF.0;
                quiet_until = Instant::now() + PATIENCE;
            }
            if let Err(status) = ended {
                let (producer, error) = (self.source.as_str(), status.message());
                if quiet_until <= Instant::now() {
                    tracing::warn!(
                        producer,
                        error,
                        "access feed cannot be had; what was last known is in force"
                    );
                    quiet_until = Instant::now() + COMPLAIN;
                } else {
                    tracing::debug!(producer, error, "access feed interrupted");
                }
            }
            let wait = backoff.mul_f64(rand::rng().random_range(0.5..=1.0));
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = sleep(wait) => backoff = (backoff * 2).min(BACKOFF.1),
            }
        }
    }

    /// One connection, until it breaks.
    async fn session(&self) -> Result<(), Status> {
        let (acks, acked) = watch::channel(pb::Ack::default());
        let (reports, reported) = watch::channel(pb::BreakerReport::default());
        let hello = pb::Hello {
            have: self.view.revision(self.source),
            ..self.hello.clone()
        };
        let said = tokio_stream::once(Say::Hello(hello)).chain(
            WatchStream::from_changes(acked)
                .map(Say::Ack)
                .merge(WatchStream::from_changes(reported).map(Say::Breakers)),
        );
        let said = said.map(|message| pb::SyncRequest { message: Some(message) });
        let mut client = FeedServiceClient::new(self.upstream.clone()).max_decoding_message_size(MAX_MESSAGE);
        let mut answers = timeout(CONNECT, client.sync(said))
            .await
            .map_err(|_| silent())??
            .into_inner();
        if let Some(revision) = self.view.revision(self.source) {
            acks.send_replace(pb::Ack {
                revision: Some(revision),
            });
        }
        let mut tick = interval(HEARTBEAT);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut report = Report::default();
        let mut parts = None;
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                answer = answers.message() => {
                    let Some(answer) = answer? else { return Ok(()) };
                    if let Some(revision) = self.take(answer, &mut parts).await? {
                        acks.send_replace(pb::Ack { revision: Some(revision) });
                    }
                    // Not before: while a snapshot is put in force nobody listens.
                    heard = Instant::now();
                }
                _ = tick.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(silent());
                    }
                    if self.source == Source::Admin && report.due(self.view.breakers()) {
                        reports.send_replace(pb::BreakerReport { breakers: report.last.clone() });
                    }
                }
            }
        }
    }

    /// Takes one message in; `parts` is what has come of a snapshot so far. Returns what there is to acknowledge.
    async fn take(
        &self,
        answer: pb::SyncResponse,
        parts: &mut Option<Gathering>,
    ) -> Result<Option<pb::Revision>, Status> {
        let heard = Instant::now();
        let revision = match answer.message {
            Some(Message::Snapshot(update)) => self.gather(update, parts).await?,
            // Nothing comes between the parts of a snapshot.
            Some(_) if parts.is_some() => return Err(self.out_of_step()),
            Some(Message::Delta(update)) => {
                let revision = update.revision.clone();
                self.view.delta(self.source, update).map_err(|_| self.out_of_step())?;
                revision
            }
            Some(Message::Heartbeat(beat)) => {
                if beat.head != self.view.revision(self.source) {
                    return Err(self.out_of_step());
                }
                None
            }
            None => return Ok(None),
        };
        if parts.is_none() {
            self.view.heard(self.source, heard.elapsed());
        }
        Ok(revision)
    }

    /// Takes a part of a snapshot in. With the last one all of it is in force, and its revision returned.
    async fn gather(&self, part: pb::Update, parts: &mut Option<Gathering>) -> Result<Option<pb::Revision>, Status> {
        let mut whole = match parts.take() {
            Some(begun) if begun.revision() != part.revision.as_ref() => return Err(self.out_of_step()),
            Some(begun) => begun,
            None => Gathering::new(part.revision.clone()),
        };
        if part.more {
            whole.extend(part.upserts);
            *parts = Some(whole);
            return Ok(None);
        }
        let many = whole.len() + part.upserts.len() > PART;
        let (view, source) = (self.view.clone(), self.source);
        let put = move || {
            whole.extend(part.upserts);
            view.replace(source, whole.finish());
        };
        // A million take half a second. Nothing else of the stream is read meanwhile, so the order is the producer's; whoever
        // shuts down does not wait, and what was begun ends as a whole.
        match many {
            true => tokio::task::spawn_blocking(put).await.map_err(Error::internal)?,
            false => put(),
        }
        Ok(part.revision)
    }

    /// The stream is ordered, so this is a defect somewhere; starting over mends it.
    fn out_of_step(&self) -> Status {
        tracing::error!(
            producer = self.source.as_str(),
            "access feed out of step, starting over"
        );
        self.view.forget_revision(self.source);
        Error::new(Reason::MalformedMessage, "a delta does not continue what is held").into()
    }
}

fn silent() -> Status {
    Error::new(Reason::UpstreamUnavailable, "the producer of the access feed is silent").into()
}

/// What was last reported of the breakers.
#[derive(Default)]
struct Report {
    last: Vec<pb::CircuitBreaker>,
    at: Option<Instant>,
}

impl Report {
    /// Whether to report `now`: when a state changed, and every few seconds for the counts.
    fn due(&mut self, now: Vec<pb::CircuitBreaker>) -> bool {
        let states =
            |all: &[pb::CircuitBreaker]| -> Vec<_> { all.iter().map(|b| (b.name.clone(), b.state_code)).collect() };
        let late = self.at.is_none_or(|at| at.elapsed() >= REPORT);
        if (!late || (now.is_empty() && self.last.is_empty())) && states(&now) == states(&self.last) {
            return false;
        }
        self.last = now;
        self.at = Some(Instant::now());
        true
    }
}
