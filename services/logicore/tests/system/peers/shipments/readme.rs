//! The commands of both READMEs, word for word: only the port is filled in, and what starts the example is left out.

use logicore_harness::Layout;
use tempfile::TempDir;

use super::{super::peer, example::behind};

/// The shell blocks below these headings of a README, in order.
fn blocks(readme: &str, headings: &[&str]) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(peer::workspace(readme))?;
    let below = |section: &&str| headings.iter().any(|heading| section.starts_with(heading));
    let blocks = text.split("\n## ").filter(below).flat_map(|section| {
        let blocks = section.split("```sh\n").skip(1);
        blocks.filter_map(|rest| rest.split("```").next())
    });
    let blocks = blocks.filter(|block| !block.starts_with("python3 examples/shipments/run.py"));
    Ok(blocks.collect::<Vec<_>>().join("\n"))
}

/// Types them at a shell with a system of their own. What it prints has each part so often.
async fn typed(commands: &str, parts: &[(&str, usize)]) -> anyhow::Result<()> {
    let (_service, system) = behind("shipments.binpb", Layout::One, &[]).await?;
    let commands = commands.replace("localhost:8080", &format!("localhost:{}", system.address().port()));
    let home = TempDir::new()?;
    std::fs::write(home.path().join(".curlrc"), "silent\nshow-error\n")?;
    let mut shell = peer::program("bash")?;
    let outcome = peer::run(shell.arg("-ec").arg(&commands).env("CURL_HOME", home.path())).await?;
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    for (part, times) in parts {
        let seen = outcome.stdout.matches(part).count();
        assert_eq!(seen, *times, "{part} in {}{}", outcome.stdout, outcome.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn the_examples_readme_works_word_for_word() -> anyhow::Result<()> {
    let commands = blocks("examples/shipments/README.md", &["Who may do what", "Four protocols"])?;
    let parts = [
        ("AUTH_TOKEN_MISSING", 1),
        ("this needs the permission `shipments.read`", 1),
        ("SHIPMENT_STATE_DELIVERED", 2),
        ("\"accepted\":2", 1),
        ("shipments.v1.ShipmentService", 1),
    ];
    typed(&commands, &parts).await
}

#[tokio::test]
async fn the_projects_readme_on_own_services_works_word_for_word() -> anyhow::Result<()> {
    let commands = blocks("README.md", &["Put your own service behind it"])?;
    let parts = [
        ("AUTH_TOKEN_MISSING", 1),
        ("SHIPMENT_STATE_CREATED", 2),
        ("\"shipments\": [", 1),
    ];
    typed(&commands, &parts).await
}
