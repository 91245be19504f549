//! `routes.toml`: services of other people behind the gateway, what is asked of their callers, and how traffic is split between them.
//!
//! A file of its own, since it is read again while the gateway runs, as a whole: what it says is taken whole or not at all. Paths in
//! it are relative to its folder. Every problem is listed at once.

mod raw;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderName, HeaderValue};

use super::Problems;
use crate::{
    policy::{FeedStale, Idempotency, is_permission},
    upstream::Tls,
};

/// Everything that a routes file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    /// Services, in the file's order.
    pub upstreams: Vec<Upstream>,
    /// Shares of their traffic that go elsewhere.
    pub splits: Vec<Split>,
}

/// A service of somebody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name in metrics, logs and breakers.
    pub name: String,
    /// `host:port` each; a DNS name stands for all its addresses.
    pub endpoints: Vec<String>,
    /// TLS towards it; plaintext without.
    pub tls: Option<Tls>,
    /// Where its descriptors come from.
    pub descriptors: Descriptors,
    /// Services of its descriptors that it serves, by full name; all of them where empty.
    pub services: BTreeSet<String>,
    /// Services (`pkg.Service`) and methods (`pkg.Service/Method`) that may be public if their descriptors say so.
    pub public: BTreeSet<String>,
    /// Whether new descriptors may ask less of callers than the ones in force.
    pub allow_weaker: bool,
    /// Longest message of a request, in bytes.
    pub max_message: Option<usize>,
    /// Calls that it has at once at most; further ones are refused.
    pub max_concurrent_calls: usize,
    /// How often its endpoints are asked for their health; never without.
    pub health_check: Option<Duration>,
    /// What callers need, by service (`pkg.Service`) or method (`pkg.Service/Method`).
    pub policies: BTreeMap<String, Policy>,
}

/// Where descriptors come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Descriptors {
    /// A serialized `google.protobuf.FileDescriptorSet`, imports included.
    File(PathBuf),
    /// The service's own gRPC reflection.
    Reflection,
}

/// Who may call, as the settings say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Anyone.
    Public,
    /// Anyone with a valid token.
    Authenticated,
    /// The subject itself, or a holder of the permission.
    SelfOrPermission,
    /// A holder of the permission.
    Permission,
    /// Nobody.
    Denied,
}

/// What the settings say of a method, or of all methods of a service. What is absent stays as the descriptors have it; the settings
/// of a method win over those of its service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Who may call. Replaces all that the descriptors say of it: permission, subject and tenant as well.
    pub access: Option<Access>,
    /// The permission asked for.
    pub permission: Option<String>,
    /// Top-level request field that names the subject.
    pub subject_field: Option<String>,
    /// Top-level request field that names the tenant.
    pub tenant_field: Option<String>,
    /// Units of the rate limit that a call takes.
    pub rate_cost: Option<u32>,
    /// Deadline where the caller gives none.
    pub deadline: Option<Duration>,
    /// What repeating a call does.
    pub idempotency: Option<Idempotency>,
    /// The service honours an `idempotency-key`.
    pub idempotency_key: Option<bool>,
    /// The last good answer may stand in.
    pub fallback: Option<bool>,
    /// What happens while the access feed is silent.
    pub feed_stale: Option<FeedStale>,
    /// Longest message of a request, in bytes.
    pub max_message: Option<usize>,
}

/// A share of a service's calls that goes to another upstream which has the service as well.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Full name of the service.
    pub service: String,
    /// Name of the upstream that takes the share.
    pub to: String,
    /// The share, in percent of the calls.
    pub weight: u8,
    /// Calls with this header go there whatever the share.
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl Routes {
    /// Reads a routes file.
    ///
    /// # Errors
    /// Everything that is wrong, each with the file's name.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let problem = |why: String| Problems(vec![format!("{}: {why}", path.display())]);
        let text = fs::read_to_string(path).map_err(|e| problem(e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder)
            .map_err(|p| Problems(p.into_iter().map(|p| format!("{}: {p}", path.display())).collect()))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let file: raw::File = toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            vec![format!("line {line}: {}", e.message())]
        })?;
        let mut problems = Vec::new();
        let routes = file.checked(folder, &mut problems);
        if problems.is_empty() { Ok(routes) } else { Err(problems) }
    }

    /// Files beside the routes file itself that it is made of: descriptor sets and certificates.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.upstreams.iter().flat_map(|u| {
            let descriptors = match &u.descriptors {
                Descriptors::File(path) => Some(path.as_path()),
                Descriptors::Reflection => None,
            };
            let tls = u
                .tls
                .iter()
                .flat_map(|tls| [Some(&tls.ca), tls.cert.as_ref(), tls.key.as_ref()]);
            let tls = tls.flatten().map(PathBuf::as_path);
            tls.chain(descriptors)
        })
    }
}

impl Upstream {
    /// Whether it serves a service that its descriptors have.
    #[must_use]
    pub fn serves(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.contains(service)
    }

    /// Whether a method may be public if its descriptor says so.
    #[must_use]
    pub fn consents(&self, service: &str, method: &str) -> bool {
        self.public.contains(service) || self.public.contains(&format!("{service}/{method}"))
    }
}

impl Policy {
    /// What the settings of a method leave to those of its service.
    #[must_use]
    pub fn or(&self, service: Option<&Self>) -> Self {
        let Some(service) = service else { return self.clone() };
        let who = if self.access.is_some() { self } else { service };
        Self {
            access: who.access,
            permission: who.permission.clone(),
            subject_field: who.subject_field.clone(),
            tenant_field: who.tenant_field.clone(),
            rate_cost: self.rate_cost.or(service.rate_cost),
            deadline: self.deadline.or(service.deadline),
            idempotency: self.idempotency.or(service.idempotency),
            idempotency_key: self.idempotency_key.or(service.idempotency_key),
            fallback: self.fallback.or(service.fallback),
            feed_stale: self.feed_stale.or(service.feed_stale),
            max_message: self.max_message.or(service.max_message),
        }
    }

    fn problem(&self) -> Option<String> {
        let asks = matches!(self.access, Some(Access::Permission | Access::SelfOrPermission));
        match (&self.permission, &self.subject_field, &self.tenant_field) {
            (None, ..) if asks => Some("the access asks for a `permission`".to_owned()),
            (Some(name), ..) if asks && !is_permission(name) => {
                Some(format!("`{name}` is no permission such as shipments.read"))
            }
            (Some(_), ..) if !asks => Some("`permission` needs the access permission or self_or_permission".to_owned()),
            (_, Some(_), _) if self.access != Some(Access::SelfOrPermission) => {
                Some("`subject_field` needs the access self_or_permission".to_owned())
            }
            (_, None, _) if self.access == Some(Access::SelfOrPermission) => {
                Some("the access self_or_permission needs a `subject_field`".to_owned())
            }
            (.., Some(_)) if self.access.is_none() => Some("`tenant_field` needs an access".to_owned()),
            _ => None,
        }
    }
}
