//! Starts the real `logicore` program, as one process or as four, each time in a folder of its own, and calls it over HTTP.
//! Everything ends with the value that started it, also when a test panics.

mod http;
mod process;
mod system;

pub use http::{Reply, delete, get, patch, post, request};
pub use process::{Process, free_port};
pub use system::{Layout, System, Tokens};
