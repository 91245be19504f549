//! Starts the real `logicore` program, as one process or as four, each time in a folder of its own, and calls it over HTTP and gRPC.
//! Everything ends with the value that started it, also when a test panics.
//!
//! | module | owns |
//! |---|---|
//! | `system` | the whole system: its parts, settings and ports, and its people |
//! | `process` | one running program, its log and its end |
//! | `command` | a program that runs to its end |
//! | `http`, `grpc`, `raw` | callers: one connection for each call, nothing hidden |
//! | [`shapes`] | a service of other people, with a method of each shape |
//! | `wait` | looking again until something is so |

mod command;
mod grpc;
mod http;
mod ports;
mod process;
mod raw;
pub mod shapes;
mod system;
mod wait;

pub use command::{Finished, run};
pub use grpc::{GrpcReply, framed, grpc, grpc_bytes, grpc_web, grpc_web_bytes, unframed};
pub use http::{Reply, delete, get, patch, post, request, send};
pub use ports::free_port;
pub use process::Process;
pub use raw::{connect_from, h2_call, h2_frame, h2_literal, h2_preface, raw};
pub use system::{Layout, Person, System, Tokens};
pub use wait::{soon, within_a_second};
