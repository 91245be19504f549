//! The whole system, as one process or as four.

mod people;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use prost::Message;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Finished, GrpcReply, Process, Reply, free_port, grpc, http, run, soon};
pub use people::{Person, Tokens};

/// What the processes of a system prove their membership with, unless a test says otherwise.
const MESH_SECRET: &str = "mesh-secret-of-a-test-0123456789abcdef";

/// How the system is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `logicore all`.
    One,
    /// `logicore auth`, `user`, `admin` and `gateway`.
    Four,
}

/// A running system with the demo accounts, in a folder of its own.
#[derive(Debug)]
pub struct System {
    program: PathBuf,
    layout: Layout,
    env: Vec<(String, String)>,
    ports: BTreeMap<&'static str, u16>,
    processes: BTreeMap<&'static str, Process>,
    dir: TempDir,
}

const PARTS: [&str; 4] = ["auth", "user", "admin", "gateway"];

impl System {
    /// Starts the system and waits until it is ready.
    ///
    /// # Errors
    /// When a part does not start.
    pub async fn start(program: &str, layout: Layout, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut system = Self::prepare(program, layout, env)?;
        for part in system.parts() {
            system.start_part(part)?;
        }
        system.ready().await?;
        Ok(system)
    }

    /// A system with its folder and ports, of which nothing runs yet.
    ///
    /// # Errors
    /// When the machine has no folder or no port.
    pub fn prepare(program: &str, layout: Layout, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut system = Self {
            program: PathBuf::from(program),
            layout,
            env: env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ports: BTreeMap::new(),
            processes: BTreeMap::new(),
            dir: tempfile::tempdir()?,
        };
        for part in PARTS {
            system.ports.insert(part, free_port()?);
        }
        Ok(system)
    }

    /// The parts of this layout, in the order of their start.
    #[must_use]
    pub fn parts(&self) -> &'static [&'static str] {
        match self.layout {
            Layout::One => &["all"],
            Layout::Four => &PARTS,
        }
    }

    /// Starts a part: for the first time, or again after it was killed or stopped. A name with digits behind it, such as `gateway2`,
    /// is one more part of that role, on a port of its own.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_part(&mut self, part: &'static str) -> anyhow::Result<()> {
        if part != "all" && !self.ports.contains_key(part) {
            self.ports.insert(part, free_port()?);
        }
        let env = self.settings(part);
        let process = Process::start(&self.program, &[role(part)], &env, self.dir.path())?;
        self.processes.insert(part, process);
        Ok(())
    }

    /// Sets a setting for what is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(n, _)| n != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Runs a command of the program with the settings of a part, to its end.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn command(&self, part: &str, args: &[&str]) -> anyhow::Result<Finished> {
        run(&self.program, args, &self.settings(part), self.dir.path()).await
    }

    /// The settings of a part; those of the test win.
    fn settings(&self, part: &str) -> Vec<(String, String)> {
        let at = |name: &str| format!("127.0.0.1:{}", self.ports[name]);
        let data = self.dir.path().join("data").display().to_string();
        let serves = if role(part) == "gateway" { part } else { "gateway" };
        let mut env = vec![
            ("LOGICORE_DATA_DIR".to_owned(), data),
            ("LOGICORE_LISTEN".to_owned(), at(serves)),
            ("LOGICORE_DRAIN_DELAY".to_owned(), "100ms".to_owned()),
            ("PUBLIC_URL".to_owned(), self.public_url()),
        ];
        if self.layout == Layout::Four {
            env.push(("DEMO".to_owned(), "true".to_owned()));
            env.push(("MESH_SECRET".to_owned(), MESH_SECRET.to_owned()));
            for (name, peer) in [("AUTH", "auth"), ("USER", "user"), ("ADMIN", "admin")] {
                env.push((format!("LOGICORE_{name}_ADDR"), at(peer)));
            }
            if role(part) != "gateway" && self.ports.contains_key(part) {
                env.push(("LOGICORE_MESH_LISTEN".to_owned(), at(part)));
            }
        }
        env.extend(self.env.iter().cloned());
        env
    }

    /// How callers reach it; the issuer of its tokens.
    #[must_use]
    pub fn public_url(&self) -> String {
        format!("http://localhost:{}", self.ports["gateway"])
    }

    /// The secret that its processes prove their membership with.
    #[must_use]
    pub fn mesh_secret(&self) -> &'static str {
        MESH_SECRET
    }

    /// How it is laid out.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Where callers are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.mesh_address("gateway")
    }

    /// Where a part listens, in the layout of four: for its peers, or a gateway for its callers.
    #[must_use]
    pub fn mesh_address(&self, part: &str) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[part]))
    }

    /// The folder that the processes run in; the data is in `data` below it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A part's process; `all` in the layout of one.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn process(&mut self, part: &str) -> anyhow::Result<&mut Process> {
        self.processes.get_mut(part).with_context(|| format!("no part {part}"))
    }

    /// Sends a part a signal, such as `TERM`, and does not wait.
    ///
    /// # Errors
    /// When there is no such part, or it has ended.
    pub fn signal(&self, part: &str, name: &str) -> anyhow::Result<()> {
        let process = self.processes.get(part).with_context(|| format!("no part {part}"))?;
        process.signal(name)
    }

    /// Kills a part with SIGKILL.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn kill(&mut self, part: &str) -> anyhow::Result<()> {
        self.process(part)?.kill();
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it does not; the message holds the logs.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let mut last = String::new();
        let ready = soon("readiness", async || {
            match self.get("/readyz", "").await {
                Ok(reply) if reply.status == 200 => return Ok(Some(())),
                Ok(reply) => last = reply.text(),
                Err(e) => last = e.to_string(),
            }
            Ok(None)
        });
        if ready.await.is_ok() {
            return Ok(());
        }
        let logs: Vec<_> = self
            .processes
            .iter()
            .map(|(n, p)| format!("{n}:\n{}", p.log().join("\n")))
            .collect();
        bail!("not ready: {last}\n{}", logs.join("\n"))
    }

    /// GET; an empty token sends none.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str, token: &str) -> anyhow::Result<Reply> {
        http::get(self.address(), path, token).await
    }

    /// POST of JSON; an empty token sends none.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> anyhow::Result<Reply> {
        http::post(self.address(), path, token, body).await
    }

    /// PATCH of JSON; an empty token sends none.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn patch(&self, path: &str, token: &str, body: &Value) -> anyhow::Result<Reply> {
        http::patch(self.address(), path, token, body).await
    }

    /// DELETE; an empty token sends none.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn delete(&self, path: &str, token: &str) -> anyhow::Result<Reply> {
        http::delete(self.address(), path, token).await
    }

    /// A request of any method, with any headers and body.
    ///
    /// # Errors
    /// When it is no HTTP request, or no answer comes.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<Reply> {
        http::send(self.address(), method, path, headers, body.to_owned()).await
    }

    /// A unary call by gRPC; an empty token sends none.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn grpc(&self, path: &str, token: &str, message: &impl Message) -> anyhow::Result<GrpcReply> {
        grpc::grpc(self.address(), path, token, message).await
    }

    /// A unary call by gRPC-Web; an empty token sends none.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn grpc_web(&self, path: &str, token: &str, message: &impl Message) -> anyhow::Result<GrpcReply> {
        grpc::grpc_web(self.address(), path, token, message).await
    }
}

/// The role of a part: its name without a number.
fn role(part: &str) -> &str {
    part.trim_end_matches(|c: char| c.is_ascii_digit())
}
