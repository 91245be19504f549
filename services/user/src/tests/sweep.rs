//! Users that were left half made, whatever stopped them.

use std::{sync::Arc, time::Duration};

use logicore::{Error, Reason, ids::UserId, settings::Role, testkit};
use uuid::Uuid;

use super::{
    World, actor,
    book::{Ask, Fault},
    request, success,
};
use crate::{domain::State, sweeper};

const EMAIL: &str = "ann@example.com";
/// An age at which a pending user counts as left behind.
const OLD: Duration = Duration::from_secs(61);

/// Where something can stop.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// Auth cannot be reached.
    Away,
    /// Auth did it, its answer was lost.
    Lost,
    /// The process died before auth heard of it.
    DiedBefore,
    /// The process died when auth had done it.
    DiedAfter,
    /// Auth did it, and the store was gone when its answer came.
    StoreGone,
}

const STOPS: [Stop; 5] = [
    Stop::Away,
    Stop::Lost,
    Stop::DiedBefore,
    Stop::DiedAfter,
    Stop::StoreGone,
];

impl World {
    /// Makes `call` stop there at its question to auth, and starts the process again where it is gone.
    async fn stopped<T>(self, stop: Stop, ask: Ask, call: impl Future<Output = Result<T, Error>>) -> Self {
        self.book.fails(
            ask,
            match stop {
                Stop::Away => Fault::Away,
                Stop::Lost => Fault::Lost,
                Stop::DiedBefore => Fault::HangsBefore,
                Stop::DiedAfter => Fault::HangsAfter,
                Stop::StoreGone => Fault::Then(Box::pin(self.closing())),
            },
        );
        if matches!(stop, Stop::DiedBefore | Stop::DiedAfter) {
            self.book.dropped_where_it_hangs(call).await;
        } else {
            let _ = call.await;
        }
        if matches!(stop, Stop::Away | Stop::Lost) {
            return self;
        }
        self.restarted().await
    }

    /// A user whose making stopped there; old enough to be swept.
    async fn half_made(stop: Stop, request_id: Option<Uuid>) -> (Self, UserId) {
        let world = Self::new().await;
        let users = world.users.clone();
        let create = async move { users.create(&actor("default"), request(EMAIL, request_id)).await };
        let world = world.stopped(stop, Ask::Provision, create).await;
        let listed = world.listed().await;
        assert_eq!((listed.len(), listed[0].profile.state), (1, State::Pending), "{stop:?}");
        assert!(world.recorded().await.is_empty(), "{stop:?}");
        let id = listed[0].profile.id;
        assert_eq!(
            world.users.sweep().await.unwrap(),
            0,
            "{stop:?}: a young one is left alone"
        );
        assert_eq!(world.state(id).await, Some(State::Pending), "{stop:?}");
        world.clock.advance(OLD);
        (world, id)
    }

    /// The user is whole, and the same call gets the way in.
    async fn is_finished(&self, id: UserId, request_id: Option<Uuid>, when: &str) {
        assert_eq!(self.state(id).await, Some(State::Active), "{when}");
        assert!(self.fixture.backend.emails().await.is_empty(), "{when}");
        assert_eq!(self.recorded().await, [success("user.create")], "{when}");
        let actor_of = self.audited().await.remove(0).actor;
        assert_eq!(
            actor_of,
            actor("default").subject.unwrap().to_string(),
            "{when}: in the caller's name"
        );
        let again = self.create(EMAIL, request_id).await.unwrap();
        assert_eq!(again.user.profile.id, id, "{when}");
        assert_eq!(
            again.code.map(|c| c.code.expose().to_owned()),
            self.book.entry(id).unwrap().code,
            "{when}"
        );
    }

    /// Nothing of it is left, and the email can be used.
    async fn is_undone(&self, id: UserId, when: &str) {
        assert_eq!(self.state(id).await, None, "{when}");
        assert!(self.fixture.backend.emails().await.is_empty(), "{when}");
        assert_eq!(self.book.len(), 0, "{when}");
        let failed = ("user.create".to_owned(), "failure".to_owned());
        assert_eq!(self.recorded().await, [failed], "{when}");
        self.create(EMAIL, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_with_a_request_id_is_finished_wherever_it_stopped() {
    for stop in STOPS {
        let request_id = Some(Uuid::now_v7());
        let (world, id) = World::half_made(stop, request_id).await;
        assert_eq!(world.users.sweep().await.unwrap(), 1, "{stop:?}");
        world.is_finished(id, request_id, &format!("{stop:?}")).await;
        assert_eq!(world.users.sweep().await.unwrap(), 0, "{stop:?}: once");
    }
}

#[tokio::test]
async fn a_user_without_a_request_id_is_undone_wherever_it_stopped() {
    for stop in STOPS {
        let (world, id) = World::half_made(stop, None).await;
        assert_eq!(world.users.sweep().await.unwrap(), 1, "{stop:?}");
        world.is_undone(id, &format!("{stop:?}")).await;
        assert_eq!(world.users.sweep().await.unwrap(), 0, "{stop:?}: once");
    }
}

#[tokio::test]
async fn a_sweep_that_stops_is_taken_up_by_the_next() {
    for stop in STOPS {
        let when = format!("{stop:?}");
        for request_id in [Some(Uuid::now_v7()), None] {
            let (world, id) = World::half_made(Stop::Lost, request_id).await;
            let users = world.users.clone();
            let ask = if request_id.is_some() {
                Ask::Provision
            } else {
                Ask::Unprovision
            };
            let world = world.stopped(stop, ask, async move { users.sweep().await }).await;
            assert_eq!(world.state(id).await, Some(State::Pending), "{when}");
            assert_eq!(world.users.sweep().await.unwrap(), 1, "{when}");
            match request_id {
                Some(_) => world.is_finished(id, request_id, &when).await,
                None => world.is_undone(id, &when).await,
            }
        }
    }
}

#[tokio::test]
async fn a_person_who_got_in_is_not_undone() {
    let (world, id) = World::half_made(Stop::Lost, None).await;
    world.book.change(id, |entry| entry.password = true);
    assert_eq!(world.users.sweep().await.unwrap(), 1);
    assert_eq!(world.state(id).await, Some(State::Active));
    assert!(world.book.entry(id).is_some());
    assert_eq!(world.recorded().await, [success("user.create")]);
}

#[tokio::test]
async fn while_auth_is_away_a_sweep_changes_nothing() {
    for request_id in [Some(Uuid::now_v7()), None] {
        let (world, id) = World::half_made(Stop::Away, request_id).await;
        world.book.away(true);
        assert_eq!(world.users.sweep().await.unwrap(), 0);
        assert_eq!(world.state(id).await, Some(State::Pending));
        world.book.away(false);
        assert_eq!(world.users.sweep().await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_user_that_auth_refuses_by_now_is_gone() {
    let (world, id) = World::half_made(Stop::Away, Some(Uuid::now_v7())).await;
    let faster = world.made("ann").await.profile.id;
    assert_eq!(world.users.sweep().await.unwrap(), 1);
    assert_eq!(world.state(id).await, None);
    assert_eq!(world.state(faster).await, Some(State::Active));
}

#[tokio::test]
async fn one_that_cannot_be_settled_does_not_hold_up_the_next() {
    let (world, stuck) = World::half_made(Stop::Away, Some(Uuid::now_v7())).await;
    world.book.fails(Ask::Provision, Fault::Away);
    world.create("bob@example.com", Some(Uuid::now_v7())).await.unwrap_err();
    world.clock.advance(OLD);
    world.book.fails(Ask::Provision, Fault::Answers(Reason::Internal));
    assert_eq!(world.users.sweep().await.unwrap(), 1);
    assert_eq!(world.state(stuck).await, Some(State::Pending));
    assert_eq!(world.users.sweep().await.unwrap(), 1);
    assert_eq!(world.state(stuck).await, Some(State::Active));
}

#[tokio::test]
async fn a_sweep_leaves_the_code_of_a_repeated_call_alone() {
    let request_id = Some(Uuid::now_v7());
    let (world, id) = World::half_made(Stop::Away, request_id).await;
    let (gate, opened) = tokio::sync::oneshot::channel::<()>();
    let slow = async move { opened.await.unwrap() };
    world.book.fails(Ask::Provision, Fault::Then(Box::pin(slow)));
    let mut again = Box::pin(world.create(EMAIL, request_id));
    while world.book.entry(id).is_none() {
        assert!(futures_util::poll!(&mut again).is_pending());
        tokio::task::yield_now().await;
    }
    let mut sweep = Box::pin(world.users.sweep());
    for _ in 0..1000 {
        assert!(futures_util::poll!(&mut sweep).is_pending());
        tokio::task::yield_now().await;
    }
    gate.send(()).unwrap();
    let (again, swept) = tokio::join!(again, sweep);
    swept.unwrap();
    let code = again.unwrap().code.unwrap().code;
    assert_eq!(Some(code.expose().to_owned()), world.book.entry(id).unwrap().code);
    assert_eq!(world.recorded().await, [success("user.create")]);
}

#[tokio::test]
async fn rounds_begin_with_the_process_and_end_with_it() {
    let request_id = Some(Uuid::now_v7());
    let (world, id) = World::half_made(Stop::DiedAfter, request_id).await;
    world.book.heard().await;
    let ctx = testkit::context(Role::User);
    sweeper::start(&ctx, Arc::clone(&world.users));
    world.book.heard().await;
    ctx.shutdown.cancel();
    ctx.tasks.close();
    ctx.tasks.wait().await;
    world.is_finished(id, request_id, "started").await;
}
