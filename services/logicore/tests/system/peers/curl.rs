//! curl, with the guide's commands word for word: only the port and the tokens are filled in.

use logicore_harness::{Layout, System};
use serde_json::Value;

use super::peer;
use crate::support::{in_both_layouts, start};

in_both_layouts!(curl_runs_the_guide_word_for_word);

const LOGIN: &str = r#"
curl -X POST http://localhost:8080/auth/login \
-H "Content-Type: application/json" \
-d '{"email":"demo@example.com","password":"demo123"}'
"#;
const ME: &str = r#"
curl -H "Authorization: Bearer YOUR_ACCESS_TOKEN" \
http://localhost:8080/auth/me
"#;
const REFRESH: &str = r#"
curl -X POST http://localhost:8080/auth/refresh \
-H "Content-Type: application/json" \
-d '{"refreshToken":"YOUR_REFRESH_TOKEN"}'
"#;
const VALIDITY: &str = r#"curl -H "Authorization: Bearer TOKEN" http://localhost:8080/auth/me"#;
const STATISTICS: &str = r#"
curl -H "Authorization: Bearer ADMIN_TOKEN" \
  http://localhost:8080/circuit-breaker/status
"#;
const STATUS: &str = "curl http://localhost:8080/circuit-breaker/status";

/// Somebody at a shell.
struct Shell<'a> {
    system: &'a System,
    home: tempfile::TempDir,
}

impl<'a> Shell<'a> {
    fn new(system: &'a System) -> anyhow::Result<Self> {
        peer::find("curl")?;
        let home = tempfile::tempdir()?;
        // Settings of curl rather than flags, so that commands stay as the guide has them.
        std::fs::write(
            home.path().join(".curlrc"),
            "silent\nshow-error\nwrite-out = \"\\n%{http_code}\"\n",
        )?;
        Ok(Self { system, home })
    }

    /// Runs a command with the words replaced; the status and the body.
    async fn types(&self, command: &str, words: &[(&str, &str)]) -> anyhow::Result<(u16, String)> {
        let port = self.system.address().port();
        let mut line = command.replace("localhost:8080", &format!("localhost:{port}"));
        for (word, value) in words {
            line = line.replace(word, value);
        }
        let mut shell = peer::program("sh")?;
        let outcome = peer::run(shell.arg("-c").arg(&line).env("CURL_HOME", self.home.path())).await?;
        assert_eq!(outcome.code, 0, "{line}: {}", outcome.stderr);
        let (body, status) = outcome.stdout.rsplit_once('\n').unwrap_or_default();
        Ok((status.parse()?, body.to_owned()))
    }

    async fn json(&self, command: &str, words: &[(&str, &str)]) -> anyhow::Result<(u16, Value)> {
        let (status, body) = self.types(command, words).await?;
        Ok((status, serde_json::from_str(&body)?))
    }
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_default()
}

async fn curl_runs_the_guide_word_for_word(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let shell = Shell::new(&system)?;

    let (status, login) = shell.json(LOGIN, &[]).await?;
    assert_eq!((status, text(&login, "tokenType")), (200, "Bearer"), "{login}");
    let access = text(&login, "accessToken");
    let (status, me) = shell.json(ME, &[("YOUR_ACCESS_TOKEN", access)]).await?;
    assert_eq!((status, text(&me, "email")), (200, "demo@example.com"), "{me}");
    let words = [("YOUR_REFRESH_TOKEN", text(&login, "refreshToken"))];
    let (status, refreshed) = shell.json(REFRESH, &words).await?;
    assert_eq!(status, 200, "{refreshed}");
    let (status, me) = shell
        .json(VALIDITY, &[("TOKEN", text(&refreshed, "accessToken"))])
        .await?;
    assert_eq!((status, text(&me, "id")), (200, text(&login["account"], "id")));

    let (status, refused) = shell.json(STATUS, &[]).await?;
    assert_eq!(
        (status, text(&refused, "status")),
        (401, "UNAUTHENTICATED"),
        "{refused}"
    );
    let (status, refused) = shell.json(STATISTICS, &[("ADMIN_TOKEN", access)]).await?;
    let permission = &refused["details"][0]["metadata"]["permission"];
    assert_eq!((status, permission.as_str()), (403, Some("breakers.read")), "{refused}");
    let admin = system.admin().await?;
    let (status, seen) = shell.json(STATISTICS, &[("ADMIN_TOKEN", &admin.access)]).await?;
    assert_eq!((status, text(&seen["breakers"][0], "state")), (200, "Closed"), "{seen}");
    assert_eq!(text(&seen["auth"], "loginsSucceeded"), "2", "{seen}");
    monitoring(&shell).await
}

async fn monitoring(shell: &Shell<'_>) -> anyhow::Result<()> {
    for (path, field) in [
        ("/health", "status"),
        ("/readyz", "status"),
        ("/metrics/health", "uptime"),
    ] {
        let (status, seen) = shell.json(&format!("curl http://localhost:8080{path}"), &[]).await?;
        assert_eq!((status, seen[field].is_string()), (200, true), "{path}: {seen}");
    }
    let (status, metrics) = shell.types("curl http://localhost:8080/metrics", &[]).await?;
    let login = r#"api_requests_total{method="Login",protocol="rest",service="logicore.auth.v1.AuthService"} 2"#;
    assert_eq!(status, 200);
    assert!(metrics.contains(login), "{metrics}");
    Ok(())
}
