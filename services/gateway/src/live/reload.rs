//! Reads the routes again: when a file changes, at SIGHUP, and when a service's reflection says something new. A bad configuration is
//! refused as a whole and told; what was served goes on being served.

mod channels;
mod watch;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use logicore::{
    Context, Error, Reason,
    settings::{
        Problems,
        routes::{Descriptors, Routes as Settings, Upstream as UpstreamSettings},
    },
    stamp::{Stamp, stamp},
    upstream::Upstream,
};
use prost_reflect::DescriptorPool;

use channels::channels;
use watch::Hangups;

use super::{
    Current,
    build::{Built, Parts, Refused, build},
    descriptors::{Fetched, fetch},
};

/// What came of reading the routes.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Why the last try was refused; empty where it was not.
    pub(crate) problems: Vec<String>,
    /// What is denied without having been meant to be.
    pub(crate) notes: Vec<String>,
    /// Upstreams whose descriptors are not known yet, and why.
    pub(crate) pending: Vec<(String, String)>,
}

/// Outcome of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// New routes serve.
    Applied,
    /// They are what they were.
    Unchanged,
    /// The old ones go on.
    Refused,
}

/// Keeps the routes as the file and the services say.
#[derive(Debug)]
pub(crate) struct Reloader {
    ctx: Context,
    pool: DescriptorPool,
    path: PathBuf,
    current: Current,
    state: Arc<ArcSwap<State>>,
    /// By the upstream's name: its channel, and its last descriptors.
    known: HashMap<String, Known>,
    /// By the upstream's name: what its reflection told and cannot be served.
    refused: HashMap<String, Refused>,
    /// Files that the routes name, those of refused ones included: what is mended there is to be seen.
    files: Vec<PathBuf>,
    /// The file and those, as they were just before they were last read: what changes while it is read is read again.
    seen: Stamp,
    hangups: Hangups,
}

/// An upstream, and its last descriptors.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) settings: Arc<UpstreamSettings>,
    pub(super) upstream: Upstream,
    pub(super) fetched: Option<Fetched>,
}

impl Reloader {
    /// From now on SIGHUP is heard.
    pub(crate) fn new(ctx: &Context, pool: DescriptorPool, path: PathBuf, current: Current) -> Self {
        Self {
            ctx: ctx.clone(),
            pool,
            path,
            current,
            state: Arc::default(),
            known: HashMap::new(),
            refused: HashMap::new(),
            files: Vec::new(),
            seen: Stamp::new(),
            hangups: Hangups::new(),
        }
    }

    /// Reads everything for the first time. Services whose reflection does not answer are asked again later: they may start after
    /// the gateway does.
    ///
    /// # Errors
    /// `STATE_FORBIDS` with everything that is wrong.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        match self.reload().await {
            Outcome::Refused => {
                let problems = self.state.load().problems.join("\n  - ");
                Err(Error::new(
                    Reason::StateForbids,
                    format!("the routes cannot be used:\n  - {problems}"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// What came of the last try.
    pub(crate) fn state(&self) -> Arc<ArcSwap<State>> {
        Arc::clone(&self.state)
    }

    /// Reads everything and serves it, if it is good.
    pub(crate) async fn reload(&mut self) -> Outcome {
        let result = self.read().await;
        let outcome = match &result {
            Ok(outcome) => *outcome,
            Err(problems) => {
                let before = self.state.load_full();
                // Told once: while a service is away, this is tried every two seconds.
                for problem in problems.iter().filter(|p| !before.problems.contains(p)) {
                    tracing::error!(problem, "routes refused; those before go on serving");
                }
                let state = State {
                    problems: problems.clone(),
                    ..State::clone(&before)
                };
                self.state.store(Arc::new(state));
                Outcome::Refused
            }
        };
        let metrics = &self.ctx.metrics;
        metrics.route_reloads.with_label_values(&[outcome.as_str()]).inc();
        metrics
            .route_reload_good
            .set(i64::from(self.state.load().problems.is_empty()));
        outcome
    }

    async fn read(&mut self) -> Result<Outcome, Vec<String>> {
        let (settings, mut known) = self.open().await?;
        let pending = describe(&mut known, &self.state.load_full()).await?;
        self.without_refused(&settings, &mut known);
        if self.unchanged(&settings, &known) {
            self.told(Vec::clone(&self.state.load().notes), pending);
            return Ok(Outcome::Unchanged);
        }
        let parts = Parts {
            ctx: self.ctx.clone(),
            pool: self.pool.clone(),
            settings,
            before: self.current.0.load_full(),
        };
        let Built { live, notes, refused } = build(&parts, &mut known, &self.known).await?;
        for problem in refused.values().flat_map(|r| &r.problems) {
            tracing::error!(problem, "what a service's reflection tells is refused");
        }
        self.refused.extend(refused);
        tracing::info!(
            upstreams = live.upstreams.len(),
            methods = live.table.iter().filter(|r| r.owner.is_some()).count(),
            "routes are in force"
        );
        for note in &notes {
            tracing::warn!(note, "a method is not served as its descriptors ask");
        }
        self.current.store(live);
        // Those that stay have the limit of before until it is certain that these routes serve.
        known
            .iter()
            .for_each(|k| k.upstream.limit_calls(k.settings.max_concurrent_calls));
        self.known = known.into_iter().map(|k| (k.settings.name.clone(), k)).collect();
        self.told(notes, pending);
        Ok(Outcome::Applied)
    }

    /// Reads the file and makes the channels; apart, since a slow disk must not keep other tasks waiting.
    async fn open(&mut self) -> Result<(Settings, Vec<Known>), Vec<String>> {
        self.seen = self.stamps().await;
        let (ctx, path, before) = (self.ctx.clone(), self.path.clone(), self.known.clone());
        let read = tokio::task::spawn_blocking(move || {
            let settings = Settings::read(&path).map_err(|Problems(problems)| problems)?;
            let files: Vec<_> = settings.files().map(Path::to_path_buf).collect();
            let seen = stamp(files.iter().map(PathBuf::as_path));
            let known = channels(&ctx, &settings, &before);
            Ok::<_, Vec<String>>((settings, files, seen, known))
        });
        let (settings, files, seen, known) = read.await.map_err(|e| vec![e.to_string()])??;
        self.files = files;
        self.seen.truncate(1);
        self.seen.extend(seen);
        Ok((settings, known?))
    }

    /// Whether a file is not what it was when it was read.
    pub(super) async fn changed(&self) -> bool {
        self.stamps().await != self.seen
    }

    /// The file, then those that it names.
    async fn stamps(&self) -> Stamp {
        let files: Vec<_> = std::iter::once(&self.path).chain(&self.files).cloned().collect();
        let stamps = tokio::task::spawn_blocking(move || stamp(files.iter().map(PathBuf::as_path)));
        // Fails where the process ends.
        stamps.await.unwrap_or_default()
    }

    /// What was refused already is not tried again as long as nothing else changes.
    fn without_refused(&mut self, settings: &Settings, known: &mut [Known]) {
        if *settings != self.current.load().settings {
            self.refused.clear();
        }
        for k in known {
            let told = k.fetched.as_ref().map(|f| &f.raw);
            let same = self.refused.get(&k.settings.name).map(|r| told == Some(&r.raw));
            match same {
                Some(true) => {
                    k.fetched = self
                        .known
                        .get(&k.settings.name)
                        .and_then(|before| before.fetched.clone())
                }
                Some(false) => drop(self.refused.remove(&k.settings.name)),
                None => {}
            }
        }
    }

    fn told(&self, notes: Vec<String>, pending: Vec<(String, String)>) {
        let state = State {
            problems: self.refused.values().flat_map(|r| r.problems.clone()).collect(),
            notes,
            pending,
        };
        self.state.store(Arc::new(state));
    }

    fn unchanged(&self, settings: &Settings, known: &[Known]) -> bool {
        let raw = |k: &Known| k.fetched.as_ref().map(|f| f.raw.clone());
        *settings == self.current.load().settings
            && known.iter().all(|k| {
                self.known
                    .get(&k.settings.name)
                    .is_some_and(|before| raw(before) == raw(k))
            })
    }
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// Reads the descriptors of all of them. Returns those whose reflection has not answered yet, and why.
async fn describe(known: &mut [Known], before: &State) -> Result<Vec<(String, String)>, Vec<String>> {
    let fetches = known
        .iter()
        .map(|k| fetch(&k.settings, &k.upstream, k.fetched.as_ref()));
    let results = join_all(fetches).await;
    let (mut problems, mut pending) = (Vec::new(), Vec::new());
    for (k, result) in known.iter_mut().zip(results) {
        let name = &k.settings.name;
        match (result, &k.settings.descriptors) {
            (Ok(fetched), _) => k.fetched = Some(fetched),
            (Err(why), Descriptors::File(_)) => problems.push(format!("upstream `{name}`: {why}")),
            (Err(why), Descriptors::Reflection) => {
                if k.fetched.is_none() {
                    if !before.pending.iter().any(|(n, w)| (n, w) == (name, &why)) {
                        tracing::warn!(upstream = name, why, "not routed yet: its descriptors are not known");
                    }
                    pending.push((name.clone(), why));
                } else {
                    tracing::debug!(
                        upstream = name,
                        why,
                        "reflection does not answer; the last descriptors hold"
                    );
                }
            }
        }
    }
    if problems.is_empty() {
        Ok(pending)
    } else {
        Err(problems)
    }
}
