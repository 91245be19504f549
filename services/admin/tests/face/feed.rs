//! What goes down the access feed to gateways, and what they say up it.

use std::sync::{Arc, Mutex};

use logicore::{
    Context, Reason,
    api::{
        admin as pb,
        mesh::{CircuitBreaker, CircuitBreakerState},
    },
    settings::Role,
    testkit::{Caller, PATIENCE, reason},
};
use tokio::sync::Notify;

use crate::deployment::Deployment;

/// A gateway with two breakers, and the orders that it got.
struct Gateway {
    ctx: Context,
    orders: Arc<Mutex<Vec<String>>>,
    ordered: Arc<Notify>,
}

impl Gateway {
    async fn start(on: &Deployment, role: Role, state: CircuitBreakerState) -> Self {
        let ctx = on.process(role);
        let breaker = move |name: &str| CircuitBreaker {
            name: name.to_owned(),
            state_code: state.into(),
            ..CircuitBreaker::default()
        };
        ctx.access
            .report_breakers(move || vec![breaker("user"), breaker("user/a:1")]);
        let (orders, ordered) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Notify>::default());
        let (taken, notify) = (orders.clone(), ordered.clone());
        ctx.access.on_breaker_reset(move |name| {
            taken.lock().unwrap().push(name.to_owned());
            notify.notify_one();
        });
        ctx.access.watch(&ctx);
        ctx.access.wait_ready(PATIENCE).await.unwrap();
        Self { ctx, orders, ordered }
    }

    /// Waits for the next order.
    async fn order(&self) -> String {
        tokio::time::timeout(PATIENCE, self.ordered.notified())
            .await
            .expect("an order comes");
        self.orders.lock().unwrap().last().cloned().unwrap()
    }
}

fn operator() -> Caller {
    Caller::new("default", &["admin", "operator"])
}

impl Deployment {
    async fn breakers(&mut self) -> Vec<CircuitBreaker> {
        let request = self.by(&operator(), pb::ListCircuitBreakersRequest {});
        self.admin
            .list_circuit_breakers(request)
            .await
            .unwrap()
            .into_inner()
            .breakers
    }

    /// Asks until so many breakers are reported.
    async fn reported(&mut self, count: usize) -> Vec<CircuitBreaker> {
        let wait = async {
            loop {
                let breakers = self.breakers().await;
                if breakers.len() == count {
                    return breakers;
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("gateways report")
    }

    async fn reset(&mut self, name: &str) -> Result<i32, tonic::Status> {
        let message = pb::ResetCircuitBreakerRequest { name: name.to_owned() };
        let request = self.by(&operator(), message);
        Ok(self.admin.reset_circuit_breaker(request).await?.into_inner().gateways)
    }
}

#[tokio::test]
async fn breakers_of_every_gateway_are_listed_and_reset() {
    let mut on = Deployment::start().await;
    let one = Gateway::start(&on, Role::Gateway, CircuitBreakerState::Open).await;
    let two = Gateway::start(&on, Role::All, CircuitBreakerState::Closed).await;
    let service = Gateway::start(&on, Role::User, CircuitBreakerState::Open).await;
    let listed = on.reported(4).await;
    let names: Vec<_> = listed.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(
        names,
        ["user", "user", "user/a:1", "user/a:1"],
        "those of a service are its own affair"
    );
    assert_ne!(listed[0].gateway, listed[1].gateway);
    let request = on.by(&operator(), pb::GetOverviewRequest {});
    let overview = on.admin.get_overview(request).await.unwrap().into_inner();
    assert_eq!((overview.gateways, overview.breakers_not_closed), (2, 2));

    for name in ["user", "user/a:1", "user"] {
        assert_eq!(on.reset(name).await.unwrap(), 2);
        for gateway in [&one, &two, &service] {
            assert_eq!(gateway.order().await, name);
        }
    }
    assert_eq!(
        *one.orders.lock().unwrap(),
        ["user", "user/a:1", "user"],
        "each order once"
    );
    for bad in ["", "auth", &"x".repeat(301)] {
        let refused = on.reset(bad).await.unwrap_err();
        assert!(
            matches!(reason(&refused), Reason::ResourceNotFound | Reason::InvalidField),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_gateway_that_comes_later_is_not_told_of_old_orders() {
    let mut on = Deployment::start().await;
    let early = Gateway::start(&on, Role::Gateway, CircuitBreakerState::Open).await;
    on.reported(2).await;
    on.reset("user").await.unwrap();
    early.order().await;
    let late = Gateway::start(&on, Role::Gateway, CircuitBreakerState::Open).await;
    on.reported(4).await;
    assert!(late.orders.lock().unwrap().is_empty());
    on.reset("user/a:1").await.unwrap();
    assert_eq!(late.order().await, "user/a:1");
}

#[tokio::test]
async fn the_breakers_of_a_gateway_go_with_it() {
    let mut on = Deployment::start().await;
    let gateway = Gateway::start(&on, Role::Gateway, CircuitBreakerState::Open).await;
    on.reported(2).await;
    gateway.ctx.shutdown.cancel();
    gateway.ctx.tasks.close();
    gateway.ctx.tasks.wait().await;
    assert!(on.reported(0).await.is_empty());
    assert_eq!(reason(&on.reset("user").await.unwrap_err()), Reason::ResourceNotFound);
}

#[tokio::test]
async fn a_watcher_learns_tenants_and_built_in_roles_from_the_first_snapshot() {
    let on = Deployment::start().await;
    let gateway = on.watching(Role::Gateway).await;
    let default = Default::default();
    let roles = |name: &str| vec![name.parse().unwrap()];
    let access = &gateway.access;
    assert!(access.allows(&default, &roles("admin"), "users.delete"));
    assert!(!access.allows(&default, &roles("admin"), "breakers.reset"));
    assert!(access.operator(&default, &roles("operator")) && !access.operator(&default, &roles("admin")));
    assert!(access.permissions(&default, &roles("user")).is_empty());
}
