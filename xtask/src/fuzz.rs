//! Fuzzing by libFuzzer on stable Rust.
//!
//! Coverage is a pass of LLVM that `-C passes` switches on, so no nightly is needed. Only the gateway and the targets are
//! instrumented and optimized, by standing between cargo and rustc for them: what they depend on is what the tests have
//! built already, and building it once more would take longer than the fuzzing.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use crate::shell::{self, cargo, root};

/// Set for the rustc that we stand in for.
const WRAPPER: &str = "LOGICORE_FUZZ_RUSTC";

/// Crates that are instrumented: those whose branches the fuzzer should learn to tell apart.
const INSTRUMENTED: [&str; 2] = ["logicore_gateway", "logicore_fuzz"];

/// What cargo-fuzz asks of LLVM, without a sanitizer: the tree has no unsafe code for one to watch.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Copt-level=2",
    "-Ccodegen-units=2",
    "-Cdebug-assertions=yes",
];

/// Every target, as `fuzz/Cargo.toml` names them.
const TARGETS: [&str; 4] = ["template", "query", "json", "answer"];

/// Longest input: what matters happens in few bytes.
const LONGEST: u32 = 2048;

/// What to fuzz, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these: template, query, json, answer
    targets: Vec<String>,
    /// Seconds of each
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

impl Options {
    /// All targets, each for so long.
    pub(crate) fn all(seconds: u32) -> Self {
        Self {
            targets: Vec::new(),
            seconds,
        }
    }
}

/// Whether we were started as a rustc, and how that ended.
pub(crate) fn as_rustc() -> Option<Result<()>> {
    std::env::var_os(WRAPPER)?;
    let mut arguments = std::env::args_os().skip(1);
    let rustc = arguments.next()?;
    let arguments: Vec<_> = arguments.collect();
    let mut command = Command::new(rustc);
    command.args(&arguments);
    if is_instrumented(&arguments) {
        command.args(FLAGS);
    }
    Some(shell::run(&mut command))
}

fn is_instrumented(arguments: &[OsString]) -> bool {
    let name = arguments.iter().skip_while(|a| *a != "--crate-name").nth(1);
    let name = name.and_then(|name| name.to_str()).unwrap_or_default();
    INSTRUMENTED.contains(&name) || name.starts_with("fuzz_")
}

/// Builds the targets and runs them, two at a time.
///
/// # Errors
/// When one finds something; the input lies under `target/fuzz/findings`.
pub(crate) fn run(options: &Options) -> Result<()> {
    let unknown = options.targets.iter().find(|name| !TARGETS.contains(&name.as_str()));
    if let Some(name) = unknown {
        bail!("there is no target `{name}`: {}", TARGETS.join(", "));
    }
    let asked = |name: &&str| options.targets.is_empty() || options.targets.iter().any(|t| t == name);
    let targets: Vec<_> = TARGETS.into_iter().filter(asked).collect();
    let programs = build(&targets)?;
    let mut failed = Vec::new();
    for pair in programs.chunks(2) {
        let running: Result<Vec<_>> = pair.iter().map(|p| Fuzzing::start(p, options.seconds)).collect();
        for fuzzing in running? {
            failed.extend(fuzzing.finish()?);
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{}", failed.join("\n")),
    }
}

/// A target and its program.
struct Program {
    target: &'static str,
    file: PathBuf,
}

fn build(targets: &[&'static str]) -> Result<Vec<Program>> {
    let mut command = cargo();
    command.args(["test", "--locked", "--workspace", "--no-run", "--message-format=json"]);
    command.args(["--features", "logicore-cli/peers"]);
    for target in targets {
        command.arg("--test").arg(format!("fuzz_{target}"));
    }
    let ourselves = std::env::current_exe().context("this program has no file")?;
    command.env("RUSTC_WORKSPACE_WRAPPER", ourselves).env(WRAPPER, "1");
    let messages = shell::output(&mut command)?;
    targets
        .iter()
        .map(|target| {
            let file = executable(&messages, &format!("fuzz_{target}"));
            let file = file.ok_or_else(|| anyhow!("cargo built no fuzz_{target}"))?;
            Ok(Program { target, file })
        })
        .collect()
}

/// The file that cargo says it has built.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages
        .filter(|m| m["target"]["name"] == name)
        .find_map(|m| m["executable"].as_str().map(PathBuf::from))
}

/// A target that runs.
struct Fuzzing {
    target: &'static str,
    child: Child,
    log: PathBuf,
    findings: PathBuf,
}

impl Fuzzing {
    fn start(program: &Program, seconds: u32) -> Result<Self> {
        // target/debug/deps/fuzz_x
        let target = program.file.ancestors().nth(3).unwrap_or(&program.file);
        let folder = target.join("fuzz");
        let corpus = folder.join("corpus").join(program.target);
        let findings = folder.join("findings").join(program.target);
        for folder in [&corpus, &findings] {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let log = folder.join(format!("{}.log", program.target));
        let output = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = shell::command(&program.file);
        command.args([&corpus, &root().join("fuzz/seeds").join(program.target)]);
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-max_len={LONGEST}"));
        command.arg(format!("-artifact_prefix={}/", findings.display()));
        // An input that takes longer is a finding, and so is one that takes more memory.
        command.args(["-timeout=5", "-rss_limit_mb=1024", "-print_final_stats=1"]);
        command.stdout(output.try_clone()?).stderr(output);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.file.display()))?;
        Ok(Self {
            target: program.target,
            child,
            log,
            findings,
        })
    }

    /// What was found, if anything was.
    fn finish(mut self) -> Result<Option<String>> {
        let status = self.child.wait().context("the fuzzer cannot be waited for")?;
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let runs = stat(&log, "stat::number_of_executed_units:").unwrap_or("?");
        println!("{}: {runs} inputs", self.target);
        if status.success() {
            return Ok(None);
        }
        let said: Vec<_> = log.lines().rev().take(40).collect();
        let said: Vec<_> = said.into_iter().rev().collect();
        let found = "a finding, in";
        Ok(Some(format!(
            "{}: {found} {}\n{}",
            self.target,
            show(&self.findings),
            said.join("\n")
        )))
    }
}

fn show(folder: &Path) -> String {
    folder.strip_prefix(root()).unwrap_or(folder).display().to_string()
}

fn stat<'l>(log: &'l str, name: &str) -> Option<&'l str> {
    log.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
