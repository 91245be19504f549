//! Start-up, memory at rest, and with 2,000 connections that say nothing.

use std::{
    io::{BufRead, BufReader},
    process::{Child as Process, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    child::on,
    figures::Spread,
    fleet::Fleet,
    rows::{FULL, Peer},
    system::{LOAD_CORE, Programs},
};

const IDLE: usize = 2_000;
/// Before memory is read.
const REST: Duration = Duration::from_secs(2);
/// MB that the gateway may take at rest, and with the connections.
const FLOORS: (f64, f64) = (20.0, 60.0);

/// Starts each peer so many times, and gives the page's part.
pub(super) fn measure(fleet: &Fleet<'_>, programs: &Programs, starts: usize) -> Result<String> {
    let mut out = format!(
        "\n### Start and memory\n\n| peer | start to first answer, ms | memory at rest, MB | with {IDLE} idle connections, MB |\n\
         |---|---|---|---|\n"
    );
    let mut verdict = String::new();
    for peer in [Peer::Shipped, FULL] {
        let (mut times, mut rest, mut loaded) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..starts {
            let running = fleet.start_one(peer)?;
            times.push(running.start.as_secs_f64() * 1e3);
            thread::sleep(REST);
            rest.push(running.child.resident()? / 1e6);
            let _held = Held::open(programs, &running.address.to_string())?;
            thread::sleep(REST);
            loaded.push(running.child.resident()? / 1e6);
        }
        let figures = [times, rest, loaded].map(Spread::of);
        if let (Peer::Shipped, [_, Some(rest), Some(loaded)]) = (peer, &figures) {
            let held = rest.median <= FLOORS.0 && loaded.median <= FLOORS.1;
            let word = if held { "held" } else { "**not held**" };
            verdict = format!("\nFloors {} MB and {} MB: {word}.\n", FLOORS.0, FLOORS.1);
        }
        let cells = figures.map(|f| f.map_or_else(String::new, |f| format!("{f:.1}")));
        out += &format!("| {} | {} |\n", peer.name(), cells.join(" | "));
    }
    Ok(out + &verdict)
}

/// Open connections; closed when dropped.
struct Held(Process);

impl Held {
    fn open(programs: &Programs, address: &str) -> Result<Self> {
        let mut command = on(LOAD_CORE, &programs.load);
        command.args(["idle", address, &IDLE.to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = process.stdout.take().context("its output is piped")?;
        let held = Self(process);
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        anyhow::ensure!(line.trim() == IDLE.to_string(), "only some connections could be opened");
        Ok(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
