//! Deletes what is over: sessions, codes, marks, retired keys. In small batches, so that no login waits behind it.

use std::{sync::Arc, time::Duration};

use logicore::Context;
use tokio::time::{MissedTickBehavior, interval};

use crate::auth::Auth;

/// Rest between sweeps; nothing depends on a row being gone.
const EVERY: Duration = Duration::from_secs(30);

/// Rows of each kind in one transaction.
const BATCH: u32 = 200;

/// Starts the sweeper; it stops at shutdown.
pub(crate) fn start(ctx: &Context, auth: Arc<Auth>) {
    let shutdown = ctx.shutdown.clone();
    ctx.tasks.spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => auth.sweep().await,
            }
        }
    });
}

impl Auth {
    /// Deletes everything that is over now.
    pub(crate) async fn sweep(&self) {
        loop {
            match self.store.sweep(self.clock.now(), BATCH).await {
                Ok(swept) if swept >= u64::from(BATCH) => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "sweeping failed; it is tried again"),
            }
        }
    }
}
