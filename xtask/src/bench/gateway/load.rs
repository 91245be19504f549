//! What is sent, by whom, and whether the answers were real.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{
    child::{Child, http, on},
    system::{LOAD_CORE, Programs, Upstream},
};
use crate::{
    report::stopwatch,
    shell::{output, which},
};

/// Connections, and streams at once on each, as h2load opens them.
const CONNECTIONS: usize = 8;
const STREAMS: usize = 16;
/// A text of usual length; framed and encoded it is the 107 bytes of a small request.
pub(super) const TEXT: &str =
    "The quick brown fox jumps over the lazy dog; the quick brown fox jumps over the lazy dog; the quick br";
/// Bytes of a large message.
const LARGE: usize = 1 << 20;
/// Messages of a long stream, and bytes of each.
const LONG: (u32, u32) = (20_000, 1024);

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Unary gRPC with one token.
    Grpc,
    /// Unary gRPC with another token each time.
    Tokens,
    /// JSON over HTTP/1.1.
    Rest,
    /// gRPC-Web over HTTP/1.1.
    Web,
    /// Unary gRPC with 1 MiB both ways.
    Large,
    /// Server streams.
    Streams,
}

/// Which method is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// The one that needs a token.
    Guarded,
    /// The public one.
    Open,
}

/// Everything that is needed to send load.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    pub(super) programs: &'a Programs,
    pub(super) upstream: &'a Upstream,
    pub(super) token: String,
    /// Where bodies lie.
    pub(super) folder: PathBuf,
    /// One token a line.
    pub(super) tokens: PathBuf,
}

/// What a slice of load cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slice {
    /// Calls that the upstream ended with status 0.
    pub(super) calls: f64,
    /// Bytes of messages that the upstream sent.
    pub(super) bytes: f64,
    pub(super) seconds: f64,
    /// Seconds of a core that the measured process used.
    pub(super) cpu: f64,
    /// Bytes in RAM at the end.
    pub(super) resident: f64,
}

impl Loader<'_> {
    /// Writes what is sent.
    pub(super) fn write_bodies(&self) -> Result<()> {
        let text = |text: &[u8]| framed(&[&[0x0a], &varint(text.len())[..], text].concat());
        let json = format!(r#"{{"text":"{TEXT}"}}"#);
        let stream = [&[0x08], &varint(LONG.0 as usize)[..], &[0x10], &varint(LONG.1 as usize)].concat();
        for (file, bytes) in [
            ("small.bin", text(TEXT.as_bytes())),
            ("small.json", json.into_bytes()),
            ("large.bin", text(&vec![b'x'; LARGE])),
            ("stream.bin", framed(&stream)),
        ] {
            std::fs::write(self.folder.join(file), bytes).context("cannot write what is sent")?;
        }
        Ok(())
    }

    /// Sends one request of the kind and sees that its answer is the right one.
    pub(super) fn check(&self, at: SocketAddr, kind: Kind, method: Method) -> Result<()> {
        let token = match method {
            Method::Guarded => format!("\r\nauthorization: Bearer {}", self.token),
            Method::Open => String::new(),
        };
        let right = match kind {
            Kind::Rest => {
                let head = format!(
                    "POST {} HTTP/1.1\r\ncontent-type: application/json{token}",
                    path(kind, method)
                );
                let (status, answer) = http(at, &head, &self.body("small.json")?)?;
                status == 200 && String::from_utf8_lossy(&answer).contains(TEXT)
            }
            Kind::Web => {
                let head = format!(
                    "POST {} HTTP/1.1\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1{token}",
                    path(kind, method)
                );
                let (status, answer) = http(at, &head, &self.body("small.bin")?)?;
                let answer = String::from_utf8_lossy(&answer);
                status == 200 && answer.contains(TEXT) && answer.contains("grpc-status:0")
            }
            _ => {
                // By the token of the deployment that is asked.
                let token = self.folder.join("token-check");
                std::fs::write(&token, &self.token).context("cannot write a token")?;
                let (good, bad) = self.calls(at, method, &token, (1, 1), 0.05)?;
                good > 0 && bad == 0
            }
        };
        if !right {
            bail!("the answer to {kind:?} of {method:?} is not the right one");
        }
        Ok(())
    }

    /// Sends load for so long, and says what it cost `measured`.
    pub(super) fn slice(
        &self,
        at: SocketAddr,
        measured: &Child,
        kind: Kind,
        method: Method,
        length: Duration,
    ) -> Result<Slice> {
        let (before, cpu) = (self.upstream.answered()?, measured.cpu()?);
        let watch = stopwatch();
        let told = match kind {
            Kind::Tokens => {
                let (good, bad) = self.calls(at, method, &self.tokens, (CONNECTIONS, STREAMS), length.as_secs_f64())?;
                Told { good, bad }
            }
            _ => self.h2load(at, kind, method, length)?,
        };
        let seconds = watch.elapsed().as_secs_f64();
        let (after, cpu) = (self.upstream.answered()?, measured.cpu()? - cpu);
        let calls = after.calls - before.calls;
        // Calls in flight at an end, of this slice or of the one before, are counted on one side only.
        let flight = (3 * CONNECTIONS * STREAMS) as f64;
        if told.bad > 0 || (calls - told.good as f64).abs() > flight || (calls < 1.0 && kind != Kind::Streams) {
            bail!(
                "{} of {} answers of {kind:?} were not good; the upstream counts {calls}",
                told.bad,
                told.good
            );
        }
        Ok(Slice {
            calls,
            bytes: after.bytes - before.bytes,
            seconds,
            cpu,
            resident: measured.resident()?,
        })
    }

    fn body(&self, file: &str) -> Result<Vec<u8>> {
        std::fs::read(self.folder.join(file)).context("bodies were written")
    }

    /// Calls by our own driver, which looks at every answer: good ones and others.
    fn calls(
        &self,
        at: SocketAddr,
        method: Method,
        tokens: &Path,
        (connections, streams): (usize, usize),
        seconds: f64,
    ) -> Result<(u64, u64)> {
        let mut command = on(LOAD_CORE, &self.programs.load);
        command.args(["calls", &at.to_string(), path(Kind::Grpc, method)]);
        command.arg(self.folder.join("small.bin")).arg(tokens);
        command.args([connections.to_string(), streams.to_string(), seconds.to_string()]);
        let said = output(&mut command)?;
        let mut numbers = said.split_whitespace();
        let mut next = || numbers.next().and_then(|n| n.parse().ok()).context("numbers");
        Ok((next()?, next()?))
    }

    fn h2load(&self, at: SocketAddr, kind: Kind, method: Method, length: Duration) -> Result<Told> {
        let mut command = on(LOAD_CORE, &which("h2load").context("h2load was installed")?);
        let (connections, streams, body, types) = match kind {
            Kind::Rest => (CONNECTIONS * STREAMS, 1, "small.json", "application/json"),
            Kind::Web => (CONNECTIONS * STREAMS, 1, "small.bin", "application/grpc-web+proto"),
            Kind::Large => (4, 2, "large.bin", "application/grpc"),
            Kind::Streams => (4, 1, "stream.bin", "application/grpc"),
            Kind::Grpc | Kind::Tokens => (CONNECTIONS, STREAMS, "small.bin", "application/grpc"),
        };
        command.args(["-t", "1", "-c", &connections.to_string(), "-m", &streams.to_string()]);
        command.args([
            "-D",
            &format!("{}ms", length.as_millis()),
            "-H",
            &format!("content-type: {types}"),
        ]);
        match kind {
            Kind::Rest => command.arg("--h1"),
            Kind::Web => command.args(["--h1", "-H", "x-grpc-web: 1"]),
            // The usual 64 KiB would measure round trips.
            _ => command.args(["-H", "te: trailers", "-w", "20", "-W", "22"]),
        };
        if method == Method::Guarded {
            command.args(["-H", &format!("authorization: Bearer {}", self.token)]);
        }
        command
            .arg("-d")
            .arg(self.folder.join(body))
            .arg(format!("http://{at}{}", path(kind, method)));
        Told::read(&output(&mut command)?)
    }
}

/// What a load tool saw.
struct Told {
    good: u64,
    bad: u64,
}

impl Told {
    /// From h2load's `status codes: N 2xx, N 3xx, ...` and `requests: ... N failed, N errored, N timeout`.
    fn read(text: &str) -> Result<Self> {
        let number = |behind: &str| {
            let word = text
                .split(behind)
                .next()
                .and_then(|before| before.split_whitespace().last());
            word.and_then(|w| w.parse::<u64>().ok())
                .with_context(|| format!("h2load says no{behind}: {text}"))
        };
        Ok(Self {
            good: number(" 2xx")?,
            bad: number(" 3xx")? + number(" 4xx")? + number(" 5xx")? + number(" failed")?,
        })
    }
}

fn path(kind: Kind, method: Method) -> &'static str {
    match (kind, method) {
        (Kind::Rest, Method::Guarded) => "/v1/echo",
        (Kind::Rest, Method::Open) => "/v1/open",
        (Kind::Streams, _) => "/bench.v1.EchoService/Stream",
        (_, Method::Guarded) => "/bench.v1.EchoService/Echo",
        (_, Method::Open) => "/bench.v1.EchoService/Open",
    }
}

/// A message with its prefix: one byte of flags and four of length (gRPC over HTTP/2).
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], message].concat()
}

/// A number as protobuf writes it.
fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_says_is_read() {
        let text = "finished in 1.00s, 100.00 req/s\n\
                    requests: 12 total, 12 started, 10 done, 9 succeeded, 1 failed, 0 errored, 0 timeout\n\
                    status codes: 9 2xx, 0 3xx, 1 4xx, 0 5xx\n";
        let told = Told::read(text).expect("it is h2load's form");
        assert_eq!((told.good, told.bad), (9, 2));
        assert!(Told::read("nothing").is_err());
    }

    #[test]
    fn numbers_are_written_as_protobuf_does() {
        assert_eq!(varint(5), [5]);
        assert_eq!(varint(300), [0xac, 2]);
    }
}
