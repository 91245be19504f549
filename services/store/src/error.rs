//! What can go wrong with a store. A variant exists where some caller acts differently: everything else is `Internal`.

use std::{
    error::Error as StdError,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use logicore::Reason;

/// A cause that all jobs of a failed batch share.
pub(crate) type Cause = Arc<dyn StdError + Send + Sync>;

/// What went wrong with a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Busy, full, or not to be reached: the same call may succeed later.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// A row with that key is there already. `constraint` names the columns as `table.column, table.column`.
    #[error("already there: {constraint}")]
    Unique {
        /// What the database says was violated.
        constraint: String,
    },
    /// What is stored cannot be read back.
    #[error("stored data cannot be read back")]
    Corrupt(#[source] Cause),
    /// The file was written by a newer program.
    #[error(
        "{} was written by a newer version of logicore (it has schema {found}, this program knows up to {known}): start that version, or restore a backup", path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Newest migration in the file.
        found: i64,
        /// Newest migration that this program has.
        known: i64,
    },
    /// Another process has the file open.
    #[error("{} is in use by another process: one process owns a data folder", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be made or opened.
    #[error("{} cannot be opened: {cause}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: Cause,
    },
    /// A defect: a wrong statement, a job that panicked.
    #[error("a defect in the store")]
    Internal(#[source] Cause),
}

impl Error {
    /// Whether a row with that key was there already.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Unique { .. })
    }

    /// What is stored cannot be read back, and this is why.
    pub fn corrupt(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Corrupt(Arc::from(cause.into()))
    }

    /// The same as why this file cannot be opened, so that whoever starts the process learns which one.
    pub(crate) fn opening(self, path: &Path) -> Self {
        match self {
            Self::Unavailable(cause) | Self::Corrupt(cause) | Self::Internal(cause) => Self::Open {
                path: path.to_owned(),
                cause,
            },
            other => other,
        }
    }

    pub(crate) fn defect(what: &'static str) -> Self {
        Self::Internal(Arc::from(Box::<dyn StdError + Send + Sync>::from(what)))
    }

    pub(crate) fn closed() -> Self {
        Self::Unavailable(Arc::from(Box::<dyn StdError + Send + Sync>::from(
            "the store is closed",
        )))
    }
}

/// Primary result codes of SQLite (<https://sqlite.org/rescode.html>); extended ones carry theirs in the low byte.
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const NOMEM: u32 = 7;
    pub(super) const READONLY: u32 = 8;
    pub(super) const INTERRUPT: u32 = 9;
    pub(super) const IOERR: u32 = 10;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CANTOPEN: u32 = 14;
    pub(super) const NOTADB: u32 = 26;
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) if db.is_unique_violation() => Self::Unique {
                constraint: constraint(db.message()),
            },
            sqlx::Error::Database(db) => match primary_code(db.code().as_deref()) {
                code::BUSY
                | code::LOCKED
                | code::NOMEM
                | code::READONLY
                | code::INTERRUPT
                | code::IOERR
                | code::FULL
                | code::CANTOPEN => Self::Unavailable(Arc::new(error)),
                code::CORRUPT | code::NOTADB => Self::Corrupt(Arc::new(error)),
                _ => Self::Internal(Arc::new(error)),
            },
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_) => Self::Unavailable(Arc::new(error)),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(Arc::new(error)),
            _ => Self::Internal(Arc::new(error)),
        }
    }
}

fn primary_code(code: Option<&str>) -> u32 {
    code.and_then(|c| c.parse::<u32>().ok()).unwrap_or_default() & 0xff
}

fn constraint(message: &str) -> String {
    message
        .rsplit_once("constraint failed: ")
        .map_or(message, |(_, what)| what)
        .to_owned()
}

impl From<Error> for logicore::Error {
    fn from(error: Error) -> Self {
        let reason = match &error {
            Error::Unavailable(_) => {
                return Self::new(Reason::StoreUnavailable, "the store is not available; try again")
                    .retry_after(Duration::from_secs(1))
                    .because(error);
            }
            Error::Unique { .. } => {
                return Self::new(Reason::ResourceExists, "something with that name is there already").because(error);
            }
            Error::Corrupt(_) => {
                return Self::new(Reason::DataCorrupt, "stored data cannot be read back").because(error);
            }
            Error::NewerSchema { .. } | Error::InUse { .. } | Error::Open { .. } => Reason::StoreUnavailable,
            Error::Internal(_) => return Self::internal(error),
        };
        // These are met at start only, where whoever reads them owns the machine.
        Self::new(reason, error.to_string()).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_fall_back_to_their_primary_one() {
        assert_eq!(primary_code(Some("5")), code::BUSY);
        assert_eq!(primary_code(Some("517")), code::BUSY);
        assert_eq!(primary_code(Some("2570")), code::IOERR);
        assert_eq!(primary_code(None), 0);
    }

    #[test]
    fn a_constraint_is_named_by_its_columns() {
        let message = "UNIQUE constraint failed: account.tenant, account.email";
        assert_eq!(constraint(message), "account.tenant, account.email");
    }

    #[test]
    fn what_passes_by_itself_is_unavailable_to_callers() {
        let error = logicore::Error::from(Error::from(sqlx::Error::PoolTimedOut));
        assert_eq!(error.reason(), Reason::StoreUnavailable);
    }
}
