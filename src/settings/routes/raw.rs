//! The routes file as it is written, and its way to types that cannot be wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::{super::parse, Access, Descriptors, FeedStale, Idempotency, Policy, Routes, Split, Tls, Upstream};

/// Names of the parts of a deployment, which breakers and metrics already use.
const OURS: &[&str] = &["auth", "user", "admin", "gateway", "mesh", "all"];
/// How often an endpoint may be asked for its health.
const HEALTH: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3600));
/// Calls that an upstream has at once where the file does not say: what Envoy lets a cluster have, and more than most services can do.
const CALLS_AT_ONCE: usize = 1024;
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "upstream")]
    upstreams: Vec<RawUpstream>,
    #[serde(default, rename = "split")]
    splits: Vec<RawSplit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUpstream {
    name: String,
    endpoints: Vec<String>,
    descriptors: String,
    tls: Option<RawTls>,
    #[serde(default)]
    services: BTreeSet<String>,
    #[serde(default)]
    public: BTreeSet<String>,
    #[serde(default)]
    allow_weaker: bool,
    max_message: Option<Text>,
    max_concurrent_calls: Option<usize>,
    health_check: Option<Text>,
    #[serde(default)]
    policy: BTreeMap<String, RawPolicy>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    ca: PathBuf,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    access: Option<Access>,
    permission: Option<String>,
    subject_field: Option<String>,
    tenant_field: Option<String>,
    rate_cost: Option<u32>,
    deadline: Option<Text>,
    idempotency: Option<RawIdempotency>,
    idempotency_key: Option<bool>,
    fallback: Option<bool>,
    feed_stale: Option<RawFeedStale>,
    max_message: Option<Text>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawIdempotency {
    Unknown,
    NoSideEffects,
    Idempotent,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawFeedStale {
    Serve,
    Refuse,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSplit {
    service: String,
    to: String,
    #[serde(default)]
    weight: u8,
    header: Option<String>,
}

/// `"5s"` or `5`, as in the other settings.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "it must be a text with a unit, such as \"5s\" or \"4MiB\", or a whole number"
)]
enum Text {
    String(String),
    Number(u64),
}

impl Text {
    fn read<T>(self, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, String> {
        match self {
            Self::String(text) => read(&text),
            Self::Number(number) => read(&number.to_string()),
        }
    }
}

/// Problems of one place in the file.
struct At<'a> {
    place: String,
    problems: &'a mut Vec<String>,
}

impl At<'_> {
    fn problem(&mut self, why: impl AsRef<str>) {
        self.problems.push(format!("{}: {}", self.place, why.as_ref()));
    }

    /// The value, or none and a problem.
    fn take<T>(&mut self, name: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|why| self.problem(format!("{name}: {why}"))).ok()
    }

    fn duration(
        &mut self,
        name: &str,
        value: Option<Text>,
        unit: Duration,
        (min, max): (Duration, Duration),
    ) -> Option<Duration> {
        let read = |text: &str| parse::duration_in(text, unit, min, max);
        value.and_then(|v| self.take(name, v.read(read)))
    }

    fn bytes(&mut self, name: &str, value: Option<Text>) -> Option<usize> {
        value.and_then(|v| self.take(name, v.read(|text| parse::bytes(text, 1 << 10, 1 << 30))))
    }
}

impl File {
    /// The file's content; what is wrong is added to `problems`.
    pub(super) fn checked(self, folder: &Path, problems: &mut Vec<String>) -> Routes {
        let mut names = BTreeSet::new();
        for upstream in &self.upstreams {
            if !names.insert(upstream.name.clone()) {
                problems.push(format!("upstream `{}`: there are two of this name", upstream.name));
            }
        }
        let splits: Vec<_> = self.splits.into_iter().map(|s| s.checked(&names, problems)).collect();
        shares(&splits, problems);
        let upstreams = self
            .upstreams
            .into_iter()
            .map(|u| u.checked(folder, problems))
            .collect();
        Routes { upstreams, splits }
    }
}

impl RawUpstream {
    fn checked(self, folder: &Path, problems: &mut Vec<String>) -> Upstream {
        let mut at = At {
            place: format!("upstream `{}`", self.name),
            problems,
        };
        if !is_name(&self.name) {
            at.problem("a name has lower-case letters, digits and dashes, at most 32, and begins with a letter");
        }
        if OURS.contains(&&*self.name) {
            at.problem("this name is taken by a part of LogiCore");
        }
        if self.max_concurrent_calls == Some(0) {
            at.problem("max_concurrent_calls: must be 1 at least");
        }
        let endpoints = at.take("endpoints", parse::endpoints(&self.endpoints.join(",")));
        let descriptors = match &*self.descriptors {
            "reflection" => Descriptors::Reflection,
            path => Descriptors::File(folder.join(path)),
        };
        Upstream {
            endpoints: endpoints.unwrap_or_default(),
            tls: self.tls.map(|tls| tls.checked(folder, &mut at)),
            descriptors,
            services: self.services,
            public: self.public,
            allow_weaker: self.allow_weaker,
            max_message: at.bytes("max_message", self.max_message),
            max_concurrent_calls: self.max_concurrent_calls.unwrap_or(CALLS_AT_ONCE),
            health_check: at.duration("health_check", self.health_check, SECOND, HEALTH),
            policies: self
                .policy
                .into_iter()
                .map(|(of, p)| (of.clone(), p.checked(&of, &mut at)))
                .collect(),
            name: self.name,
        }
    }
}

impl RawTls {
    fn checked(self, folder: &Path, at: &mut At<'_>) -> Tls {
        if self.cert.is_some() != self.key.is_some() {
            at.problem("tls: `cert` and `key` go together");
        }
        Tls {
            ca: folder.join(self.ca),
            cert: self.cert.map(|cert| folder.join(cert)),
            key: self.key.map(|key| folder.join(key)),
            server_name: self.server_name,
        }
    }
}

impl RawPolicy {
    fn checked(self, of: &str, at: &mut At<'_>) -> Policy {
        let mut at = At {
            place: format!("{}: policy of `{of}`", at.place),
            problems: at.problems,
        };
        let policy = Policy {
            access: self.access,
            permission: self.permission,
            subject_field: self.subject_field,
            tenant_field: self.tenant_field,
            rate_cost: self.rate_cost,
            deadline: at.duration("deadline", self.deadline, MS, (MS, DAY)),
            idempotency: self.idempotency.map(|i| match i {
                RawIdempotency::Unknown => Idempotency::Unknown,
                RawIdempotency::NoSideEffects => Idempotency::NoSideEffects,
                RawIdempotency::Idempotent => Idempotency::Idempotent,
            }),
            idempotency_key: self.idempotency_key,
            fallback: self.fallback,
            feed_stale: self.feed_stale.map(|f| match f {
                RawFeedStale::Serve => FeedStale::Serve,
                RawFeedStale::Refuse => FeedStale::Refuse,
            }),
            max_message: at.bytes("max_message", self.max_message),
        };
        if policy.rate_cost == Some(0) {
            at.problem("rate_cost: a call costs 1 at least");
        }
        if let Some(why) = policy.problem() {
            at.problem(why);
        }
        policy
    }
}

impl RawSplit {
    fn checked(self, upstreams: &BTreeSet<String>, problems: &mut Vec<String>) -> Split {
        let mut at = At {
            place: format!("split of `{}`", self.service),
            problems,
        };
        if !upstreams.contains(&self.to) {
            at.problem(format!("there is no upstream `{}`", self.to));
        }
        if self.weight > 100 {
            at.problem("`weight` is a share in percent, at most 100");
        }
        if self.weight == 0 && self.header.is_none() {
            at.problem("it needs a `weight` or a `header`");
        }
        let header = self.header.and_then(|text| at.take("header", header(&text)));
        Split {
            service: self.service,
            to: self.to,
            weight: self.weight,
            header,
        }
    }
}

/// What is wrong with all shares of a service together.
fn shares(splits: &[Split], problems: &mut Vec<String>) {
    let mut sums: BTreeMap<&str, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for split in splits {
        *sums.entry(&split.service).or_default() += u32::from(split.weight);
        if !seen.insert((&split.service, &split.to)) {
            problems.push(format!("split of `{}`: `{}` has two shares", split.service, split.to));
        }
    }
    for (service, sum) in sums.into_iter().filter(|(_, sum)| *sum > 100) {
        problems.push(format!("split of `{service}`: the weights are {sum} % together"));
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be `name: value`")?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header name"))?;
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("`{value}` is no header value"))?;
    Ok((name, value))
}
