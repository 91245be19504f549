//! Snapshots on disk: whole or not at all, for their owner alone, never old ones.

use std::{fs, path::Path};

use super::*;
use crate::{
    clock::Clock,
    feed::{
        disk::{Saved, load, path, save},
        resources::PART,
    },
};

const NOW: i64 = 1_800_000_000;

fn saved(heard: i64) -> Saved {
    let user = UserId::generate();
    Saved {
        heard,
        snapshot: update(7, vec![revoked(user, 5, 100), tenant("a", true)]).into(),
    }
}

#[test]
fn what_is_saved_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path(), "gateway", "auth");
    let (first, second) = (saved(-5), saved(i64::MAX));
    save(&path, &first).unwrap();
    assert_eq!(load(&path), Some(first));
    save(&path, &second).unwrap();
    assert_eq!(load(&path), Some(second));
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["access-gateway-auth.snapshot"], "nothing is left beside it");
}

#[test]
fn more_than_one_part_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path(), "gateway", "auth");
    let many = (0..PART + 1).map(|_| revoked(UserId::generate(), 5, 100));
    let saved = Saved {
        heard: NOW,
        snapshot: update(7, many.chain([tenant("a", true)]).collect()).into(),
    };
    save(&path, &saved).unwrap();
    assert_eq!(load(&path), Some(saved));
}

#[test]
fn a_file_of_another_version_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path(), "gateway", "auth");
    save(&path, &saved(NOW)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[8], 2);
    for version in [1, 3] {
        bytes[8] = version;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(load(&path), None);
    }
}

#[test]
fn a_damaged_file_counts_as_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path(), "gateway", "auth");
    assert_eq!(load(&path), None, "not there");
    save(&path, &saved(NOW)).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
    damaged.push([&whole[..], b"x"].concat());
    damaged.extend((0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    }));
    for bytes in damaged {
        fs::write(&path, &bytes).unwrap();
        assert_eq!(load(&path), None, "{bytes:?}");
    }
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    assert!(save(&dir.path().join("missing").join("x.snapshot"), &saved(NOW)).is_err());
    // What stands at its name cannot be replaced by a file.
    let taken = path(dir.path(), "gateway", "auth");
    fs::create_dir(&taken).unwrap();
    assert!(save(&taken, &saved(NOW)).is_err());
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing half written is left"
    );
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = path(dir.path(), "gateway", "auth");
    save(&path, &saved(NOW)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A view of a process that starts at [`NOW`] on this folder, with no producer to be found.
fn started(dir: &Path) -> (Context, Arc<AccessView>) {
    let mut ctx = context(Role::Gateway);
    ctx.clock = Clock::manual(DateTime::from_timestamp(NOW, 0).unwrap());
    ctx.access = AccessView::new(Some(dir.to_owned()));
    ctx.access.watch(&ctx);
    (ctx.clone(), ctx.access.clone())
}

fn leave(dir: &Path, role: &str, age: Duration, update: pb::Update) {
    let heard = NOW * 1000 - i64::try_from(age.as_millis()).unwrap();
    for producer in [AUTH, ADMIN] {
        let snapshot = update.clone().into();
        save(&path(dir, role, producer), &Saved { heard, snapshot }).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_starts_from_a_young_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let user = UserId::generate();
    let resources = vec![key("k1"), revoked(user, 5, NOW + 900)];
    leave(dir.path(), "gateway", Duration::from_secs(899), update(7, resources));
    let (_ctx, view) = started(dir.path());
    assert!(view.ready());
    assert!(view.key("k1").is_some());
    assert_eq!(standing(&view, &principal(user, 4)), Some(Reason::AuthTokenRevoked));
    let ages = view.ages().map(|(_, age)| age.unwrap());
    assert_eq!(
        ages,
        [Duration::from_secs(899); 2],
        "its age counts from when it was heard"
    );
    assert_eq!(
        view.revision(Source::Auth),
        Some(revision(EPOCH, 7)),
        "a delta may continue it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_as_old_as_a_token_may_get_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    leave(
        dir.path(),
        "gateway",
        Duration::from_secs(900),
        update(7, vec![key("k1")]),
    );
    let (_ctx, view) = started(dir.path());
    assert!(!view.auth_known() && !view.admin_known());
    assert_eq!(view.ages().map(|(_, age)| age), [None; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_from_the_future_or_of_another_role_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path(), "user", Duration::ZERO, update(7, vec![key("k1")]));
    let future = Saved {
        heard: NOW * 1000 + 1,
        snapshot: update(7, vec![key("k1")]).into(),
    };
    save(&path(dir.path(), "gateway", AUTH), &future).unwrap();
    let (_ctx, view) = started(dir.path());
    assert!(!view.auth_known() && !view.admin_known());
}

#[tokio::test(start_paused = true)]
async fn an_old_snapshot_does_not_become_young_by_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    leave(
        dir.path(),
        "gateway",
        Duration::from_secs(600),
        update(7, vec![key("k1")]),
    );
    let before = load(&path(dir.path(), "gateway", AUTH));
    let (ctx, view) = started(dir.path());
    assert!(view.auth_known());
    tokio::time::sleep(Duration::from_secs(120)).await;
    ctx.shutdown.cancel();
    ctx.tasks.close();
    ctx.tasks.wait().await;
    assert_eq!(load(&path(dir.path(), "gateway", AUTH)), before);
}
