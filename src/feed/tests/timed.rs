//! What takes time: silence, age, watchers that do not read, snapshots on disk. In memory, so that the clock can be paused.

use std::{collections::VecDeque, sync::Mutex};

use tonic::{Request, Response, Status, Streaming, service::Routes};

use super::*;
use crate::{
    api::mesh::feed_service_server::{self, FeedServiceServer},
    error::Error,
    feed::{disk, resources::PART},
    server::Phase,
};

/// Serves a feed in memory for as long as its context lives.
fn served(role: Role, routes: Routes) -> (Context, Address) {
    let ctx = context(role);
    let address = testkit::serve(&ctx, routes);
    (ctx, address)
}

fn auth_and_admin() -> (Arc<Producer>, Arc<Producer>) {
    (
        Producer::new(AUTH, EPOCH.to_owned(), 7, vec![key("k1")]),
        Producer::new(ADMIN, EPOCH.to_owned(), 7, built_in()),
    )
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn the_last_known_state_serves_while_its_producer_is_gone_and_the_age_grows() {
    let (auth, admin) = auth_and_admin();
    let (at_auth, auth_address) = served(Role::Auth, Routes::new(auth.service()));
    let (_at_admin, admin_address) = served(Role::Admin, Routes::new(admin.service()));
    let ctx = watching(Role::Gateway, auth_address, admin_address);
    ctx.access.wait_ready(seconds(5)).await.unwrap();
    let ages = || ctx.access.ages().map(|(_, age)| age.unwrap());
    tokio::time::sleep(seconds(60)).await;
    assert!(ages().iter().all(|age| *age <= HEARTBEAT * 2), "{:?}", ages());
    at_auth.lifecycle.advance(Phase::Draining);
    tokio::time::sleep(seconds(300)).await;
    let [auth_age, admin_age] = ages();
    assert!(auth_age > seconds(290) && auth_age <= seconds(301), "{auth_age:?}");
    assert!(admin_age <= HEARTBEAT * 2, "each is counted for itself: {admin_age:?}");
    assert!(ctx.access.ready() && ctx.access.key("k1").is_some());
    assert_eq!(standing(&ctx.access, &principal(UserId::generate(), 4)), None);
    let text = ctx.metrics.text();
    let line = text
        .lines()
        .find(|l| l.starts_with(r#"access_feed_age_seconds{producer="auth"}"#));
    let told: f64 = line.and_then(|l| l.split(' ').nth(1)).unwrap().parse().unwrap();
    assert!(told > 290.0, "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (auth, admin) = auth_and_admin();
    let (_at_auth, auth_address) = served(Role::Auth, Routes::new(auth.service()));
    let (_at_admin, admin_address) = served(Role::Admin, Routes::new(admin.service()));
    let mut ctx = context(Role::Gateway);
    ctx.access = AccessView::new(Some(dir.path().to_owned()));
    ctx.neighbours.auth = upstream(&ctx, AUTH, auth_address);
    ctx.neighbours.admin = upstream(&ctx, ADMIN, admin_address);
    ctx.access.watch(&ctx);
    ctx.access.wait_ready(seconds(5)).await.unwrap();
    auth.publish(8, vec![key("k2")], Vec::new());
    until(&ctx.access, |v| v.key("k2").is_some()).await;
    ctx.shutdown.cancel();
    ctx.tasks.close();
    ctx.tasks.wait().await;
    let saved = disk::load(&disk::path(dir.path(), "gateway", AUTH)).unwrap();
    assert_eq!(saved.snapshot, update(8, sorted(&auth.resources())).into());

    let mut alone = context(Role::Gateway);
    alone.access = AccessView::new(Some(dir.path().to_owned()));
    alone.access.watch(&alone);
    assert!(alone.access.ready(), "it starts without its neighbours");
    assert!(alone.access.key("k1").is_some() && alone.access.key("k2").is_some());
    assert!(
        alone
            .access
            .allows(&tenant_id("acme"), &roles(&["admin"]), "users.read")
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_forgotten_when_its_time_is_over() {
    let (auth, admin) = auth_and_admin();
    let (_at_auth, auth_address) = served(Role::Auth, Routes::new(auth.service()));
    let (_at_admin, admin_address) = served(Role::Admin, Routes::new(admin.service()));
    let ctx = watching(Role::Gateway, auth_address, admin_address);
    let user = UserId::generate();
    // Long over by the machine's clock: kept for the one second between two looks at most.
    auth.publish(8, vec![revoked(user, 5, 1)], Vec::new());
    ctx.access.wait_ready(seconds(5)).await.unwrap();
    until(&ctx.access, |v| v.revision(Source::Auth) == Some(revision(EPOCH, 8))).await;
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(standing(&ctx.access, &principal(user, 4)), None);
    let (_, held) = ctx.access.held(Source::Auth).unwrap();
    assert_eq!(held.resources.iter().count(), 1, "the key alone");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_read_is_let_go() {
    let (auth, _) = auth_and_admin();
    let (_ctx, address) = served(Role::Auth, Routes::new(auth.service()));
    let deaf = Raw::hello("deaf", address).await;
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(auth.watchers().len(), 1);
    // More than the connection takes unread.
    let large = pb::VerificationKey {
        kid: "large".to_owned(),
        alg: "none".to_owned(),
        jwk: "x".repeat(8 << 20),
    };
    auth.publish(8, vec![resource::verification_key(large)], Vec::new());
    tokio::time::sleep(seconds(30)).await;
    assert!(auth.watchers().is_empty());
    assert!(auth.acknowledged(8, seconds(1)).await, "nobody waits for it");
    drop(deaf);
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_at_all_is_let_go() {
    let (auth, _) = auth_and_admin();
    let (_ctx, address) = served(Role::Auth, Routes::new(auth.service()));
    let mut mute = Raw::open(Role::User, address).await.unwrap();
    let refused = mute.answers.message().await.unwrap_err();
    assert_eq!(Error::reason_of(&refused), Some(Reason::MalformedMessage));
}

/// A producer that plays a script, one part for each stream, and then stays silent: what a real one does only by a defect.
#[derive(Clone, Default)]
struct Scripted {
    parts: Arc<Mutex<VecDeque<Vec<Message>>>>,
    hellos: Arc<Mutex<Vec<pb::Hello>>>,
    acks: Arc<Mutex<Vec<pb::Ack>>>,
}

impl Scripted {
    fn new(parts: impl IntoIterator<Item = Vec<Message>>) -> Self {
        Self {
            parts: Arc::new(Mutex::new(parts.into_iter().collect())),
            ..Self::default()
        }
    }

    fn serve(&self) -> Address {
        served(Role::Auth, Routes::new(FeedServiceServer::new(self.clone()))).1
    }

    /// What the watchers said they held, stream by stream.
    fn had(&self) -> Vec<Option<pb::Revision>> {
        self.hellos.lock().unwrap().iter().map(|h| h.have.clone()).collect()
    }

    /// What they said was in force.
    fn acknowledged(&self) -> Vec<pb::Revision> {
        let acks = self.acks.lock().unwrap();
        acks.iter().filter_map(|ack| ack.revision.clone()).collect()
    }
}

#[tonic::async_trait]
impl feed_service_server::FeedService for Scripted {
    type SyncStream = ReceiverStream<Result<pb::SyncResponse, Status>>;

    async fn sync(&self, request: Request<Streaming<pb::SyncRequest>>) -> Result<Response<Self::SyncStream>, Status> {
        let (out, answers) = mpsc::channel(8);
        let (script, mut said) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            let Ok(Some(pb::SyncRequest {
                message: Some(Say::Hello(hello)),
            })) = said.message().await
            else {
                panic!("a watcher says hello first");
            };
            script.hellos.lock().unwrap().push(hello);
            let part = script.parts.lock().unwrap().pop_front().unwrap_or_default();
            for message in part {
                let message = Some(message);
                let _ = out.send(Ok(pb::SyncResponse { message })).await;
            }
            while let Ok(Some(request)) = said.message().await {
                if let Some(Say::Ack(ack)) = request.message {
                    script.acks.lock().unwrap().push(ack);
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

fn beat(number: u64) -> Message {
    Message::Heartbeat(pb::Heartbeat {
        head: Some(revision(EPOCH, number)),
    })
}

/// A process that watches this script as its auth, and no admin.
fn watching_script(script: &Scripted) -> Context {
    let mut ctx = context(Role::Gateway);
    ctx.neighbours.auth = upstream(&ctx, AUTH, script.serve());
    ctx.access.watch(&ctx);
    ctx
}

#[tokio::test(start_paused = true)]
async fn a_silent_producer_is_left_and_asked_for_what_came_since() {
    let script = Scripted::new([
        vec![Message::Snapshot(update(7, vec![key("k1")])), beat(7)],
        vec![Message::Delta(update(9, vec![key("k2")])), beat(9)],
    ]);
    let ctx = watching_script(&script);
    until(&ctx.access, |v| v.key("k2").is_some()).await;
    assert!(ctx.access.key("k1").is_some());
    assert_eq!(script.had(), [None, Some(revision(EPOCH, 7))]);
    let hellos = script.hellos.lock().unwrap().clone();
    assert_eq!(hellos[0].watcher_id, hellos[1].watcher_id, "it is the same process");
    assert_eq!(hellos[0].role, "gateway");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_is_out_of_step_starts_over() {
    let defects = [
        beat(9),
        beat(6),
        Message::Delta(update(7, vec![key("k2")])),
        Message::Delta(update_of("epoch-2", 9, vec![key("k2")])),
        Message::Heartbeat(pb::Heartbeat { head: None }),
    ];
    for defect in defects {
        let script = Scripted::new([
            vec![Message::Snapshot(update(7, vec![key("k1")])), defect.clone()],
            vec![Message::Snapshot(update(9, vec![key("k3")])), beat(9)],
        ]);
        let ctx = watching_script(&script);
        until(&ctx.access, |v| v.key("k3").is_some()).await;
        assert_eq!(script.had(), [None, None], "{defect:?}");
        assert!(ctx.access.key("k2").is_none() && ctx.access.key("k1").is_none());
    }
}

/// A part of a snapshot, which goes on.
fn part(number: u64, upserts: Vec<pb::Resource>) -> Message {
    Message::Snapshot(pb::Update {
        more: true,
        ..update(number, upserts)
    })
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_in_parts_is_in_force_when_the_last_has_come() {
    let script = Scripted::new([
        vec![
            Message::Snapshot(update(7, vec![key("k1"), key("k2")])),
            part(8, vec![key("k3")]),
        ],
        vec![part(9, vec![key("k4")]), Message::Snapshot(update(9, vec![key("k5")]))],
    ]);
    let ctx = watching_script(&script);
    until(&ctx.access, |v| v.key("k5").is_some()).await;
    assert!(ctx.access.key("k4").is_some(), "all parts are");
    assert!(ctx.access.key("k1").is_none() && ctx.access.key("k2").is_none());
    assert!(ctx.access.key("k3").is_none(), "what broke off is not");
    assert_eq!(script.had(), [None, Some(revision(EPOCH, 7))]);
    assert!(script.hellos.lock().unwrap().iter().all(|h| h.parts));
}

#[tokio::test(start_paused = true)]
async fn parts_that_do_not_belong_together_are_not_taken() {
    let defects = [
        part(9, vec![key("k2")]),
        Message::Snapshot(update_of("epoch-2", 8, vec![key("k2")])),
        Message::Delta(update(9, vec![key("k2")])),
        beat(8),
    ];
    for defect in defects {
        let script = Scripted::new([
            vec![part(8, vec![key("k1")]), defect.clone()],
            vec![Message::Snapshot(update(9, vec![key("k3")])), beat(9)],
        ]);
        let ctx = watching_script(&script);
        until(&ctx.access, |v| v.key("k3").is_some()).await;
        assert_eq!(script.had(), [None, None], "{defect:?}");
        assert!(ctx.access.key("k1").is_none() && ctx.access.key("k2").is_none());
    }
}

/// A process that holds a snapshot and gets another of so many revocations and of an order, and then a delta.
fn watching_many(count: usize) -> (Context, Scripted) {
    let many = (0..count).map(|_| revoked(UserId::generate(), 5, i64::MAX));
    let script = Scripted::new([vec![
        Message::Snapshot(update(7, vec![key("k1")])),
        part(8, many.collect()),
        Message::Snapshot(update(8, vec![resource::breaker_reset("user", 1)])),
        Message::Delta(update(9, vec![key("k2")])),
    ]]);
    (watching_script(&script), script)
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_of_very_many_is_put_in_force_elsewhere_and_then_acknowledged() {
    let here = std::thread::current().id();
    for (count, elsewhere) in [(PART - 1, false), (PART, true)] {
        let (ctx, script) = watching_many(count);
        let (told, view) = (script.clone(), Arc::downgrade(&ctx.access));
        let (done, mut orders) = mpsc::unbounded_channel();
        // An order is carried out by whoever has put it in force.
        ctx.access.on_breaker_reset(move |_| {
            let held = view.upgrade().and_then(|view| view.held(Source::Auth)).unwrap().1;
            assert_eq!(held.revision, Some(revision(EPOCH, 8)));
            assert_eq!(held.resources.iter().count(), count + 1, "all of it");
            assert!(!told.acknowledged().contains(&revision(EPOCH, 8)), "not yet");
            done.send(std::thread::current().id()).unwrap();
        });
        let there = orders.recv().await.unwrap();
        assert_eq!(there != here, elsewhere, "{count}");
        until(&ctx.access, |v| v.key("k2").is_some()).await;
        tokio::time::sleep(seconds(1)).await;
        assert_eq!(script.acknowledged().last(), Some(&revision(EPOCH, 9)));
        assert_eq!(script.had(), [None], "in step");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_snapshot_that_is_being_put_in_force() {
    let (ctx, script) = watching_many(PART);
    let (entered, mut inside) = mpsc::unbounded_channel();
    let (leave, left) = std::sync::mpsc::channel::<()>();
    let left = Mutex::new(left);
    ctx.access.on_breaker_reset(move |_| {
        entered.send("begun").unwrap();
        let left = left.lock().unwrap().recv_timeout(seconds(20));
        entered.send(left.map_or("waited for", |()| "let go")).unwrap();
    });
    assert_eq!(inside.recv().await, Some("begun"));
    ctx.shutdown.cancel();
    ctx.tasks.close();
    ctx.tasks.wait().await;
    assert!(!script.acknowledged().contains(&revision(EPOCH, 8)));
    leave.send(()).unwrap();
    assert_eq!(inside.recv().await, Some("let go"));
    assert_eq!(ctx.access.revision(Source::Auth), Some(revision(EPOCH, 8)), "whole");
}

#[tokio::test(start_paused = true)]
async fn what_a_later_version_says_is_passed_over() {
    let script = Scripted::new([vec![
        Message::Snapshot(update(7, vec![key("k1")])),
        Message::Delta(update(
            8,
            vec![pb::Resource {
                key: "new/thing".to_owned(),
                kind: None,
            }],
        )),
        Message::Delta(update(9, vec![key("k2")])),
    ]]);
    let ctx = watching_script(&script);
    until(&ctx.access, |v| v.key("k2").is_some()).await;
    assert_eq!(script.had().len(), 1);
}
