//! The whole system, as one process or as four.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::{Process, free_port, http};

/// How the system is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `logicore all`.
    One,
    /// `logicore auth`, `user`, `admin` and `gateway`.
    Four,
}

/// What a login gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Access token.
    pub access: String,
    /// Refresh token.
    pub refresh: String,
    /// Session id.
    pub session: String,
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
        let parts = if layout == Layout::One {
            &["all"][..]
        } else {
            &PARTS[..]
        };
        for part in parts {
            system.start_part(part)?;
        }
        system.ready().await?;
        Ok(system)
    }

    /// Starts a part again after it was killed or stopped.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_part(&mut self, part: &'static str) -> anyhow::Result<()> {
        let mut env = self.settings(part);
        env.extend(self.env.iter().cloned());
        let process = Process::start(&self.program, &[part], &env, self.dir.path())?;
        self.processes.insert(part, process);
        Ok(())
    }

    fn settings(&self, part: &'static str) -> Vec<(String, String)> {
        let at = |name: &str| format!("127.0.0.1:{}", self.ports[name]);
        let mut env = vec![
            (
                "LOGICORE_DATA_DIR".to_owned(),
                self.dir.path().join("data").display().to_string(),
            ),
            ("LOGICORE_LISTEN".to_owned(), at("gateway")),
            ("LOGICORE_DRAIN_DELAY".to_owned(), "100ms".to_owned()),
        ];
        if self.layout == Layout::Four {
            env.push(("DEMO".to_owned(), "true".to_owned()));
            env.push((
                "MESH_SECRET".to_owned(),
                "mesh-secret-of-a-test-0123456789abcdef".to_owned(),
            ));
            env.push((
                "PUBLIC_URL".to_owned(),
                format!("http://localhost:{}", self.ports["gateway"]),
            ));
            for (name, peer) in [("AUTH", "auth"), ("USER", "user"), ("ADMIN", "admin")] {
                env.push((format!("LOGICORE_{name}_ADDR"), at(peer)));
            }
            if part != "gateway" {
                env.push(("LOGICORE_MESH_LISTEN".to_owned(), at(part)));
            }
        }
        env
    }

    /// Where callers are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports["gateway"]))
    }

    /// Where a part listens for its peers, in the layout of four.
    #[must_use]
    pub fn mesh_address(&self, part: &str) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[part]))
    }

    /// The folder that the processes run in; the data is in `data` below it.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// A part's process; `all` in the layout of one.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn process(&mut self, part: &str) -> anyhow::Result<&mut Process> {
        self.processes.get_mut(part).with_context(|| format!("no part {part}"))
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
    /// After 20 s.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let mut last = String::new();
        for _ in 0..400 {
            match http::get(self.address(), "/readyz", "").await {
                Ok(reply) if reply.status == 200 => return Ok(()),
                Ok(reply) => last = reply.text(),
                Err(e) => last = e.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let logs: Vec<_> = self
            .processes
            .iter()
            .map(|(n, p)| format!("{n}:\n{}", p.log().join("\n")))
            .collect();
        bail!("not ready: {last}\n{}", logs.join("\n"))
    }

    /// Logs in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn login(&self, email: &str, password: &str) -> anyhow::Result<Tokens> {
        let body = json!({"email": email, "password": password});
        let reply = http::post(self.address(), "/auth/login", "", &body).await?;
        if reply.status != 200 {
            bail!("login of {email}: {} {}", reply.status, reply.text());
        }
        tokens(&reply)
    }

    /// Logs the demo user in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn demo(&self) -> anyhow::Result<Tokens> {
        self.login("demo@example.com", "demo123").await
    }

    /// Logs the demo admin in.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub async fn admin(&self) -> anyhow::Result<Tokens> {
        self.login("admin@example.com", "admin123").await
    }

    /// Refreshes.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn refresh(&self, token: &str) -> anyhow::Result<http::Reply> {
        http::post(self.address(), "/auth/refresh", "", &json!({"refreshToken": token})).await
    }
}

/// The tokens in the answer to a login or refresh.
fn tokens(reply: &http::Reply) -> anyhow::Result<Tokens> {
    let json = reply.json();
    let text = |name: &str| {
        json[name]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("{name} in {json}"))
    };
    Ok(Tokens {
        access: text("accessToken")?,
        refresh: text("refreshToken")?,
        session: text("sessionId")?,
    })
}

impl TryFrom<&http::Reply> for Tokens {
    type Error = anyhow::Error;

    fn try_from(reply: &http::Reply) -> anyhow::Result<Self> {
        tokens(reply)
    }
}
