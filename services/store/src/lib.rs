//! What the stores of LogiCore's services share.
//!
//! | module | owns |
//! |---|---|
//! | [`Db`] | one SQLite file: readers, the single writer with its group commit, migrations, epoch |
//! | [`Tx`] | what a write job sees of its transaction |
//! | [`outbox`] | audit records written with the change they tell of, and their delivery |
//! | [`page`] | page sizes and page tokens |
//! | [`filter`] | the filter language of list methods |
//! | [`Error`] | what can go wrong, closed |
//!
//! SQLite stands here with its own types instead of behind `sqlx::Any`, which cannot carry UUIDs and times to PostgreSQL: a
//! second database becomes a second implementation of each service's store trait, over the same SQL texts.

mod db;
mod error;
pub mod filter;
pub mod outbox;
pub mod page;
mod tx;
mod writer;

use std::pin::Pin;

pub use db::Db;
pub use error::Error;
pub use tx::Tx;

/// What jobs return: `Box::pin(async move { ... })`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
