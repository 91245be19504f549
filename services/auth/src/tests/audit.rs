//! What the audit log is told, and what neither it nor the program's log is ever told.

use logicore::{
    Reason,
    ids::{SessionId, UserId},
    secret::Secret,
};

use super::{
    harness::{OTHER, PASSWORD, Person, World, by, email, from, nobody, reason},
    log::Log,
};
use crate::{accounts::Email, refresh::GRACE, revocations::Wanted, store::records};

impl World {
    /// Does something that must leave exactly one record, of this action and outcome.
    async fn leaves<T>(&self, expected: &str, done: impl Future<Output = T>) -> T {
        let before = self.records().await.len();
        let done = done.await;
        let new = self.records().await.split_off(before);
        let told: Vec<_> = new.iter().map(|r| format!("{} {}", r.action, r.outcome)).collect();
        assert_eq!(told, [expected], "{new:?}");
        done
    }
}

fn wrong(person: &Person) -> Person {
    Person {
        password: Secret::new("not the password"),
        ..person.clone()
    }
}

#[tokio::test]
async fn every_authentication_leaves_one_record() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let actor = from(1);
    let login = world.try_login(&ann, &actor);
    let first = world.leaves("auth.login success", login).await.unwrap();
    let record = world.records().await.pop().unwrap();
    assert_eq!(
        (record.actor, record.session),
        (ann.id.to_string(), first.session.id.to_string())
    );
    assert_eq!(
        (record.target, &*record.address),
        (format!("account/{}", ann.id), "192.0.2.1")
    );
    let (other, no) = (wrong(&ann), nobody());
    let refused = world.leaves("auth.login failure", world.try_login(&other, &no)).await;
    assert_eq!(reason(refused), Some(Reason::AuthInvalidCredentials));
    assert_eq!(world.records().await.pop().unwrap().reason, "AUTH_INVALID_CREDENTIALS");

    for _ in 0..2 {
        world
            .leaves("auth.refresh success", world.refresh(&first.refresh))
            .await
            .unwrap();
    }
    world.advance(GRACE);
    let replayed = world
        .leaves("auth.token_replay denied", world.refresh(&first.refresh))
        .await;
    assert_eq!(reason(replayed), Some(Reason::AuthRefreshReplayed));
    let second = world.login(&ann).await;
    let logout = world.auth.logout(Some(&second.refresh), None, &no);
    world.leaves("auth.logout success", logout).await.unwrap();
    let target = format!("session/{}", second.session.id);
    assert_eq!(world.records().await.pop().unwrap().target, target);
}

#[tokio::test]
async fn every_change_of_passwords_and_sessions_leaves_one_record() {
    let world = World::new().await;
    let (auth, no) = (&world.auth, nobody());
    let (_, code) = world
        .leaves("account.provision success", world.invited("default", "ann"))
        .await;
    let [good, bad, new] = [PASSWORD, "a guess", OTHER].map(Secret::new);
    let set = |code| auth.set_password(code, &good, &no);
    world.leaves("auth.password_set failure", set(&bad)).await.unwrap_err();
    world.leaves("auth.password_set success", set(&code)).await.unwrap();
    let bob = world.person("default", "bob").await;
    let (caller, _) = world.caller(&bob).await;
    let (actor, other) = (by(&caller), world.login(&bob).await.session.id);
    let change = |current| auth.change_password(&caller, current, &new, &actor);
    world
        .leaves("auth.password_change failure", change(&bad))
        .await
        .unwrap_err();
    world
        .leaves("session.revoke success", auth.revoke_session(&caller, other, &actor))
        .await
        .unwrap();
    world
        .leaves(
            "session.revoke_all success",
            auth.revoke_sessions(&caller, true, &actor),
        )
        .await
        .unwrap();
    world
        .leaves("auth.password_change success", change(&good))
        .await
        .unwrap();
}

#[tokio::test]
async fn every_change_of_accounts_and_access_leaves_one_record() {
    let world = World::new().await;
    let (ann, (bob, _)) = (
        world.person("default", "ann").await,
        world.invited("default", "bob").await,
    );
    let (auth, role, no) = (&world.auth, "editor".parse().unwrap(), nobody());
    let (of, id, mail) = (&ann.tenant, ann.id, email("cid"));
    let again = auth.provision(of, bob.id, &bob.email, &no);
    world.leaves("account.provision success", again).await.unwrap();
    world
        .leaves("account.unprovision success", auth.unprovision(of, bob.id, &no))
        .await
        .unwrap();
    world
        .leaves("account.role_grant success", auth.grant_role(of, id, &role, &no))
        .await
        .unwrap();
    world
        .leaves("account.role_revoke success", auth.revoke_role(of, id, &role, &no))
        .await
        .unwrap();
    world
        .leaves("account.disable success", auth.set_disabled(of, id, true, &no))
        .await
        .unwrap();
    world
        .leaves("account.enable success", auth.set_disabled(of, id, false, &no))
        .await
        .unwrap();
    world
        .leaves("account.bootstrap success", auth.bootstrap_admin(&mail, &no))
        .await
        .unwrap();
    let tokens = world.login(&ann).await;
    world.settled().await;
    for (wanted, target) in [
        (Wanted::Token(tokens.access), "token/"),
        (Wanted::Session(tokens.session.id), "session/"),
        (Wanted::User(id), "account/"),
        (Wanted::Everyone, "tenant/*"),
    ] {
        let revoke = auth.revoke_access(None, wanted, &no);
        world.leaves("access.revoke success", revoke).await.unwrap();
        let record = world.records().await.pop().unwrap();
        assert!(record.target.starts_with(target), "{record:?}");
    }
    let made = world.records().await.remove(0);
    assert_eq!((&*made.action, made.target.starts_with("key/")), ("key.create", true));
}

#[tokio::test]
async fn what_changes_nothing_leaves_no_record() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (caller, tokens) = world.caller(&ann).await;
    let before = world.records().await.len();
    let (auth, no, user) = (&world.auth, nobody(), "user".parse().unwrap());
    auth.introspect(&ann.tenant, &tokens.access).await.unwrap().unwrap();
    auth.sessions(&ann.tenant, ann.id, 0, None).await.unwrap();
    auth.statistics(None).await.unwrap();
    auth.provision(&ann.tenant, ann.id, &ann.email, &no).await.unwrap();
    auth.set_disabled(&ann.tenant, ann.id, false, &no).await.unwrap();
    auth.grant_role(&ann.tenant, ann.id, &user, &no).await.unwrap();
    auth.unprovision(&ann.tenant, UserId::generate(), &no).await.unwrap();
    let unknown = auth.revoke_session(&caller, SessionId::generate(), &no).await;
    assert_eq!(reason(unknown), Some(Reason::ResourceNotFound));
    auth.sweep().await;
    assert_eq!(world.records().await.len(), before);
}

/// Goes through everything that handles secrets, well and badly; returns all of them.
async fn a_life_among_secrets(world: &World) -> Vec<Secret> {
    let (auth, no) = (&world.auth, nobody());
    let [password, new, bad, typed] =
        [PASSWORD, OTHER, "a wrong current password", "some mistyped token"].map(Secret::new);
    let (account, older) = world.invited("default", "ann").await;
    let again = auth
        .provision(&account.tenant, account.id, &account.email, &no)
        .await
        .unwrap();
    let code = again.1.unwrap().text;
    auth.set_password(&older, &password, &no).await.unwrap_err();
    auth.set_password(&code, &password, &no).await.unwrap();
    let ann = Person {
        tenant: account.tenant,
        id: account.id,
        email: account.email,
        password: password.clone(),
    };
    let (caller, first) = world.caller(&ann).await;
    let swapped = Person {
        email: Email::lenient("Typed@my-Passw0rd!"),
        ..ann.clone()
    };
    world.try_login(&swapped, &no).await.unwrap_err();
    let second = world.refresh(&first.refresh).await.unwrap();
    auth.change_password(&caller, &bad, &new, &no).await.unwrap_err();
    auth.change_password(&caller, &password, &new, &no).await.unwrap();
    for token in [&second.access, &typed] {
        auth.revoke_access(None, Wanted::Token(token.clone()), &no)
            .await
            .unwrap();
    }
    world.advance(GRACE);
    world.refresh(&first.refresh).await.unwrap_err();
    let (_, bootstrap) = auth.bootstrap_admin(&email("cid"), &no).await.unwrap();
    let stored = auth.store.account_find(&ann.tenant, ann.id).await.unwrap().unwrap();
    let tokens = [first.access, first.refresh, second.access, second.refresh];
    let others = [
        password,
        new,
        bad,
        typed,
        older,
        code,
        bootstrap.text,
        stored.password.unwrap(),
    ];
    tokens
        .into_iter()
        .chain(others)
        .chain([Secret::new("my-Passw0rd!")])
        .collect()
}

#[tokio::test]
async fn neither_records_nor_logs_hold_a_secret() {
    const MASTER: &str = "a secret that nobody should ever read";
    let (log, _on) = Log::start();
    let world = World::with(|s| s.jwt.secret = Some(Secret::new(MASTER))).await;
    let mut secrets = a_life_among_secrets(&world).await;
    secrets.push(Secret::new(MASTER));
    let kept = records(&world.db).await;
    assert!(kept.len() > 10);
    let logged = log.text().to_lowercase();
    assert!(logged.contains("session_insert"), "the log is heard: {logged}");
    for secret in secrets {
        // Of a token its signature is what counts; of a hash its value.
        let text = secret.expose().to_lowercase();
        let last = text.rsplit(['.', '$']).next().unwrap();
        assert!(last.len() >= 7, "{last}");
        assert!(!logged.contains(last), "{text} is in the log");
        for (event, bytes) in &kept {
            let mut windows = bytes.windows(last.len());
            assert!(
                !windows.any(|w| w.eq_ignore_ascii_case(last.as_bytes())),
                "{text} in {event:?}"
            );
        }
    }
}
