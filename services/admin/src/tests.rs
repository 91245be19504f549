//! Claims about the whole domain, on a real store and a book of accounts that keeps auth's rules.

mod book;
mod catalogue;
mod foreign;
mod grants;
mod ingest;
mod operations;
mod removal;
mod roles;

use std::sync::{Arc, Mutex};

use logicore::{
    Error, Reason,
    access::{Origin, Principal},
    clock::Clock,
    ids::{RoleName, SessionId, TokenId, UserId},
    policy,
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::book::Book;
use crate::{
    app::{Admin, Gateway, Gateways},
    audit::{self, Event},
    caller::Caller,
    feed::Fact,
    permissions::Catalogue,
    roles::{Draft, Role},
    store::{
        AuditQuery,
        contract::{self, Fixture},
        sqlite,
    },
};

/// The service without its faces.
struct World {
    admin: Admin,
    book: Arc<Book>,
    gateways: Arc<Connected>,
    fixture: Fixture,
    clock: Clock,
}

/// The gateways that are said to be connected.
#[derive(Debug, Default)]
struct Connected(Mutex<Vec<Gateway>>);

impl Gateways for Connected {
    fn connected(&self) -> Vec<Gateway> {
        self.0.lock().unwrap().clone()
    }
}

impl World {
    async fn new() -> Self {
        let fixture = sqlite::tests::fixture().await;
        let clock = Clock::manual(contract::now());
        let (book, gateways) = (Arc::<Book>::default(), Arc::<Connected>::default());
        let admin = Admin {
            store: fixture.store.clone(),
            accounts: book.clone(),
            gateways: gateways.clone(),
            catalogue: Arc::new(Catalogue::new(&policy::Table::compiled_in())),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
        };
        Self {
            admin,
            book,
            gateways,
            fixture,
            clock,
        }
    }

    /// A role of the default tenant, made by its admin.
    async fn role(&self, name: &str, permissions: &[&str]) -> Role {
        self.admin
            .role_create(&admin(), draft(name, permissions))
            .await
            .unwrap()
    }

    async fn stored(&self, name: &str) -> Option<Role> {
        let found = self.admin.store.role_find(admin().tenant(), &[role_name(name)]).await;
        found.unwrap().pop()
    }

    /// The tenant's events, oldest first.
    async fn events(&self, tenant: &str) -> Vec<Event> {
        let all = AuditQuery {
            tenant: tenant.parse().unwrap(),
            conditions: audit::parse("").unwrap(),
            after: None,
            limit: 5000,
        };
        let mut events = self.admin.store.audit_list(all).await.unwrap();
        events.reverse();
        events
    }

    /// Action, target and outcome of the default tenant's events, oldest first.
    async fn recorded(&self) -> Vec<(String, String, String)> {
        let events = self.events("default").await.into_iter();
        events
            .map(|e| (e.record.action, e.record.target, e.record.outcome))
            .collect()
    }

    /// The last thing that watchers were told.
    fn told(&self) -> Option<Vec<Fact>> {
        self.fixture.published.all().pop().map(|(_, facts)| facts)
    }
}

/// Whoever has these roles in the tenant; always the same person.
fn caller(tenant: &str, roles: &[&str]) -> Caller {
    let now = contract::now();
    Caller {
        principal: Arc::new(Principal {
            subject: UserId(Uuid::from_u128(7)),
            tenant: tenant.parse().unwrap(),
            session: SessionId(Uuid::from_u128(8)),
            token: TokenId::generate(),
            client: "test".into(),
            roles: roles.iter().map(|r| role_name(r)).collect(),
            issued_at: now,
            authenticated_at: now,
            expires_at: now,
            epoch: "e".into(),
            revision: 1,
        }),
        origin: Origin {
            request_id: "r-1".into(),
            address: Some("192.0.2.7".parse().unwrap()),
            user_agent: None,
        },
    }
}

fn admin() -> Caller {
    caller("default", &["admin"])
}

fn operator() -> Caller {
    caller("default", &["operator"])
}

fn role_name(name: &str) -> RoleName {
    name.parse().unwrap()
}

fn draft(name: &str, permissions: &[&str]) -> Draft {
    Draft {
        name: role_name(name),
        description: "made by a test".to_owned(),
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
    }
}

fn reason<T: std::fmt::Debug>(answer: Result<T, Error>) -> Reason {
    answer.unwrap_err().reason()
}

/// A row of [`World::recorded`].
fn row(action: &str, target: &str, outcome: &str) -> (String, String, String) {
    (action.to_owned(), target.to_owned(), outcome.to_owned())
}
