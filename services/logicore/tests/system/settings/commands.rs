//! The command line: what it prints, and how it says that something is wrong.

use std::path::Path;

use logicore_harness::{Finished, Layout, System, run};

use crate::support::{PROGRAM, start};

/// The guide's `.env`, word for word.
const GUIDE: &str = "JWT_SECRET=your-super-secret-jwt-key-here
JWT_REFRESH_SECRET=your-refresh-secret-jwt-key-here
JWT_EXPIRY=15m
JWT_REFRESH_EXPIRY=7d
RATE_LIMIT=1000
SERVICE_TIMEOUT=5000
ERROR_THRESHOLD=50
CIRCUIT_RESET_TIMEOUT=30000
";

async fn logicore(args: &[&str], env: &[(&str, &str)], dir: &Path) -> anyhow::Result<Finished> {
    let env: Vec<_> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    run(Path::new(PROGRAM), args, &env, dir).await
}

#[tokio::test]
async fn every_wrong_setting_is_listed_at_once_and_nothing_starts() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join(".env"), "RATE_LIMITS=5\nJWT_EXPIRY=soon\n")?;
    std::fs::write(
        dir.path().join("logicore.toml"),
        "jwt_algoritm = \"ES256\"\nerror_threshold = 200\n",
    )?;
    let env = [
        ("LOGICORE_LISTN", "127.0.0.1:0"),
        ("RATE_LIMIT", "many"),
        ("JWT_ALGORITHM", "none"),
        ("LOGICORE_LISTEN", "here"),
        ("LOGICORE_TOOLS_DIR", "/anywhere"),
        ("HOME", "/nowhere"),
    ];
    for args in [&["all"][..], &[], &["auth"], &["check-config"]] {
        let ended = logicore(args, &env, dir.path()).await?;
        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{args:?}");
        for problem in [
            "LOGICORE_LISTN",
            "did you mean `LOGICORE_LISTEN`?",
            "RATE_LIMIT (environment)",
            "JWT_ALGORITHM (environment)",
            "LOGICORE_LISTEN (environment)",
            "RATE_LIMITS",
            "JWT_EXPIRY (.env)",
            "jwt_algoritm",
            "ERROR_THRESHOLD (logicore.toml)",
        ] {
            assert!(ended.stderr.contains(problem), "{problem} in {}", ended.stderr);
        }
        assert!(
            !ended.stderr.contains("LOGICORE_TOOLS_DIR") && !ended.stderr.contains("HOME"),
            "{}",
            ended.stderr
        );
    }
    assert!(!dir.path().join("data").exists(), "nothing was made");
    for args in [
        &["--rate-limt", "5"][..],
        &["all", "--jwt-secret", "x"],
        &["fly"],
        &["admin", "bootstrap"],
    ] {
        let ended = logicore(args, &[], dir.path()).await?;
        assert_eq!(ended.code, Some(64), "{args:?}: {}", ended.stderr);
    }
    Ok(())
}

/// Names in a file of somebody else's, and those that its descriptors hold, are text to a terminal and nothing more.
#[tokio::test]
async fn a_name_in_the_routes_gives_the_terminal_no_orders() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let routes = dir.path().join("routes.toml");
    let env = [("LOGICORE_ROUTES", &*routes.display().to_string())];
    for text in [
        "[[upstream]]\nname = \"\\u001b[31mred\\u0007\"\nendpoints = [\"127.0.0.1:1\"]\ndescriptors = \"none.binpb\"\n",
        "[[upstream]]\nname = \"red\"\nendpoints = [\"\\u001b[31m\"]\ndescriptors = \"\\u001b[2J.binpb\"\n",
        "\"\\u001b[31m\" = 1\n",
    ] {
        std::fs::write(&routes, text)?;
        for command in ["routes", "check-config"] {
            let ended = logicore(&[command], &env, dir.path()).await?;
            let printed = ended.stdout + &ended.stderr;
            assert_ne!(ended.code, Some(0), "{command}: {printed:?}");
            assert!(printed.contains("\\u{1b}["), "{command}: {printed:?}");
            let orders = printed.chars().filter(|c| c.is_control() && *c != '\n');
            assert_eq!(orders.collect::<String>(), "", "{command}: {printed:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_settings_in_force_are_shown_with_their_origin_and_without_secrets() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let secret = "a-secret-that-nobody-must-see-0123456789";
    std::fs::write(
        dir.path().join(".env"),
        format!("JWT_SECRET={secret}\nRATE_LIMIT=7\nJWT_EXPIRY=3m\n"),
    )?;
    std::fs::write(
        dir.path().join("logicore.toml"),
        "rate_limit = 8\nservice_timeout = \"4s\"\n",
    )?;
    let env = [
        ("RATE_LIMIT", "9"),
        ("MESH_SECRET", secret),
        ("JWT_REFRESH_SECRET", secret),
    ];
    let ended = logicore(&["check-config", "--jwt-expiry", "2m"], &env, dir.path()).await?;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let row = |name: &str| {
        let row = ended.stdout.lines().find(|l| l.split_whitespace().next() == Some(name));
        row.unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(row("RATE_LIMIT"), "9 environment");
    assert_eq!(row("JWT_EXPIRY"), "2m flag");
    assert_eq!(row("SERVICE_TIMEOUT"), "4s logicore.toml");
    assert_eq!(row("ERROR_THRESHOLD"), "50 default");
    assert!(row("JWT_SECRET").ends_with(".env"), "{}", row("JWT_SECRET"));
    assert!(row("MESH_SECRET").ends_with("environment"), "{}", row("MESH_SECRET"));
    assert!(
        !ended.stdout.contains(secret) && !ended.stderr.contains(secret),
        "{}",
        ended.stdout
    );

    let auth = logicore(&["check-config", "auth"], &env, dir.path()).await?;
    assert!(
        auth.stdout
            .lines()
            .any(|l| l.starts_with("LOGICORE_MESH_LISTEN") && l.contains("127.0.0.1:8081"))
    );
    Ok(())
}

#[tokio::test]
async fn the_guides_env_file_works_as_it_stands() -> anyhow::Result<()> {
    let mut system = System::prepare(PROGRAM, Layout::One, &[])?;
    std::fs::write(system.dir().join(".env"), GUIDE)?;
    system.start_part("all")?;
    system.ready().await?;
    let demo = system.demo().await?;
    let me = system.get("/auth/me", &demo.access).await?;
    assert_eq!((me.status.as_u16(), me.header("ratelimit-limit")), (200, "1000"));
    system.refreshed(&demo.refresh).await?;
    let warnings = system.process("all")?.logged("WARN");
    let samples = warnings
        .iter()
        .filter(|w| w["message"].as_str().is_some_and(|m| m.contains("published sample")));
    assert_eq!(samples.count(), 2, "whoever reads the log is told: {warnings:?}");

    // What is fine for a demo is refused where it is none.
    let shown = system.command("all", &["check-config"]).await?;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    system.set("LOGICORE_ENV", "production");
    let refused = system.command("all", &["check-config"]).await?;
    assert_eq!(refused.code, Some(64));
    for name in ["JWT_SECRET", "JWT_REFRESH_SECRET"] {
        assert!(
            refused.stderr.contains(&format!("{name} is a published sample")),
            "{}",
            refused.stderr
        );
    }
    Ok(())
}

#[tokio::test]
async fn version_help_and_openapi_are_printed_without_a_start() -> anyhow::Result<()> {
    let system = start(Layout::One, &[]).await?;
    let version = system.command("all", &["--version"]).await?;
    assert_eq!(
        (version.code, version.stdout.trim()),
        (Some(0), &*format!("logicore {}", logicore::VERSION))
    );
    let help = system.command("all", &["--help"]).await?;
    assert_eq!(help.code, Some(0));
    for word in ["gateway", "check-config", "openapi", "--rate-limit"] {
        assert!(help.stdout.contains(word), "{word} in {}", help.stdout);
    }
    let printed = system.command("all", &["openapi"]).await?;
    let served = system.get("/openapi.json", "").await?;
    assert_eq!((printed.code, printed.stdout), (Some(0), served.text()));
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_setting() -> anyhow::Result<()> {
    let system = start(Layout::One, &[]).await?;
    let port = system.address().port().to_string();
    let second = system.command("all", &["all", "--data-dir", "elsewhere"]).await?;
    assert_eq!(second.code, Some(1), "{}", second.stderr);
    assert!(
        second.stderr.contains(&port) && second.stderr.contains("LOGICORE_LISTEN"),
        "{}",
        second.stderr
    );
    Ok(())
}

#[tokio::test]
async fn whoever_has_read_enough_is_no_error() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    for command in ["openapi", "check-config"] {
        let line = format!("{{ {PROGRAM} {command}; echo \"status $?\" >&2; }} | head -c 1");
        let ended = run(Path::new("/bin/sh"), &["-c", &line], &[], dir.path()).await?;
        assert_eq!(ended.stderr.trim(), "status 0", "{command}");
        assert_eq!(ended.stdout.len(), 1, "{command}");
    }
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_says_why_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("data"), "no folder")?;
    let ended = logicore(&["all", "--listen", "127.0.0.1:0"], &[], dir.path()).await?;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("logicore: ") && last.contains("cannot be opened"),
        "{last}"
    );
    assert!(!last.contains("STORE_UNAVAILABLE"), "for people: {last}");
    assert_eq!(last.matches("cannot be opened").count(), 1, "{last}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let at = taken.local_addr()?.to_string();
    let ended = logicore(&["all", "--listen", &at, "--data-dir", "other"], &[], dir.path()).await?;
    assert!(
        ended.stderr.contains(&at) && ended.stderr.contains("LOGICORE_LISTEN"),
        "{}",
        ended.stderr
    );
    Ok(())
}
