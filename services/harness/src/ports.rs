//! Ports for programs under test.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use anyhow::bail;

/// Below the range that systems take the ports of outgoing connections from (Linux from 32768, others from 49152): a part that was
/// killed must find its port free when it comes back.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that was free a moment ago, and that this process gives out once.
///
/// # Errors
/// When the machine has none.
pub fn free_port() -> anyhow::Result<u16> {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Test programs that run beside each other begin at different places.
    let begin = (std::process::id().wrapping_mul(7919) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let port = FIRST + begin.wrapping_add(GIVEN.fetch_add(1, Relaxed)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free between {FIRST} and {}", FIRST + COUNT)
}
