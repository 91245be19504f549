//! A deployment in which a million revocations are in force.
//!
//! They are written into auth's database while it is at rest: a million calls would take longer than all else here. From there on
//! everything is as always: auth reads them at its start, and the feed carries them to the gateway.

use std::path::Path;

use anyhow::{Context, Result};

use super::{
    fleet::{Fleet, Running},
    system::{PROXY_CORE, Programs, System},
};
use crate::shell::{command, output};

const REVOCATIONS: usize = 1_000_000;

/// Marks of sessions that nobody has, for as long as the benchmark may take.
const SCRIPT: &str = "\
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1])
until = int((time.time() + 86400) * 1e6)
db.execute('''WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO revocations (tenant, target, id, revoked, stale, expire_time)
SELECT 'default', 'session', printf('00000000-0000-7000-8000-%012x', i), 1, 0, ? FROM n''', (int(sys.argv[2]), until))
db.commit()
print(db.execute('SELECT count(*) FROM revocations').fetchone()[0])
";

/// Starts the deployment and a gateway of it; the gateway ends before the deployment does.
pub(super) fn start(programs: &Programs, fleet: &Fleet<'_>, folder: &Path) -> Result<(Running, String, System)> {
    let folder = folder.join("revocations");
    // Makes the databases.
    drop(System::start(programs, &folder)?);
    let database = folder.join("auth/data/auth.db");
    let mut fill = command("python3");
    fill.args(["-c", SCRIPT]).arg(&database).arg(REVOCATIONS.to_string());
    output(&mut fill).context("python3 with its sqlite3 module writes the revocations")?;
    let system = System::start(programs, &folder)?;
    let gateway = fleet.start_ours(&system, "many-revocations", PROXY_CORE, 10, "info")?;
    // It saves what it was told, which is no call's cost.
    gateway.child.await_rest()?;
    Ok((gateway, system.token()?, system))
}
