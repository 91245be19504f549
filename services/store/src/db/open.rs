//! How a store comes up: folder, lock, file, schema, epoch, writer, readers, in this order.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use logicore::{clock::Clock, telemetry::Metrics};
use sqlx::{
    ConnectOptions, SqliteConnection,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::{Db, Inner};
use crate::{
    Error, Tx,
    error::Cause,
    writer::{self, Gauges},
};

/// Readers at once. Each is a thread and a page cache; reads take microseconds, so few suffice.
const READERS: u32 = 4;
/// Page cache of a connection, in KiB (negative: KiB, not pages). The system's page cache stands behind it.
const CACHE: &str = "-1024";
/// The log is cut back to this after a checkpoint that it had outgrown.
const LOG_BYTES: &str = "8388608";
/// How long a statement waits for another process's lock (a backup, a look with the `sqlite3` tool).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a read waits for a reader.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A reader unused for this long gives its thread and cache back.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an owner that is just leaving is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
const LOCK_POLL: Duration = Duration::from_millis(20);

pub(super) async fn open(path: &Path, migrator: &Migrator, clock: &Clock, metrics: &Arc<Metrics>) -> Result<Db, Error> {
    let lock = make_files(path).await?;
    let (conn, epoch) = make_ready(path, migrator).await.map_err(|e| e.opening(path))?;
    let service: Arc<str> = path.file_stem().map_or("store".into(), |s| s.to_string_lossy().into());
    let outbox = Arc::new(Notify::new());
    let tx = Tx {
        conn,
        hooks: Vec::new(),
        clock: clock.clone(),
        outbox: Arc::clone(&outbox),
    };
    let gauges = Gauges {
        duration: metrics.commit_duration.with_label_values(&[&*service]),
        jobs: metrics.commit_jobs.with_label_values(&[&*service]),
    };
    let (writer, queue) = mpsc::channel(writer::QUEUE);
    tokio::spawn(async move {
        writer::run(tx, queue, gauges).await;
        drop(lock);
    });
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(0)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options(path).read_only(true));
    Ok(Db(Arc::new(Inner {
        service,
        epoch,
        readers,
        writer,
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        outbox,
    })))
}

/// The writer's connection to a file whose schema is up to date, and the file's epoch.
async fn make_ready(path: &Path, migrator: &Migrator) -> Result<(SqliteConnection, Arc<str>), Error> {
    let mut conn = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_BYTES)
        .connect()
        .await?;
    migrate(&mut conn, path, migrator).await?;
    let epoch = epoch(&mut conn).await?;
    Ok((conn, epoch))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(64)
        .pragma("cache_size", CACHE)
        .pragma("mmap_size", "0")
        .thread_name(|id| format!("store-{id}"))
        .disable_statement_logging()
}

/// Makes folder and file with modes that keep others out, and takes the lock that goes when this process does.
async fn make_files(path: &Path) -> Result<File, Error> {
    let open = |path: &Path, cause: std::io::Error| Error::Open {
        path: path.to_owned(),
        cause: Arc::new(cause),
    };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.exists()) {
        make_folder(folder).map_err(|e| open(folder, e))?;
    }
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let lock = private_file(&lock_path).map_err(|e| open(&lock_path, e))?;
    take_lock(&lock, path).await?;
    // The log and its index get the file's mode from SQLite.
    private_file(path).map_err(|e| open(path, e))?;
    Ok(lock)
}

async fn take_lock(lock: &File, path: &Path) -> Result<(), Error> {
    let until = tokio::time::Instant::now() + LOCK_TIMEOUT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(LOCK_POLL).await;
            }
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { path: path.to_owned() }),
            // A file system without locks: SQLite's own would fail there too, so this is not the place to refuse.
            Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

async fn migrate(conn: &mut SqliteConnection, path: &Path, migrator: &Migrator) -> Result<(), Error> {
    let mut shared = sqlx::migrate!("./migrations");
    shared.dangerous_set_table_name("_store_migrations");
    for migrator in [&shared, migrator] {
        migrator
            .run_direct(None, conn, false)
            .await
            .map_err(|error| migrate_error(error, path, migrator))?;
    }
    Ok(())
}

fn migrate_error(error: MigrateError, path: &Path, migrator: &Migrator) -> Error {
    match error {
        MigrateError::VersionMissing(found) => Error::NewerSchema {
            path: path.to_owned(),
            found,
            known: migrator.iter().map(|m| m.version).max().unwrap_or_default(),
        },
        MigrateError::Execute(error) => error.into(),
        error => {
            let cause: Cause = Arc::new(error);
            Error::Open {
                path: path.to_owned(),
                cause,
            }
        }
    }
}

/// Reads the epoch, which the first start makes.
async fn epoch(conn: &mut SqliteConnection) -> Result<Arc<str>, Error> {
    const MAKE: &str = "INSERT INTO meta (name, value) VALUES ('epoch', $1) ON CONFLICT (name) DO NOTHING";
    const READ: &str = "SELECT value FROM meta WHERE name = 'epoch'";
    sqlx::query(MAKE)
        .bind(Uuid::new_v4().simple().to_string())
        .execute(&mut *conn)
        .await?;
    let epoch: String = sqlx::query_scalar(READ).fetch_one(conn).await?;
    Ok(epoch.into())
}
