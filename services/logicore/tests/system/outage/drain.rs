//! SIGTERM: readiness off, what is under way finished, streams ended, gone with status 0.

use std::time::Duration;

use futures_util::future::join_all;
use logicore::{
    api::user::{GetUserResponse, User},
    settings::DEMO_USER_ID,
};
use logicore_harness::{Layout, System, get, soon};
use prost::Message as _;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    support::{in_both_layouts, start},
    upstream::Upstream,
};

/// More than any drain here may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(20);

in_both_layouts!(
    whoever_is_inside_is_served_and_nobody_else_is_let_in,
    every_part_ends_well_and_without_complaint,
);

/// The part that callers reach.
fn front(system: &System) -> &'static str {
    if system.layout() == Layout::One {
        "all"
    } else {
        "gateway"
    }
}

async fn whoever_is_inside_is_served_and_nobody_else_is_let_in(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[("LOGICORE_DRAIN_DELAY", "2s")]).await?;
    let part = front(&system);
    let channel = Endpoint::from_shared(system.public_url())?.connect().await?;
    let mut watch = HealthClient::new(channel)
        .watch(HealthCheckRequest::default())
        .await?
        .into_inner();
    assert!(watch.message().await?.is_some());
    let logins = join_all((0..8).map(|_| system.try_login("demo@example.com", "demo123")));
    let drained = async {
        // The logins have been sent; hashing them takes longer than that.
        tokio::time::sleep(Duration::from_millis(20)).await;
        system.signal(part, "TERM")?;
        soon("readiness is off", async || {
            let ready = system.get("/readyz", "").await?;
            Ok((ready.outcome() == (503, "NOT_READY".to_owned())).then_some(()))
        })
        .await
    };
    let (logins, drained) = tokio::join!(logins, drained);
    drained?;
    for login in logins {
        assert_eq!(login?.status, 200);
    }
    let told = async {
        while watch.message().await?.is_some() {}
        Ok::<_, tonic::Status>(())
    };
    let status = tokio::time::timeout(LIMIT, told).await?.err();
    assert!(
        status.as_ref().is_some_and(|s| s.code() == Code::Unavailable),
        "a stream is told: {status:?}"
    );
    let ended = system.process(part)?.ended(LIMIT).await?;
    assert!(ended.is_some_and(|status| status.code() == Some(0)), "{ended:?}");
    assert!(get(system.address(), "/health", "").await.is_err(), "nobody is let in");
    Ok(())
}

async fn every_part_ends_well_and_without_complaint(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[]).await?;
    let demo = system.demo().await?;
    assert_eq!(system.get("/auth/me", &demo.access).await?.status, 200);
    // From the outside in: nobody is left alone by somebody whom it needs, which it would complain of.
    let parts: &[&str] = match layout {
        Layout::One => &["all"],
        Layout::Four => &["gateway", "user", "auth", "admin"],
    };
    for part in parts {
        // Without routes there is nothing to read again, and no reason to end.
        system.signal(part, "HUP")?;
        system.signal(part, "TERM")?;
        let ended = system.process(part)?.ended(LIMIT).await?;
        assert!(
            ended.is_some_and(|status| status.code() == Some(0)),
            "{part}: {ended:?}"
        );
        let process = system.process(part)?;
        let last = process.log().pop().unwrap_or_default();
        assert!(last.contains("\"ended\""), "{part}: {last}");
        let loud = [process.logged("ERROR"), process.logged("WARN")].concat();
        assert!(loud.is_empty(), "{part}: {loud:?}");
    }
    // The databases were closed: all that was written stands in them, and no log beside them.
    let data = std::fs::read_dir(system.dir().join("data"))?.collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = data
        .iter()
        .map(|f| f.file_name().to_string_lossy().into_owned())
        .collect();
    for database in ["auth.db", "user.db", "admin.db"] {
        assert!(names.iter().any(|n| n == database), "{names:?}");
    }
    assert!(!names.iter().any(|n| n.ends_with("-wal")), "{names:?}");
    Ok(())
}

#[tokio::test]
async fn a_slow_call_is_waited_for_and_one_without_an_end_is_not() -> anyhow::Result<()> {
    let user = User {
        id: DEMO_USER_ID.to_string(),
        ..User::default()
    };
    let answer = GetUserResponse { user: Some(user) }.encode_to_vec();
    for (takes, finishes) in [(Duration::from_millis(1500), true), (Duration::from_secs(3600), false)] {
        let upstream = Upstream::start(&answer, takes).await?;
        let at = upstream.address.to_string();
        let env = [
            ("LOGICORE_USER_ADDR", at.as_str()),
            ("LOGICORE_DRAIN_TIMEOUT", "3s"),
            ("SERVICE_TIMEOUT", "600000"),
        ];
        let mut system = start(Layout::Four, &env).await?;
        let demo = system.demo().await?.access;
        let path = format!("/v1/users/{DEMO_USER_ID}");
        let call = system.get(&path, &demo);
        let term = async {
            soon("the call is under way", async || {
                Ok((!upstream.seen("/logicore.user.v1.UserService/GetUser").is_empty()).then_some(()))
            })
            .await?;
            system.signal("gateway", "TERM")
        };
        let (answer, sent) = tokio::join!(call, term);
        sent?;
        assert_eq!(answer.is_ok_and(|a| a.status == 200), finishes, "{takes:?}");
        let ended = system.process("gateway")?.ended(LIMIT).await?;
        assert!(
            ended.is_some_and(|status| status.code() == Some(0)),
            "{takes:?}: {ended:?}"
        );
    }
    Ok(())
}
