//! Claims about the whole domain, on a real store and a book of accounts that keeps auth's rules.

mod book;
mod create;
mod lifecycle;
mod list;
mod sweep;
mod update;
mod view;

use std::sync::Arc;

use logicore::{Error, api::admin::AuditEvent, clock::Clock, ids::UserId};
use uuid::Uuid;

use self::book::Book;
use crate::{
    domain::{Actor, CreateUser, Created, Fields, ListUsers, State, User, Users},
    store::{
        contract::{self, Fixture},
        fixture,
    },
};

/// The service without its faces.
struct World {
    users: Arc<Users>,
    fixture: Fixture,
    book: Arc<Book>,
    clock: Clock,
}

impl World {
    async fn new() -> Self {
        let clock = Clock::manual(contract::now());
        Self::on(fixture(&clock).await, Arc::default(), clock)
    }

    fn on(fixture: Fixture, book: Arc<Book>, clock: Clock) -> Self {
        Self {
            users: Arc::new(Users::new(fixture.store.clone(), book.clone(), clock.clone())),
            fixture,
            book,
            clock,
        }
    }

    /// The same after the process was started again.
    async fn restarted(self) -> Self {
        let fixture = self.fixture.backend.reopened().await;
        Self::on(fixture, self.book, self.clock)
    }

    /// What makes every later call of the store fail.
    fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let backend = self.fixture.backend.clone();
        async move { backend.close().await }
    }

    /// Makes a user of the default tenant.
    async fn create(&self, email: &str, request_id: Option<Uuid>) -> Result<Created, Error> {
        self.users.create(&actor("default"), request(email, request_id)).await
    }

    /// A user whose account has no password yet.
    async fn made(&self, name: &str) -> User {
        let request = CreateUser {
            fields: named(name),
            ..request(&format!("{name}@example.com"), None)
        };
        self.users.create(&actor("default"), request).await.unwrap().user
    }

    async fn state(&self, id: UserId) -> Option<State> {
        let of = "default".parse().unwrap();
        let profile = self.fixture.store.profile_find(&of, id).await.unwrap();
        profile.map(|p| p.state)
    }

    /// Every user of the default tenant, as a list shows them.
    async fn listed(&self) -> Vec<User> {
        let everybody = ListUsers {
            show_deleted: true,
            ..ListUsers::default()
        };
        self.users.list(&actor("default"), &everybody).await.unwrap().users
    }

    async fn audited(&self) -> Vec<AuditEvent> {
        self.fixture.backend.audited().await
    }

    /// Action and outcome of what was recorded.
    async fn recorded(&self) -> Vec<(String, String)> {
        let events = self.audited().await.into_iter();
        events.map(|e| (e.action, e.outcome)).collect()
    }
}

/// An administrator of the tenant; always the same person.
fn actor(tenant: &str) -> Actor {
    Actor {
        subject: Some(UserId(Uuid::from_u128(7))),
        session: "s-1".to_owned(),
        request_id: "r-1".to_owned(),
        address: "192.0.2.7".to_owned(),
        ..Actor::system(tenant.parse().unwrap())
    }
}

fn request(email: &str, request_id: Option<Uuid>) -> CreateUser {
    CreateUser {
        email: email.to_owned(),
        fields: Fields::default(),
        request_id,
    }
}

fn named(name: &str) -> Fields {
    Fields {
        display_name: name.to_owned(),
        ..Fields::default()
    }
}

fn success(action: &str) -> (String, String) {
    (action.to_owned(), "success".to_owned())
}

fn field_of(error: &Error) -> &str {
    &error.violations()[0].0
}
