//! Looking again until something is so. Counted in looks and not by a clock, so that a loaded machine gets the time it needs.

use std::time::Duration;

use anyhow::bail;

const APART: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, for about ten seconds.
///
/// # Errors
/// When it never does, or `look` fails.
pub async fn soon<T>(what: &str, look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    looks(500, what, look).await
}

/// Looks until `look` finds something, for about a second.
///
/// # Errors
/// When it never does, or `look` fails.
pub async fn within_a_second<T>(what: &str, look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    looks(50, what, look).await
}

async fn looks<T>(
    most: u32,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    for _ in 0..most {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(APART).await;
    }
    bail!("waited in vain: {what}")
}
