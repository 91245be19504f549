//! A process under measurement: on cores of its own, in a folder of its own, ended by its id with the value that started it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child as Process, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{report::stopwatch, shell};

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which is 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
const SECOND: Duration = Duration::from_secs(1);
/// Seconds of a core that a process at rest uses in a second, at most.
const AT_REST: f64 = 0.03;
/// Longest wait for a first answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for a process that was asked to end.
const GRACE: Duration = Duration::from_secs(8);

/// A running process.
#[derive(Debug)]
pub(super) struct Child {
    name: String,
    process: Process,
}

impl Child {
    /// Starts a program on these cores (as `taskset` takes them) with nothing but this environment; its output goes to
    /// `folder/NAME.log`.
    pub(super) fn start(
        name: &str,
        cores: &str,
        program: &Path,
        arguments: &[&str],
        environment: &[(String, String)],
        folder: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let log = File::create(folder.join(format!("{name}.log"))).context("cannot make a log")?;
        let mut command = on(cores, program);
        command
            .args(arguments)
            .env_clear()
            .envs(environment.iter().cloned())
            .current_dir(folder)
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            process,
        })
    }

    /// Waits until the process has nothing to do of itself.
    pub(super) fn await_rest(&self) -> Result<()> {
        let watch = stopwatch();
        let mut used = self.cpu()?;
        while watch.elapsed() < PATIENCE {
            thread::sleep(SECOND);
            let now = self.cpu()?;
            if now - used <= AT_REST {
                return Ok(());
            }
            used = now;
        }
        bail!("{} does not come to rest", self.name)
    }

    /// Seconds of a core that the process has used so far, of all its threads.
    pub(super) fn cpu(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).context("/proc is Linux's")?;
        let after_name = text.rsplit_once(')').context("a name in parentheses")?.1;
        let field = |at: usize| {
            after_name
                .split_whitespace()
                .nth(at)
                .and_then(|f| f.parse::<f64>().ok())
        };
        // Fields 14 and 15 of proc(5), counted from behind the name, which is field 2.
        let (user, system) = (field(11).context("utime")?, field(12).context("stime")?);
        Ok((user + system) / TICKS)
    }

    /// Bytes that the process keeps in RAM.
    pub(super) fn resident(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process.id())).context("/proc is Linux's")?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("VmRSS is a number of kB")? * 1024.0)
    }

    /// Waits until `answered` says so; how long that took since the caller's stopwatch began.
    pub(super) fn await_answer(&mut self, mut answered: impl FnMut() -> bool) -> Result<Duration> {
        let watch = stopwatch();
        while !answered() {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended with {status}; its log lies in the work folder", self.name);
            }
            if watch.elapsed() > PATIENCE {
                bail!("{} does not answer; its log lies in the work folder", self.name);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(watch.elapsed())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let pid = self.process.id().to_string();
        // It may have ended already.
        let _ = shell::output(shell::command("kill").args(["-TERM", &pid]));
        let watch = stopwatch();
        while watch.elapsed() < GRACE {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command on these cores.
pub(super) fn on(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores]).arg(program).stdin(Stdio::null());
    command
}

/// A port of loopback that nobody listens on now.
pub(super) fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    listener.local_addr().context("a listener has an address")
}

/// One request by HTTP/1.1 on a connection of its own: the answer's status and everything behind the head, as it came.
pub(super) fn http(at: SocketAddr, head: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(at).context("cannot connect")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let length = body.len();
    write!(
        stream,
        "{head}\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("no answer")?;
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("an answer without a head")?;
    let status = String::from_utf8_lossy(&answer[..end]);
    let status = status
        .split(' ')
        .nth(1)
        .and_then(|s| s.parse().ok())
        .context("no status")?;
    Ok((status, answer.split_off(end + 4)))
}
