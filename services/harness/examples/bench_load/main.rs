//! What h2load cannot do for `cargo xtask bench gateway`: another token with every call, many idle connections, and getting tokens.
//!
//! Prints one line of numbers; see each command.

mod calls;
mod mint;

use anyhow::{Result, bail};

const USAGE: &str = "usage: bench_load calls ADDRESS PATH BODY TOKENS CONNECTIONS STREAMS SECONDS\n       \
     bench_load idle ADDRESS CONNECTIONS\n       bench_load mint ADDRESS COUNT FILE";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["calls", address, path, body, tokens, connections, streams, seconds] => {
            let turn = format!("{tokens}.next");
            let load = calls::Load {
                path: path.parse()?,
                message: std::fs::read(body)?.into(),
                tokens: calls::tokens(tokens)?,
                first: calls::first(&turn),
                turn,
                streams: streams.parse()?,
                seconds: seconds.parse()?,
            };
            runtime.block_on(calls::run(address, load, connections.parse()?))
        }
        ["idle", address, connections] => runtime.block_on(calls::idle(address, connections.parse()?)),
        ["mint", address, count, file] => runtime.block_on(mint::run(address, count.parse()?, file)),
        _ => bail!(USAGE),
    }
}
