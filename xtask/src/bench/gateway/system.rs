//! LogiCore as four processes, and the service that stands behind the gateway.
//!
//! Auth, user and admin are the real ones, so tokens, keys and roles are real. The gateways under measurement are started by
//! [`System::gateway`], each with its own routes.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::child::{Child, free_port, http};
use crate::shell::{cargo, root, run};

/// Where everything but the proxies runs.
pub(super) const LOAD_CORE: &str = "1";
/// The proxies' core.
pub(super) const PROXY_CORE: &str = "0";
/// A minute's requests of a principal, and of an address: the most that the settings take, so that nothing is refused.
const RATE: &str = "10000000";
/// The benchmark may take longer than a token usually lives.
const TOKEN_LIFE: &str = "6h";
const SECRET: &str = "a secret of the benchmark, which is nobody's";
/// What the calls need, beside a token.
const PERMISSION: &str = "users.read";

/// The programs that are measured, and those that measure.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) logicore: PathBuf,
    pub(super) upstream: PathBuf,
    pub(super) load: PathBuf,
}

impl Programs {
    /// Finds them; builds them first, as a user does by the release profile, where that is wanted.
    pub(super) fn get(build: bool) -> Result<Self> {
        let release = ["build", "--locked", "--release", "--package"];
        if build {
            run(cargo().args(release).arg("logicore-cli"))?;
            run(cargo().args(release).args(["logicore-harness", "--examples"]))?;
        }
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        let release = root().join(target).join("release");
        Ok(Self {
            logicore: release.join("logicore"),
            upstream: release.join("examples/bench_upstream"),
            load: release.join("examples/bench_load"),
        })
    }
}

/// The service behind the gateway.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    pub(super) child: Child,
}

/// What the upstream has answered with status 0 so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answered {
    pub(super) calls: f64,
    pub(super) bytes: f64,
}

impl Upstream {
    pub(super) fn start(programs: &Programs, folder: &Path) -> Result<Self> {
        let address = free_port()?;
        let arguments = ["serve", &address.to_string()];
        let mut child = Child::start("upstream", LOAD_CORE, &programs.upstream, &arguments, &[], folder)?;
        child.await_answer(|| http(address, "GET /stats HTTP/1.1", b"").is_ok())?;
        Ok(Self { address, child })
    }

    pub(super) fn answered(&self) -> Result<Answered> {
        let (_, text) = http(self.address, "GET /stats HTTP/1.1", b"")?;
        let text = String::from_utf8(text).context("numbers")?;
        match text.split(' ').map(str::parse).collect::<Result<Vec<f64>, _>>()?[..] {
            [calls, _, bytes] => Ok(Answered { calls, bytes }),
            _ => bail!("the upstream's counters are three numbers: {text}"),
        }
    }
}

/// A deployment without a gateway of its own but for what the others are told of it.
#[derive(Debug)]
pub(super) struct System {
    folder: PathBuf,
    programs: PathBuf,
    /// Issuer of its tokens.
    pub(super) issuer: String,
    /// Where tokens are asked for: a gateway that is not measured.
    pub(super) door: SocketAddr,
    auth: SocketAddr,
    user: SocketAddr,
    admin: SocketAddr,
    // Ended with it.
    _parts: Vec<Child>,
}

impl System {
    /// Starts auth, user, admin and a gateway for logins, with their data in `folder`.
    pub(super) fn start(programs: &Programs, folder: &Path) -> Result<Self> {
        let door = free_port()?;
        let mut system = Self {
            folder: folder.to_owned(),
            programs: programs.logicore.clone(),
            issuer: format!("http://localhost:{}", door.port()),
            door,
            auth: free_port()?,
            user: free_port()?,
            admin: free_port()?,
            _parts: Vec::new(),
        };
        for (role, port) in [("auth", system.auth), ("admin", system.admin), ("user", system.user)] {
            let own = [setting("LOGICORE_MESH_LISTEN", &port.to_string())];
            let part = system.part(role, role, LOAD_CORE, &own)?;
            system._parts.push(part);
        }
        let mut gateway = system.part(
            "door",
            "gateway",
            LOAD_CORE,
            &[setting("LOGICORE_LISTEN", &door.to_string())],
        )?;
        gateway.await_answer(|| matches!(http(door, "GET /readyz HTTP/1.1", b""), Ok((200, _))))?;
        system._parts.push(gateway);
        Ok(system)
    }

    /// Starts a gateway.
    pub(super) fn gateway(&self, name: &str, cores: &str, own: &[(String, String)]) -> Result<(SocketAddr, Child)> {
        let listen = free_port()?;
        let mut settings = own.to_vec();
        settings.push(setting("LOGICORE_LISTEN", &listen.to_string()));
        Ok((listen, self.part(name, "gateway", cores, &settings)?))
    }

    fn part(&self, name: &str, role: &str, cores: &str, own: &[(String, String)]) -> Result<Child> {
        let data = self.folder.join(name).join("data");
        let mut settings = vec![
            setting("LOGICORE_DATA_DIR", &data.display().to_string()),
            setting("PUBLIC_URL", &self.issuer),
            setting("MESH_SECRET", SECRET),
            setting("DEMO", "true"),
            setting("JWT_EXPIRY", TOKEN_LIFE),
            setting("RATE_LIMIT", RATE),
            setting("LOGICORE_ADDRESS_RATE_LIMIT", RATE),
            setting("LOGICORE_LOG_FORMAT", "json"),
            setting("LOGICORE_AUTH_ADDR", &self.auth.to_string()),
            setting("LOGICORE_USER_ADDR", &self.user.to_string()),
            setting("LOGICORE_ADMIN_ADDR", &self.admin.to_string()),
        ];
        settings.extend(own.iter().cloned());
        Child::start(name, cores, &self.programs, &[role], &settings, &self.folder.join(name))
    }

    /// The public keys, as JSON.
    pub(super) fn jwks(&self) -> Result<String> {
        let (status, text) = http(self.door, "GET /.well-known/jwks.json HTTP/1.1", b"")?;
        if status != 200 {
            bail!("the keys were answered with {status}");
        }
        String::from_utf8(text).context("keys are text")
    }

    /// An access token of the demo administrator.
    pub(super) fn token(&self) -> Result<String> {
        let head = "POST /auth/login HTTP/1.1\r\ncontent-type: application/json";
        let (status, answer) = http(
            self.door,
            head,
            br#"{"email":"admin@example.com","password":"admin123"}"#,
        )?;
        let answer: Value = serde_json::from_slice(&answer).context("a login is answered with JSON")?;
        match answer["accessToken"].as_str() {
            Some(token) if status == 200 => Ok(token.to_owned()),
            _ => bail!("the login was answered with {status}: {answer}"),
        }
    }
}

/// A setting of a process.
pub(super) fn setting(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Writes the routes of a gateway: the upstream under `descriptors`, with a policy for each of its methods.
pub(super) fn routes(file: &Path, upstream: SocketAddr, descriptors: &Path) -> Result<()> {
    let guarded = |method: &str| {
        format!(
            "[upstream.policy.\"bench.v1.EchoService/{method}\"]\naccess = \"permission\"\npermission = \"{PERMISSION}\"\n"
        )
    };
    let text = format!(
        "[[upstream]]\nname = \"bench\"\nendpoints = [\"{upstream}\"]\ndescriptors = \"{}\"\n\
         public = [\"bench.v1.EchoService/Open\"]\n\
         [upstream.policy.\"bench.v1.EchoService/Open\"]\naccess = \"public\"\n{}{}",
        descriptors.display(),
        guarded("Echo"),
        guarded("Stream"),
    );
    fs::write(file, text).context("cannot write the routes")
}
