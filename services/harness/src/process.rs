//! One running program.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// How long a start may take on a loaded machine with a debug build.
const START: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);

/// A `logicore` process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Where it listens: for callers, or for peers where it has no callers.
    pub address: SocketAddr,
}

impl Process {
    /// Starts `program` with these arguments and settings and waits until it listens. The environment is otherwise empty of
    /// LogiCore's settings.
    ///
    /// # Errors
    /// When it does not start; the message holds its log.
    pub fn start(program: &Path, args: &[&str], env: &[(String, String)], dir: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
            .env("LOGICORE_LOG_FORMAT", "json")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(env.iter().map(|(k, v)| (k, v)));
        Self::watch(command)
    }

    /// Starts a prepared command whose standard error carries the JSON log, and waits until it listens.
    ///
    /// # Errors
    /// When it does not start; the message holds its log.
    pub fn watch(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, listening) = mpsc::channel();
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let address = listens(&line);
                if let Ok(mut lines) = lines.lock() {
                    lines.push(line);
                }
                if let Some(address) = address {
                    let _ = found.send(address);
                }
            }
        });
        let mut process = Self {
            child,
            log,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        match listening.recv_timeout(START) {
            Ok(address) => process.address = address,
            Err(_) => bail!("{command:?} does not listen:\n{}", process.log().join("\n")),
        }
        Ok(process)
    }

    /// Id of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far, a JSON object a line.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().map(|l| l.clone()).unwrap_or_default()
    }

    /// The lines of the log so far that are of this level (`WARN`, `ERROR` ...).
    #[must_use]
    pub fn logged(&self, level: &str) -> Vec<Value> {
        let lines = self.log();
        let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        parsed.filter(|line| line["level"] == level).collect()
    }

    /// SIGKILL: nothing is flushed, nothing said.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal, such as `TERM`, and does not wait.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.id().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(&id).status()?;
        match sent.success() {
            true => Ok(()),
            false => bail!("no process {id} to send {name} to"),
        }
    }

    /// Waits for the end; `None` when it does not come within the limit.
    ///
    /// # Errors
    /// When the process cannot be asked.
    pub async fn ended(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        for _ in 0..limit.as_millis() / STEP.as_millis() {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            tokio::time::sleep(STEP).await;
        }
        Ok(None)
    }

    /// SIGTERM, then waits. Returns whether it ended well within the limit.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&mut self, limit: Duration) -> anyhow::Result<bool> {
        self.signal("TERM")?;
        for _ in 0..limit.as_millis() / STEP.as_millis() {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            std::thread::sleep(STEP);
        }
        Ok(false)
    }

    /// Resident memory in KiB (Linux).
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        self.memory_kib("VmRSS:")
    }

    /// The most memory that was ever resident, in KiB (Linux).
    #[must_use]
    pub fn peak_kib(&self) -> Option<u64> {
        self.memory_kib("VmHWM:")
    }

    /// Processor time that it has used (Linux, whose clock ticks a hundred times a second for this).
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).ok()?;
        // The name, which may hold anything, ends with the last bracket; user and system time are fields 14 and 15.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }

    fn memory_kib(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn listens(line: &str) -> Option<SocketAddr> {
    let value: Value = serde_json::from_str(line).ok()?;
    let message = value.get("message")?.as_str()?;
    if !matches!(message, "listening" | "listening for peers") {
        return None;
    }
    value.get("address")?.as_str()?.parse().ok()
}
