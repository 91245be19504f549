//! Sealed keys and secrets.

use chrono::{DateTime, Utc};
use logicore_store::Tx;
use sqlx::{FromRow, SqliteConnection};

use super::{
    Fault, append,
    marks::raise_revision_in_tx,
    rows::{micros, time},
};
use crate::{audit::Entry, store::StoredKey};

pub(super) async fn list(conn: &mut SqliteConnection) -> Result<Vec<StoredKey>, Fault> {
    const LIST: &str = "\
        SELECT kid, algorithm, sealed, active_time, retire_time FROM signing_keys ORDER BY active_time, kid";
    let rows: Vec<KeyRow> = sqlx::query_as(LIST).fetch_all(conn).await?;
    rows.into_iter().map(KeyRow::key).collect()
}

#[derive(Debug, FromRow)]
struct KeyRow {
    kid: String,
    algorithm: String,
    sealed: Vec<u8>,
    active_time: i64,
    retire_time: Option<i64>,
}

impl KeyRow {
    fn key(self) -> Result<StoredKey, Fault> {
        Ok(StoredKey {
            kid: self.kid,
            algorithm: self.algorithm,
            sealed: self.sealed,
            active_time: time(self.active_time)?,
            retire_time: self.retire_time.map(time).transpose()?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, key: &StoredKey, retire: DateTime<Utc>, audit: &Entry) -> Result<(), Fault> {
    const RETIRE: &str = "UPDATE signing_keys SET retire_time = $1 WHERE retire_time IS NULL";
    const INSERT: &str = "\
        INSERT INTO signing_keys (kid, algorithm, sealed, active_time, retire_time) VALUES ($1, $2, $3, $4, $5)";
    raise_revision_in_tx(tx).await?;
    sqlx::query(RETIRE).bind(micros(retire)).execute(tx.conn()).await?;
    sqlx::query(INSERT)
        .bind(&key.kid)
        .bind(&key.algorithm)
        .bind(key.sealed.as_slice())
        .bind(micros(key.active_time))
        .bind(key.retire_time.map(micros))
        .execute(tx.conn())
        .await?;
    append(tx, audit).await
}

pub(super) async fn reseal(
    tx: &mut Tx,
    keys: &[(String, Vec<u8>)],
    secrets: &[(String, Vec<u8>)],
) -> Result<(), Fault> {
    const KEY: &str = "UPDATE signing_keys SET sealed = $2 WHERE kid = $1";
    const SECRET: &str = "UPDATE secrets SET sealed = $2 WHERE name = $1";
    for (sql, rows) in [(KEY, keys), (SECRET, secrets)] {
        for (name, sealed) in rows {
            sqlx::query(sql)
                .bind(name)
                .bind(sealed.as_slice())
                .execute(tx.conn())
                .await?;
        }
    }
    Ok(())
}

pub(super) async fn secret_list(conn: &mut SqliteConnection) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    const LIST: &str = "SELECT name, sealed FROM secrets ORDER BY name";
    Ok(sqlx::query_as(LIST).fetch_all(conn).await?)
}

pub(super) async fn secret_insert(tx: &mut Tx, name: &str, sealed: &[u8]) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    sqlx::query(INSERT).bind(name).bind(sealed).execute(tx.conn()).await?;
    Ok(())
}

pub(super) async fn token_life_raise(tx: &mut Tx, seconds: i64) -> Result<i64, Fault> {
    const RAISE: &str = "UPDATE counters SET value = $1 WHERE name = 'token_life' AND value < $1";
    const READ: &str = "SELECT value FROM counters WHERE name = 'token_life'";
    sqlx::query(RAISE).bind(seconds).execute(tx.conn()).await?;
    Ok(sqlx::query_scalar(READ).fetch_one(tx.conn()).await?)
}
