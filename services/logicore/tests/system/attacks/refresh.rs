//! Refresh tokens that somebody else has, too.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join_all;
use logicore_harness::{Layout, System, Tokens, within_a_second};

use crate::support::{in_both_layouts, shared, start};

in_both_layouts!(
    two_hundred_refreshes_at_once_give_one_successor,
    a_token_that_was_altered_is_refused_and_ends_nothing,
);

async fn two_hundred_refreshes_at_once_give_one_successor(layout: Layout) -> anyhow::Result<()> {
    // A debug build on a busy machine may take its time for so many; that is not what this is about.
    let system = start(layout, &[("SERVICE_TIMEOUT", "60000")]).await?;
    let demo = system.demo().await?;
    let answers = try_join_all((0..200).map(|_| system.refreshed(&demo.refresh))).await?;
    let successors: BTreeSet<_> = answers.iter().map(|t| &t.refresh).collect();
    assert_eq!(successors.len(), 1, "{successors:?}");
    assert!(!successors.contains(&demo.refresh));
    assert!(answers.iter().all(|t| t.session == demo.session));

    let next = system.refreshed(&answers[0].refresh).await?;
    assert!(!successors.contains(&next.refresh), "the successor is good, once");
    Ok(())
}

async fn a_token_that_was_altered_is_refused_and_ends_nothing(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = system.demo().await?;
    let parts: Vec<_> = demo.refresh.split('.').collect();
    let [kid, family, generation, mac] = parts[..] else {
        anyhow::bail!("four parts: {parts:?}");
    };
    let other = system.demo().await?.refresh;
    let others_family = other.split('.').nth(1).unwrap_or_default();
    for altered in [
        format!("{kid}.{family}.2.{mac}"),
        format!("{kid}.{family}.0{generation}.{mac}"),
        format!("{kid}.{family}.+{generation}.{mac}"),
        format!("{kid}.{others_family}.{generation}.{mac}"),
        format!("other.{family}.{generation}.{mac}"),
        format!("{kid}.{family}.{generation}.{mac}A"),
        format!("{kid}.{family}.{generation}."),
        format!("{kid}.{family}.{generation}"),
        format!("{}.{mac}", demo.refresh),
        "x".repeat(60_000),
        demo.access.clone(),
    ] {
        let refused = system.refresh(&altered).await?;
        assert_eq!(refused.outcome(), (401, "AUTH_REFRESH_INVALID".to_owned()), "{altered}");
    }
    system.refreshed(&demo.refresh).await?;
    Ok(())
}

/// The one test that waits out the grace; both layouts wait together.
#[tokio::test]
async fn a_token_that_was_used_long_ago_ends_its_session_and_no_other() -> anyhow::Result<()> {
    let (one, four) = (start(Layout::One, &[]).await?, start(Layout::Four, &[]).await?);
    let prepared = [Prepared::of(&one).await?, Prepared::of(&four).await?];
    tokio::time::sleep(Duration::from_millis(10_500)).await;
    for (system, prepared) in [one, four].iter().zip(prepared) {
        prepared.replay(system).await?;
    }
    Ok(())
}

struct Prepared {
    stolen: Tokens,
    current: Tokens,
    other: Tokens,
}

impl Prepared {
    async fn of(system: &System) -> anyhow::Result<Self> {
        let stolen = system.demo().await?;
        let current = system.refreshed(&stolen.refresh).await?;
        let again = system.refreshed(&stolen.refresh).await?;
        assert_eq!(
            again.refresh, current.refresh,
            "within the grace: the current one again"
        );
        let other = system.demo().await?;
        Ok(Self { stolen, current, other })
    }

    async fn replay(self, system: &System) -> anyhow::Result<()> {
        let me = system.get("/auth/me", &self.stolen.access).await?;
        assert_eq!(me.status, 200, "until the replay nothing is wrong: {}", me.text());
        let replayed = system.refresh(&self.stolen.refresh).await?;
        assert_eq!(replayed.outcome(), (401, "AUTH_REFRESH_REPLAYED".to_owned()));
        let successor = system.refresh(&self.current.refresh).await?;
        assert_eq!(successor.outcome(), (401, "AUTH_REFRESH_INVALID".to_owned()));
        for access in [&self.stolen.access, &self.current.access] {
            within_a_second("the session's access tokens end", async || {
                let refused = system.get("/auth/me", access).await?;
                Ok((refused.outcome() == (401, "AUTH_TOKEN_REVOKED".to_owned())).then_some(()))
            })
            .await?;
        }
        assert_eq!(system.get("/auth/me", &self.other.access).await?.status, 200);
        system.refreshed(&self.other.refresh).await?;
        Ok(())
    }
}
