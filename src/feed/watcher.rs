//! The tasks that keep an [`AccessView`] fresh: one watcher for each producer, and a housekeeper.

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
    disk::{self, Saved},
    view::Source,
};
use crate::{
    api::mesh::{
        self as pb, feed_service_client::FeedServiceClient, sync_request::Message as Say, sync_response::Message,
    },
    clock::Clock,
    context::Context,
    error::{Error, Reason},
    upstream::Upstream,
};

/// Largest message of the feed: a snapshot of a million revocations. Peers are proven, callers never get here.
pub(super) const MAX_MESSAGE: usize = 256 << 20;

/// Silence after which a connection counts as dead.
const SILENCE: Duration = Duration::from_secs(3);

/// How long the first answer may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Bounds of the wait before the next try.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// A producer that restarts is away for moments. One that stays away is told of, and again from time to time.
const PATIENCE: Duration = Duration::from_secs(5);
const COMPLAIN: Duration = Duration::from_secs(30);

/// How often breakers are reported though none has changed.
const REPORT: Duration = Duration::from_secs(5);

/// How often revocations that are over are looked for, and what has changed is saved.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How often a snapshot is saved though nothing has changed: its age counts from then.
const SAVE: Duration = Duration::from_secs(60);

/// Starts the tasks; they end at `ctx.shutdown`.
pub(super) fn start(view: &Arc<AccessView>, ctx: &Context) {
    let role = ctx.settings.role.as_str();
    let id = format!("{role}-{}", Uuid::now_v7());
    restore(view, ctx);
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
            },
            shutdown: ctx.shutdown.clone(),
        };
        ctx.tasks.spawn(watcher.run());
    }
    let keeper = Housekeeper {
        view: view.clone(),
        role,
        clock: ctx.clock.clone(),
        saved: [(0, None); 2],
    };
    ctx.tasks.spawn(keeper.run(ctx.shutdown.clone()));
    let (view, gauge, born) = (view.clone(), ctx.metrics.feed_age.clone(), Instant::now());
    ctx.metrics.before_scrape(move || {
        for (producer, age) in view.ages() {
            let age = age.unwrap_or_else(|| born.elapsed());
            gauge.with_label_values(&[producer]).set(age.as_secs_f64());
        }
    });
}

/// Starts from what was saved, while it is younger than any token that it could wrongly let pass.
fn restore(view: &AccessView, ctx: &Context) {
    let Some(dir) = &view.dir else { return };
    for source in Source::ALL {
        let path = disk::path(dir, ctx.settings.role.as_str(), source.as_str());
        let Some(saved) = disk::load(&path) else { continue };
        let age = ctx.clock.now().timestamp_millis().saturating_sub(saved.heard);
        // A time in the future is a clock that was set back: nothing is known of the age.
        let Ok(age) = u64::try_from(age).map(Duration::from_millis) else {
            continue;
        };
        if age < ctx.settings.jwt.expiry {
            tracing::info!(
                producer = source.as_str(),
                age = age.as_secs(),
                "access snapshot taken from disk"
            );
            view.snapshot(source, saved.update);
            view.heard(source, age);
        }
    }
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
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                answer = answers.message() => {
                    let Some(answer) = answer? else { return Ok(()) };
                    heard = Instant::now();
                    if let Some(revision) = self.take(answer)? {
                        acks.send_replace(pb::Ack { revision: Some(revision) });
                    }
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

    /// Takes one message in. Returns what there is to acknowledge.
    fn take(&self, answer: pb::SyncResponse) -> Result<Option<pb::Revision>, Status> {
        let revision = match answer.message {
            Some(Message::Snapshot(update)) => {
                let revision = update.revision.clone();
                self.view.snapshot(self.source, update);
                revision
            }
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
        self.view.heard(self.source, Duration::ZERO);
        Ok(revision)
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

/// Forgets revocations that are over, and saves what changed.
struct Housekeeper {
    view: Arc<AccessView>,
    role: &'static str,
    clock: Clock,
    /// Version saved of each producer, and when.
    saved: [(u64, Option<Instant>); 2],
}

impl Housekeeper {
    async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = interval(HOUSEKEEPING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ending = tokio::select! {
                () = shutdown.cancelled() => true,
                _ = tick.tick() => false,
            };
            self.view.expire(self.clock.unix());
            for (slot, source) in Source::ALL.into_iter().enumerate() {
                self.save(slot, source).await;
            }
            if ending {
                return;
            }
        }
    }

    async fn save(&mut self, slot: usize, source: Source) {
        let Some(dir) = &self.view.dir else { return };
        let (version, at) = self.saved[slot];
        let current = self.view.version(source);
        let age = self.view.ages()[slot].1;
        // What nobody confirms any more must not be made to look young.
        let fresh = age.is_some_and(|age| age < SILENCE);
        let late = at.is_none_or(|at| at.elapsed() >= SAVE);
        if !fresh || (version == current && !late) {
            return;
        }
        let Some((version, update)) = self.view.held(source) else {
            return;
        };
        let age = i64::try_from(age.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
        let heard = self.clock.now().timestamp_millis().saturating_sub(age);
        let path = disk::path(dir, self.role, source.as_str());
        let saved = tokio::task::spawn_blocking(move || disk::save(&path, &Saved { heard, update })).await;
        match saved {
            Ok(Ok(())) => self.saved[slot] = (version, Some(Instant::now())),
            Ok(Err(error)) => {
                // Tried again with the next change, or after a minute: a full disk is not asked every second.
                self.saved[slot] = (current, Some(Instant::now()));
                tracing::warn!(producer = source.as_str(), %error, "access snapshot not saved");
            }
            Err(error) => tracing::error!(%error, "saving the access snapshot panicked"),
        }
    }
}
