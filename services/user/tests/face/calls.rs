//! What goes over the wire and comes back.

use logicore::{
    Reason,
    api::{auth::AccountState, user as pb},
    testkit::{
        Caller,
        accounts::{CODE, CODE_EXPIRES},
        reason,
    },
};
use prost_types::FieldMask;
use tonic::Code;
use tonic_types::StatusExt;

use crate::deployment::Deployment;

fn create(email: &str) -> pb::CreateUserRequest {
    pb::CreateUserRequest {
        user: Some(pb::User {
            email: email.to_owned(),
            display_name: "Ann".to_owned(),
            labels: [("team".to_owned(), "blue".to_owned())].into(),
            // Output only: passed over.
            state: pb::UserState::Deleted.into(),
            roles: vec!["admin".to_owned()],
            tenant: "acme".to_owned(),
            ..pb::User::default()
        }),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn a_user_lives_from_its_creation_to_its_return() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    let request = on.by(&admin, create("Ann@Example.com"));
    let made = on.users.create_user(request).await.unwrap().into_inner();
    assert_eq!(made.set_password_code, CODE);
    assert_eq!(made.code_expire_time.unwrap().seconds, CODE_EXPIRES);
    let ann = made.user.unwrap();
    assert_eq!(
        (ann.email.as_str(), ann.tenant.as_str()),
        ("ann@example.com", "default")
    );
    assert_eq!(
        (ann.state(), ann.roles.as_slice()),
        (pb::UserState::Active, &["user".to_owned()][..])
    );
    assert!(ann.create_time.is_some() && ann.delete_time.is_none() && !ann.etag.is_empty());
    assert_eq!(ann.labels["team"], "blue");

    let get = pb::GetUserRequest { id: ann.id.clone() };
    let request = on.by(&admin, get);
    assert_eq!(
        on.users.get_user(request).await.unwrap().into_inner().user,
        Some(ann.clone())
    );

    let update = pb::UpdateUserRequest {
        id: ann.id.clone(),
        user: Some(pb::User {
            locale: "de-CH".to_owned(),
            etag: ann.etag.clone(),
            ..pb::User::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["locale".to_owned()],
        }),
    };
    let request = on.by(&admin, update);
    let changed = on.users.update_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(
        (changed.locale.as_str(), changed.display_name.as_str()),
        ("de-CH", "Ann")
    );
    assert_ne!(changed.etag, ann.etag);

    let delete = pb::DeleteUserRequest {
        id: ann.id.clone(),
        etag: changed.etag.clone(),
    };
    let request = on.by(&admin, delete);
    let gone = on.users.delete_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(gone.state(), pb::UserState::Deleted);
    assert!(gone.delete_time.is_some());
    assert_eq!(on.auth.account(&ann.id).state(), AccountState::Disabled);

    let request = on.by(&admin, pb::UndeleteUserRequest { id: ann.id.clone() });
    let back = on
        .users
        .undelete_user(request)
        .await
        .unwrap()
        .into_inner()
        .user
        .unwrap();
    assert_eq!((back.state(), back.delete_time), (pb::UserState::Active, None));
    assert_eq!(on.auth.account(&ann.id).state(), AccountState::Active);
}

#[tokio::test]
async fn every_change_reaches_the_audit_log_with_who_and_where() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    let ann = on.made(&admin, create("ann@example.com")).await;
    let request = on.by(
        &admin,
        pb::DeleteUserRequest {
            id: ann.id.clone(),
            etag: String::new(),
        },
    );
    on.users.delete_user(request).await.unwrap();
    on.log.until(|book| book.events.len() == 2).await;
    let events = on.log.book().events.clone();
    let actions: Vec<_> = events.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(actions, ["user.create", "user.delete"]);
    for event in &events {
        assert_eq!((event.producer.as_str(), event.tenant.as_str()), ("user", "default"));
        assert_eq!(
            (&event.actor, &event.session),
            (&admin.id.to_string(), &admin.session.to_string())
        );
        assert_eq!(
            (event.request_id.as_str(), event.address.as_str()),
            (Caller::REQUEST_ID, Caller::ADDRESS)
        );
        assert_eq!(event.target, format!("user/{}", ann.id));
        assert!(event.time.is_some());
    }
    let actors = on.auth.actors();
    let told: Vec<_> = actors.iter().map(|a| (&*a.subject, &*a.request_id)).collect();
    assert_eq!(
        told,
        [(&*admin.id.to_string(), Caller::REQUEST_ID); 2],
        "auth learns it too"
    );
}

#[tokio::test]
async fn lists_come_in_pages() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        on.made(&admin, create(email)).await;
    }
    let first = pb::ListUsersRequest {
        page_size: 2,
        order_by: "create_time desc".to_owned(),
        filter: "state = ACTIVE".to_owned(),
        ..pb::ListUsersRequest::default()
    };
    let request = on.by(&admin, first.clone());
    let page = on.users.list_users(request).await.unwrap().into_inner();
    let emails = |page: &pb::ListUsersResponse| page.users.iter().map(|u| u.email.clone()).collect::<Vec<_>>();
    assert_eq!(emails(&page), ["c@example.com", "b@example.com"]);
    let next = pb::ListUsersRequest {
        page_token: page.next_page_token,
        ..first
    };
    let request = on.by(&admin, next);
    let page = on.users.list_users(request).await.unwrap().into_inner();
    assert_eq!(
        (emails(&page), page.next_page_token.as_str()),
        (vec!["a@example.com".to_owned()], "")
    );

    let found = pb::ListUsersRequest {
        filter: "email = B@example.com".to_owned(),
        ..pb::ListUsersRequest::default()
    };
    let request = on.by(&admin, found);
    assert_eq!(
        emails(&on.users.list_users(request).await.unwrap().into_inner()),
        ["b@example.com"]
    );
}

#[tokio::test]
async fn what_auth_refuses_is_told_as_auth_says_it() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    on.made(&admin, create("ann@example.com")).await;
    let request = on.by(&admin, create("ANN@example.com"));
    let refused = on.users.create_user(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::AlreadyExists, Reason::ResourceExists)
    );
    assert_eq!(refused.message(), "an account with this email exists already");
}

#[tokio::test]
async fn without_auth_profiles_are_shown_and_nobody_is_made() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    let ann = on.made(&admin, create("ann@example.com")).await;
    on.auth.away(true);
    let request = on.by(&admin, pb::GetUserRequest { id: ann.id.clone() });
    let shown = on.users.get_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!((shown.display_name.as_str(), shown.email.as_str()), ("Ann", ""));

    let request = on.by(&admin, create("bob@example.com"));
    let refused = on.users.create_user(request).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::Unavailable, Reason::UpstreamUnavailable)
    );
    assert!(refused.get_details_retry_info().is_some());
    let delete = pb::DeleteUserRequest {
        id: ann.id.clone(),
        etag: String::new(),
    };
    let request = on.by(&admin, delete);
    assert_eq!(
        on.users.delete_user(request).await.unwrap_err().code(),
        Code::Unavailable
    );

    on.auth.away(false);
    let request = on.by(&admin, pb::GetUserRequest { id: ann.id });
    let shown = on.users.get_user(request).await.unwrap().into_inner().user.unwrap();
    assert_eq!(
        (shown.email.as_str(), shown.state()),
        ("ann@example.com", pb::UserState::Active)
    );
}

#[tokio::test]
async fn what_is_no_id_or_no_mask_is_refused() {
    let mut on = Deployment::start().await;
    let admin = Caller::new("default", &["admin"]);
    let request = on.by(&admin, pb::GetUserRequest { id: "me".to_owned() });
    assert_eq!(
        reason(&on.users.get_user(request).await.unwrap_err()),
        Reason::InvalidId
    );
    let delete = pb::DeleteUserRequest::default();
    let request = on.by(&admin, delete);
    assert_eq!(
        reason(&on.users.delete_user(request).await.unwrap_err()),
        Reason::InvalidId,
        "nobody is deleted by an empty message"
    );
    let bad = pb::CreateUserRequest {
        request_id: "7".to_owned(),
        ..create("ann@example.com")
    };
    let request = on.by(&admin, bad);
    let refused = on.users.create_user(request).await.unwrap_err();
    assert_eq!(
        refused.get_details_bad_request().unwrap().field_violations[0].field,
        "request_id"
    );
    let request = on.by(&admin, pb::CreateUserRequest::default());
    let refused = on.users.create_user(request).await.unwrap_err();
    assert_eq!(
        refused.get_details_bad_request().unwrap().field_violations[0].field,
        "user.email"
    );
}
