//! Processes of one deployment beside each other, connected in memory.

use std::{future::Future, time::Duration};

use tonic::service::Routes;

use crate::{
    context::Context,
    feed::AccessView,
    layer,
    mesh::{self, Address, Listener, MemoryListener},
    secret::Secret,
    settings::{Algorithm, Role, Settings},
    upstream::Upstream,
};

/// How long something that must come may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Settings of a process that every other with such settings believes: that it is a peer, and the tokens of a
/// [`Caller`](super::Caller).
#[must_use]
pub fn settings(role: Role) -> Settings {
    let mut settings = Settings::defaults(role);
    settings.mesh.secret = Some(Secret::new("a secret that all roles of these tests share"));
    settings.jwt.secret = Some(Secret::new("the secret that signs the tokens of these tests"));
    settings.jwt.algorithm = Algorithm::Hs256;
    settings
}

/// Serves a role's methods as production does. Returns where they are.
pub fn serve(ctx: &Context, routes: Routes) -> Address {
    let (address, listener) = mesh::memory();
    serve_on(ctx, listener, routes);
    Address::Memory(address)
}

/// The same at an address that others know already.
pub fn serve_on(ctx: &Context, listener: MemoryListener, routes: Routes) {
    let (on, stack) = (ctx.clone(), layer::service_stack(ctx, routes));
    tokio::spawn(async move { mesh::serve(&on, Listener::Memory(listener), stack).await });
}

/// A process's way to the role of this name.
#[must_use]
pub fn upstream(of: &Context, name: &'static str, address: Address) -> Upstream {
    Upstream::new(
        name,
        vec![address],
        of.identity.clone(),
        of.policies.clone(),
        &of.settings.resilience,
        of.metrics.clone(),
    )
}

/// Waits until the access feed has made something true of what a process knows.
///
/// # Panics
/// When it is not within [`PATIENCE`].
pub async fn until(known: &AccessView, so: impl Fn(&AccessView) -> bool) {
    let mut changed = known.changed();
    within_patience("the feed brings it", async {
        while !so(known) {
            changed.changed().await.expect("the view is held");
        }
    })
    .await;
}

/// What a future gives, which must come.
pub(super) async fn within_patience<T>(claim: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect(claim)
}
