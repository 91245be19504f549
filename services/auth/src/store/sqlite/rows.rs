//! Between columns and domain values. A column that cannot be read is corruption, never a caller's fault.

use std::error::Error as StdError;

use chrono::{DateTime, Utc};
use logicore::{
    ids::{SessionId, TenantId, UserId},
    secret::Secret,
};
use sqlx::{FromRow, SqliteConnection, sqlite::SqliteRow};
use uuid::Uuid;

use super::Fault;
use crate::{
    accounts::{Account, Email, State},
    refresh::Retired,
    sessions::Session,
};

/// Microseconds since 1970.
pub(super) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

pub(super) fn time(micros: i64) -> Result<DateTime<Utc>, Fault> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| corrupt("a time out of range"))
}

pub(super) fn corrupt(what: impl Into<Box<dyn StdError + Send + Sync>>) -> Fault {
    sqlx::Error::Decode(what.into()).into()
}

/// What a database cannot hold as unsigned.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(corrupt)
}

pub(super) fn tenant(text: &str) -> Result<TenantId, Fault> {
    text.parse().map_err(corrupt)
}

/// Columns of an account, as every statement that reads one names them.
pub(super) const ACCOUNT: &str = "tenant, id, email, password, version, disabled, create_time";

#[derive(Debug, FromRow)]
pub(super) struct AccountRow {
    pub(super) tenant: String,
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) password: Option<String>,
    pub(super) version: i64,
    pub(super) disabled: bool,
    pub(super) create_time: i64,
}

impl AccountRow {
    /// The account, with its roles still to be read.
    pub(super) fn bare(&self) -> Result<Account, Fault> {
        let state = match (self.disabled, &self.password) {
            (true, _) => State::Disabled,
            (false, None) => State::Invited,
            (false, Some(_)) => State::Active,
        };
        Ok(Account {
            id: UserId(self.id),
            tenant: tenant(&self.tenant)?,
            email: Email::lenient(&self.email),
            roles: Vec::new(),
            state,
            create_time: time(self.create_time)?,
        })
    }

    pub(super) fn password(&self) -> Option<Secret> {
        self.password.as_deref().map(Secret::new)
    }

    /// The account with its roles.
    pub(super) async fn account(&self, conn: &mut SqliteConnection) -> Result<Account, Fault> {
        const ROLES: &str = "SELECT role FROM account_roles WHERE tenant = $1 AND account = $2 ORDER BY role";
        let names: Vec<String> = sqlx::query_scalar(ROLES)
            .bind(&self.tenant)
            .bind(self.id)
            .fetch_all(conn)
            .await?;
        let mut account = self.bare()?;
        for name in names {
            account.roles.push(name.parse().map_err(corrupt)?);
        }
        Ok(account)
    }
}

#[derive(Debug, FromRow)]
pub(super) struct SessionRow {
    pub(super) tenant: String,
    pub(super) id: Uuid,
    pub(super) account: Uuid,
    pub(super) generation: i64,
    pub(super) retired: String,
    pub(super) create_time: i64,
    pub(super) refresh_time: i64,
    pub(super) expire_time: i64,
    pub(super) end_time: i64,
    pub(super) address: Option<String>,
    pub(super) user_agent: Option<String>,
}

impl SessionRow {
    pub(super) fn session(&self) -> Result<Session, Fault> {
        Ok(Session {
            id: SessionId(self.id),
            tenant: tenant(&self.tenant)?,
            account: UserId(self.account),
            create_time: time(self.create_time)?,
            refresh_time: time(self.refresh_time)?,
            expire_time: time(self.expire_time)?,
            end_time: time(self.end_time)?,
            address: self.address.as_deref().map(str::parse).transpose().map_err(corrupt)?,
            user_agent: self.user_agent.clone(),
        })
    }
}

/// Retired generations as JSON: first, last, microseconds of each entry.
pub(super) fn write_retired(retired: &[Retired]) -> String {
    let entries: Vec<(u64, u64, i64)> = retired.iter().map(|r| (r.first, r.last, micros(r.time))).collect();
    serde_json::to_string(&entries).expect("numbers are plain data")
}

pub(super) fn read_retired(text: &str) -> Result<Vec<Retired>, Fault> {
    let entries: Vec<(u64, u64, i64)> = serde_json::from_str(text).map_err(corrupt)?;
    entries
        .into_iter()
        .map(|(first, last, at)| {
            let time = time(at)?;
            Ok(Retired { first, last, time })
        })
        .collect()
}

/// Reads rows of a type out of rows of the database.
pub(super) fn all<T: for<'r> FromRow<'r, SqliteRow>>(rows: &[SqliteRow]) -> Result<Vec<T>, Fault> {
    rows.iter().map(|row| T::from_row(row).map_err(Fault::from)).collect()
}
