//! The task that keeps what watchers brought: forgets revocations that are over, and saves snapshots, from which a process starts.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    AccessView,
    disk::{self, Saved},
    view::Source,
    watcher::SILENCE,
};
use crate::{clock::Clock, context::Context};

/// How often revocations that are over are looked for, and what has changed is saved.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// How often a snapshot is saved though nothing has changed: its age counts from then. Large ones as well, whole: where very many are
/// revoked something changes every second anyway, and to write the time alone into a file would give up that it is replaced whole or
/// not at all.
const SAVE: Duration = Duration::from_secs(60);

/// Part of the time, at most, that is spent on saving: a million revocations take a second, and change every second.
const SHARE: u32 = 20;

/// Starts from what was saved, while it is younger than any token that it could wrongly let pass.
pub(super) fn restore(view: &AccessView, ctx: &Context) {
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
            view.replace(source, saved.snapshot);
            view.heard(source, age);
        }
    }
}

/// Forgets revocations that are over, and saves what changed.
pub(super) struct Keeper {
    view: Arc<AccessView>,
    role: &'static str,
    clock: Clock,
    /// Of each producer.
    saves: [Save; 2],
}

/// The last time that a producer's snapshot was saved.
#[derive(Clone, Copy, Default)]
struct Save {
    version: u64,
    at: Option<Instant>,
    took: Duration,
}

impl Save {
    /// Whether it is time to save `version`; `ending` for the last time.
    fn due(&self, version: u64, ending: bool) -> bool {
        let Some(age) = self.at.map(|at| at.elapsed()) else {
            return true;
        };
        let rest = self.took * SHARE;
        match version != self.version {
            true => ending || age >= rest,
            false => age >= rest.max(SAVE),
        }
    }
}

impl Keeper {
    pub(super) fn new(view: &Arc<AccessView>, ctx: &Context) -> Self {
        Self {
            view: view.clone(),
            role: ctx.settings.role.as_str(),
            clock: ctx.clock.clone(),
            saves: [Save::default(); 2],
        }
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut tick = interval(HOUSEKEEPING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let ending = tokio::select! {
                () = shutdown.cancelled() => true,
                _ = tick.tick() => false,
            };
            self.view.expire(self.clock.unix());
            for (slot, source) in Source::ALL.into_iter().enumerate() {
                self.save(slot, source, ending).await;
            }
            if ending {
                return;
            }
        }
    }

    async fn save(&mut self, slot: usize, source: Source, ending: bool) {
        let Some(path) = self.path(source) else { return };
        let age = self.view.ages()[slot].1;
        let current = self.view.version(source);
        // What nobody confirms any more must not be made to look young.
        let fresh = age.is_some_and(|age| age < SILENCE);
        if !fresh || !self.saves[slot].due(current, ending) {
            return;
        }
        let Some((version, snapshot)) = self.view.held(source) else {
            return;
        };
        let age = i64::try_from(age.unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
        let heard = self.clock.now().timestamp_millis().saturating_sub(age);
        let began = Instant::now();
        let saved = tokio::task::spawn_blocking(move || disk::save(&path, &Saved { heard, snapshot })).await;
        let version = match saved {
            Ok(Ok(())) => version,
            Ok(Err(error)) => {
                tracing::warn!(producer = source.as_str(), %error, "access snapshot not saved");
                // Tried again with the next change, or after a minute: a full disk is not asked every second.
                current
            }
            Err(error) => return tracing::error!(%error, "saving the access snapshot panicked"),
        };
        self.saves[slot] = Save {
            version,
            at: Some(Instant::now()),
            took: began.elapsed(),
        };
    }

    fn path(&self, source: Source) -> Option<PathBuf> {
        let dir = self.view.dir.as_ref()?;
        Some(disk::path(dir, self.role, source.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::advance;

    use super::*;
    use crate::{settings::Role, testkit};

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// The first version, saved a moment ago.
    fn saved(took: Duration) -> Save {
        Save {
            version: 1,
            at: Some(Instant::now()),
            took,
        }
    }

    #[test]
    fn what_was_never_saved_is_due() {
        assert!(Save::default().due(0, false) && Save::default().due(0, true));
    }

    #[tokio::test(start_paused = true)]
    async fn saving_takes_a_share_of_the_time_and_no_more() {
        for (took, changed, unchanged) in [(0, 0, 60), (1, 20, 60), (5, 100, 100)] {
            let save = saved(seconds(took));
            for (version, wait) in [(2, changed), (1, unchanged)] {
                let save = Save {
                    at: Some(Instant::now()),
                    ..save
                };
                if wait > 0 {
                    advance(seconds(wait) - Duration::from_millis(1)).await;
                    assert!(!save.due(version, false), "{took} s, version {version}");
                    advance(Duration::from_millis(1)).await;
                }
                assert!(save.due(version, false), "{took} s, version {version}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_what_has_changed_is_saved_and_nothing_else() {
        let save = saved(seconds(5));
        assert!(save.due(2, true));
        assert!(!save.due(1, true));
    }

    /// A keeper for this folder, of a process that has heard auth, and the file.
    fn keeper(dir: &std::path::Path) -> (Keeper, PathBuf) {
        let ctx = testkit::context(Role::Gateway);
        let view = AccessView::new(Some(dir.to_owned()));
        testkit::feed(&view, Vec::new(), Vec::new());
        let keeper = Keeper::new(&view, &ctx);
        let path = keeper.path(Source::Auth).unwrap();
        (keeper, path)
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_save_that_failed_it_waits_for_a_change_or_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let (mut keeper, path) = keeper(dir.path());
        let view = keeper.view.clone();
        // No file can take its place.
        fs::create_dir(&path).unwrap();
        keeper.save(0, Source::Auth, false).await;
        fs::remove_dir(&path).unwrap();
        let mut saves = async |ending| {
            view.heard(Source::Auth, Duration::ZERO);
            keeper.save(0, Source::Auth, ending).await;
            fs::remove_file(&path).is_ok()
        };
        assert!(!saves(false).await && !saves(true).await, "not at once");
        advance(SAVE - Duration::from_millis(1)).await;
        assert!(!saves(false).await);
        advance(Duration::from_millis(1)).await;
        assert!(saves(false).await, "after a minute");
        testkit::feed(&view, Vec::new(), Vec::new());
        assert!(saves(true).await, "and with a change");
    }
}
