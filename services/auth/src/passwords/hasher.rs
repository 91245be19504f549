//! Argon2id on a bounded pool. A place is taken before anything is hashed, so that a flood of logins is refused cheaply instead of
//! being hashed late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argon2::password_hash::phc::PasswordHash;
use logicore::{Error, Reason, secret::Secret, telemetry::Metrics};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::phc;

/// Places for each thread: what is hashed within about two seconds, since nobody waits longer for a login.
const PLACES_PER_THREAD: usize = 64;

/// One hash takes about this long; only the advice in `Retry-After` depends on it.
const HASH: Duration = Duration::from_millis(40);

/// A hash that no password has, for accounts that do not exist: random salt and value, with the parameters before it.
const NOBODY: &str = "bm9ib2R5bm9ib2R5bm9ibw$R0b1VqJjAx8hXwq3k2dUhZ7oFvS5yI9pTtL0nCe4mEs";

/// What hashing costs. OWASP's minimum for argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Params {
    /// KiB.
    pub(crate) memory: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            memory: 19_456,
            passes: 2,
            lanes: 1,
        }
    }
}

/// A place in the pool.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, so that the place is taken")] OwnedSemaphorePermit);

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) matches: bool,
    /// Made with other parameters than those of now.
    pub(crate) outdated: bool,
}

/// Hashes passwords.
#[derive(Debug)]
pub(crate) struct Hasher {
    params: argon2::Params,
    nobody: Secret,
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    hashes: AtomicU64,
    #[cfg(test)]
    size: usize,
    metrics: Arc<Metrics>,
}

impl Hasher {
    /// A pool of half the machine's cores.
    pub(crate) fn new(params: Params, metrics: Arc<Metrics>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / 2).max(1);
        Self::with_places(params, threads, threads * PLACES_PER_THREAD, metrics)
    }

    pub(crate) fn with_places(params: Params, threads: usize, places: usize, metrics: Arc<Metrics>) -> Self {
        let Params { memory, passes, lanes } = params;
        Self {
            params: argon2::Params::new(memory, passes, lanes, None).expect("the parameters are constants in range"),
            nobody: Secret::new(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${NOBODY}")),
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(places)),
            hashes: AtomicU64::new(0),
            #[cfg(test)]
            size: threads,
            metrics,
        }
    }

    /// Takes a place, or says at once that there is none.
    ///
    /// # Errors
    /// `AUTH_HASH_QUEUE_FULL`.
    pub(crate) fn reserve(&self) -> Result<Place, Error> {
        Arc::clone(&self.places).try_acquire_owned().map(Place).map_err(|_| {
            let wait = HASH.saturating_mul(u32::try_from(PLACES_PER_THREAD).unwrap_or(u32::MAX));
            Error::new(
                Reason::AuthHashQueueFull,
                "too many passwords are being checked at the moment",
            )
            .retry_after(wait.max(Duration::from_secs(1)))
        })
    }

    /// Checks a password against a hash, or against nobody's: the work is the same.
    ///
    /// # Errors
    /// `DATA_CORRUPT` when the hash cannot be read.
    pub(crate) async fn verify(
        &self,
        _place: &Place,
        password: &Secret,
        hash: Option<&Secret>,
    ) -> Result<Verdict, Error> {
        let known = hash.is_some() && password.expose().len() <= super::MAX_BYTES;
        let hash = hash.unwrap_or(&self.nobody).clone();
        let password = bounded(password);
        let params = self.params.clone();
        let (matches, outdated) = self
            .run(move || {
                let hash = PasswordHash::new(hash.expose())
                    .map_err(|e| Error::new(Reason::DataCorrupt, "a stored password hash cannot be read").because(e))?;
                let outdated = argon2::Params::try_from(&hash).map_or(true, |p| {
                    (p.m_cost(), p.t_cost(), p.p_cost()) != (params.m_cost(), params.t_cost(), params.p_cost())
                }) || hash.algorithm.as_str() != "argon2id";
                Ok((phc::matches(password.expose_bytes(), &hash), outdated))
            })
            .await?;
        Ok(Verdict {
            matches: matches && known,
            outdated,
        })
    }

    /// Hashes a password to a PHC string.
    ///
    /// # Errors
    /// `INTERNAL` when the machine has no randomness.
    pub(crate) async fn hash(&self, _place: &Place, password: &Secret) -> Result<Secret, Error> {
        let (params, password) = (self.params.clone(), password.clone());
        self.run(move || phc::hash(password.expose_bytes(), params).map(Secret::new))
            .await
    }

    /// Takes every thread, so that whoever comes waits.
    #[cfg(test)]
    pub(crate) async fn occupy(&self) -> OwnedSemaphorePermit {
        let all = u32::try_from(self.size).unwrap();
        Arc::clone(&self.threads).acquire_many_owned(all).await.unwrap()
    }

    /// How many hashes were computed.
    #[cfg(test)]
    pub(crate) fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::SeqCst)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let waiting = Waiting::new(&self.metrics);
        let permit = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .expect("the pool is never closed");
        drop(waiting);
        self.hashes.fetch_add(1, Ordering::SeqCst);
        let started = Instant::now();
        // Most of a login's time, so a trace shows it.
        let span = tracing::info_span!("password.hash");
        // A caller who leaves while this runs frees nothing early: the permit goes with the work.
        let result = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(work)
        })
        .await
        .map_err(Error::internal)?;
        self.metrics.hash_duration.observe(started.elapsed().as_secs_f64());
        result
    }
}

/// The gauge of those who wait, also when they give up.
struct Waiting<'a>(&'a Metrics);

impl<'a> Waiting<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.hash_queue.inc();
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.hash_queue.dec();
    }
}

/// A text too long to be a password is hashed as an empty one: the work stays the same and the answer is no.
fn bounded(password: &Secret) -> Secret {
    if password.expose().len() > super::MAX_BYTES {
        Secret::new("")
    } else {
        password.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Cheap enough for a debug build.
    pub(crate) const CHEAP: Params = Params {
        memory: 8,
        passes: 1,
        lanes: 1,
    };

    fn hasher(params: Params) -> Hasher {
        Hasher::with_places(params, 1, 2, Metrics::new())
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_alone() {
        let hasher = hasher(CHEAP);
        let place = hasher.reserve().unwrap();
        let hash = hasher.hash(&place, &Secret::new("one")).await.unwrap();
        for (password, matches) in [("one", true), ("two", false), ("", false)] {
            let verdict = hasher
                .verify(&place, &Secret::new(password), Some(&hash))
                .await
                .unwrap();
            assert_eq!(verdict.matches, matches, "{password}");
            assert!(!verdict.outdated);
        }
    }

    #[tokio::test]
    async fn other_parameters_are_outdated() {
        let old = hasher(CHEAP);
        let place = old.reserve().unwrap();
        let hash = old.hash(&place, &Secret::new("one")).await.unwrap();
        let new = hasher(Params { passes: 2, ..CHEAP });
        let verdict = new.verify(&place, &Secret::new("one"), Some(&hash)).await.unwrap();
        assert!(verdict.matches && verdict.outdated);
    }

    #[tokio::test]
    async fn nobody_has_no_password_and_costs_one_hash() {
        let hasher = hasher(CHEAP);
        let place = hasher.reserve().unwrap();
        let verdict = hasher.verify(&place, &Secret::new("x"), None).await.unwrap();
        assert!(!verdict.matches);
        assert_eq!(hasher.hashes(), 1);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_before_hashing() {
        let hasher = hasher(CHEAP);
        let (_a, _b) = (hasher.reserve().unwrap(), hasher.reserve().unwrap());
        let error = hasher.reserve().unwrap_err();
        assert_eq!(error.reason(), Reason::AuthHashQueueFull);
        assert_eq!(hasher.hashes(), 0);
    }

    #[tokio::test]
    async fn a_text_too_long_is_no_password() {
        let hasher = hasher(CHEAP);
        let place = hasher.reserve().unwrap();
        let empty = hasher.hash(&place, &Secret::new("")).await.unwrap();
        let verdict = hasher
            .verify(&place, &Secret::new("x".repeat(5000)), Some(&empty))
            .await
            .unwrap();
        assert!(!verdict.matches);
    }
}
