//! The commands of the example's README, word for word: only the port is filled in.

use logicore_harness::Layout;
use tempfile::TempDir;

use super::{super::peer, example::behind};

/// The shell blocks below these headings, in order.
fn blocks(readme: &str, headings: &[&str]) -> String {
    let sections = readme
        .split("\n## ")
        .filter(|section| headings.iter().any(|heading| section.starts_with(heading)));
    let blocks = sections.flat_map(|section| {
        section
            .split("```sh\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
    });
    blocks.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_readmes_commands_work_word_for_word() -> anyhow::Result<()> {
    let (_service, system) = behind("shipments.binpb", Layout::One, &[]).await?;
    let readme = std::fs::read_to_string(peer::workspace("examples/shipments/README.md"))?;
    let commands = blocks(&readme, &["Who may do what", "Four protocols"]);
    let commands = commands.replace("http://localhost:8080", &system.public_url());
    assert!(
        commands.contains("grpcurl") && commands.contains(":grantRole"),
        "{commands}"
    );
    let home = TempDir::new()?;
    std::fs::write(home.path().join(".curlrc"), "silent\nshow-error\n")?;
    let mut shell = peer::program("bash")?;
    let outcome = peer::run(shell.arg("-ec").arg(&commands).env("CURL_HOME", home.path())).await?;
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    for (part, times) in [
        ("AUTH_TOKEN_MISSING", 1),
        ("this needs the permission `shipments.read`", 1),
        ("SHIPMENT_STATE_DELIVERED", 2),
        ("\"accepted\":2", 1),
        ("shipments.v1.ShipmentService", 1),
    ] {
        assert_eq!(
            outcome.stdout.matches(part).count(),
            times,
            "{part} in {}{}",
            outcome.stdout,
            outcome.stderr
        );
    }
    Ok(())
}
