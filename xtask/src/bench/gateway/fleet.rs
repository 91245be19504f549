//! The peers of a run, all of them running at once and idle unless their turn comes, so that a drift of the machine meets all alike.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    child::{Child, free_port, http},
    envoy::{self, Place, Setup},
    rows::Peer,
    system::{PROXY_CORE, Programs, System, Upstream, routes, setting},
};
use crate::shell::{command, output};

/// Methods beside those that are called.
const FEW: usize = 10;
const MANY: usize = 10_000;
const BOTH_CORES: &str = "0,1";

/// What peers are made of.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    system: &'a System,
    upstream: &'a Upstream,
    envoy: PathBuf,
    folder: PathBuf,
    jwks: String,
}

/// A running peer.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) child: Child,
    /// From exec to the first good answer.
    pub(super) start: Duration,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(
        programs: &'a Programs,
        system: &'a System,
        upstream: &'a Upstream,
        envoy: PathBuf,
        folder: &Path,
    ) -> Result<Self> {
        for methods in [FEW, MANY] {
            let file = folder.join(format!("bench-{methods}.binpb"));
            let mut describe = command(&programs.upstream);
            output(describe.arg("describe").arg(file).arg(methods.to_string()))?;
        }
        Ok(Self {
            system,
            upstream,
            envoy,
            folder: folder.to_owned(),
            jwks: system.jwks()?,
        })
    }

    /// Starts these peers, those that are processes.
    pub(super) fn start(&self, peers: impl IntoIterator<Item = Peer>) -> Result<BTreeMap<Peer, Running>> {
        let mut running = BTreeMap::new();
        for peer in peers {
            if peer != Peer::Direct && peer != Peer::ManyRevocations && !running.contains_key(&peer) {
                running.insert(peer, self.start_one(peer)?);
            }
        }
        Ok(running)
    }

    /// Starts a peer and waits for its first good answer.
    pub(super) fn start_one(&self, peer: Peer) -> Result<Running> {
        match peer {
            Peer::Envoy(setup) => self.start_envoy(setup),
            Peer::Open => self.start_ours(self.system, "open", PROXY_CORE, FEW, "warn"),
            Peer::TwoCores => self.start_ours(self.system, "two-cores", BOTH_CORES, FEW, "info"),
            Peer::ManyMethods => self.start_ours(self.system, "many-methods", PROXY_CORE, MANY, "info"),
            _ => self.start_ours(self.system, "shipped", PROXY_CORE, FEW, "info"),
        }
    }

    /// Starts a gateway of this deployment, with so many methods and this log.
    pub(super) fn start_ours(
        &self,
        system: &System,
        name: &str,
        cores: &str,
        methods: usize,
        log: &str,
    ) -> Result<Running> {
        let file = self.folder.join(format!("routes-{methods}.toml"));
        let descriptors = self.folder.join(format!("bench-{methods}.binpb"));
        routes(&file, self.upstream.address, &descriptors)?;
        let own = [
            setting("LOGICORE_ROUTES", &file.display().to_string()),
            setting("LOGICORE_LOG", log),
        ];
        let (address, mut child) = system.gateway(name, cores, &own)?;
        let start = child.await_answer(|| answers(address, "/bench.v1.EchoService/Open", ""))?;
        Ok(Running { address, child, start })
    }

    fn start_envoy(&self, setup: Setup) -> Result<Running> {
        let address = free_port()?;
        let kind = [
            ("policy", setup.policy),
            ("cache", setup.cache),
            ("rest", setup.rest),
            ("web", setup.web),
        ];
        let words = kind.iter().filter(|(_, on)| *on).map(|(word, _)| *word);
        let name = std::iter::once("envoy").chain(words).collect::<Vec<_>>().join("-");
        let folder = self.folder.join(&name);
        fs::create_dir_all(&folder).context("cannot make a folder")?;
        let place = Place {
            listen: address,
            upstream: self.upstream.address,
            folder: &folder,
            descriptors: &self.folder.join(format!("bench-{FEW}.binpb")),
            jwks: &self.jwks,
            issuer: &self.system.issuer,
        };
        let file = folder.join("envoy.json");
        fs::write(&file, envoy::config(setup, place)).context("cannot write Envoy's configuration")?;
        let file = file.display().to_string();
        let arguments = [
            "-c",
            &file,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "error",
        ];
        let mut child = Child::start(&name, PROXY_CORE, &self.envoy, &arguments, &[], &folder)?;
        let token = if setup.policy {
            self.system.token()?
        } else {
            String::new()
        };
        let start = child.await_answer(|| answers(address, "/bench.v1.EchoService/Echo", &token))?;
        Ok(Running { address, child, start })
    }
}

/// Whether a call by gRPC-Web, which every peer passes on in its own way, comes back with what was sent.
fn answers(at: SocketAddr, path: &str, token: &str) -> bool {
    let authorization = match token {
        "" => String::new(),
        token => format!("\r\nauthorization: Bearer {token}"),
    };
    let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/grpc-web+proto{authorization}");
    let answer = http(at, &head, &[0, 0, 0, 0, 3, 0x0a, 1, b'x']);
    matches!(answer, Ok((200, body)) if body.windows(3).any(|w| w == [0x0a, 1, b'x']))
}
