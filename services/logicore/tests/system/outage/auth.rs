//! The auth process is killed, and with it the gateway: tokens that are out are judged all the same.

use logicore::settings::DEMO_USER_ID;
use logicore_harness::{Layout, System, Tokens, soon};
use serde_json::{Value, json};

use crate::support::start;

fn profile() -> String {
    format!("/v1/users/{DEMO_USER_ID}")
}

#[tokio::test]
async fn without_auth_nobody_signs_in_and_everybody_who_has_goes_on() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[("CIRCUIT_RESET_TIMEOUT", "200")]).await?;
    let (demo, admin) = (system.demo().await?, system.admin().await?);
    system.kill("auth")?;
    nobody_signs_in(&system, &demo).await?;
    everybody_goes_on(&system, &demo, &admin).await?;

    system.start_part("auth")?;
    soon("signing in works again", async || {
        let login = system.try_login("demo@example.com", "demo123").await?;
        Ok((login.status == 200).then_some(()))
    })
    .await?;
    assert_eq!(
        system.get("/auth/me", &demo.access).await?.status,
        200,
        "tokens from before are good"
    );
    system.refreshed(&demo.refresh).await?;
    soon("the profile has its email again", async || {
        let own = system.get(&profile(), &demo.access).await?;
        Ok((own.json()["email"] == "demo@example.com").then_some(()))
    })
    .await
}

async fn nobody_signs_in(system: &System, demo: &Tokens) -> anyhow::Result<()> {
    let body = json!({"email": "demo@example.com", "password": "demo123"});
    for answer in [
        system.get("/auth/me", &demo.access).await?,
        system.post("/auth/login", "", &body).await?,
        system.refresh(&demo.refresh).await?,
    ] {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    Ok(())
}

async fn everybody_goes_on(system: &System, demo: &Tokens, admin: &Tokens) -> anyhow::Result<()> {
    let own = system.get(&profile(), &demo.access).await?;
    assert_eq!(
        (own.status.as_u16(), &own.json()["email"]),
        (200, &json!("")),
        "{}",
        own.text()
    );
    assert_eq!(system.get("/v1/roles", &admin.access).await?.status, 200);
    assert_eq!(
        system.get("/v1/roles", &demo.access).await?.outcome(),
        (403, "PERMISSION_MISSING".to_owned())
    );
    assert_eq!(
        system.get("/v1/roles", "forged").await?.outcome(),
        (401, "AUTH_TOKEN_INVALID".to_owned())
    );
    let status = system.get("/circuit-breaker/status", &admin.access).await?;
    assert_eq!(
        (status.status.as_u16(), &status.json()["auth"]),
        (200, &Value::Null),
        "{}",
        status.text()
    );
    assert_eq!(system.get("/.well-known/jwks.json", "").await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_gateway_starts_from_what_it_last_knew() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[("CIRCUIT_RESET_TIMEOUT", "200")]).await?;
    let (demo, admin, gone) = (system.demo().await?, system.admin().await?, system.demo().await?);
    let logout = system.post("/auth/logout", &gone.access, &json!({})).await?;
    assert_eq!(logout.status, 200);
    let saved = |producer: &str| system.dir().join(format!("data/access-gateway-{producer}.snapshot"));
    let files = ["auth", "admin"].map(saved);
    soon("the snapshots are on disk, the logout with them", async || {
        let texts = files.each_ref().map(|f| std::fs::read(f).unwrap_or_default());
        let texts = texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok((texts[0].contains(&gone.session) && !texts[1].is_empty()).then_some(()))
    })
    .await?;
    for part in ["auth", "admin", "gateway"] {
        system.kill(part)?;
    }
    system.start_part("gateway")?;
    system.ready().await?;
    assert_eq!(system.get(&profile(), &demo.access).await?.status, 200);
    assert_eq!(
        system.get("/v1/users", &demo.access).await?.outcome(),
        (403, "PERMISSION_MISSING".to_owned())
    );
    assert_eq!(system.get("/v1/users", &admin.access).await?.status, 200);
    assert_eq!(
        system.get(&profile(), &gone.access).await?.outcome(),
        (401, "AUTH_TOKEN_REVOKED".to_owned())
    );
    assert_eq!(
        system.get(&profile(), "forged").await?.outcome(),
        (401, "AUTH_TOKEN_INVALID".to_owned())
    );

    // One that knows nothing says so, and serves nothing that it cannot judge.
    system.kill("gateway")?;
    for file in files {
        std::fs::remove_file(file)?;
    }
    system.start_part("gateway")?;
    knows_nothing(&system, &demo.access).await?;
    for part in ["auth", "admin"] {
        system.start_part(part)?;
    }
    system.ready().await?;
    assert_eq!(system.get(&profile(), &demo.access).await?.status, 200);
    Ok(())
}

async fn knows_nothing(system: &System, token: &str) -> anyhow::Result<()> {
    for path in ["/readyz", &profile(), "/.well-known/jwks.json"] {
        let answer = system.get(path, token).await?;
        assert_eq!(
            answer.outcome(),
            (503, "NOT_READY".to_owned()),
            "{path}: {}",
            answer.text()
        );
        assert!(!answer.header("retry-after").is_empty(), "{path}: {answer:?}");
    }
    assert_eq!(system.get("/health", "").await?.status, 200, "it is alive");
    Ok(())
}
