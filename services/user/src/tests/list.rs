//! Questions for many users.

use logicore::{Error, Reason, ids::UserId};
use logicore_store::page;

use super::{
    World, actor,
    book::{Ask, Fault},
};
use crate::domain::{ListUsers, Place, Position};

fn asking(filter: &str) -> ListUsers {
    ListUsers {
        filter: filter.to_owned(),
        ..ListUsers::default()
    }
}

impl World {
    async fn names(&self, list: &ListUsers) -> Result<Vec<String>, Error> {
        let page = self.users.list(&actor("default"), list).await?;
        assert!(page.next_page_token.is_empty(), "more than a page");
        Ok(page.users.into_iter().map(|u| u.profile.fields.display_name).collect())
    }

    /// Some users, a second apart.
    async fn crowd(names: &[&str]) -> Self {
        let world = Self::new().await;
        for name in names {
            world.clock.advance(std::time::Duration::from_secs(1));
            world.made(name).await;
        }
        world
    }
}

#[tokio::test]
async fn pages_hold_each_user_once_in_the_order_asked_for() {
    let world = World::crowd(&["c", "a", "e", "b", "d"]).await;
    for (order_by, wanted) in [
        ("", "caebd"),
        ("create_time desc", "dbeac"),
        ("display_name", "abcde"),
        ("display_name desc", "edcba"),
        ("update_time", "caebd"),
    ] {
        let mut list = ListUsers {
            page_size: 2,
            order_by: order_by.to_owned(),
            ..ListUsers::default()
        };
        let (mut seen, mut pages) = (String::new(), 0);
        loop {
            let page = world.users.list(&actor("default"), &list).await.unwrap();
            pages += 1;
            seen.extend(page.users.iter().map(|u| u.profile.fields.display_name.as_str()));
            list.page_token = page.next_page_token;
            if list.page_token.is_empty() {
                break;
            }
        }
        assert_eq!((seen.as_str(), pages), (wanted, 3), "{order_by}");
    }
}

#[tokio::test]
async fn a_last_page_that_is_full_has_no_successor() {
    let world = World::crowd(&["a", "b"]).await;
    let two = ListUsers {
        page_size: 2,
        ..ListUsers::default()
    };
    assert_eq!(world.names(&two).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_token_belongs_to_its_question() {
    let world = World::crowd(&["a", "b", "c"]).await;
    let first = ListUsers {
        page_size: 1,
        ..asking("locale = \"\"")
    };
    let token = world
        .users
        .list(&actor("default"), &first)
        .await
        .unwrap()
        .next_page_token;
    let next = ListUsers {
        page_token: token,
        ..first
    };
    let others = [
        ListUsers {
            filter: "locale = \"en\"".to_owned(),
            ..next.clone()
        },
        ListUsers {
            order_by: "create_time desc".to_owned(),
            ..next.clone()
        },
        ListUsers {
            show_deleted: true,
            ..next.clone()
        },
    ];
    for other in &others {
        let error = world.users.list(&actor("default"), other).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidPageToken, "{other:?}");
    }
    let error = world.users.list(&actor("acme"), &next).await.unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidPageToken, "another tenant's");
    let larger = ListUsers { page_size: 5, ..next };
    assert_eq!(world.names(&larger).await.unwrap(), ["b", "c"], "the size may change");
}

#[tokio::test]
async fn a_position_of_another_order_is_refused() {
    let world = World::crowd(&["a"]).await;
    let question = page::Query::new("user.list")
        .with("default")
        .with("")
        .with("")
        .with([0]);
    let position = Position {
        place: Place::Text("a".to_owned()),
        id: UserId::generate(),
    };
    let list = ListUsers {
        page_token: question.token(&position),
        ..ListUsers::default()
    };
    assert_eq!(world.names(&list).await.unwrap_err().reason(), Reason::InvalidPageToken);
}

#[tokio::test]
async fn an_email_is_compared_by_auth() {
    let world = World::crowd(&["ann", "bob"]).await;
    assert_eq!(world.names(&asking("email = BOB@example.com")).await.unwrap(), ["bob"]);
    assert!(
        world
            .names(&asking("email = eve@example.com"))
            .await
            .unwrap()
            .is_empty()
    );
    let both = asking("email = bob@example.com AND display_name = ann");
    assert!(world.names(&both).await.unwrap().is_empty());
    let id = world
        .users
        .list(&actor("default"), &asking("email = ann@example.com"))
        .await
        .unwrap()
        .users[0]
        .profile
        .id;
    world
        .book
        .change(id, |entry| entry.email = "ann@new.example".to_owned());
    assert_eq!(world.names(&asking("email = ann@new.example")).await.unwrap(), ["ann"]);
}

#[tokio::test]
async fn without_auth_nobody_is_found_by_email() {
    let world = World::crowd(&["ann"]).await;
    world.book.fails(Ask::Lookup, Fault::Away);
    let error = world.names(&asking("email = ann@example.com")).await.unwrap_err();
    assert_eq!(
        error.reason(),
        Reason::UpstreamUnavailable,
        "an empty page would be a lie"
    );
}

#[tokio::test]
async fn a_filter_is_sound_before_auth_is_asked() {
    let world = World::crowd(&["ann"]).await;
    for bad in [
        "email = eve@example.com AND nickname = x",
        "email : ann",
        "email != ann@example.com",
    ] {
        let error = world.names(&asking(bad)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidFilter, "{bad}");
    }
    assert_eq!(world.book.asked(Ask::Lookup), 0);
}

#[tokio::test]
async fn deleted_users_show_when_they_are_asked_for() {
    let world = World::crowd(&["ann", "bob"]).await;
    let ann = world.listed().await[0].profile.id;
    world.users.delete(&actor("default"), ann, "").await.unwrap();
    assert_eq!(world.names(&ListUsers::default()).await.unwrap(), ["bob"]);
    let too = ListUsers {
        show_deleted: true,
        ..asking("state = DELETED")
    };
    assert_eq!(world.names(&too).await.unwrap(), ["ann"]);
}

#[tokio::test]
async fn a_list_shows_the_callers_tenant_and_nothing_else() {
    let world = World::crowd(&["ann"]).await;
    let theirs = world.users.list(&actor("acme"), &ListUsers::default()).await.unwrap();
    assert!(theirs.users.is_empty());
    let found = world
        .users
        .list(&actor("acme"), &asking("email = ann@example.com"))
        .await
        .unwrap();
    assert!(found.users.is_empty());
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let world = World::crowd(&[]).await;
    let table = [
        (
            ListUsers {
                page_size: -1,
                ..ListUsers::default()
            },
            Reason::InvalidField,
        ),
        (
            ListUsers {
                order_by: "email".to_owned(),
                ..ListUsers::default()
            },
            Reason::InvalidOrderBy,
        ),
        (
            ListUsers {
                page_token: "x".to_owned(),
                ..ListUsers::default()
            },
            Reason::InvalidPageToken,
        ),
        (asking("a OR b"), Reason::InvalidFilter),
    ];
    for (list, reason) in table {
        assert_eq!(world.names(&list).await.unwrap_err().reason(), reason, "{list:?}");
    }
}
