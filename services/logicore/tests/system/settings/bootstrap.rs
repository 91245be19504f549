//! The first admin, where no demo admin is.

use logicore_harness::{Finished, Layout, System};
use serde_json::json;

use crate::support::{GOOD_PASSWORD, PROGRAM, in_both_layouts, start};

const EMAIL: &str = "first@example.com";
/// No demo accounts; an empty value is as good as none.
const BARE: [(&str, &str); 1] = [("DEMO", "false")];

in_both_layouts!(
    the_first_admin_comes_through_the_auth_that_runs,
    the_first_admin_comes_from_the_store_where_nothing_runs,
);

async fn bootstrap(system: &System, email: &str) -> anyhow::Result<Finished> {
    let part = if system.layout() == Layout::One { "all" } else { "auth" };
    system.command(part, &["admin", "bootstrap", "--email", email]).await
}

/// The code on a line of its own.
fn code(printed: &Finished) -> String {
    assert_eq!(printed.code, Some(0), "{} {}", printed.stdout, printed.stderr);
    let lines: Vec<_> = printed.stdout.lines().map(str::trim).collect();
    let code = lines.iter().find(|l| l.len() > 20 && !l.contains(' ') && !l.is_empty());
    (*code.unwrap_or_else(|| panic!("a code in {lines:?}"))).to_owned()
}

async fn signs_in(system: &System, code: &str) -> anyhow::Result<()> {
    let set = json!({"code": code, "newPassword": GOOD_PASSWORD});
    let answer = system.post("/auth/password:set", "", &set).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let again = system.post("/auth/password:set", "", &set).await?;
    assert_eq!(again.outcome(), (401, "AUTH_CODE_INVALID".to_owned()), "once");
    let admin = system.login(EMAIL, GOOD_PASSWORD).await?;
    for path in ["/v1/users", "/circuit-breaker/status"] {
        assert_eq!(system.get(path, &admin.access).await?.status, 200, "{path}");
    }
    let demo = system.try_login("admin@example.com", "admin123").await?;
    assert_eq!(demo.outcome(), (401, "AUTH_INVALID_CREDENTIALS".to_owned()));
    Ok(())
}

async fn the_first_admin_comes_through_the_auth_that_runs(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &BARE).await?;
    let wrong = bootstrap(&system, "no email").await?;
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
    assert!(wrong.stderr.contains("email"), "{}", wrong.stderr);
    let lost = code(&bootstrap(&system, EMAIL).await?);
    // Until the code is used it can be asked for again; then the older one is void.
    let printed = bootstrap(&system, EMAIL).await?;
    let fresh = code(&printed);
    let void = json!({"code": lost, "newPassword": GOOD_PASSWORD});
    let void = system.post("/auth/password:set", "", &void).await?;
    assert_eq!(void.outcome(), (401, "AUTH_CODE_INVALID".to_owned()));
    assert!(
        printed.stdout.contains("/auth/password:set"),
        "it says how to go on: {}",
        printed.stdout
    );
    let shown = printed.stdout.split("newPassword\":\"").nth(1).unwrap_or_default();
    let shown = json!({"code": fresh, "newPassword": shown.split('"').next()});
    let refused = system.post("/auth/password:set", "", &shown).await?;
    assert_eq!(
        refused.outcome(),
        (400, "PASSWORD_UNACCEPTABLE".to_owned()),
        "what is printed for everybody is no password"
    );
    signs_in(&system, &fresh).await?;

    let second = bootstrap(&system, "second@example.com").await?;
    assert_eq!((second.code, &*second.stdout), (Some(1), ""));
    assert!(second.stderr.contains("there is an admin already"), "{}", second.stderr);
    Ok(())
}

async fn the_first_admin_comes_from_the_store_where_nothing_runs(layout: Layout) -> anyhow::Result<()> {
    let mut system = System::prepare(PROGRAM, layout, &BARE)?;
    let printed = bootstrap(&system, EMAIL).await?;
    assert!(
        printed.stderr.contains("there was no database in"),
        "it may be the wrong folder: {}",
        printed.stderr
    );
    let code = code(&printed);
    for part in system.parts() {
        system.start_part(part)?;
    }
    system.ready().await?;
    signs_in(&system, &code).await?;
    for part in system.parts() {
        system.kill(part)?;
    }
    let second = bootstrap(&system, "second@example.com").await?;
    assert_eq!(second.code, Some(1), "{}", second.stdout);
    assert!(second.stderr.contains("there is an admin already"), "{}", second.stderr);
    Ok(())
}
