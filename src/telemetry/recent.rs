//! What the last minute was like, for `/metrics/health`: rates and quantiles without a Prometheus beside the process.
//!
//! A ring of seconds of plain atomics: a reader may see a request in the count and not yet in the quantiles, which is all that
//! the lack of a lock costs.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use super::metrics::SECONDS;

const WINDOW: u64 = 60;
/// One second more than the window, so that the second being written never counts as the one a minute ago.
const SLOTS: usize = WINDOW as usize + 1;
const BUCKETS: usize = SECONDS.len() + 1;

/// The last minute, and since the process is younger than that, its life so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recent {
    /// Requests that ended, per second.
    pub requests_per_second: f64,
    /// Those that failed by the server's fault, per second.
    pub errors_per_second: f64,
    /// Failed by the server's fault among all, 0 to 1.
    pub error_ratio: f64,
    /// Median time of a request.
    pub p50: Duration,
    /// 95 of 100 took no longer.
    pub p95: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
}

#[derive(Debug)]
pub(super) struct Window {
    start: Instant,
    slots: [Slot; SLOTS],
}

#[derive(Debug, Default)]
struct Slot {
    /// The second that the counts are of, counted from 1 so that 0 is nobody's.
    second: AtomicU64,
    errors: AtomicU32,
    buckets: [AtomicU32; BUCKETS],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            slots: std::array::from_fn(|_| Slot::default()),
        }
    }
}

impl Window {
    pub(super) fn record(&self, took: Duration, fault: bool) {
        let slot = self.slot();
        if fault {
            slot.errors.fetch_add(1, Relaxed);
        }
        let took = took.as_secs_f64();
        let bucket = SECONDS.partition_point(|bound| took > *bound);
        slot.buckets[bucket].fetch_add(1, Relaxed);
    }

    fn second(&self) -> u64 {
        self.start.elapsed().as_secs() + 1
    }

    /// The slot of this second, emptied by whoever comes first.
    fn slot(&self) -> &Slot {
        let second = self.second();
        let slot = &self.slots[usize::try_from(second % SLOTS as u64).unwrap_or_default()];
        let old = slot.second.load(Relaxed);
        if old != second && slot.second.compare_exchange(old, second, Relaxed, Relaxed).is_ok() {
            slot.errors.store(0, Relaxed);
            slot.buckets.iter().for_each(|b| b.store(0, Relaxed));
        }
        slot
    }

    pub(super) fn read(&self) -> Recent {
        let now = self.second();
        let mut errors = 0_u64;
        let mut buckets = [0_u64; BUCKETS];
        for slot in &self.slots {
            let second = slot.second.load(Relaxed);
            if second == 0 || second + WINDOW <= now {
                continue;
            }
            errors += u64::from(slot.errors.load(Relaxed));
            for (sum, bucket) in buckets.iter_mut().zip(&slot.buckets) {
                *sum += u64::from(bucket.load(Relaxed));
            }
        }
        let total: u64 = buckets.iter().sum();
        let span = self.start.elapsed().as_secs_f64().clamp(1.0, WINDOW as f64);
        Recent {
            requests_per_second: total as f64 / span,
            errors_per_second: errors as f64 / span,
            error_ratio: if total == 0 { 0.0 } else { errors as f64 / total as f64 },
            p50: quantile(&buckets, total, 0.50),
            p95: quantile(&buckets, total, 0.95),
            p99: quantile(&buckets, total, 0.99),
        }
    }
}

/// Within a bucket the values are taken as spread evenly, as Prometheus does; beyond the last bound it is that bound.
fn quantile(buckets: &[u64; BUCKETS], total: u64, q: f64) -> Duration {
    if total == 0 {
        return Duration::ZERO;
    }
    let rank = q * total as f64;
    let mut below = 0.0;
    for (i, count) in buckets.iter().enumerate() {
        let count = *count as f64;
        if below + count >= rank && count > 0.0 {
            let from = if i == 0 { 0.0 } else { SECONDS[i - 1] };
            let to = SECONDS.get(i).copied().unwrap_or(from);
            return Duration::from_secs_f64(from + (to - from) * ((rank - below) / count));
        }
        below += count;
    }
    Duration::from_secs_f64(SECONDS[SECONDS.len() - 1])
}

/// Memory of this process that is in RAM, in bytes; `None` where the system does not tell by `/proc`.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_minute_forgets() {
        let window = Window::default();
        tokio::time::advance(Duration::from_secs(100)).await;
        for _ in 0..60 {
            window.record(Duration::from_millis(2), false);
        }
        assert!((window.read().requests_per_second - 1.0).abs() < 1e-9);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(window.read().requests_per_second > 0.9);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(window.read(), Recent::default());
    }

    #[tokio::test(start_paused = true)]
    async fn quantiles_fall_into_their_bucket() {
        let window = Window::default();
        for _ in 0..95 {
            window.record(Duration::from_millis(2), false);
        }
        for _ in 0..5 {
            window.record(Duration::from_millis(300), true);
        }
        let recent = window.read();
        assert!(recent.p50 > Duration::from_millis(1) && recent.p50 <= Duration::from_micros(2500));
        assert!(recent.p99 > Duration::from_millis(250) && recent.p99 <= Duration::from_millis(500));
        assert!((recent.error_ratio - 0.05).abs() < 1e-9);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_memory() {
        assert!(resident_bytes().is_some_and(|b| b > 1 << 20));
    }
}
