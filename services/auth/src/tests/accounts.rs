use logicore::{Reason, ids::UserId};

use super::harness::{World, by, email, nobody, reason, tenant};
use crate::accounts::State;

#[tokio::test]
async fn a_provision_can_be_repeated_by_its_id() {
    let world = World::new().await;
    let (id, acme) = (UserId::generate(), tenant("acme"));
    let provision = async || world.auth.provision(&acme, id, &email("ann"), &nobody()).await.unwrap();
    let (first, older) = provision().await;
    let (again, newer) = provision().await;
    assert_eq!((first.id, first.state, &first), (id, State::Invited, &again));
    let (older, newer) = (older.unwrap(), newer.unwrap());
    assert_eq!(newer.expire_time, world.ctx.clock.now() + crate::codes::PROVISION_LIFE);
    let password = super::harness::PASSWORD.to_owned();
    let set = async |code| {
        let password = logicore::secret::Secret::new(password.as_str());
        reason(world.auth.set_password(code, &password, &nobody()).await)
    };
    assert_eq!(
        set(&older.text).await,
        Some(Reason::AuthCodeInvalid),
        "the newer one replaced it"
    );
    assert_eq!(set(&newer.text).await, None);
    let (done, code) = provision().await;
    assert_eq!(done.state, State::Active);
    assert!(code.is_none(), "whoever has a password gets no code");
}

#[tokio::test]
async fn a_provision_of_another_email_tenant_or_id_is_refused() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let tries = [
        (tenant("default"), ann.id, email("other")),
        (tenant("acme"), ann.id, ann.email.clone()),
        (tenant("default"), UserId::generate(), ann.email.clone()),
    ];
    for (of, id, email) in tries {
        let refused = world.auth.provision(&of, id, &email, &nobody()).await;
        assert_eq!(reason(refused), Some(Reason::ResourceExists), "{of} {id} {email:?}");
    }
    let elsewhere = world
        .auth
        .provision(&tenant("acme"), UserId::generate(), &ann.email, &nobody())
        .await;
    assert!(elsewhere.is_ok(), "an email is unique within its tenant");
}

#[tokio::test]
async fn only_an_unfinished_account_can_be_undone() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (bob, _) = world.invited("default", "bob").await;
    let refused = world.auth.unprovision(&ann.tenant, ann.id, &nobody()).await;
    assert_eq!(reason(refused), Some(Reason::StateForbids));
    for _ in 0..2 {
        world.auth.unprovision(&bob.tenant, bob.id, &nobody()).await.unwrap();
    }
    assert!(
        world
            .auth
            .store
            .account_find(&bob.tenant, bob.id)
            .await
            .unwrap()
            .is_none()
    );
    world.login(&ann).await;
}

#[tokio::test]
async fn a_changed_role_makes_tokens_stale_and_a_refresh_mends_it() {
    let world = World::new().await;
    let (admin, ann) = (
        world.person("default", "admin").await,
        world.person("default", "ann").await,
    );
    let (as_admin, _) = world.caller(&admin).await;
    let editor = "editor".parse().unwrap();
    let mut tokens = world.login(&ann).await;
    for grant in [true, false] {
        let account = if grant {
            world
                .auth
                .grant_role(&ann.tenant, ann.id, &editor, &by(&as_admin))
                .await
        } else {
            world
                .auth
                .revoke_role(&ann.tenant, ann.id, &editor, &by(&as_admin))
                .await
        };
        assert_eq!(account.unwrap().roles.contains(&editor), grant);
        assert_eq!(
            world.verified(&tokens.access).await.unwrap_err(),
            Reason::AuthTokenStale
        );
        tokens = world.refresh(&tokens.refresh).await.unwrap();
        let principal = world.verified(&tokens.access).await.unwrap();
        assert_eq!(principal.roles.contains(&editor), grant);
        let record = world
            .records()
            .await
            .into_iter()
            .rfind(|r| r.action.starts_with("account.role_"));
        let record = record.unwrap();
        assert_eq!(
            (record.actor, record.target),
            (admin.id.to_string(), format!("account/{}", ann.id))
        );
    }
    let absent = world.auth.grant_role(&tenant("acme"), ann.id, &editor, &nobody()).await;
    assert_eq!(reason(absent), Some(Reason::ResourceNotFound));
}

#[tokio::test]
async fn the_last_admin_of_the_default_tenant_keeps_the_role() {
    let world = World::new().await;
    let admin = "admin".parse().unwrap();
    let (ann, elsewhere) = (world.person("default", "ann").await, world.person("acme", "ann").await);
    for person in [&ann, &elsewhere] {
        world
            .auth
            .grant_role(&person.tenant, person.id, &admin, &nobody())
            .await
            .unwrap();
    }
    let refused = world.auth.revoke_role(&ann.tenant, ann.id, &admin, &nobody()).await;
    assert_eq!(reason(refused), Some(Reason::StateForbids));
    world
        .auth
        .revoke_role(&elsewhere.tenant, elsewhere.id, &admin, &nobody())
        .await
        .unwrap();
    let bob = world.person("default", "bob").await;
    world
        .auth
        .grant_role(&bob.tenant, bob.id, &admin, &nobody())
        .await
        .unwrap();
    world
        .auth
        .revoke_role(&ann.tenant, ann.id, &admin, &nobody())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_comes_back_without_its_sessions() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let tokens = world.login(&ann).await;
    let disabled = world
        .auth
        .set_disabled(&ann.tenant, ann.id, true, &nobody())
        .await
        .unwrap();
    assert_eq!(disabled.state, State::Disabled);
    assert_eq!(
        world.verified(&tokens.access).await.unwrap_err(),
        Reason::AuthTokenRevoked
    );
    let out = [
        reason(world.refresh(&tokens.refresh).await),
        reason(world.try_login(&ann, &nobody()).await),
    ];
    assert_eq!(
        out,
        [Some(Reason::AuthRefreshInvalid), Some(Reason::AuthInvalidCredentials)]
    );
    world
        .auth
        .set_disabled(&ann.tenant, ann.id, false, &nobody())
        .await
        .unwrap();
    assert_eq!(
        reason(world.refresh(&tokens.refresh).await),
        Some(Reason::AuthRefreshInvalid)
    );
    let back = world.login(&ann).await;
    assert!(world.verified(&back.access).await.is_ok());
}
