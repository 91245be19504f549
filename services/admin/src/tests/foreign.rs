//! Permissions that no method of ours asks for, but a service behind the gateway may.

use logicore::Reason;

use super::{World, admin, caller, draft, reason};
use crate::feed::Fact;

#[tokio::test]
async fn a_tenants_role_holds_what_services_behind_the_gateway_ask_for() {
    let world = World::new().await;
    world.role("manager", &["roles.manage", "users.read"]).await;
    let manager = || caller("default", &["manager"]);
    let made = world
        .admin
        .role_create(&admin(), draft("shipper", &["shipments.read"]))
        .await;
    assert_eq!(made.unwrap().permissions, ["shipments.read"]);
    let wish = draft("helper", &["shipments.read"]);
    let refused = world.admin.role_create(&manager(), wish.clone()).await;
    assert_eq!(reason(refused), Reason::GrantExceedsOwn, "it must be held as any other");
    let holder = caller("default", &["manager", "shipper"]);
    let made = world.admin.role_create(&holder, wish).await.unwrap();
    assert_eq!(world.told(), Some(vec![Fact::Role(made)]));
}
