//! Tokens that were taken back: the gateway refuses them within a second, and says why.
//!
//! What is asked is a method that the gateway serves by itself and the demo user lacks the permission for, so that it is the gateway
//! alone that tells a good token (403) from one that was taken back (401).

use logicore_harness::{Layout, Reply, System, Tokens, within_a_second};
use serde_json::{Value, json};
use tonic::{Code, Request, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt as _;

use crate::support::{GOOD_PASSWORD, in_both_layouts, start};

const JUDGED_BY_GATEWAY: &str = "/circuit-breaker/status";

in_both_layouts!(
    a_logout_ends_its_session_and_no_other,
    an_admin_ends_a_token_a_session_a_user_or_everyone,
    a_role_that_was_taken_makes_older_tokens_stale,
    a_changed_password_ends_the_other_sessions,
    a_deleted_user_is_out_and_an_undeleted_one_may_sign_in,
    a_stream_ends_with_the_token_that_it_began_with,
);

async fn good(system: &System, token: &str) -> anyhow::Result<()> {
    let answer = system.get(JUDGED_BY_GATEWAY, token).await?;
    assert!([200, 403].contains(&answer.status.as_u16()), "{}", answer.text());
    Ok(())
}

async fn refused(system: &System, token: &str, reason: &str) -> anyhow::Result<()> {
    let answer = within_a_second(reason, async || {
        let answer = system.get(JUDGED_BY_GATEWAY, token).await?;
        Ok((answer.status == 401).then_some(answer))
    });
    let answer = answer.await?;
    assert_eq!(answer.reason(), reason, "{}", answer.text());
    assert!(
        answer.header("www-authenticate").contains("invalid_token"),
        "{answer:?}"
    );
    Ok(())
}

fn done(answer: Reply) -> Reply {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn a_logout_ends_its_session_and_no_other(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let (first, second, third) = (system.demo().await?, system.demo().await?, system.demo().await?);
    done(
        system
            .post("/auth/logout", "", &json!({"refreshToken": first.refresh}))
            .await?,
    );
    done(system.post("/auth/logout", &second.access, &json!({})).await?);
    for gone in [&first, &second] {
        refused(&system, &gone.access, "AUTH_TOKEN_REVOKED").await?;
        let refresh = system.refresh(&gone.refresh).await?;
        assert_eq!(refresh.outcome(), (401, "AUTH_REFRESH_INVALID".to_owned()));
    }
    done(
        system
            .post("/auth/logout", "", &json!({"refreshToken": first.refresh}))
            .await?,
    );
    good(&system, &third.access).await?;
    system.refreshed(&third.refresh).await?;
    Ok(())
}

/// What ends when a target is revoked: the access token, and the session behind it.
async fn revoked(
    system: &System,
    admin: &Tokens,
    who: &Tokens,
    target: Value,
    session_ends: bool,
) -> anyhow::Result<()> {
    let answer = done(system.post("/v1/tokens:revoke", &admin.access, &target).await?);
    assert_eq!(
        answer.json()["sessions"],
        if session_ends { "1" } else { "0" },
        "{target}"
    );
    refused(system, &who.access, "AUTH_TOKEN_REVOKED").await?;
    let refresh = system.refresh(&who.refresh).await?;
    let expected = if session_ends {
        (401, "AUTH_REFRESH_INVALID")
    } else {
        (200, "")
    };
    assert_eq!(refresh.outcome(), (expected.0, expected.1.to_owned()), "{target}");
    if !session_ends {
        good(system, &Tokens::try_from(&refresh)?.access).await?;
    }
    Ok(())
}

async fn an_admin_ends_a_token_a_session_a_user_or_everyone(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    let ann = system.person(&admin, "ann@example.com", &[]).await?;
    let login = async || system.login(&ann.email, &ann.password).await;
    let jti = |token: &str| -> Value {
        let claims = token.split('.').nth(1).unwrap_or_default();
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
        serde_json::from_slice::<Value>(&claims).unwrap_or_default()["jti"].clone()
    };
    done(
        system
            .post("/v1/tokens:revoke", &admin.access, &json!({"userId": ann.id}))
            .await?,
    );
    refused(&system, &ann.tokens.access, "AUTH_TOKEN_REVOKED").await?;

    let who = login().await?;
    revoked(&system, &admin, &who, json!({"token": who.access}), false).await?;
    let who = login().await?;
    revoked(&system, &admin, &who, json!({"token": jti(&who.access)}), false).await?;
    system
        .post("/v1/tokens:revoke", &admin.access, &json!({"userId": ann.id}))
        .await?;
    let who = login().await?;
    revoked(&system, &admin, &who, json!({"token": who.refresh}), true).await?;
    let who = login().await?;
    revoked(&system, &admin, &who, json!({"sessionId": who.session}), true).await?;
    let who = login().await?;
    revoked(&system, &admin, &who, json!({"userId": ann.id}), true).await?;
    good(&system, &admin.access).await?;

    let (who, demo) = (login().await?, system.demo().await?);
    done(
        system
            .post("/v1/tokens:revoke", &admin.access, &json!({"everyone": true}))
            .await?,
    );
    for gone in [&who, &demo, &admin] {
        refused(&system, &gone.access, "AUTH_TOKEN_REVOKED").await?;
        assert_eq!(system.refresh(&gone.refresh).await?.status, 401);
    }
    good(&system, &login().await?.access).await?;
    Ok(())
}

async fn a_role_that_was_taken_makes_older_tokens_stale(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    system.role(&admin, "reader", &["users.read"]).await?;
    let ann = system.person(&admin, "ann@example.com", &["reader"]).await?;
    done(system.get("/v1/users", &ann.tokens.access).await?);

    let take = format!("/v1/users/{}:revokeRole", ann.id);
    done(system.post(&take, &admin.access, &json!({"role": "reader"})).await?);
    refused(&system, &ann.tokens.access, "AUTH_TOKEN_STALE").await?;
    let fresh = system.refreshed(&ann.tokens.refresh).await?;
    good(&system, &fresh.access).await?;
    let users = system.get("/v1/users", &fresh.access).await?;
    assert_eq!(users.outcome(), (403, "PERMISSION_MISSING".to_owned()));

    // A role that changes holds at once for tokens that are out, which name roles and no permissions.
    system.grant(&admin, &ann.id, "reader").await?;
    let fresh = system.refreshed(&fresh.refresh).await?;
    done(system.get("/v1/users", &fresh.access).await?);
    let less = json!({"permissions": ["roles.read"]});
    done(system.patch("/v1/roles/reader", &admin.access, &less).await?);
    within_a_second("the role is another one", async || {
        let users = system.get("/v1/users", &fresh.access).await?;
        Ok((users.outcome() == (403, "PERMISSION_MISSING".to_owned())).then_some(()))
    })
    .await?;
    done(system.get("/v1/roles", &fresh.access).await?);
    Ok(())
}

async fn a_changed_password_ends_the_other_sessions(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let (own, other) = (system.demo().await?, system.demo().await?);
    let wrong = json!({"currentPassword": "wrong", "newPassword": GOOD_PASSWORD});
    let refusal = system.post("/auth/password", &own.access, &wrong).await?;
    assert_eq!(refusal.outcome(), (401, "AUTH_INVALID_CREDENTIALS".to_owned()));
    let weak = json!({"currentPassword": "demo123", "newPassword": "short"});
    let refusal = system.post("/auth/password", &own.access, &weak).await?;
    assert_eq!(
        (refusal.outcome(), &*refusal.field()),
        ((400, "PASSWORD_UNACCEPTABLE".to_owned()), "new_password")
    );

    let change = json!({"currentPassword": "demo123", "newPassword": GOOD_PASSWORD});
    let changed = done(system.post("/auth/password", &own.access, &change).await?);
    assert_eq!(changed.json()["revokedSessions"], 1);
    refused(&system, &other.access, "AUTH_TOKEN_REVOKED").await?;
    assert_eq!(system.refresh(&other.refresh).await?.status, 401);
    good(&system, &own.access).await?;
    system.refreshed(&own.refresh).await?;
    let old = system.try_login("demo@example.com", "demo123").await?;
    assert_eq!(old.outcome(), (401, "AUTH_INVALID_CREDENTIALS".to_owned()));
    system.login("demo@example.com", GOOD_PASSWORD).await?;
    Ok(())
}

async fn a_deleted_user_is_out_and_an_undeleted_one_may_sign_in(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    let ann = system.person(&admin, "ann@example.com", &[]).await?;
    let path = format!("/v1/users/{}", ann.id);
    let deleted = done(system.delete(&path, &admin.access).await?);
    assert_eq!(deleted.json()["state"], "USER_STATE_DELETED");
    refused(&system, &ann.tokens.access, "AUTH_TOKEN_REVOKED").await?;
    assert_eq!(system.refresh(&ann.tokens.refresh).await?.status, 401);
    let login = system.try_login(&ann.email, &ann.password).await?;
    assert_eq!(
        login.outcome(),
        (401, "AUTH_INVALID_CREDENTIALS".to_owned()),
        "as for a wrong password"
    );

    done(
        system
            .post(&format!("{path}:undelete"), &admin.access, &json!({}))
            .await?,
    );
    let again = system.login(&ann.email, &ann.password).await?;
    good(&system, &again.access).await?;
    refused(&system, &ann.tokens.access, "AUTH_TOKEN_REVOKED").await?;
    assert_eq!(
        system.refresh(&ann.tokens.refresh).await?.status,
        401,
        "what has ended stays so"
    );
    Ok(())
}

/// Of the methods that callers may reach only health and reflection stream, and ask for no token; a stream that is opened with one is
/// bound to it all the same.
async fn a_stream_ends_with_the_token_that_it_began_with(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let demo = system.demo().await?;
    let channel = Endpoint::from_shared(system.public_url())?.connect().await?;
    let mut health = HealthClient::new(channel);
    let mut request = Request::new(HealthCheckRequest::default());
    let bearer = format!("Bearer {}", demo.access);
    request.metadata_mut().insert("authorization", bearer.parse()?);
    let mut owned = health.watch(request).await?.into_inner();
    let mut anonymous = health.watch(HealthCheckRequest::default()).await?.into_inner();
    assert!(owned.message().await?.is_some());
    assert!(anonymous.message().await?.is_some());

    done(system.post("/auth/logout", &demo.access, &json!({})).await?);
    let limit = std::time::Duration::from_secs(10);
    let ended = tokio::time::timeout(limit, owned.message()).await?;
    let status = ended.err().unwrap_or_else(|| tonic::Status::ok("the stream goes on"));
    let reason = status.get_details_error_info().map(|i| i.reason).unwrap_or_default();
    assert_eq!((status.code(), &*reason), (Code::Unauthenticated, "AUTH_TOKEN_REVOKED"));
    // The other one goes on, whatever there still is to say.
    let quiet = std::time::Duration::from_millis(100);
    while let Ok(next) = tokio::time::timeout(quiet, anonymous.message()).await {
        assert!(next?.is_some(), "the stream ended");
    }
    Ok(())
}

#[tokio::test]
async fn every_gateway_hears_of_a_revocation() -> anyhow::Result<()> {
    let mut system = start(Layout::Four, &[]).await?;
    system.start_part("gateway2")?;
    let other = system.mesh_address("gateway2");
    let demo = system.demo().await?;
    let judged = async |token: &str| logicore_harness::get(other, JUDGED_BY_GATEWAY, token).await;
    logicore_harness::soon("the other gateway is ready", async || {
        Ok((judged(&demo.access).await?.status == 403).then_some(()))
    })
    .await?;
    done(system.post("/auth/logout", &demo.access, &json!({})).await?);
    within_a_second("the other gateway refuses", async || {
        let answer = judged(&demo.access).await?;
        Ok((answer.outcome() == (401, "AUTH_TOKEN_REVOKED".to_owned())).then_some(()))
    })
    .await
}
