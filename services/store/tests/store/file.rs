//! The file: modes, schema, epoch, lock, crash.

use logicore::{clock::Clock, telemetry::Metrics};
use logicore_store::{Db, Error};

use super::{insert, migrator, names, open};

#[cfg(unix)]
#[tokio::test]
async fn others_cannot_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    let db = open(&folder.join("test.db"), &Metrics::new()).await;
    db.write("insert", |tx| Box::pin(insert(tx, "a"))).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(files.len() >= 3, "file, log and index: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn an_older_program_refuses_a_newer_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let (clock, metrics) = (Clock::system(), Metrics::new());
    Db::open(&path, &migrator(2), &clock, &metrics)
        .await
        .unwrap()
        .close()
        .await;
    let error = Db::open(&path, &migrator(1), &clock, &metrics).await.unwrap_err();
    assert!(
        matches!(error, Error::NewerSchema { found: 2, known: 1, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("newer version of logicore"));
    Db::open(&path, &migrator(2), &clock, &metrics).await.unwrap();
}

#[tokio::test]
async fn the_epoch_stays_with_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let first = open(&dir.path().join("test.db"), &metrics).await;
    let epoch = first.epoch();
    first.close().await;
    let again = open(&dir.path().join("test.db"), &metrics).await;
    let other = open(&dir.path().join("other.db"), &metrics).await;
    assert_eq!(again.epoch(), epoch);
    assert_ne!(other.epoch(), epoch);
}

#[tokio::test]
async fn a_second_owner_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let metrics = Metrics::new();
    let _first = open(&path, &metrics).await;
    let second = Db::open(&path, &migrator(1), &Clock::system(), &metrics).await;
    assert!(matches!(second, Err(Error::InUse { .. })));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    db.close().await;
    let write = db.write("insert", |tx| Box::pin(insert(tx, "a"))).await;
    assert!(matches!(write, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn reads_of_a_closed_store_are_refused_too() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    db.close().await;
    let read: Result<(), Error> = db.read("nothing", |_| Box::pin(async { Ok(()) })).await;
    let snapshot: Result<(), Error> = db.snapshot("nothing", |_| Box::pin(async { Ok(()) })).await;
    for answer in [read, snapshot] {
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    db.close().await;
}

#[tokio::test]
async fn a_close_finishes_what_is_queued_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let db = open(&path, &Metrics::new()).await;
    let write = |n: u32| {
        db.write("insert", move |tx| {
            Box::pin(async move { insert(tx, &format!("n{n:02}")).await })
        })
    };
    let mut writes: Vec<_> = (0..50).map(|n| Box::pin(write(n))).collect();
    for write in &mut writes {
        assert!(futures_util::poll!(write).is_pending(), "it is queued now");
    }
    db.close().await;
    for write in writes {
        write.await.unwrap();
    }
    let again = open(&path, &Metrics::new()).await;
    assert_eq!(names(&again).await.len(), 50);
}

#[tokio::test]
async fn a_store_whose_handles_are_gone_can_be_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    for name in ["a", "b"] {
        let db = open(&path, &Metrics::new()).await;
        db.write("insert", move |tx| Box::pin(insert(tx, name))).await.unwrap();
    }
    assert_eq!(names(&open(&path, &Metrics::new()).await).await, ["a", "b"]);
}

#[tokio::test]
async fn what_is_no_store_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let text = "a letter, not a database. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let (clock, metrics) = (Clock::system(), Metrics::new());
    let error = Db::open(&path, &migrator(1), &clock, &metrics).await.unwrap_err();
    let error = logicore::Error::from(error);
    assert!(
        error.message().contains("test.db"),
        "whoever starts it must learn which file: {error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let below = path.join("folder").join("test.db");
    let error = Db::open(&below, &migrator(1), &clock, &metrics).await.unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("test.db"), "{error}");
}

#[test]
fn acknowledged_writes_survive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let crashing = runtime();
    crashing.block_on(async {
        let db = open(&path, &Metrics::new()).await;
        for name in ["a", "b", "c"] {
            db.write("insert", move |tx| Box::pin(insert(tx, name))).await.unwrap();
        }
        // What a crash leaves: the files as they are now, with nothing folded in and nobody to close them.
        for file in ["test.db", "test.db-wal"] {
            std::fs::copy(dir.path().join(file), dir.path().join(file.replace("test", "crashed"))).unwrap();
        }
    });
    crashing.shutdown_background();
    runtime().block_on(async {
        let crashed = open(&dir.path().join("crashed.db"), &Metrics::new()).await;
        assert_eq!(names(&crashed).await, ["a", "b", "c"]);
        let dropped = open(&path, &Metrics::new()).await;
        assert_eq!(names(&dropped).await, ["a", "b", "c"]);
    });
}
