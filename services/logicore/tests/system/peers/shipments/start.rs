//! The one command: it starts service and gateway, says what to try, and ends both.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use logicore_harness::{free_port, get, post};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

use super::super::peer;
use crate::support::{PROGRAM, text};

/// How long a start or an end may take on a loaded machine with a debug build.
const LIMIT: Duration = Duration::from_secs(60);

/// The script, running. Asked to end when dropped, since it has children to end.
struct Script {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    fn start(logicore: &str, port: u16, work: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let mut command = peer::program("python")?;
        command
            .arg(peer::workspace("examples/shipments/run.py"))
            .args(["--logicore", logicore]);
        command
            .args(["--port", &port.to_string(), "--service-port", "0", "--work"])
            .arg(work)
            .args(flags);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let lines = BufReader::new(process.stdout.take().context("standard output is piped")?).lines();
        Ok(Self { process, lines })
    }

    /// What it prints up to a line with this in it.
    async fn says(&mut self, wanted: &str) -> anyhow::Result<String> {
        let mut said = String::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                said = format!("{said}{line}\n");
                if line.contains(wanted) {
                    return Ok(());
                }
            }
            bail!("it ended")
        };
        let read = tokio::time::timeout(LIMIT, reading)
            .await
            .context("it does not say so")
            .flatten();
        read.with_context(|| format!("{wanted} in {said}"))?;
        Ok(said)
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.process.id().context("it runs")?.to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status()?;
        anyhow::ensure!(sent.success(), "no process {id}");
        Ok(())
    }

    async fn ended(&mut self) -> anyhow::Result<i32> {
        let status = tokio::time::timeout(LIMIT, self.process.wait())
            .await
            .context("it does not end")??;
        Ok(status.code().unwrap_or(-1))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // What is over already cannot be asked, and need not be.
        let _ = self.signal("TERM");
        for _ in 0..500 {
            if matches!(self.process.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

async fn runs_and_ends(signal: &str, flags: &[&str]) -> anyhow::Result<()> {
    let (work, port) = (tempfile::tempdir()?, free_port()?);
    let mut script = Script::start(PROGRAM, port, work.path(), flags)?;
    let said = script.says("Ctrl-C ends both").await?;
    assert!(said.contains(&format!("http://localhost:{port}/docs")), "{said}");
    let address = ([127, 0, 0, 1], port).into();
    let credentials = json!({"email": "admin@example.com", "password": "admin123"});
    let token = text(&post(address, "/auth/login", "", &credentials).await?.json()["accessToken"]);
    let wish = json!({"reference": "R-1", "origin": "Hamburg", "destination": "Bern", "weightGrams": 1200});
    let made = post(address, "/v1/shipments", &token, &wish).await?;
    assert_eq!(made.status, 200, "{}", made.text());
    let listed = get(address, "/v1/shipments", &token).await?;
    assert_eq!(listed.json()["shipments"][0], made.json(), "{}", listed.text());

    let routes = std::fs::read_to_string(work.path().join("routes.toml"))?;
    let service = routes
        .split_once("127.0.0.1:")
        .and_then(|(_, rest)| rest.split('"').next())
        .context("an endpoint")?;
    let service: u16 = service.parse()?;
    script.signal(signal)?;
    assert_eq!(script.ended().await?, 0, "{signal} is a good end");
    for port in [port, service] {
        let connected = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        assert!(connected.is_err(), "nothing listens on {port} any more");
    }
    let log = std::fs::read_to_string(work.path().join("service.log"))?;
    assert!(!log.contains("Traceback"), "{log}");
    Ok(())
}

#[tokio::test]
async fn one_command_starts_both_and_ctrl_c_ends_them() -> anyhow::Result<()> {
    runs_and_ends("INT", &[]).await
}

#[tokio::test]
async fn the_gateway_can_ask_the_service_for_its_descriptors() -> anyhow::Result<()> {
    runs_and_ends("TERM", &["--reflection"]).await
}

#[tokio::test]
async fn a_gateway_that_does_not_start_ends_the_service_too() -> anyhow::Result<()> {
    let (work, port) = (tempfile::tempdir()?, free_port()?);
    let program = work.path().join("no-such-program").display().to_string();
    let mut script = Script::start(&program, port, work.path(), &[])?;
    assert_eq!(script.ended().await?, 1);
    let mut said = String::new();
    script
        .process
        .stderr
        .take()
        .context("standard error is piped")?
        .read_to_string(&mut said)
        .await?;
    assert!(said.contains("no-such-program is not there"), "{said}");
    Ok(())
}
