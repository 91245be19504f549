//! Looks from time to time for users that were left half made.

use std::{sync::Arc, time::Duration};

use logicore::Context;
use tokio::time::MissedTickBehavior;

use crate::domain::Users;

/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(15);

/// Starts the rounds; they end at `ctx.shutdown`.
pub(crate) fn start(ctx: &Context, users: Arc<Users>) {
    let shutdown = ctx.shutdown.clone();
    ctx.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match users.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "users that were half made are settled"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "half made users cannot be looked for"
                    );
                }
            }
        }
    });
}
