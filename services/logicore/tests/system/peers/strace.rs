//! strace: what the process asks of the kernel, in order. A refresh is on disk before its answer leaves.

use std::time::Duration;

use anyhow::Context as _;
use logicore_harness::{Layout, System, soon};

use super::peer;
use crate::support::PROGRAM;

const REFRESHES: usize = 5;
/// Audit records are delivered and marked so in the same file soon after a call; that sync must not be taken for another call's.
const QUIET: Duration = Duration::from_millis(300);

/// The trace of a run: one system call a line, in the order in which strace saw them; what one thread is still in while another
/// goes on has two lines.
struct Calls(Vec<String>);

impl Calls {
    /// The first line from `from` on that `wanted` takes.
    fn find(&self, from: usize, wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let mut rest = self.0.iter().enumerate().skip(from);
        rest.find(|(_, line)| wanted(line)).map(|(at, _)| at)
    }

    /// The thread of a line.
    fn thread(&self, at: usize) -> &str {
        self.0[at].split_whitespace().next().unwrap_or_default()
    }

    /// Where the call that begins at `at` has returned 0.
    fn done(&self, at: usize) -> Option<usize> {
        if self.0[at].contains("unfinished") {
            let thread = self.thread(at);
            let end = self.find(at + 1, |line| line.split_whitespace().next() == Some(thread))?;
            return (self.0[end].contains("resumed") && self.0[end].ends_with("= 0")).then_some(end);
        }
        self.0[at].ends_with("= 0").then_some(at)
    }

    /// Whether the log of auth's database was written and then synced, both between these lines.
    fn synced(&self, request: usize, answer: usize) -> bool {
        let log = |line: &str| line.contains("/auth.db-wal>");
        let Some(write) = self.find(request, |line| line.contains("pwrite64(") && log(line)) else {
            return false;
        };
        let sync = |line: &str| (line.contains("fdatasync(") || line.contains("fsync(")) && log(line);
        let mut at = write + 1;
        while let Some(begin) = self.find(at, sync) {
            match self.done(begin) {
                Some(end) if end < answer => return true,
                _ => at = begin + 1,
            }
        }
        false
    }
}

/// Refreshes in a row under strace, to the end of the process. Returns what strace wrote.
async fn refreshes() -> anyhow::Result<String> {
    let strace = peer::find("strace")?.display().to_string();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("calls");
    let calls = "trace=fsync,fdatasync,pwrite64,recvfrom,read,sendto,write,writev,sendmsg";
    // -D: the traced program is our child and strace is not, so that both end when we end it.
    let flags = format!("-D -f -qq -y -s 64 -e {calls} -o '{}'", file.display());
    let program = peer::wrapper(folder.path(), &format!("exec '{strace}' {flags} '{PROGRAM}' \"$@\""))?;
    let mut system = System::start(&program, Layout::One, &[]).await?;
    let mut tokens = system.demo().await?;
    for _ in 0..REFRESHES {
        tokio::time::sleep(QUIET).await;
        tokens = system.refreshed(&tokens.refresh).await?;
    }
    system.kill("all")?;
    soon("strace writes the end", async || {
        let trace = std::fs::read_to_string(&file)?;
        let ended = trace.lines().last().is_some_and(|line| line.contains("+++ killed"));
        Ok(ended.then_some(trace))
    })
    .await
}

/// Whether a line hands the head of an answer to the kernel.
fn answers(line: &str) -> bool {
    let sends = ["sendto(", "write(", "writev(", "sendmsg("];
    sends.iter().any(|call| line.contains(call)) && line.contains("HTTP/1.1 200 OK")
}

#[tokio::test]
async fn a_refresh_is_synced_to_disk_before_its_answer_leaves() -> anyhow::Result<()> {
    let trace = refreshes().await?;
    let calls = Calls(trace.lines().map(str::to_owned).collect());
    let mut at = 0;
    for number in 0..REFRESHES {
        let request = calls.find(at, |line| line.contains("POST /auth/refresh"));
        let request = request.with_context(|| format!("request {number} in:\n{trace}"))?;
        let answer = calls.find(request, answers);
        let answer = answer.with_context(|| format!("answer {number} in:\n{trace}"))?;
        let between = calls.0[request..=answer].join("\n");
        assert!(
            calls.synced(request, answer),
            "refresh {number} left before it was synced:\n{between}"
        );
        at = answer;
    }
    Ok(())
}
