//! The whole feed over TCP: producers behind the stack that every service has, watchers as every process runs them.

use std::net::SocketAddr;

use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tonic::service::Routes;
use uuid::Uuid;

use super::*;
use crate::{
    error::Error,
    feed::resources::PART,
    layer,
    mesh::{Listener, serve},
    server::Phase,
};

/// Long enough for anything that will happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough to tell waiting from not waiting.
const MOMENT: Duration = Duration::from_millis(150);

/// A producer that is served.
struct Server {
    ctx: Context,
    address: SocketAddr,
    task: JoinHandle<Result<(), Error>>,
}

impl Server {
    async fn start(role: Role, producer: &Arc<Producer>) -> Self {
        Self::start_at(role, producer, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    async fn start_at(role: Role, producer: &Arc<Producer>, address: SocketAddr) -> Self {
        Self::start_on(role, producer, TcpListener::bind(address).await.unwrap()).await
    }

    async fn start_on(role: Role, producer: &Arc<Producer>, listener: TcpListener) -> Self {
        let ctx = context(role);
        let address = listener.local_addr().unwrap();
        let stack = layer::service_stack(&ctx, Routes::new(producer.service()));
        let on = ctx.clone();
        let task = tokio::spawn(async move { serve(&on, Listener::Tcp(listener), stack).await });
        ctx.lifecycle.reached(Phase::Serving).await;
        Self { ctx, address, task }
    }

    fn address(&self) -> Address {
        Address::Tcp(self.address.to_string())
    }

    /// Ends it to its last connection.
    async fn stop(self) -> SocketAddr {
        self.ctx.lifecycle.advance(Phase::Draining);
        self.task.await.unwrap().unwrap();
        self.address
    }
}

/// Both producers, and their servers.
struct World {
    auth: Arc<Producer>,
    admin: Arc<Producer>,
    auth_server: Server,
    admin_server: Server,
}

impl World {
    async fn start() -> Self {
        let auth = Producer::new(AUTH, EPOCH.to_owned(), 7, vec![key("k1")]);
        let admin = Producer::new(ADMIN, EPOCH.to_owned(), 7, built_in());
        Self {
            auth_server: Server::start(Role::Auth, &auth).await,
            admin_server: Server::start(Role::Admin, &admin).await,
            auth,
            admin,
        }
    }

    async fn watcher(&self, role: Role) -> Context {
        let ctx = watching(role, self.auth_server.address(), self.admin_server.address());
        ctx.access.wait_ready(PATIENCE).await.unwrap();
        ctx
    }
}

/// Waits until a producer has this many watchers.
async fn connected(producer: &Producer, count: usize) {
    let wait = async {
        while producer.watchers().len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("they come and go");
}

#[tokio::test]
async fn what_is_published_reaches_every_watcher() {
    let world = World::start().await;
    let watchers = [
        world.watcher(Role::Gateway).await,
        world.watcher(Role::User).await,
        world.watcher(Role::All).await,
    ];
    let user = UserId::generate();
    for ctx in &watchers {
        assert_eq!(standing(&ctx.access, &principal(user, 4)), None);
        assert!(ctx.access.key("k1").is_some());
        assert!(ctx.access.allows(&tenant_id("acme"), &roles(&["admin"]), "users.read"));
    }
    world.auth.publish(8, vec![revoked(user, 5, i64::MAX)], Vec::new());
    world.admin.publish(8, vec![tenant("other", true)], Vec::new());
    let mut elsewhere = principal(user, 5);
    elsewhere.tenant = tenant_id("other");
    for ctx in &watchers {
        until(&ctx.access, |v| {
            standing(v, &principal(user, 4)) == Some(Reason::AuthTokenRevoked)
        })
        .await;
        until(&ctx.access, |v| {
            standing(v, &elsewhere) == Some(Reason::TenantSuspended)
        })
        .await;
        let (_, held) = ctx.access.held(Source::Auth).unwrap();
        let there = sorted(&world.auth.resources());
        assert_eq!(held, update(8, there).into(), "they hold what the producer holds");
    }
}

#[tokio::test]
async fn a_producer_knows_who_watches_and_what_their_breakers_say() {
    let world = World::start().await;
    let mut ctx = context(Role::Gateway);
    ctx.neighbours.auth = upstream(&ctx, AUTH, world.auth_server.address());
    ctx.neighbours.admin = upstream(&ctx, ADMIN, world.admin_server.address());
    let reported = ctx.neighbours.admin.clone();
    ctx.access.report_breakers(move || reported.breakers());
    ctx.access.watch(&ctx);
    ctx.access.wait_ready(PATIENCE).await.unwrap();
    let wait = async {
        loop {
            match &world.admin.watchers()[..] {
                [watcher] if !watcher.breakers.is_empty() => break watcher.clone(),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let watcher = timeout(PATIENCE, wait).await.expect("breakers are reported");
    assert_eq!(watcher.role, "gateway");
    assert!(watcher.id.starts_with("gateway-"), "{}", watcher.id);
    assert_eq!(
        (&*watcher.breakers[0].name, &*watcher.breakers[0].state),
        ("admin", "Closed")
    );
    connected(&world.auth, 1).await;
    let at_auth = &world.auth.watchers()[0];
    assert_eq!(at_auth.id, watcher.id, "one process is one watcher");
    assert!(at_auth.breakers.is_empty(), "auth has no use for them");
    ctx.shutdown.cancel();
    connected(&world.auth, 0).await;
    connected(&world.admin, 0).await;
}

#[tokio::test]
async fn an_acknowledgement_says_that_a_change_is_in_force() {
    let world = World::start().await;
    let ctx = world.watcher(Role::Gateway).await;
    connected(&world.auth, 1).await;
    let number = world.auth.publish(8, vec![key("k2")], Vec::new());
    assert!(world.auth.acknowledged(number, PATIENCE).await);
    assert!(ctx.access.key("k2").is_some());
}

#[tokio::test]
async fn every_connected_watcher_is_waited_for_and_no_other() {
    let world = World::start().await;
    assert!(world.auth.acknowledged(7, MOMENT).await, "nobody is there");
    let ctx = world.watcher(Role::Gateway).await;
    let slow = Raw::hello("slow", world.auth_server.address()).await;
    connected(&world.auth, 2).await;
    let number = world.auth.publish(8, vec![key("k2")], Vec::new());
    assert!(!world.auth.acknowledged(number, MOMENT).await, "one has not said so");
    slow.acknowledge(7).await;
    assert!(!world.auth.acknowledged(number, MOMENT).await, "not so far");
    slow.say(Say::Ack(pb::Ack {
        revision: Some(revision("epoch-0", 99)),
    }))
    .await;
    assert!(
        !world.auth.acknowledged(number, MOMENT).await,
        "that is another history"
    );
    slow.acknowledge(8).await;
    assert!(world.auth.acknowledged(number, PATIENCE).await);
    let number = world.auth.publish(9, vec![key("k3")], Vec::new());
    drop(slow);
    assert!(
        world.auth.acknowledged(number, PATIENCE).await,
        "whoever left is not waited for"
    );
    assert!(ctx.access.key("k3").is_some());
}

#[tokio::test]
async fn a_watcher_catches_up_when_its_producer_is_back() {
    let World {
        auth,
        auth_server,
        admin_server,
        ..
    } = World::start().await;
    let ctx = watching(Role::Gateway, auth_server.address(), admin_server.address());
    ctx.access.wait_ready(PATIENCE).await.unwrap();
    let address = auth_server.stop().await;
    // Away for longer than a breaker needs to open: the feed is back with its producer and not a reset time later.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let user = UserId::generate();
    auth.publish(8, vec![revoked(user, 5, i64::MAX)], vec!["key/k1".to_owned()]);
    assert_eq!(standing(&ctx.access, &principal(user, 4)), None);
    assert!(ctx.access.key("k1").is_some(), "the last known state serves");
    let _again = Server::start_at(Role::Auth, &auth, address).await;
    until(&ctx.access, |v| {
        standing(v, &principal(user, 4)) == Some(Reason::AuthTokenRevoked)
    })
    .await;
    assert!(ctx.access.key("k1").is_none());
    assert!(auth.acknowledged(8, PATIENCE).await);
}

#[tokio::test]
async fn a_producer_of_another_epoch_replaces_everything() {
    let World {
        auth_server,
        admin_server,
        ..
    } = World::start().await;
    let ctx = watching(Role::Gateway, auth_server.address(), admin_server.address());
    ctx.access.wait_ready(PATIENCE).await.unwrap();
    let user = UserId::generate();
    let address = auth_server.stop().await;
    let restored = Producer::new(AUTH, "epoch-2".to_owned(), 3, vec![key("k9")]);
    let _again = Server::start_at(Role::Auth, &restored, address).await;
    until(&ctx.access, |v| v.key("k9").is_some()).await;
    assert!(ctx.access.key("k1").is_none());
    assert_eq!(ctx.access.revision(Source::Auth), Some(revision("epoch-2", 3)));
    assert_eq!(standing(&ctx.access, &principal(user, 4)), Some(Reason::AuthTokenStale));
}

#[tokio::test]
async fn a_watcher_that_starts_first_is_ready_when_its_producers_are() {
    // Bound, and refusing for as long as nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let admin = Producer::new(ADMIN, EPOCH.to_owned(), 7, built_in());
    let admin_server = Server::start(Role::Admin, &admin).await;
    let ctx = watching(Role::Gateway, Address::Tcp(address.to_string()), admin_server.address());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!ctx.access.ready());
    let auth = Producer::new(AUTH, EPOCH.to_owned(), 7, vec![key("k1")]);
    let _auth_server = Server::start_on(Role::Auth, &auth, socket.listen(64).unwrap()).await;
    ctx.access.wait_ready(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn an_order_is_carried_out_once_however_often_the_stream_breaks() {
    let World {
        admin,
        auth_server,
        admin_server,
        ..
    } = World::start().await;
    let ctx = watching(Role::Gateway, auth_server.address(), admin_server.address());
    let (done, mut orders) = mpsc::unbounded_channel();
    ctx.access
        .on_breaker_reset(move |name| done.send(name.to_owned()).unwrap());
    ctx.access.wait_ready(PATIENCE).await.unwrap();
    admin.publish(8, vec![resource::breaker_reset("user", 1)], Vec::new());
    assert_eq!(orders.recv().await.unwrap(), "user");
    let address = admin_server.stop().await;
    // Its history is gone, so the watcher gets a snapshot that holds the order still.
    let restarted = Producer::new(ADMIN, EPOCH.to_owned(), 9, vec![resource::breaker_reset("user", 1)]);
    let _again = Server::start_at(Role::Admin, &restarted, address).await;
    until(&ctx.access, |v| v.revision(Source::Admin) == Some(revision(EPOCH, 9))).await;
    restarted.publish(10, vec![resource::breaker_reset("auth", 1)], Vec::new());
    assert_eq!(
        orders.recv().await.unwrap(),
        "auth",
        "the first one was not carried out again"
    );
}

#[tokio::test]
async fn a_second_stream_of_a_process_ends_its_first() {
    let world = World::start().await;
    let mut first = Raw::hello("one", world.auth_server.address()).await;
    let _second = Raw::hello("one", world.auth_server.address()).await;
    let ended = async { while first.answers.message().await.unwrap().is_some() {} };
    timeout(PATIENCE, ended).await.expect("the first stream ends");
    assert_eq!(world.auth.watchers().len(), 1);
}

#[tokio::test]
async fn a_large_snapshot_goes_in_parts_to_whoever_takes_them() {
    let many = || (0..2 * PART as u64 + 1).map(|n| revoked(UserId(Uuid::from_u128(n.into())), 5, i64::MAX));
    let auth = Producer::new(AUTH, EPOCH.to_owned(), 7, many().chain([key("k1")]).collect());
    let server = Server::start(Role::Auth, &auth).await;
    let there = sorted(&auth.resources());
    for (parts, sizes) in [(true, vec![PART, PART, 2]), (false, vec![2 * PART + 2])] {
        let mut raw = Raw::open(Role::User, server.address()).await.unwrap();
        raw.say(Say::Hello(pb::Hello {
            watcher_id: format!("parts-{parts}"),
            role: "user".to_owned(),
            parts,
            ..pb::Hello::default()
        }))
        .await;
        let (mut got, mut more) = (Vec::new(), true);
        while more {
            let Message::Snapshot(part) = raw.hear().await else {
                panic!("nothing comes between the parts");
            };
            assert_eq!(part.revision, Some(revision(EPOCH, 7)));
            more = part.more;
            got.push(part.upserts);
        }
        assert_eq!(got.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        let mut got = got.concat();
        got.sort_by(|a, b| a.key.cmp(&b.key));
        assert!(got == there, "all of it");
    }
}

#[tokio::test]
async fn whoever_does_not_say_hello_is_refused() {
    let world = World::start().await;
    let mut rude = Raw::open(Role::User, world.auth_server.address()).await.unwrap();
    rude.acknowledge(7).await;
    let refused = rude.answers.message().await.unwrap_err();
    assert_eq!(Error::reason_of(&refused), Some(Reason::MalformedMessage));
    assert!(world.auth.watchers().is_empty());
}

#[tokio::test]
async fn an_operators_command_does_not_watch() {
    let world = World::start().await;
    let refused = Raw::open(Role::Cli, world.auth_server.address()).await.err().unwrap();
    assert_eq!(Error::reason_of(&refused), Some(Reason::PeerNotAllowed));
}
