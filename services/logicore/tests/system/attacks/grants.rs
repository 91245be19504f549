//! Nobody gives away what they do not hold.

use logicore::settings::{DEMO_ADMIN_ID, DEMO_USER_ID};
use logicore_harness::{Layout, Reply, System, Tokens};
use serde_json::{Value, json};

use crate::support::{in_both_layouts, start};

in_both_layouts!(
    a_tenants_admin_makes_no_operator,
    a_granter_grants_what_they_hold_and_no_more,
    a_manager_of_roles_makes_none_above_their_own,
);

async fn handle(system: &System, by: &Tokens, what: &str, user: &str, role: &str) -> anyhow::Result<Reply> {
    let path = format!("/v1/users/{user}:{what}Role");
    system.post(&path, &by.access, &json!({"role": role})).await
}

fn exceeds(answer: &Reply, missing: &str) {
    assert_eq!(
        answer.outcome(),
        (403, "GRANT_EXCEEDS_OWN".to_owned()),
        "{}",
        answer.text()
    );
    let text = answer.text();
    assert!(text.contains(missing), "it names {missing}: {text}");
}

async fn a_tenants_admin_makes_no_operator(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    let boss = system.person(&admin, "boss@example.com", &["admin"]).await?;
    let demo = DEMO_USER_ID.to_string();
    for user in [&demo, &boss.id] {
        exceeds(
            &handle(&system, &boss.tokens, "grant", user, "operator").await?,
            "breakers.",
        );
    }
    exceeds(
        &handle(&system, &boss.tokens, "revoke", &DEMO_ADMIN_ID.to_string(), "operator").await?,
        "breakers.",
    );
    let role = json!({"name": "sneaky", "permissions": ["breakers.reset"]});
    for by in [&boss.tokens, &admin] {
        let made = system.post("/v1/roles", &by.access, &role).await?;
        assert_eq!(made.status, 400, "no role of a tenant holds it: {}", made.text());
    }
    let all = system
        .post("/v1/tokens:revoke", &boss.tokens.access, &json!({"allTenants": true}))
        .await?;
    assert_eq!(
        (all.outcome(), &*all.fact("permission")),
        (missing(), "tokens.revoke_all")
    );
    system.grant(&boss.tokens, &demo, "admin").await?;
    Ok(())
}

fn missing() -> (u16, String) {
    (403, "PERMISSION_MISSING".to_owned())
}

async fn a_granter_grants_what_they_hold_and_no_more(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    system.role(&admin, "granter", &["roles.grant", "users.read"]).await?;
    system.role(&admin, "reader", &["users.read"]).await?;
    system.role(&admin, "auditor", &["users.read", "audit.read"]).await?;
    let granter = system.person(&admin, "granter@example.com", &["granter"]).await?;
    let demo = DEMO_USER_ID.to_string();
    for user in [&demo, &granter.id] {
        exceeds(
            &handle(&system, &granter.tokens, "grant", user, "auditor").await?,
            "audit.read",
        );
        exceeds(&handle(&system, &granter.tokens, "grant", user, "admin").await?, "");
        exceeds(
            &handle(&system, &granter.tokens, "grant", user, "operator").await?,
            "breakers.",
        );
    }
    exceeds(
        &handle(&system, &granter.tokens, "revoke", &DEMO_ADMIN_ID.to_string(), "admin").await?,
        "",
    );
    let nothing = handle(&system, &granter.tokens, "grant", &demo, "nothing").await?;
    assert_eq!(
        nothing.outcome(),
        (404, "RESOURCE_NOT_FOUND".to_owned()),
        "{}",
        nothing.text()
    );

    system.grant(&granter.tokens, &demo, "reader").await?;
    let users = system.get("/v1/users", &system.demo().await?.access).await?;
    assert_eq!(users.status, 200, "{}", users.text());
    Ok(())
}

async fn a_manager_of_roles_makes_none_above_their_own(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    system.role(&admin, "manager", &["roles.manage", "roles.read"]).await?;
    system.role(&admin, "auditor", &["audit.read"]).await?;
    let manager = system.person(&admin, "manager@example.com", &["manager"]).await?.tokens;
    let more = |name: &str| json!({"name": name, "permissions": ["roles.manage", "audit.read"]});

    exceeds(
        &system.post("/v1/roles", &manager.access, &more("mine")).await?,
        "audit.read",
    );
    // The own role as well: every holder would have it at once.
    let own = json!({"permissions": ["roles.manage", "roles.read", "audit.read"]});
    exceeds(
        &system.patch("/v1/roles/manager", &manager.access, &own).await?,
        "audit.read",
    );
    let tokens = system.get("/v1/audit-events", &manager.access).await?;
    assert_eq!(tokens.outcome(), missing());
    for name in ["admin", "operator", "user"] {
        let changed = system
            .patch(&format!("/v1/roles/{name}"), &manager.access, &own)
            .await?;
        assert_eq!(changed.outcome(), (400, "BUILT_IN".to_owned()), "{}", changed.text());
        let made = system.post("/v1/roles", &manager.access, &more(name)).await?;
        assert_eq!(made.outcome(), (409, "RESOURCE_EXISTS".to_owned()), "{}", made.text());
    }
    // What they hold they may give; what a role has already they cannot see as a way up.
    let same = json!({"name": "mine", "permissions": ["roles.read"]});
    assert_eq!(system.post("/v1/roles", &manager.access, &same).await?.status, 200);
    let granted = handle(&system, &manager, "grant", &DEMO_USER_ID.to_string(), "mine").await?;
    assert_eq!(
        (granted.outcome(), &*granted.fact("permission")),
        (missing(), "roles.grant")
    );
    let roles: Value = system.get("/v1/roles", &admin.access).await?.json();
    assert!(!roles.to_string().contains("sneaky"), "{roles}");
    Ok(())
}
