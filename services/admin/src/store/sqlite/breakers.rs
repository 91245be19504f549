//! Orders to close breakers.

use std::time::Duration;

use chrono::{DateTime, Utc};
use logicore::Error;
use sqlx::SqliteConnection;

use super::{failed, unsigned};
use crate::feed::Fact;

/// How long an order is kept: any gateway that was away for longer has closed breakers to begin with.
const KEPT: Duration = Duration::from_secs(24 * 3600);

// Numbers follow the clock where they can, so that they grow even after the store was restored from a copy.
const ORDER: &str = "UPDATE feed_head SET reset_order =
    CASE WHEN reset_order >= $1 THEN reset_order + 1 ELSE $1 END WHERE id = 1 RETURNING reset_order";

const OLD: &str = "DELETE FROM breaker_resets WHERE time < $1 RETURNING breaker";

const PUT: &str = "INSERT INTO breaker_resets (breaker, reset_order, time) VALUES ($1, $2, $3)
    ON CONFLICT (breaker) DO UPDATE SET reset_order = excluded.reset_order, time = excluded.time";

/// Keeps an order and drops old ones. Returns the order's number and what watchers get to know.
pub(super) async fn reset_in_tx(
    c: &mut SqliteConnection,
    breaker: &str,
    now: DateTime<Utc>,
) -> Result<(u64, Vec<Fact>), Error> {
    let order = sqlx::query_scalar(ORDER).bind(now.timestamp_micros());
    let order: i64 = order.fetch_one(&mut *c).await.map_err(failed)?;
    let old = sqlx::query_scalar(OLD).bind(now - KEPT);
    let old: Vec<String> = old.fetch_all(&mut *c).await.map_err(failed)?;
    let put = sqlx::query(PUT).bind(breaker).bind(order).bind(now);
    put.execute(c).await.map_err(failed)?;
    let order = unsigned(order)?;
    let gone = old
        .into_iter()
        .filter(|name| name != breaker)
        .map(Fact::BreakerResetGone);
    let mut facts: Vec<_> = gone.collect();
    facts.push(Fact::BreakerReset(breaker.to_owned(), order));
    Ok((order, facts))
}
