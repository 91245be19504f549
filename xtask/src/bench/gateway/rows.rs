//! What is measured: each row with its peers, its load, and the floors that it is held to.

use super::{
    envoy::Setup,
    figures::Unit,
    load::{Kind, Method},
};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    /// The upstream itself, called without a proxy.
    Direct,
    /// Our gateway, a public method, without an access log.
    Open,
    /// Our gateway as shipped, with its access log in a file.
    Shipped,
    /// As shipped, on both cores.
    TwoCores,
    /// As shipped, with 10,000 methods more in its tables.
    ManyMethods,
    /// As shipped, while 1,000,000 revocations are in force.
    ManyRevocations,
    /// Envoy.
    Envoy(Setup),
}

impl Peer {
    pub(super) fn name(self) -> String {
        let envoy = |setup: Setup| match setup {
            Setup { policy: false, .. } => "Envoy, routing only".to_owned(),
            Setup { rest: true, .. } => "Envoy, full policy, JWT cache, JSON transcoder".to_owned(),
            Setup { web: true, .. } => "Envoy, full policy, JWT cache, gRPC-Web".to_owned(),
            Setup { cache: true, .. } => "Envoy, full policy, JWT cache".to_owned(),
            _ => "Envoy, full policy, no JWT cache".to_owned(),
        };
        match self {
            Self::Direct => "no proxy (the upstream's own cost)".to_owned(),
            Self::Open => "LogiCore, no policy".to_owned(),
            Self::Shipped => "LogiCore as shipped".to_owned(),
            Self::TwoCores => "LogiCore as shipped, two cores".to_owned(),
            Self::ManyMethods => "LogiCore as shipped, 10,000 methods".to_owned(),
            Self::ManyRevocations => "LogiCore as shipped, 1,000,000 revocations".to_owned(),
            Self::Envoy(setup) => envoy(setup),
        }
    }

    /// The method that is called through it.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Open => Method::Open,
            _ => Method::Guarded,
        }
    }
}

const PLAIN: Peer = Peer::Envoy(Setup {
    policy: false,
    cache: false,
    rest: false,
    web: false,
});
const CACHED: Setup = Setup {
    policy: true,
    cache: true,
    rest: false,
    web: false,
};
pub(super) const FULL: Peer = Peer::Envoy(CACHED);
const UNCACHED: Peer = Peer::Envoy(Setup { cache: false, ..CACHED });
const REST: Peer = Peer::Envoy(Setup { rest: true, ..CACHED });
const WEB: Peer = Peer::Envoy(Setup { web: true, ..CACHED });

/// A row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// For `--rows`.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    /// Tokens that the calls take turns with.
    pub(super) tokens: usize,
    pub(super) peers: &'static [Peer],
    /// (ours, rival, floor, aim), as places in `peers`.
    pub(super) floors: &'static [(usize, usize, f64, f64)],
}

/// More than the gateway remembers, so that each is new when its turn comes again.
pub(super) const NEW_TOKENS: usize = 40_000;

const CALLS: Row = Row {
    name: "",
    title: "",
    kind: Kind::Grpc,
    unit: Unit::Call,
    tokens: 1,
    peers: &[],
    floors: &[],
};

/// All rows.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "grpc",
        title: "gRPC unary, token seen before",
        peers: &[Peer::Direct, Peer::Open, Peer::Shipped, PLAIN, FULL, UNCACHED],
        floors: &[(2, 4, 0.5, 0.33), (2, 1, 1.6, 1.3)],
        ..CALLS
    },
    Row {
        name: "tokens",
        title: "gRPC unary, 10,000 different tokens, all seen before",
        kind: Kind::Tokens,
        tokens: 10_000,
        peers: &[Peer::Shipped, FULL],
        floors: &[(0, 1, 0.5, 0.33)],
        ..CALLS
    },
    Row {
        name: "new",
        title: "gRPC unary, every token new",
        kind: Kind::Tokens,
        tokens: NEW_TOKENS,
        peers: &[Peer::Shipped, UNCACHED],
        floors: &[(0, 1, 0.7, 0.6)],
        ..CALLS
    },
    Row {
        name: "rest",
        title: "REST/JSON unary, token seen before",
        kind: Kind::Rest,
        peers: &[Peer::Open, Peer::Shipped, REST],
        floors: &[(1, 2, 0.5, 0.3)],
        ..CALLS
    },
    Row {
        name: "web",
        title: "gRPC-Web unary, token seen before",
        kind: Kind::Web,
        peers: &[Peer::Open, Peer::Shipped, WEB],
        floors: &[(1, 2, 0.5, 0.35)],
        ..CALLS
    },
    Row {
        name: "large",
        title: "Messages of 1 MiB, there and back",
        kind: Kind::Large,
        unit: Unit::Mebibyte,
        peers: &[Peer::Direct, Peer::Shipped, FULL],
        floors: &[(1, 2, 1.0, 0.67)],
        ..CALLS
    },
    Row {
        name: "streams",
        title: "Long streams of 1 KiB messages",
        kind: Kind::Streams,
        unit: Unit::Mebibyte,
        peers: &[Peer::Direct, Peer::Shipped, FULL],
        floors: &[(1, 2, 1.0, 0.67)],
        ..CALLS
    },
    Row {
        name: "cores",
        title: "From one core to two (the second is shared with upstream and load)",
        peers: &[Peer::Shipped, Peer::TwoCores],
        ..CALLS
    },
    Row {
        name: "methods",
        title: "10 methods and 10,000",
        peers: &[Peer::Shipped, Peer::ManyMethods],
        floors: &[(1, 0, 1.1, 1.05)],
        ..CALLS
    },
    Row {
        name: "revocations",
        title: "No revocation and 1,000,000",
        peers: &[Peer::Shipped, Peer::ManyRevocations],
        floors: &[(1, 0, 1.1, 1.05)],
        ..CALLS
    },
];
