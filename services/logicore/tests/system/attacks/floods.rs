//! More than anybody needs: headers, bodies and streams without an end.

use futures_util::future::try_join_all;
use logicore_harness::{Layout, System, h2_call, h2_frame as frame, h2_literal as literal, h2_preface, raw};

use crate::support::{in_both_layouts, start};

const AT_ONCE: usize = 40;
const FLOOD: usize = 8 << 20;
/// What a flood may cost: far less than was sent.
const MOST_KIB: u64 = 64 << 10;

in_both_layouts!(
    bodies_without_an_end_are_cut,
    headers_without_an_end_are_cut,
    streams_opened_and_reset_without_an_end_are_cut,
);

async fn bodies_without_an_end_are_cut(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[("LOGICORE_MAX_MESSAGE", "64K")]).await?;
    let head = "POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    while chunked.len() < FLOOD {
        chunked.extend_from_slice(b"8000\r\n");
        chunked.resize(chunked.len() + 0x8000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    flood(&mut system, &chunked, Some("HTTP/1.1 413")).await?;
    let mut announced = format!("{head}content-length: {}\r\n\r\n", u64::MAX / 2).into_bytes();
    announced.resize(FLOOD, b'[');
    flood(&mut system, &announced, Some("HTTP/1.1 413")).await
}

async fn headers_without_an_end_are_cut(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[]).await?;
    let mut many = b"GET /health HTTP/1.1\r\nhost: localhost\r\n".to_vec();
    while many.len() < FLOOD {
        many.extend_from_slice(b"x-header: some value\r\n");
    }
    flood(&mut system, &many, Some("HTTP/1.1 431")).await?;
    let mut long = b"GET /health HTTP/1.1\r\nhost: localhost\r\nx-header: ".to_vec();
    long.resize(FLOOD, b'x');
    flood(&mut system, &long, Some("HTTP/1.1 431")).await?;
    let mut path = b"GET /".to_vec();
    path.resize(FLOOD, b'x');
    flood(&mut system, &path, Some("HTTP/1.1 4")).await?;
    // CONTINUATION frames without END_HEADERS (CVE-2024-27316).
    let mut continued = h2_preface();
    frame(&mut continued, 1, 0, 1, &[0x83, 0x86, 0x84]);
    while continued.len() < FLOOD {
        frame(
            &mut continued,
            9,
            0,
            1,
            &literal("x-header", &"x".repeat(100)).repeat(100),
        );
    }
    flood(&mut system, &continued, None).await
}

async fn streams_opened_and_reset_without_an_end_are_cut(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[]).await?;
    let head = h2_call("/logicore.auth.v1.AuthService/Login");
    let mut resets = h2_preface();
    for stream in (1..40_001).step_by(2) {
        frame(&mut resets, 1, 4, stream, &head);
        frame(&mut resets, 3, 0, stream, &[0, 0, 0, 8]);
    }
    flood(&mut system, &resets, None).await
}

/// Sends a flood over many connections at once. Each must be answered as expected and closed by the server, memory must not grow
/// by what was sent, and others must be served as before.
async fn flood(system: &mut System, bytes: &[u8], expected: Option<&str>) -> anyhow::Result<()> {
    let part = *system.parts().last().unwrap_or(&"all");
    let before = system.process(part)?.resident_kib();
    let answers = try_join_all((0..AT_ONCE).map(|_| raw(system.address(), bytes))).await?;
    for answer in &answers {
        let answer = String::from_utf8_lossy(answer);
        // A reset may overtake the answer; whoever floods has no claim to one.
        if let Some(expected) = expected.filter(|_| !answer.is_empty()) {
            assert!(answer.starts_with(expected), "{answer}");
        }
    }
    if expected.is_some() {
        assert!(answers.iter().any(|a| !a.is_empty()), "somebody is told");
    }
    if let (Some(before), Some(peak)) = (before, system.process(part)?.peak_kib()) {
        assert!(peak < before + MOST_KIB, "{before} KiB before, {peak} KiB at the peak");
    }
    system.demo().await?;
    Ok(())
}
