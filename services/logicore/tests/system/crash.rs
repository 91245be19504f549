//! kill -9 in the middle of refreshes: what was acknowledged is kept, and what was used up stays so.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use logicore_harness::{Layout, System, Tokens};

use crate::support::start;

/// Names how many rounds there are; `cargo xtask soak` asks for more.
const ROUNDS: &str = "SOAK_ROUNDS";
/// What the issue of the guarantee asks for, and fits into a test run.
const USUAL: u32 = 20;
const CLIENTS: usize = 8;
/// Longer than a used token is answered with its successor.
const PAST_THE_GRACE: Duration = Duration::from_millis(10_500);

#[tokio::test]
async fn kill_9_in_the_middle_of_refreshes_loses_none_and_revives_none() -> anyhow::Result<()> {
    let rounds = std::env::var(ROUNDS).ok().and_then(|n| n.parse().ok()).unwrap_or(USUAL);
    let mut system = start(Layout::One, &[]).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(Client::of(system.demo().await?));
    }
    for round in 0..rounds {
        // Somewhere between the first refreshes and many.
        let life = Duration::from_millis(u64::from(round * 37 % 200) + 20);
        let kill = async {
            tokio::time::sleep(life).await;
            system.signal("all", "KILL")
        };
        let (cut, killed) = tokio::join!(join_all(clients.iter_mut().map(|c| c.refresh_until_cut(&system))), kill);
        killed?;
        cut.into_iter().collect::<anyhow::Result<()>>()?;
        system.kill("all")?;
        system.start_part("all")?;
        system.ready().await?;
        for client in &mut clients {
            client.goes_on(&system).await?;
        }
    }
    let refreshes: u64 = clients.iter().map(|c| c.acknowledged).sum();
    assert!(
        refreshes > u64::from(rounds),
        "{refreshes} refreshes: the kills came in the middle of something"
    );
    tokio::time::sleep(PAST_THE_GRACE).await;
    for (n, client) in clients.iter().enumerate() {
        client.is_over_for_used_tokens(&system, n).await?;
    }
    Ok(())
}

/// Somebody who refreshes.
struct Client {
    session: String,
    /// The refresh token of the last answer that came.
    last: String,
    /// Those that were traded for it, oldest first.
    used: Vec<String>,
    acknowledged: u64,
}

impl Client {
    fn of(tokens: Tokens) -> Self {
        Self {
            session: tokens.session,
            last: tokens.refresh,
            used: Vec::new(),
            acknowledged: 0,
        }
    }

    /// Refreshes until no answer comes any more.
    async fn refresh_until_cut(&mut self, system: &System) -> anyhow::Result<()> {
        while let Ok(answer) = system.refresh(&self.last).await {
            assert_eq!(answer.status, 200, "{}", answer.text());
            self.take(Tokens::try_from(&answer)?)?;
        }
        Ok(())
    }

    fn take(&mut self, answer: Tokens) -> anyhow::Result<()> {
        assert_eq!(answer.session, self.session);
        assert!(
            generation(&answer.refresh)? > generation(&self.last)?,
            "{} after {}",
            answer.refresh,
            self.last
        );
        self.used.push(std::mem::replace(&mut self.last, answer.refresh));
        self.acknowledged += 1;
        Ok(())
    }

    /// After a restart the last token that was acknowledged is good: as the current one, or as one that was used a moment ago by a
    /// refresh whose answer was lost.
    async fn goes_on(&mut self, system: &System) -> anyhow::Result<()> {
        let answer = system
            .refreshed(&self.last)
            .await
            .context("an acknowledged refresh is lost")?;
        self.take(answer)?;
        let answer = system.refreshed(&self.last).await?;
        self.take(answer)
    }

    /// Each client tries a token of another age; whichever it is, the session ends with it.
    async fn is_over_for_used_tokens(&self, system: &System, n: usize) -> anyhow::Result<()> {
        let used = &self.used[(self.used.len() - 1) * n / (CLIENTS - 1)];
        let replayed = system.refresh(used).await?;
        assert_eq!(replayed.outcome(), (401, "AUTH_REFRESH_REPLAYED".to_owned()), "{used}");
        let last = system.refresh(&self.last).await?;
        assert_eq!(
            last.outcome(),
            (401, "AUTH_REFRESH_INVALID".to_owned()),
            "its session has ended"
        );
        Ok(())
    }
}

/// The number of a refresh token within its family.
fn generation(token: &str) -> anyhow::Result<u64> {
    let number = token.split('.').nth(2).context("a refresh token")?;
    Ok(number.parse()?)
}
