//! The demo accounts, whose passwords are in the guide: they do not outlive the loopback.

use logicore_harness::{Layout, System, Tokens};

use crate::support::{in_both_layouts, start};

in_both_layouts!(production_ends_the_demo_accounts_and_their_sessions);

async fn over(system: &System, tokens: &[Tokens]) -> anyhow::Result<()> {
    for (email, password) in [("demo@example.com", "demo123"), ("admin@example.com", "admin123")] {
        let login = system.try_login(email, password).await?;
        assert_eq!(login.outcome(), (401, "AUTH_INVALID_CREDENTIALS".to_owned()), "{email}");
    }
    for tokens in tokens {
        let me = system.get("/auth/me", &tokens.access).await?;
        assert_eq!(me.outcome(), (401, "AUTH_TOKEN_REVOKED".to_owned()));
        let refresh = system.refresh(&tokens.refresh).await?;
        assert_eq!(refresh.outcome(), (401, "AUTH_REFRESH_INVALID".to_owned()));
    }
    Ok(())
}

async fn restart(system: &mut System) -> anyhow::Result<()> {
    for part in system.parts() {
        system.kill(part)?;
    }
    for part in system.parts() {
        system.start_part(part)?;
    }
    system.ready().await
}

async fn production_ends_the_demo_accounts_and_their_sessions(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[]).await?;
    let tokens = [system.demo().await?, system.admin().await?];
    system.set("LOGICORE_ENV", "production");
    system.set("DEMO", "");
    restart(&mut system).await?;
    over(&system, &tokens).await?;
    // For good: going back does not bring them back.
    system.set("LOGICORE_ENV", "development");
    restart(&mut system).await?;
    over(&system, &tokens).await?;
    let both = ["--env", "production", "--demo", "true"];
    let refused = system
        .command(system.parts()[0], &[&["check-config"][..], &both].concat())
        .await?;
    assert_eq!(refused.code, Some(64), "{}", refused.stdout);
    Ok(())
}

#[tokio::test]
async fn a_start_beyond_loopback_ends_them_too() -> anyhow::Result<()> {
    let mut system = start(Layout::One, &[]).await?;
    let tokens = [system.demo().await?, system.admin().await?];
    let everywhere = format!("0.0.0.0:{}", system.address().port());
    system.set("LOGICORE_LISTEN", &everywhere);
    restart(&mut system).await?;
    over(&system, &tokens).await?;
    let served = system
        .send("GET", "/health", &[("host", "api.example.com")], "")
        .await?;
    assert_eq!(served.status, 200, "beyond loopback every host name is served");
    Ok(())
}

#[tokio::test]
async fn an_empty_folder_in_production_has_no_demo_accounts() -> anyhow::Result<()> {
    let system = start(Layout::One, &[("LOGICORE_ENV", "production")]).await?;
    over(&system, &[]).await
}
