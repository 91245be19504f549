//! From `exec` to the first answered login on existing data, memory at rest, and the size of the binary.
//!
//! The client is a bare socket: a client library's own start would be measured with it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::{
    report::stopwatch,
    shell::{cargo, command, root, run as run_command},
};

/// How often, and how long to rest.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Starts to measure
    #[arg(long, default_value_t = 11)]
    starts: usize,
    /// Seconds without a request before memory is read
    #[arg(long, default_value_t = 5)]
    rest: u64,
}

const LOGIN: &str = r#"{"email":"demo@example.com","password":"demo123"}"#;
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the figures.
///
/// # Errors
/// When the build fails, the server does not come up, or a login is refused.
pub(crate) fn run(options: &Options) -> Result<()> {
    run_command(cargo().args(["build", "--locked", "--release", "--package", "logicore-cli"]))?;
    let binary = root().join("target/release/logicore");
    let data = root()
        .join("target")
        .join(format!("bench-start-{}", std::process::id()));
    let figures = measure(options, &binary, &data);
    fs::remove_dir_all(&data).ok();
    let (first, mut starts, resident) = figures?;
    starts.sort();
    let size = fs::metadata(&binary).context("the binary was just built")?.len();
    println!("first start, empty data folder    {:>8.0} ms", millis(first));
    println!(
        "start to first answered login     {:>8.0} ms   (median of {}, {:.0} to {:.0})",
        millis(starts[starts.len() / 2]),
        starts.len(),
        millis(starts[0]),
        millis(starts[starts.len() - 1]),
    );
    println!("resident memory, idle             {:>8.1} MB", resident as f64 / 1e6);
    println!("size of the binary                {:>8.1} MB", size as f64 / 1e6);
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The first start, the others, and the bytes that the last one keeps resident at rest.
fn measure(options: &Options, binary: &Path, data: &Path) -> Result<(Duration, Vec<Duration>, u64)> {
    let first = one(binary, data)?.1;
    let mut starts = Vec::new();
    let mut resident = 0;
    for left in (0..options.starts.max(1)).rev() {
        let (server, took) = one(binary, data)?;
        starts.push(took);
        if left == 0 {
            thread::sleep(Duration::from_secs(options.rest));
            resident = server.resident()?;
        }
    }
    Ok((first, starts, resident))
}

/// Starts a server and logs in.
fn one(binary: &Path, data: &Path) -> Result<(Server, Duration)> {
    let watch = stopwatch();
    let server = Server::start(binary, data)?;
    server.login(watch)?;
    Ok((server, watch.elapsed()))
}

/// A running server; asked to end when it is dropped.
struct Server {
    child: Child,
    address: String,
}

/// The log line that says where it listens.
#[derive(Deserialize)]
struct Line {
    message: String,
    address: Option<String>,
}

impl Server {
    fn start(binary: &Path, data: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        // Nothing of the developer's own settings may change what is measured, nor a `.env` in the current folder.
        fs::create_dir_all(data).context("cannot make a data folder")?;
        command
            .arg("all")
            .env_clear()
            .current_dir(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
            .env("LOGICORE_LISTEN", "127.0.0.1:0")
            .env("LOGICORE_DATA_DIR", data.join("data"));
        command
            .env("LOGICORE_LOG_FORMAT", "json")
            .env("LOGICORE_DRAIN_DELAY", "0");
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let (found, address) = mpsc::channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|s| Box::new(s) as _),
            child.stderr.take().map(|s| Box::new(s) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let found = found.clone();
            thread::spawn(move || watch(stream, &found));
        }
        let mut server = Self {
            child,
            address: String::new(),
        };
        server.address = address
            .recv_timeout(PATIENCE)
            .context("the server did not say where it listens")?;
        Ok(server)
    }

    /// Logs in, again while the server answers that it is not ready yet.
    fn login(&self, since: Instant) -> Result<()> {
        loop {
            let answer = self.post("/auth/login", LOGIN)?;
            let status = answer.split_whitespace().nth(1).unwrap_or_default();
            match status {
                "200" => return Ok(()),
                "503" if since.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(2)),
                _ => bail!("the login was answered with: {answer}"),
            }
        }
    }

    fn post(&self, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).context("cannot connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (host, length) = (&self.address, body.len());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("no answer")?;
        Ok(answer)
    }

    fn resident(&self) -> Result<u64> {
        let status = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let text = fs::read_to_string(&status).context("memory is read from /proc, which Linux has")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("/proc names VmRSS")?;
        let kib: u64 = line
            .trim()
            .trim_end_matches("kB")
            .trim()
            .parse()
            .context("VmRSS is a number of kB")?;
        Ok(kib * 1024)
    }
}

/// Reads a stream to its end, so that the server never blocks on it, and reports the address once.
fn watch(stream: impl Read, found: &mpsc::Sender<String>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str::<Line>(&line) else {
            continue;
        };
        if let ("listening", Some(address)) = (line.message.as_str(), line.address) {
            found.send(address).ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        if run_command(command("kill").args(["-TERM", &pid])).is_err() {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}
