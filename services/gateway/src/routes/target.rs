//! Where a call goes.

use http::{HeaderMap, HeaderName, HeaderValue};
use logicore::{Context, policy::Method, upstream::Upstream};
use rand::Rng;

/// Where a method is served.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// By another service of the deployment.
    Mesh(Upstream),
    /// By somebody else's service.
    Foreign(Upstream),
    /// By several versions of somebody else's service.
    Split {
        /// Who takes what no share takes.
        rest: Upstream,
        shares: Vec<Share>,
    },
    /// By the gateway itself.
    Own,
}

/// A part of a method's calls.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) upstream: Upstream,
    /// In percent of the calls.
    pub(crate) weight: u8,
    /// Calls with this header are all of it.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Target {
    /// Where one of LogiCore's own methods is served.
    ///
    /// # Errors
    /// When nobody serves it: a defect of the build.
    pub(super) fn own(ctx: &Context, method: &Method) -> Result<Self, String> {
        let neighbours = &ctx.neighbours;
        Ok(match method.service.split('.').collect::<Vec<_>>()[..] {
            ["logicore", "auth", ..] => Self::Mesh(neighbours.auth.clone()),
            ["logicore", "user", ..] => Self::Mesh(neighbours.user.clone()),
            ["logicore", "admin", ..] => Self::Mesh(neighbours.admin.clone()),
            ["logicore", "mesh", ..] | ["grpc", ..] => Self::Own,
            _ => return Err(format!("nobody serves {}", method.path)),
        })
    }

    /// The upstream of one call; none where the gateway itself answers.
    pub(crate) fn choose(&self, headers: &HeaderMap) -> Option<&Upstream> {
        match self {
            Self::Mesh(upstream) | Self::Foreign(upstream) => Some(upstream),
            Self::Split { rest, shares } => Some(chosen(rest, shares, headers)),
            Self::Own => None,
        }
    }

    /// The upstream that owns the service; none where the gateway itself answers.
    pub(crate) fn owner(&self) -> Option<&Upstream> {
        match self {
            Self::Mesh(upstream) | Self::Foreign(upstream) | Self::Split { rest: upstream, .. } => Some(upstream),
            Self::Own => None,
        }
    }

    /// Whether it is somebody else's service.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign(_) | Self::Split { .. })
    }

    /// Names of the upstreams, the one that owns the service first.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Mesh(upstream) | Self::Foreign(upstream) => vec![upstream.name().to_owned()],
            Self::Split { rest, shares } => {
                let shares = shares.iter().map(|s| format!("{} {} %", s.upstream.name(), s.weight));
                std::iter::once(rest.name().to_owned()).chain(shares).collect()
            }
            Self::Own => vec!["gateway".to_owned()],
        }
    }
}

fn chosen<'a>(rest: &'a Upstream, shares: &'a [Share], headers: &HeaderMap) -> &'a Upstream {
    let asked = |share: &&Share| {
        let header = share.header.as_ref();
        header.is_some_and(|(name, value)| headers.get_all(name).iter().any(|v| v == value))
    };
    if let Some(share) = shares.iter().find(asked) {
        return &share.upstream;
    }
    let mut left = rand::rng().random_range(0..100);
    for share in shares {
        if left < share.weight {
            return &share.upstream;
        }
        left -= share.weight;
    }
    rest
}
