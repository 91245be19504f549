//! Group commit.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use logicore::telemetry::Metrics;
use logicore_store::{Db, Error, Tx};

use super::{insert, names, open};

/// Commits and jobs so far.
fn commits(metrics: &Metrics) -> (u64, f64) {
    let histogram = metrics.commit_jobs.with_label_values(&["test"]);
    (histogram.get_sample_count(), histogram.get_sample_sum())
}

async fn insert_named(db: &Db, name: String) -> Result<(), Error> {
    db.write("insert", move |tx| Box::pin(async move { insert(tx, &name).await }))
        .await
}

#[tokio::test]
async fn jobs_that_come_together_share_commits() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let db = open(&dir.path().join("test.db"), &metrics).await;
    let all = join_all((0..200).map(|i| insert_named(&db, format!("n{i:03}")))).await;
    assert!(all.iter().all(Result::is_ok));
    let (commits, jobs) = commits(&metrics);
    assert_eq!(jobs, 200.0);
    assert!(commits <= 50, "200 jobs took {commits} commits");
    assert_eq!(names(&db).await.len(), 200);
}

#[tokio::test]
async fn a_failing_job_does_not_touch_its_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let hooks = Arc::new(Mutex::new(Vec::new()));
    let job = |name: &'static str, twice: bool| {
        let hooks = Arc::clone(&hooks);
        db.write("insert", move |tx: &mut Tx| {
            Box::pin(async move {
                tx.on_commit(move || hooks.lock().unwrap().push(name));
                insert(tx, name).await?;
                if twice {
                    insert(tx, name).await?;
                }
                Ok::<_, Error>(())
            })
        })
    };
    let (a, b, c) = tokio::join!(job("a", false), job("b", true), job("c", false));
    assert!(a.is_ok() && c.is_ok());
    assert!(b.unwrap_err().is_unique_violation());
    assert_eq!(names(&db).await, ["a", "c"]);
    assert_eq!(*hooks.lock().unwrap(), ["a", "c"]);
}

#[tokio::test]
async fn a_panicking_job_is_rolled_back_and_the_writer_lives() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let panics = db.write("panics", |tx| {
        Box::pin(async move {
            insert(tx, "a").await?;
            assert!(tx.now().timestamp() < 0, "this panics");
            Ok::<_, Error>(())
        })
    });
    assert!(matches!(panics.await, Err(Error::Internal(_))));
    insert_named(&db, "b".into()).await.unwrap();
    assert_eq!(names(&db).await, ["b"]);
}

#[tokio::test]
async fn hooks_run_in_commit_order_before_the_answers() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let jobs = (0..100).map(|_| {
        let (order, db) = (Arc::clone(&order), db.clone());
        tokio::spawn(async move {
            let hooked = Arc::clone(&order);
            let mine = db
                .write("count", move |tx| {
                    Box::pin(async move {
                        let value = next_in_tx(tx).await?;
                        tx.on_commit(move || hooked.lock().unwrap().push(value));
                        Ok::<_, Error>(value)
                    })
                })
                .await
                .unwrap();
            assert!(order.lock().unwrap().contains(&mine), "answered before its hook ran");
        })
    });
    for job in jobs.collect::<Vec<_>>() {
        job.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (1..=100).collect::<Vec<i64>>());
}

/// Read, then write: what two interleaved transactions would lose.
async fn next_in_tx(tx: &mut Tx) -> Result<i64, Error> {
    const READ: &str = "SELECT COALESCE(MAX(value), 0) FROM counter WHERE name = 'n'";
    const WRITE: &str =
        "INSERT INTO counter (name, value) VALUES ('n', $1) ON CONFLICT (name) DO UPDATE SET value = $1";
    let old: i64 = sqlx::query_scalar(READ).fetch_one(tx.conn()).await?;
    sqlx::query(WRITE).bind(old + 1).execute(tx.conn()).await?;
    Ok(old + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_modify_write_jobs_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let tasks = (0..4).map(|_| {
        let db = db.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                db.write("count", |tx| Box::pin(next_in_tx(tx))).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let last = db.write("count", |tx| Box::pin(next_in_tx(tx))).await.unwrap();
    assert_eq!(last, 401);
}

#[tokio::test]
async fn a_caller_who_left_before_the_start_is_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    {
        // Polled once, so that the job is queued; then dropped before the writer has had a turn.
        let mut write = Box::pin(insert_named(&db, "gone".into()));
        assert!(futures_util::poll!(&mut write).is_pending());
    }
    insert_named(&db, "here".into()).await.unwrap();
    assert_eq!(names(&db).await, ["here"]);
}

#[tokio::test]
async fn a_full_disk_fails_the_job_as_unavailable_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let limit = |pages: u32| async move { format!("PRAGMA max_page_count = {pages}") };
    let pragma = |sql: String| {
        db.write("limit", move |tx| {
            Box::pin(async move {
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(tx.conn()).await?;
                Ok::<_, Error>(())
            })
        })
    };
    pragma(limit(1).await).await.unwrap();
    let long = "x".repeat(100_000);
    let full = insert_named(&db, long.clone()).await;
    assert!(matches!(full, Err(Error::Unavailable(_))), "{full:?}");
    pragma(limit(1_000_000).await).await.unwrap();
    insert_named(&db, long).await.unwrap();
    assert_eq!(names(&db).await.len(), 1);
}

#[tokio::test]
async fn jobs_of_a_transaction_that_breaks_fail_together_and_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let hooks = Arc::new(Mutex::new(Vec::new()));
    let job = |name: String, pages: Option<&'static str>| {
        let hooks = Arc::clone(&hooks);
        db.write("insert", move |tx: &mut Tx| {
            Box::pin(async move {
                if let Some(pragma) = pages {
                    sqlx::query(pragma).execute(tx.conn()).await?;
                }
                insert(tx, &name).await?;
                tx.on_commit(move || hooks.lock().unwrap().push(name.len()));
                Ok::<_, Error>(())
            })
        })
    };
    // A full disk makes SQLite take the whole transaction back, the neighbour's part too.
    let (small, large) = tokio::join!(
        job("small".into(), None),
        job("x".repeat(100_000), Some("PRAGMA max_page_count = 1"))
    );
    for failed in [small, large] {
        assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
    }
    assert!(names(&db).await.is_empty() && hooks.lock().unwrap().is_empty());
    job("small".into(), Some("PRAGMA max_page_count = 1000000"))
        .await
        .unwrap();
    assert_eq!(
        (names(&db).await, hooks.lock().unwrap().clone()),
        (vec!["small".to_owned()], vec![5])
    );
}

#[tokio::test]
async fn a_caller_who_leaves_later_does_not_stop_its_job() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let (started, starts) = tokio::sync::oneshot::channel();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let write = db.write("insert", move |tx| {
        Box::pin(async move {
            let _ = started.send(());
            let _ = released.await;
            insert(tx, "stays").await
        })
    });
    tokio::select! {
        _ = write => panic!("it waits"),
        started = starts => started.unwrap(),
    }
    release.send(()).unwrap();
    insert_named(&db, "next".into()).await.unwrap();
    assert_eq!(names(&db).await, ["next", "stays"]);
}

#[tokio::test]
async fn a_hook_that_panics_stops_neither_answers_nor_other_hooks() {
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let called = Arc::new(Mutex::new(false));
    let hooked = Arc::clone(&called);
    let write = db.write("insert", move |tx| {
        Box::pin(async move {
            tx.on_commit(|| panic!("as a test wants it"));
            tx.on_commit(move || *hooked.lock().unwrap() = true);
            insert(tx, "a").await
        })
    });
    write.await.unwrap();
    assert!(*called.lock().unwrap());
    insert_named(&db, "b".into()).await.unwrap();
    assert_eq!(names(&db).await, ["a", "b"]);
}

#[tokio::test]
async fn a_snapshot_sees_one_commit() {
    const COUNT: &str = "SELECT count(*) FROM counter";
    let dir = tempfile::tempdir().unwrap();
    let db = open(&dir.path().join("test.db"), &Metrics::new()).await;
    let writing = db.clone();
    let counts: Result<(i64, i64), Error> = db
        .snapshot("count", move |c| {
            Box::pin(async move {
                let before = sqlx::query_scalar(COUNT).fetch_one(&mut *c).await?;
                insert_named(&writing, "meanwhile".into()).await?;
                Ok((before, sqlx::query_scalar(COUNT).fetch_one(&mut *c).await?))
            })
        })
        .await;
    assert_eq!(counts.unwrap(), (0, 0));
    assert_eq!(names(&db).await, ["meanwhile"]);
}
