//! What attacks on the listener cost others: each runs for a while against the gateway, whose one well-behaved caller goes on calling.
//!
//! It calls at a fixed rate far below what the gateway can do, so that what is asserted says nothing about the machine: no call fails,
//! and as many as before are answered in time. What each attack cost the gateway is printed (`-- --nocapture`).

#[path = "neighbours/attack.rs"]
mod attack;
#[path = "neighbours/caller.rs"]
mod caller;

use std::{fmt::Write as _, time::Duration};

use logicore_harness::{Layout, System};

use self::{
    attack::{Attack, Cost},
    caller::Caller,
};
use crate::support::start;

/// How long each attack runs.
const EACH: Duration = Duration::from_secs(2);
/// What an attack may cost in memory, over what the gateway had before it.
const MOST_KIB: u64 = 96 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_cost_the_attacker_and_not_the_others() -> anyhow::Result<()> {
    let settings = [
        ("RATE_LIMIT", "1000000"),
        ("LOGICORE_MAX_CONNECTIONS_PER_ADDRESS", "500"),
    ];
    let mut system = start(Layout::Four, &settings).await?;
    let caller = Caller::new(&system).await?;
    // The first calls of a process are slower than any other.
    caller.calls(Duration::from_millis(500)).await;
    let quiet = during(&mut system, &caller, None).await?;
    let calls = &quiet.calls;
    anyhow::ensure!(
        calls.in_time == calls.made && calls.failed.is_empty(),
        "without an attack: {calls:?}"
    );
    let mut table = String::from(
        "| attack | in time | median and 95th percentile | connections | cut off | gateway CPU | gateway memory |\n\
         |---|---|---|---|---|---|---|\n",
    );
    row(&mut table, "none", &quiet);
    let mut wrong = Vec::new();
    for attack in attack::ALL {
        let seen = during(&mut system, &caller, Some(attack)).await?;
        row(&mut table, attack.name, &seen);
        wrong.extend(
            seen.harm(&quiet)
                .into_iter()
                .map(|why| format!("{}: {why}", attack.name)),
        );
        if attack.is_cut && seen.cost.cut == 0 {
            wrong.push(format!("{}: nobody is cut off", attack.name));
        }
    }
    print(&table);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What was seen while an attack ran.
struct Seen {
    calls: caller::Calls,
    cost: Cost,
    cpu: Duration,
    kib: u64,
}

impl Seen {
    /// What others lost by it.
    fn harm(&self, quiet: &Seen) -> Vec<String> {
        let mut harm = self.calls.failed.clone();
        let (kept, had) = (
            self.calls.in_time * quiet.calls.made,
            quiet.calls.in_time * self.calls.made,
        );
        if kept * 10 < had * 9 {
            harm.push(format!(
                "{} of {} calls were answered in time",
                self.calls.in_time, self.calls.made
            ));
        }
        if self.kib > MOST_KIB {
            harm.push(format!("{} KiB", self.kib));
        }
        harm
    }
}

async fn during(system: &mut System, caller: &Caller, attack: Option<&Attack>) -> anyhow::Result<Seen> {
    let address = system.address();
    let gateway = system.process("gateway")?;
    let (cpu, kib) = (gateway.cpu(), gateway.resident_kib());
    let attacked = async {
        match attack {
            Some(attack) => attack.run(address, EACH).await,
            None => Cost::default(),
        }
    };
    let (calls, cost) = tokio::join!(caller.calls(EACH), attacked);
    let cpu = gateway
        .cpu()
        .unwrap_or_default()
        .saturating_sub(cpu.unwrap_or_default());
    let kib = gateway
        .resident_kib()
        .unwrap_or_default()
        .saturating_sub(kib.unwrap_or_default());
    Ok(Seen { calls, cost, cpu, kib })
}

fn row(table: &mut String, name: &str, seen: &Seen) {
    let Seen { calls, cost, cpu, kib } = seen;
    let _ = writeln!(
        table,
        "| {name} | {} of {} | {} and {} ms | {} | {} | {} ms | {:+.1} MiB |",
        calls.in_time,
        calls.made,
        calls.percentile(50).as_millis(),
        calls.percentile(95).as_millis(),
        cost.connections,
        cost.cut,
        cpu.as_millis(),
        *kib as f64 / 1024.0,
    );
}

#[expect(clippy::print_stdout, reason = "the table is what people run this for")]
fn print(table: &str) {
    println!("{table}");
}
