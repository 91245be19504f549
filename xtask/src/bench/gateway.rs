//! What the gateway costs, beside Envoy doing the same.
//!
//! All peers run at once, pinned to core 0; the upstream and the load have core 1. Short slices of load walk over the peers round by
//! round, in turning order, so that a drift of the machine meets all alike, and ratios are taken within a round. What counts is the CPU
//! time of the proxy's process for each call, from `/proc`, since it survives other work on the machine better than calls per second do.
//! h2load drives; the upstream counts the calls that ended with status 0, and a slice with any other answer fails the run.

mod child;
mod envoy;
mod figures;
mod fleet;
mod load;
mod memory;
mod revocations;
mod rows;
mod system;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    shell::{command, output, root},
    tools::Tools,
};
use figures::{Floor, Measured, Series};
use fleet::{Fleet, Running};
use load::{Loader, Slice};
use rows::{Peer, ROWS, Row};
use system::{Programs, System, Upstream};

const BEGIN: &str = "<!-- tables: begin -->";
const END: &str = "<!-- tables: end -->";

/// What to measure, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only these rows, by name: grpc, tokens, new, rest, web, large, streams, cores, methods, revocations, memory
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Three rounds of short slices: less sure, and done in a minute or two
    #[arg(long)]
    quick: bool,
    /// Rounds over the peers of a row
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Milliseconds of load in each slice
    #[arg(long, default_value_t = 2000)]
    slice: u64,
    /// Measures the programs as they lie in the target folder
    #[arg(long)]
    no_build: bool,
    /// Puts the tables into this file, too: between its two marks, where it has them
    #[arg(long)]
    markdown: Option<PathBuf>,
}

impl Options {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row)
    }

    fn rounds(&self) -> usize {
        if self.quick { 3 } else { self.rounds.max(1) }
    }

    fn slice(&self) -> Duration {
        Duration::from_millis(if self.quick { 1000 } else { self.slice.max(100) })
    }
}

/// Measures, and prints the table as Markdown.
///
/// # Errors
/// When the machine lacks something, a peer does not start, or any answer is not the right one.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(unknown) = options
        .rows
        .iter()
        .find(|n| *n != "memory" && ROWS.iter().all(|r| r.name != **n))
    {
        bail!("there is no row `{unknown}`");
    }
    let tools = Tools::open()?;
    tools.ensure(&["envoy".to_owned(), "h2load".to_owned()])?;
    let programs = Programs::get(!options.no_build)?;
    let folder = root()
        .join("target")
        .join(format!("bench-gateway-{}", std::process::id()));
    fs::create_dir_all(&folder).context("cannot make a work folder")?;
    let measured = measure(options, &programs, &tools, &folder);
    if measured.is_ok() {
        fs::remove_dir_all(&folder).ok();
    } else {
        eprintln!("the logs of all processes lie in {}", folder.display());
    }
    let page = measured?;
    println!("{page}");
    if let Some(file) = &options.markdown {
        let old = fs::read_to_string(file).unwrap_or_default();
        fs::write(file, placed(&old, &page)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The page with the tables between its marks; the tables alone where it has none.
fn placed(old: &str, tables: &str) -> String {
    let parts = old
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => format!("{before}{BEGIN}\n{tables}\n{END}{after}"),
        None => tables.to_owned(),
    }
}

fn measure(options: &Options, programs: &Programs, tools: &Tools, folder: &Path) -> Result<String> {
    let upstream = Upstream::start(programs, folder)?;
    let system = System::start(programs, &folder.join("system"))?;
    let fleet = Fleet::new(programs, &system, &upstream, tools.envoy(), folder)?;
    let mut page = about(options)?;
    let wanted: Vec<&Row> = ROWS.iter().filter(|row| options.wants(row.name)).collect();
    let mut running = fleet.start(wanted.iter().flat_map(|row| row.peers.iter().copied()))?;
    let mut loader = Loader {
        programs,
        upstream: &upstream,
        token: system.token()?,
        folder: folder.to_owned(),
        tokens: folder.join("token-1"),
    };
    loader.write_bodies()?;
    fs::write(&loader.tokens, &loader.token)?;
    for row in wanted {
        let mut _deployment = None;
        if row.peers.contains(&Peer::ManyRevocations) {
            let (gateway, token, deployment) = revocations::start(programs, &fleet, folder)?;
            running.insert(Peer::ManyRevocations, gateway);
            _deployment = Some((token, deployment));
        }
        let other = _deployment.as_ref().map(|(token, _)| token.as_str());
        loader.tokens = mint(programs, &system, folder, row.tokens)?;
        let measured = measure_row(options, row, &running, &mut loader, other)?;
        let part = measured.markdown();
        eprintln!("{part}");
        page += &part;
        running.remove(&Peer::ManyRevocations);
    }
    drop(running);
    if options.wants("memory") {
        page += &memory::measure(&fleet, programs, options.rounds().min(5))?;
    }
    Ok(page)
}

/// The file with so many tokens: real ones, each from a login or a refresh.
fn mint(programs: &Programs, system: &System, folder: &Path, count: usize) -> Result<PathBuf> {
    let file = folder.join(format!("token-{count}"));
    if !file.exists() {
        let mut mint = command(&programs.load);
        mint.args(["mint", &system.door.to_string(), &count.to_string()])
            .arg(&file);
        output(&mut mint).context("tokens could not be had")?;
    }
    Ok(file)
}

fn measure_row(
    options: &Options,
    row: &Row,
    running: &BTreeMap<Peer, Running>,
    loader: &mut Loader<'_>,
    other: Option<&str>,
) -> Result<Measured> {
    let own = loader.token.clone();
    let mut series: Vec<Series> = row
        .peers
        .iter()
        .map(|peer| Series {
            peer: peer.name(),
            slices: Vec::new(),
        })
        .collect();
    // The first round warms up, and looks at the answers.
    for round in 0..=options.rounds() {
        for turn in 0..row.peers.len() {
            let place = (turn + round) % row.peers.len();
            let peer = row.peers[place];
            loader.token = match (peer, other) {
                (Peer::ManyRevocations, Some(token)) => token.to_owned(),
                _ => own.clone(),
            };
            let slice = measure_slice(options, row, peer, running.get(&peer), loader, round == 0)?;
            if round > 0 {
                series[place].slices.push(slice);
            }
        }
    }
    loader.token = own;
    let floors = row.floors.iter().map(|&(ours, rival, floor, aim)| Floor {
        ours,
        rival,
        floor,
        aim,
    });
    Ok(Measured {
        title: row.title.to_owned(),
        unit: row.unit,
        series,
        floors: floors.collect(),
    })
}

/// One slice of load on one peer; in a round that warms up its answers are looked at before.
fn measure_slice(
    options: &Options,
    row: &Row,
    peer: Peer,
    running: Option<&Running>,
    loader: &mut Loader<'_>,
    warms_up: bool,
) -> Result<Slice> {
    let (at, child) = match running {
        Some(running) => (running.address, &running.child),
        None => (loader.upstream.address, &loader.upstream.child),
    };
    if warms_up && peer != Peer::Direct {
        loader.check(at, row.kind, peer.method())?;
    }
    loader
        .slice(at, child, row.kind, peer.method(), options.slice())
        .with_context(|| format!("row {}, {}", row.name, peer.name()))
}

/// When, on what, by which command.
fn about(options: &Options) -> Result<String> {
    let date = output(command("date").args(["--utc", "+%Y-%m-%d %H:%M UTC"]))?;
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split(':').nth(1));
    let commit = output(command("git").args(["rev-parse", "--short", "HEAD"])).unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let built = if options.no_build {
        " (programs as they lay there)"
    } else {
        ""
    };
    Ok(format!(
        "`cargo xtask {}`{built}, {}, commit {}, {} cores of {}, load before {load}, {} rounds of {} ms a peer.\n\
         Figures are medians (least to most).\n",
        arguments.join(" "),
        date.trim(),
        commit.trim(),
        std::thread::available_parallelism().map_or(0, usize::from),
        model.unwrap_or("an unknown processor").trim(),
        options.rounds(),
        options.slice().as_millis(),
    ))
}

#[cfg(test)]
mod tests {
    use super::{load::Kind, *};

    #[test]
    fn tables_go_between_their_marks() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = placed(&page, "new");
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(placed(&new, "new"), new);
        assert_eq!(placed("no marks", "new"), "new");
    }

    #[test]
    fn rows_hold_what_they_have() {
        for row in ROWS {
            assert!(!row.name.is_empty() && !row.title.is_empty());
            for &(ours, rival, floor, aim) in row.floors {
                assert!(ours < row.peers.len() && rival < row.peers.len(), "{}", row.name);
                assert!(aim <= floor, "{}", row.name);
            }
            assert_eq!(row.kind == Kind::Tokens, row.tokens > 1, "{}", row.name);
        }
    }
}
