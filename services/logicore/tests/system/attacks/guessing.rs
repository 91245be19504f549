//! Guessing passwords.

use std::time::Duration;

use logicore_harness::{Layout, Reply, System};
use serde_json::Value;

use crate::support::{in_both_layouts, start};

in_both_layouts!(
    guessing_is_slowed_for_the_address_before_anything_is_hashed,
    an_unknown_email_and_a_wrong_password_are_one_answer,
);

async fn guessing_is_slowed_for_the_address_before_anything_is_hashed(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let admin = system.admin().await?;
    let mut answers = Vec::new();
    for guess in 0..40 {
        answers.push(system.try_login("demo@example.com", &format!("guess {guess}")).await?);
    }
    let wrong = answers
        .iter()
        .filter(|a| a.reason() == "AUTH_INVALID_CREDENTIALS")
        .count();
    let throttled: Vec<_> = answers.iter().filter(|a| a.reason() == "AUTH_THROTTLED").collect();
    assert_eq!(wrong + throttled.len(), 40);
    // Five are free; then waits of 1, 2, 4 ... seconds, one guess after each.
    assert!((6..=12).contains(&wrong), "{wrong} were hashed");
    assert!(
        throttled.iter().all(|a| a.status == 429 && seconds(a) >= 1),
        "{throttled:?}"
    );
    let statistics = statistics(&system, &admin.access).await?;
    assert_eq!(statistics["loginsFailed"], wrong.to_string());
    assert_eq!(statistics["loginsThrottled"], throttled.len().to_string());

    // The address waits, whomever it asks for; after the wait the right password is let in.
    let mut last = system.try_login("admin@example.com", "admin123").await?;
    for _ in 0..10 {
        if last.status == 200 {
            break;
        }
        assert_eq!(last.outcome(), (429, "AUTH_THROTTLED".to_owned()));
        tokio::time::sleep(Duration::from_secs(seconds(&last))).await;
        last = system.try_login("admin@example.com", "admin123").await?;
    }
    assert_eq!(last.status, 200, "{}", last.text());
    Ok(())
}

fn seconds(answer: &Reply) -> u64 {
    answer.header("retry-after").parse().unwrap_or_default()
}

async fn statistics(system: &System, token: &str) -> anyhow::Result<Value> {
    Ok(system.get("/circuit-breaker/status", token).await?.json()["auth"].clone())
}

async fn an_unknown_email_and_a_wrong_password_are_one_answer(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[]).await?;
    let mut known = system.try_login("demo@example.com", "wrong").await?.json();
    let mut unknown = system.try_login("nobody@example.com", "wrong").await?.json();
    let mut no_email = system.try_login("no email at all", "wrong").await?.json();
    for answer in [&mut known, &mut unknown, &mut no_email] {
        let details = answer["details"].as_array_mut().map(|d| {
            d.retain(|d| d["requestId"].is_null());
        });
        assert!(details.is_some(), "{answer}");
    }
    assert_eq!(known["code"], 16, "{known}");
    assert_eq!(known, unknown);
    assert_eq!(known, no_email);
    Ok(())
}
