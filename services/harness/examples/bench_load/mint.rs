//! Real access tokens, many of them: a few sign in, and then refresh over and over. Each refresh gives a new one.

use std::fs;

use anyhow::{Context, Result, bail};
use logicore_harness::post;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Who refreshes side by side: the store commits them together.
const SESSIONS: usize = 32;

/// Writes `count` access tokens of the demo administrator, one a line.
pub(crate) async fn run(address: &str, count: usize, file: &str) -> Result<()> {
    let mut sessions = JoinSet::new();
    for number in 0..SESSIONS.min(count) {
        let address = address.parse()?;
        let share = count / SESSIONS + usize::from(number < count % SESSIONS);
        sessions.spawn(async move {
            let login = json!({"email": "admin@example.com", "password": "admin123"});
            let mut tokens = answer(address, "/auth/login", &login).await?;
            let mut access = vec![text(&tokens, "accessToken")?];
            while access.len() < share {
                let refresh = json!({"refreshToken": text(&tokens, "refreshToken")?});
                tokens = answer(address, "/auth/refresh", &refresh).await?;
                access.push(text(&tokens, "accessToken")?);
            }
            Ok::<_, anyhow::Error>(access)
        });
    }
    let mut all = String::new();
    while let Some(access) = sessions.join_next().await {
        for token in access?? {
            all.push_str(&token);
            all.push('\n');
        }
    }
    fs::write(file, all).with_context(|| format!("cannot write {file}"))
}

async fn answer(address: std::net::SocketAddr, path: &str, body: &Value) -> Result<Value> {
    let reply = post(address, path, "", body).await?;
    if reply.status != 200 {
        bail!("{path} answered {}: {}", reply.status, reply.text());
    }
    Ok(serde_json::from_str(&reply.text())?)
}

fn text(value: &Value, member: &str) -> Result<String> {
    let text = value[member].as_str().with_context(|| format!("no {member}"))?;
    Ok(text.to_owned())
}
