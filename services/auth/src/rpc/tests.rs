//! Claims about the gRPC face: through the stack of a service behind the mesh, over the mesh in memory.

mod accounts;

use logicore::{
    Error, Reason,
    api::{
        auth::{self as pb, auth_service_client::AuthServiceClient},
        mesh::feed_service_server::FeedServiceServer,
    },
    feed::{AUTH, FeedService},
    ids::{SessionId, UserId},
    secret::Secret,
    testkit,
    upstream::Upstream,
};
use tonic::{Code, Request, Status, service::Routes};

use crate::{
    auth::Tokens,
    tests::harness::{OTHER, PASSWORD, Person, World, nobody},
};

/// A role that serves nothing but its feed.
pub(crate) fn alone(feed: FeedServiceServer<FeedService>) -> Routes {
    Routes::new(feed)
}

impl World {
    fn client(&self) -> AuthServiceClient<Upstream> {
        AuthServiceClient::new(testkit::upstream(&self.ctx, AUTH, self.address.clone()))
    }

    async fn grant(&self, person: &Person, role: &str) {
        let role = role.parse().unwrap();
        self.auth
            .grant_role(&person.tenant, person.id, &role, &nobody())
            .await
            .unwrap();
    }
}

fn with<T>(tokens: &Tokens, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {}", tokens.access.expose()).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

fn told(status: &Status) -> (Code, Option<Reason>) {
    (status.code(), Error::reason_of(status))
}

/// The fields that a refusal names.
fn fields(status: Status) -> Vec<String> {
    let error = Error::from_neighbour("auth", status);
    error.violations().iter().map(|(field, _)| field.clone()).collect()
}

fn login_of(person: &Person) -> pb::LoginRequest {
    pb::LoginRequest {
        email: person.email.as_str().to_uppercase(),
        password: person.password.expose().to_owned(),
        tenant: person.tenant.to_string(),
    }
}

#[tokio::test]
async fn signing_in_refreshing_and_out_work_as_callers_see_them() {
    let world = World::new().await;
    let ann = world.person("acme", "ann").await;
    let mut client = world.client();
    let first = client.login(login_of(&ann)).await.unwrap().into_inner();
    assert_eq!(
        (first.token_type.as_str(), first.expires_in, first.refresh_expires_in),
        ("Bearer", 900, 604_800)
    );
    let account = first.account.unwrap();
    let facts = (
        account.id,
        account.tenant,
        account.email,
        account.roles,
        account.session_id,
    );
    let expected = (
        ann.id.to_string(),
        "acme".to_owned(),
        "ann@example.com".to_owned(),
        vec!["user".to_owned()],
    );
    assert_eq!(facts, (expected.0, expected.1, expected.2, expected.3, String::new()));
    let refresh = |token: &str| pb::RefreshRequest {
        refresh_token: token.to_owned(),
    };
    let second = client
        .refresh(refresh(&first.refresh_token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second.session_id, first.session_id);
    let logout = pb::LogoutRequest {
        refresh_token: second.refresh_token.clone(),
    };
    client.logout(logout).await.unwrap();
    let ended = client.refresh(refresh(&second.refresh_token)).await.unwrap_err();
    assert_eq!(told(&ended), (Code::Unauthenticated, Some(Reason::AuthRefreshInvalid)));
}

#[tokio::test]
async fn refusals_of_a_login_name_their_reason_and_no_more() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let mut client = world.client();
    let mut wrong = login_of(&ann);
    wrong.password = "not the password".to_owned();
    let mut unknown = login_of(&ann);
    unknown.email = "nobody@example.com".to_owned();
    let mut answers = Vec::new();
    for message in [wrong, unknown] {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("x-request-id", "one-and-the-same".parse().unwrap());
        let status = client.login(request).await.unwrap_err();
        assert_eq!(
            told(&status),
            (Code::Unauthenticated, Some(Reason::AuthInvalidCredentials))
        );
        answers.push((status.message().to_owned(), status.details().to_vec()));
    }
    assert_eq!(answers[0], answers[1], "byte for byte");
    let incomplete = [
        pb::LoginRequest::default(),
        pb::LoginRequest {
            password: String::new(),
            ..login_of(&ann)
        },
        pb::LoginRequest {
            tenant: "No Tenant".to_owned(),
            ..login_of(&ann)
        },
    ];
    for (request, field) in incomplete.into_iter().zip(["email", "password", "tenant"]) {
        let status = client.login(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(fields(status), [field]);
    }
    let _places: Vec<_> = std::iter::from_fn(|| world.auth.hasher.reserve().ok()).collect();
    let full = client.login(login_of(&ann)).await.unwrap_err();
    assert_eq!(told(&full), (Code::ResourceExhausted, Some(Reason::AuthHashQueueFull)));
    let full = Error::from_neighbour("auth", full);
    assert!(format!("{full:?}").contains("retry_after: Some("), "{full:?}");
}

#[tokio::test]
async fn nothing_personal_is_answered_without_a_good_token() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (_, ended) = world.caller(&ann).await;
    world.auth.logout(Some(&ended.refresh), None, &nobody()).await.unwrap();
    world.settled().await;
    let mut client = world.client();
    let missing = [
        client.get_me(pb::GetMeRequest {}).await.err(),
        client.list_sessions(pb::ListSessionsRequest::default()).await.err(),
        client.revoke_session(pb::RevokeSessionRequest::default()).await.err(),
        client
            .revoke_all_sessions(pb::RevokeAllSessionsRequest::default())
            .await
            .err(),
        client.change_password(pb::ChangePasswordRequest::default()).await.err(),
        client
            .introspect_token(pb::IntrospectTokenRequest::default())
            .await
            .err(),
        client.logout(pb::LogoutRequest::default()).await.err(),
    ];
    for (n, status) in missing.into_iter().enumerate() {
        let expected = (Code::Unauthenticated, Some(Reason::AuthTokenMissing));
        assert_eq!(told(&status.unwrap()), expected, "method {n}");
    }
    let revoked = client.get_me(with(&ended, pb::GetMeRequest {})).await.unwrap_err();
    assert_eq!(told(&revoked), (Code::Unauthenticated, Some(Reason::AuthTokenRevoked)));
}

#[tokio::test]
async fn a_caller_sees_itself_and_its_sessions() {
    let world = World::new().await;
    let ann = world.person("default", "ann").await;
    let (_, own) = world.caller(&ann).await;
    let other = world.login(&ann).await;
    let mut client = world.client();
    let me = client.get_me(with(&own, pb::GetMeRequest {})).await.unwrap();
    let me = me.into_inner().account.unwrap();
    assert_eq!((me.id, me.session_id), (ann.id.to_string(), own.session.id.to_string()));
    assert_eq!(me.state, i32::from(pb::AccountState::Active));

    let mut question = pb::ListSessionsRequest {
        page_size: 1,
        ..Default::default()
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let page = client.list_sessions(with(&own, question.clone())).await.unwrap();
        let page = page.into_inner();
        seen.extend(page.sessions.iter().map(|s| (s.id.clone(), s.current)));
        question.page_token = page.next_page_token;
    }
    let expected = [(&other, false), (&own, true)].map(|(t, current)| (t.session.id.to_string(), current));
    assert_eq!((seen, question.page_token.as_str()), (expected.to_vec(), ""));
    for (token, size, reason) in [("x", 1, Reason::InvalidPageToken), ("", -1, Reason::InvalidField)] {
        let question = pb::ListSessionsRequest {
            page_token: token.to_owned(),
            page_size: size,
            ..Default::default()
        };
        let status = client.list_sessions(with(&own, question)).await.unwrap_err();
        assert_eq!(told(&status), (Code::InvalidArgument, Some(reason)));
    }
}

#[tokio::test]
async fn a_session_of_somebody_else_is_as_good_as_none() {
    let world = World::new().await;
    let (ann, bob) = (
        world.person("default", "ann").await,
        world.person("default", "bob").await,
    );
    let (_, own) = world.caller(&ann).await;
    let of_bob = world.login(&bob).await;
    let mut answers = Vec::new();
    for id in [of_bob.session.id, SessionId::generate()] {
        let request = pb::RevokeSessionRequest {
            session_id: id.to_string(),
        };
        let status = world.client().revoke_session(with(&own, request)).await.unwrap_err();
        assert_eq!(told(&status), (Code::NotFound, Some(Reason::ResourceNotFound)));
        answers.push(status.message().to_owned());
    }
    assert_eq!(answers[0], answers[1]);
    assert!(world.verified(&of_bob.access).await.is_ok());
}

#[tokio::test]
async fn another_user_is_read_by_permission_and_in_the_own_tenant_alone() {
    let world = World::new().await;
    let (ann, admin) = (
        world.person("default", "ann").await,
        world.person("default", "admin").await,
    );
    let elsewhere = world.person("acme", "ann").await;
    world.grant(&admin, "admin").await;
    let (_, as_ann) = world.caller(&ann).await;
    let (_, as_admin) = world.caller(&admin).await;
    world.login(&elsewhere).await;
    let mut client = world.client();
    let of = |id: UserId| pb::ListSessionsRequest {
        user_id: id.to_string(),
        ..Default::default()
    };
    let refused = client.list_sessions(with(&as_ann, of(admin.id))).await.unwrap_err();
    assert_eq!(
        told(&refused),
        (Code::PermissionDenied, Some(Reason::PermissionMissing))
    );
    for (tokens, id, sessions) in [
        (&as_ann, ann.id, 1),
        (&as_admin, ann.id, 1),
        (&as_admin, elsewhere.id, 0),
    ] {
        let read = client.list_sessions(with(tokens, of(id))).await.unwrap();
        assert_eq!(
            read.into_inner().sessions.len(),
            sessions,
            "another tenant's user has none to be seen"
        );
    }
}

#[tokio::test]
async fn tokens_are_told_by_permission_and_in_the_own_tenant_alone() {
    let world = World::new().await;
    let (ann, admin) = (
        world.person("default", "ann").await,
        world.person("default", "admin").await,
    );
    let elsewhere = world.person("acme", "ann").await;
    world.grant(&admin, "admin").await;
    let (_, as_ann) = world.caller(&ann).await;
    let (_, as_admin) = world.caller(&admin).await;
    let of_acme = world.login(&elsewhere).await;
    let mut client = world.client();
    let ask = |token: &Secret| pb::IntrospectTokenRequest {
        token: token.expose().to_owned(),
    };
    let refused = client.introspect_token(with(&as_ann, ask(&as_ann.access))).await;
    let expected = (Code::PermissionDenied, Some(Reason::PermissionMissing));
    assert_eq!(told(&refused.unwrap_err()), expected);
    for (token, kind) in [(&as_ann.access, "access_token"), (&as_ann.refresh, "refresh_token")] {
        let good = client.introspect_token(with(&as_admin, ask(token))).await.unwrap();
        let good = good.into_inner();
        assert_eq!(
            (good.active, &*good.token_type, good.sub),
            (true, kind, ann.id.to_string())
        );
    }
    for token in [&of_acme.access, &of_acme.refresh, &Secret::new("x")] {
        let hidden = client.introspect_token(with(&as_admin, ask(token))).await.unwrap();
        assert_eq!(hidden.into_inner(), pb::IntrospectTokenResponse::default());
    }
}

#[tokio::test]
async fn passwords_are_set_and_changed_by_callers() {
    let world = World::new().await;
    let (account, code) = world.invited("default", "ann").await;
    let mut client = world.client();
    let set = |new: &str| pb::SetPasswordRequest {
        code: code.expose().to_owned(),
        new_password: new.to_owned(),
    };
    let short = client.set_password(set("short")).await.unwrap_err();
    assert_eq!(
        told(&short),
        (Code::InvalidArgument, Some(Reason::PasswordUnacceptable))
    );
    assert_eq!(fields(short), ["new_password"]);
    client.set_password(set(PASSWORD)).await.unwrap();
    let used = client.set_password(set(OTHER)).await.unwrap_err();
    assert_eq!(told(&used), (Code::Unauthenticated, Some(Reason::AuthCodeInvalid)));
    let ann = Person {
        tenant: account.tenant,
        id: account.id,
        email: account.email,
        password: Secret::new(PASSWORD),
    };
    let (_, own) = world.caller(&ann).await;
    world.login(&ann).await;
    let change = |current: &str| pb::ChangePasswordRequest {
        current_password: current.to_owned(),
        new_password: OTHER.to_owned(),
    };
    let wrong = client
        .change_password(with(&own, change("not the password")))
        .await
        .unwrap_err();
    assert_eq!(
        told(&wrong),
        (Code::Unauthenticated, Some(Reason::AuthInvalidCredentials))
    );
    let changed = client.change_password(with(&own, change(PASSWORD))).await.unwrap();
    assert_eq!(changed.into_inner().revoked_sessions, 1);
    let keep = pb::RevokeAllSessionsRequest { keep_current: false };
    let ended = client.revoke_all_sessions(with(&own, keep)).await.unwrap();
    assert_eq!(ended.into_inner().revoked, 1);
}
