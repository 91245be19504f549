//! What a watcher is told next.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::feed::{
    history::{History, Next},
    replica::Replica,
};

fn history() -> History {
    History::new(EPOCH.to_owned(), 7, vec![tenant("a", false), tenant("b", false)])
}

fn delta(next: Next) -> pb::Update {
    match next {
        Next::Delta(update) => update,
        other => panic!("a delta, not {other:?}"),
    }
}

fn snapshot(next: Next) -> Snapshot {
    match next {
        Next::Snapshot(snapshot) => snapshot,
        other => panic!("a snapshot, not {other:?}"),
    }
}

#[test]
fn whoever_knows_nothing_comparable_gets_everything() {
    let history = history();
    let unknown = [
        None,
        Some(revision("epoch-0", 7)),
        Some(revision("", 7)),
        // Ahead of the producer: its store was restored to an earlier state.
        Some(revision(EPOCH, 8)),
        // Before the log begins.
        Some(revision(EPOCH, 6)),
    ];
    for have in unknown {
        let all = snapshot(history.next(have.as_ref()));
        let expected = update(7, vec![tenant("a", false), tenant("b", false)]);
        assert_eq!(all, expected.into(), "{have:?}");
    }
}

#[test]
fn whoever_is_up_to_date_gets_nothing() {
    let mut history = history();
    assert!(matches!(history.next(Some(&revision(EPOCH, 7))), Next::Nothing));
    history.publish(8, vec![tenant("a", true)], Vec::new());
    assert!(matches!(history.next(Some(&history.head())), Next::Nothing));
}

#[test]
fn a_delta_says_the_last_word_on_each_key() {
    let mut history = history();
    history.publish(8, vec![tenant("a", true), tenant("c", false)], Vec::new());
    history.publish(9, vec![tenant("a", false)], vec!["tenant/b".to_owned()]);
    history.publish(10, vec![tenant("b", true)], vec!["tenant/c".to_owned()]);
    history.publish(12, Vec::new(), vec!["tenant/a".to_owned()]);
    let all = delta(history.next(Some(&revision(EPOCH, 7))));
    assert_eq!(
        all,
        pb::Update {
            revision: Some(revision(EPOCH, 12)),
            upserts: vec![tenant("b", true)],
            removed: vec!["tenant/a".to_owned(), "tenant/c".to_owned()],
            more: false,
        }
    );
    let last = delta(history.next(Some(&revision(EPOCH, 10))));
    assert_eq!(last, removal(12, &["tenant/a"]));
}

#[test]
fn a_key_that_is_removed_and_put_in_one_change_is_there() {
    let mut history = history();
    history.publish(8, vec![tenant("a", true)], vec!["tenant/a".to_owned()]);
    let told = delta(history.next(Some(&revision(EPOCH, 7))));
    assert_eq!(told, update(8, vec![tenant("a", true)]));
    assert!(history.resources().whole().any(|r| *r == tenant("a", true)));
}

#[test]
fn a_point_that_never_was_gets_everything() {
    let mut history = history();
    history.publish(9, vec![tenant("a", true)], Vec::new());
    history.publish(12, vec![tenant("a", false)], Vec::new());
    snapshot(history.next(Some(&revision(EPOCH, 10))));
}

#[test]
fn whoever_fell_behind_the_log_gets_everything() {
    let mut history = history();
    for number in 8..8 + 4000 {
        history.publish(number, vec![tenant("a", number % 2 == 0)], Vec::new());
    }
    let behind = snapshot(history.next(Some(&revision(EPOCH, 8))));
    assert_eq!(behind.resources.iter().count(), 2);
    let close = delta(history.next(Some(&revision(EPOCH, 4000))));
    assert_eq!((close.revision, close.upserts.len()), (Some(history.head()), 1));
}

#[test]
fn one_change_larger_than_the_log_is_told_as_a_snapshot() {
    let mut history = history();
    let many = (0..5000).map(|n| tenant(&format!("t{n}"), false)).collect();
    history.publish(8, many, Vec::new());
    let all = snapshot(history.next(Some(&revision(EPOCH, 7))));
    assert_eq!(all.resources.iter().count(), 5002);
    assert!(matches!(history.next(Some(&revision(EPOCH, 8))), Next::Nothing));
}

#[test]
fn a_revision_that_does_not_grow_goes_out_under_the_next_number() {
    let mut history = history();
    assert_eq!(history.publish(7, vec![tenant("a", true)], Vec::new()), 8);
    assert_eq!(history.publish(3, vec![tenant("b", true)], Vec::new()), 9);
    let told = delta(history.next(Some(&revision(EPOCH, 7))));
    assert_eq!(told, update(9, vec![tenant("a", true), tenant("b", true)]));
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<(u8, bool)>, Vec<u8>),
    Follow,
    Forget,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..6_u8;
    let publish = (
        proptest::collection::vec((key.clone(), any::<bool>()), 0..4),
        proptest::collection::vec(key, 0..3),
    );
    let step = prop_oneof![
        4 => publish.prop_map(|(put, removed)| Step::Publish(put, removed)),
        2 => Just(Step::Follow),
        1 => Just(Step::Forget),
    ];
    proptest::collection::vec(step, 0..40)
}

fn follow(history: &History, replica: &mut Replica) {
    match history.next(replica.revision()) {
        Next::Nothing => {}
        Next::Delta(update) => drop(replica.delta(update).expect("it continues what is held")),
        Next::Snapshot(snapshot) => drop(replica.snapshot(snapshot.into())),
    }
}

/// Resources of all forms: kept as they came, and by id.
fn fact(number: u8, on: bool) -> pb::Resource {
    match number % 2 {
        0 => tenant(&format!("t{number}"), on),
        _ => revoked(UserId(Uuid::from_u128(number.into())), 1 + u64::from(on), 100),
    }
}

proptest! {
    #[test]
    fn a_watcher_that_follows_at_its_own_pace_holds_what_the_producer_holds(steps in steps()) {
        let (mut history, mut replica) = (history(), Replica::default());
        for step in steps {
            match step {
                Step::Publish(put, removed) => {
                    let put = put.into_iter().map(|(n, on)| fact(n, on)).collect();
                    let removed = removed.into_iter().map(|n| fact(n, true).key).collect();
                    history.publish(history.head().number + 1, put, removed);
                }
                Step::Follow => follow(&history, &mut replica),
                Step::Forget => replica.forget_revision(),
            }
        }
        follow(&history, &mut replica);
        prop_assert_eq!(sorted(replica.resources()), sorted(history.resources()));
        prop_assert_eq!(replica.revision(), Some(&history.head()));
    }
}
