//! Delivery of the outbox to an audit log that is really served, over the mesh.

use std::{path::Path, sync::Arc, time::Duration};

use logicore::{
    Context, Reason,
    feed::ADMIN,
    settings::Role,
    testkit::{
        self, PATIENCE,
        audit_log::{Log, Mode},
    },
};
use logicore_store::{
    Db, Error,
    outbox::{self, AuditRecord, append_in_tx},
};

use super::{insert, open};

fn context(role: Role) -> Context {
    let mut settings = testkit::settings(role);
    // The log is away on purpose: a breaker that stays open would only make the tests slow.
    settings.resilience.circuit_reset_timeout = Duration::from_millis(50);
    testkit::context_with(settings)
}

/// A process of the user service that reaches the log.
fn beside(log: &Arc<Log>) -> Context {
    let mut user = context(Role::User);
    let address = log.serve(&context(Role::Admin), Vec::new());
    user.neighbours.admin = testkit::upstream(&user, ADMIN, address);
    user
}

async fn store(ctx: &Context, folder: &Path) -> Db {
    open(&folder.join("user.db"), &ctx.metrics).await
}

fn record(name: &str) -> AuditRecord {
    AuditRecord::new(
        "default".parse().expect("a name"),
        "test.change",
        format!("counter/{name}"),
    )
}

/// Changes something for each name, in one transaction.
async fn change(db: &Db, names: Vec<String>) -> Result<(), Error> {
    db.write("change", move |tx| {
        Box::pin(async move {
            for name in &names {
                append_in_tx(tx, &record(name)).await?;
                insert(tx, name).await?;
            }
            Ok(())
        })
    })
    .await
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("{n:03}")).collect()
}

fn targets(range: std::ops::Range<u32>) -> Vec<String> {
    numbers(range).iter().map(|n| format!("counter/{n}")).collect()
}

/// Waits until the outbox is empty, and the gauge says so.
async fn emptied(ctx: &Context, db: &Db) {
    let wait = async {
        while waiting(db).await > 0 || pending(ctx) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("what is delivered is forgotten");
}

async fn waiting(db: &Db) -> i64 {
    let count: Result<i64, Error> = db
        .read("waiting", |c| {
            Box::pin(async move { Ok(sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(c).await?) })
        })
        .await;
    count.expect("the outbox is read")
}

fn pending(ctx: &Context) -> i64 {
    ctx.metrics.outbox_pending.with_label_values(&["user"]).get()
}

#[tokio::test]
async fn what_waits_is_delivered_in_order_in_bounded_runs_and_forgotten() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    change(&db, numbers(0..450)).await.unwrap();
    outbox::dispatch(&ctx, &db, "user");
    log.until(|book| book.events.len() == 450).await;
    assert_eq!(log.targets(), targets(0..450));
    assert_eq!(log.book().runs, [(1, 200), (201, 200), (401, 50)]);
    assert!(log.book().epochs.iter().all(|epoch| **epoch == *db.epoch()));
    emptied(&ctx, &db).await;
}

#[tokio::test]
async fn a_commit_wakes_the_delivery() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    outbox::dispatch(&ctx, &db, "user");
    for n in 0..5 {
        change(&db, numbers(n..n + 1)).await.unwrap();
        log.until(|book| book.events.len() == n as usize + 1).await;
    }
    assert_eq!(log.targets(), targets(0..5));
}

#[tokio::test]
async fn only_what_is_committed_is_delivered() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    outbox::dispatch(&ctx, &db, "user");
    change(&db, numbers(0..1)).await.unwrap();
    let twice = ["001", "000"].map(str::to_owned).to_vec();
    assert!(change(&db, twice).await.unwrap_err().is_unique_violation());
    change(&db, numbers(2..3)).await.unwrap();
    log.until(|book| book.events.len() == 2).await;
    assert_eq!(log.targets(), ["counter/000", "counter/002"]);
    let places: Vec<_> = log.book().events.iter().map(|e| e.sequence).collect();
    assert_eq!(places, [1, 2]);
}

#[tokio::test]
async fn a_record_says_who_did_what_when_and_from_where() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    let actor = logicore::api::mesh::Actor {
        subject: uuid::Uuid::from_u128(7).to_string(),
        session: "s-1".to_owned(),
        request_id: "r-1".to_owned(),
        address: "192.0.2.7".to_owned(),
        ..Default::default()
    };
    let told = record("a")
        .on_behalf_of(&actor)
        .denied(Reason::GrantExceedsOwn)
        .with("count", 3);
    let (before, clock) = (ctx.clock.now(), db.clock().clone());
    let appended: Result<u64, Error> = db
        .write("append", move |tx| {
            Box::pin(async move { append_in_tx(tx, &told).await })
        })
        .await;
    appended.unwrap();
    outbox::dispatch(&ctx, &db, "user");
    log.until(|book| !book.events.is_empty()).await;
    let event = log.book().events.remove(0);
    assert_eq!((event.actor, event.session), (actor.subject, actor.session));
    assert_eq!((event.request_id, event.address), (actor.request_id, actor.address));
    assert_eq!(
        (event.outcome.as_str(), event.reason.as_str()),
        ("denied", "GRANT_EXCEEDS_OWN")
    );
    assert_eq!((event.tenant.as_str(), event.producer.as_str()), ("default", "user"));
    assert!(event.id.parse::<uuid::Uuid>().is_ok());
    let time = event.time.unwrap();
    assert!((before.timestamp()..=clock.now().timestamp()).contains(&time.seconds));
    assert!(event.details.unwrap().fields.contains_key("count"));
}

#[tokio::test]
async fn a_lost_answer_repeats_the_run_and_nothing_is_there_twice() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    log.turns(Mode::Loses);
    change(&db, numbers(0..3)).await.unwrap();
    outbox::dispatch(&ctx, &db, "user");
    log.until(|book| book.runs.len() > 1).await;
    assert_eq!(waiting(&db).await, 3, "kept until admin has answered");
    change(&db, numbers(3..5)).await.unwrap();
    log.turns(Mode::Takes);
    log.until(|book| book.events.len() == 5).await;
    assert_eq!(log.book().runs[..2], [(1, 3), (1, 3)], "the same run again");
    assert_eq!(log.targets(), targets(0..5));
    emptied(&ctx, &db).await;
}

#[tokio::test]
async fn while_admin_is_away_records_wait_and_come_in_order_afterwards() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    log.turns(Mode::Away);
    outbox::dispatch(&ctx, &db, "user");
    for n in 0..4 {
        change(&db, numbers(n..n + 1)).await.unwrap();
        log.until(|book| !book.runs.is_empty()).await;
    }
    assert_eq!(waiting(&db).await, 4);
    let counted = async {
        while pending(&ctx) != 4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("what waits is counted");
    assert!(log.targets().is_empty());
    log.turns(Mode::Takes);
    log.until(|book| book.events.len() == 4).await;
    assert_eq!(log.targets(), targets(0..4));
    emptied(&ctx, &db).await;
}

#[tokio::test]
async fn records_behind_a_gap_are_kept_until_admin_goes_on() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    let ctx = beside(&log);
    let db = store(&ctx, dir.path()).await;
    change(&db, numbers(0..3)).await.unwrap();
    outbox::dispatch(&ctx, &db, "user");
    log.until(|book| book.events.len() == 3).await;
    emptied(&ctx, &db).await;
    // The log was taken back to an older state, and says that it misses something.
    {
        let mut book = log.book();
        book.events.truncate(1);
        (book.next, book.runs) = (2, Vec::new());
    }
    change(&db, numbers(3..5)).await.unwrap();
    log.until(|book| book.runs.len() > 1).await;
    assert_eq!(waiting(&db).await, 2, "nothing is thrown away");
    log.turns(Mode::Jumps);
    log.until(|book| book.next == 6).await;
    assert_eq!(log.targets(), ["counter/000", "counter/003", "counter/004"]);
    emptied(&ctx, &db).await;
}

#[tokio::test]
async fn what_was_not_delivered_is_after_a_restart() {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new());
    log.turns(Mode::Away);
    let first = beside(&log);
    let db = store(&first, dir.path()).await;
    change(&db, numbers(0..2)).await.unwrap();
    outbox::dispatch(&first, &db, "user");
    log.until(|book| !book.runs.is_empty()).await;
    first.shutdown.cancel();
    first.tasks.close();
    tokio::time::timeout(PATIENCE, first.tasks.wait())
        .await
        .expect("the delivery ends with the process");
    let epoch = db.epoch();
    db.close().await;

    let second = beside(&log);
    let db = store(&second, dir.path()).await;
    change(&db, numbers(2..3)).await.unwrap();
    log.turns(Mode::Takes);
    outbox::dispatch(&second, &db, "user");
    log.until(|book| book.events.len() == 3).await;
    assert_eq!(log.targets(), targets(0..3));
    assert_eq!(db.epoch(), epoch);
    emptied(&second, &db).await;
}
