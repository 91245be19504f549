//! grpcurl, which knows nothing of LogiCore but what reflection says.

use std::collections::BTreeSet;

use anyhow::Context as _;
use logicore::policy::{Access, Table};
use logicore_harness::{Layout, System};
use serde_json::{Value, json};

use super::peer::{self, Outcome};
use crate::support::{in_both_layouts, start};

in_both_layouts!(grpcurl_calls_by_reflection_alone);

struct Grpcurl {
    system: System,
}

impl Grpcurl {
    async fn start(layout: Layout) -> anyhow::Result<Self> {
        let system = start(layout, &[]).await?;
        Ok(Self { system })
    }

    /// `grpcurl -plaintext [flags] localhost:PORT [rest]`.
    async fn run(&self, flags: &[&str], rest: &[&str]) -> anyhow::Result<Outcome> {
        let mut command = peer::program("grpcurl")?;
        let address = format!("localhost:{}", self.system.address().port());
        peer::run(command.arg("-plaintext").args(flags).arg(address).args(rest)).await
    }

    /// What a command that succeeds prints.
    async fn shows(&self, rest: &[&str]) -> anyhow::Result<String> {
        let outcome = self.run(&[], rest).await?;
        assert_eq!(outcome.code, 0, "{rest:?}: {}", outcome.stderr);
        Ok(outcome.stdout)
    }

    async fn invoke(&self, method: &str, token: &str, message: &Value) -> anyhow::Result<Outcome> {
        let (header, message) = (format!("authorization: Bearer {token}"), message.to_string());
        let flags = ["-format-error", "-d", &message, "-H", &header];
        let flags = if token.is_empty() { &flags[..3] } else { &flags[..] };
        self.run(flags, &[method]).await
    }

    /// The answer to a call that succeeds.
    async fn call(&self, method: &str, token: &str, message: &Value) -> anyhow::Result<Value> {
        let outcome = self.invoke(method, token, message).await?;
        assert_eq!(outcome.code, 0, "{method}: {}", outcome.stderr);
        Ok(serde_json::from_str(&outcome.stdout)?)
    }

    /// The error of a call that fails.
    async fn fails(&self, method: &str, token: &str, message: &Value) -> anyhow::Result<Value> {
        let outcome = self.invoke(method, token, message).await?;
        assert_ne!(outcome.code, 0, "{method}: {}", outcome.stdout);
        serde_json::from_str(&outcome.stderr).context(outcome.stderr)
    }
}

/// The services that only peers may call.
fn internal() -> BTreeSet<String> {
    let table = Table::compiled_in();
    let methods = table.iter().filter(|m| matches!(m.access, Access::Internal(_)));
    methods.map(|m| m.service.to_string()).collect()
}

fn detail<'a>(error: &'a Value, kind: &str) -> &'a Value {
    let wanted = format!("type.googleapis.com/google.rpc.{kind}");
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = details.iter().find(|d| d["@type"] == wanted.as_str());
    found.unwrap_or(&Value::Null)
}

#[tokio::test]
async fn grpcurl_lists_and_describes_what_callers_may_see_and_nothing_else() -> anyhow::Result<()> {
    let grpcurl = Grpcurl::start(Layout::One).await?;
    let listed = grpcurl.shows(&["list"]).await?;
    let services = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "logicore.admin.v1.AdminService",
        "logicore.auth.v1.AuthService",
        "logicore.mesh.v1.GatewayService",
        "logicore.user.v1.UserService",
    ];
    assert_eq!(listed.lines().collect::<Vec<_>>(), services);

    let service = grpcurl.shows(&["describe", "logicore.auth.v1.AuthService"]).await?;
    for part in [
        "Trades email and password",
        r#"option (.google.api.http) = { post: "/auth/login", body: "*" }"#,
        "option (.logicore.policy.v1.method)",
    ] {
        assert!(service.contains(part), "{part} in {service}");
    }
    let message = grpcurl.shows(&["describe", "logicore.user.v1.User"]).await?;
    assert!(message.contains("map<string, string> labels = 9;"), "{message}");
    let message = grpcurl.shows(&["describe", "google.rpc.ErrorInfo"]).await?;
    assert!(message.contains("string reason = 1;"), "{message}");

    let everything = grpcurl.shows(&["describe"]).await?;
    let internal = internal();
    assert!(internal.contains("logicore.mesh.v1.FeedService"), "{internal:?}");
    for service in internal {
        let short = service.rsplit('.').next().unwrap_or_default();
        assert!(!everything.contains(short), "{service} in {everything}");
        for verb in ["describe", "list"] {
            let refused = grpcurl.run(&[], &[verb, &service]).await?;
            assert_ne!(refused.code, 0, "{verb} {service}: {}", refused.stdout);
        }
    }
    Ok(())
}

#[tokio::test]
async fn who_has_the_files_of_internal_services_cannot_call_them_all_the_same() -> anyhow::Result<()> {
    let grpcurl = Grpcurl::start(Layout::One).await?;
    let admin = grpcurl.system.admin().await?;
    let protos = peer::workspace("proto").display().to_string();
    let header = format!("authorization: Bearer {}", admin.access);
    for (file, method) in [
        (
            "logicore/auth/v1/account.proto",
            "logicore.auth.v1.AccountService/GetAuthStatistics",
        ),
        ("logicore/mesh/v1/feed.proto", "logicore.mesh.v1.FeedService/Sync"),
    ] {
        let flags = ["-import-path", &protos, "-proto", file, "-format-error", "-H", &header];
        let refused = grpcurl.run(&flags, &[method]).await?;
        let error: Value = serde_json::from_str(&refused.stderr).context(refused.stderr)?;
        let message = "there is no such method";
        assert_eq!(
            (&error["code"], &error["message"]),
            (&12.into(), &message.into()),
            "{method}"
        );
    }
    Ok(())
}

async fn grpcurl_calls_by_reflection_alone(layout: Layout) -> anyhow::Result<()> {
    let grpcurl = Grpcurl::start(layout).await?;
    let credentials = json!({"email": "demo@example.com", "password": "demo123"});
    let login = grpcurl
        .call("logicore.auth.v1.AuthService/Login", "", &credentials)
        .await?;
    let access = login["accessToken"].as_str().context("an access token")?;
    let me = grpcurl
        .call("logicore.auth.v1.AuthService/GetMe", access, &json!({}))
        .await?;
    assert_eq!(me["account"]["email"], "demo@example.com");
    let old = json!({"refreshToken": login["refreshToken"]});
    let refreshed = grpcurl.call("logicore.auth.v1.AuthService/Refresh", "", &old).await?;
    assert_ne!(refreshed["refreshToken"], login["refreshToken"]);

    let gateway = grpcurl
        .call("logicore.mesh.v1.GatewayService/GetReadiness", "", &json!({}))
        .await?;
    assert_eq!(gateway["status"], "ready", "{gateway}");
    let health = grpcurl.call("grpc.health.v1.Health/Check", "", &json!({})).await?;
    assert_eq!(health["status"], "SERVING");
    let one = json!({"service": "logicore.user.v1.UserService"});
    let health = grpcurl.call("grpc.health.v1.Health/Check", "", &one).await?;
    assert_eq!(health["status"], "SERVING");
    Ok(())
}

#[tokio::test]
async fn grpcurl_reads_why_a_call_failed() -> anyhow::Result<()> {
    let grpcurl = Grpcurl::start(Layout::One).await?;
    let wrong = json!({"email": "demo@example.com", "password": "wrong"});
    let error = grpcurl.fails("logicore.auth.v1.AuthService/Login", "", &wrong).await?;
    assert_eq!(
        detail(&error, "ErrorInfo")["reason"],
        "AUTH_INVALID_CREDENTIALS",
        "{error}"
    );
    assert_eq!(
        (&error["code"], &detail(&error, "ErrorInfo")["domain"]),
        (&16.into(), &"logicore".into())
    );
    assert!(detail(&error, "RequestInfo")["requestId"].is_string(), "{error}");

    let demo = grpcurl.system.demo().await?;
    let error = grpcurl
        .fails("logicore.user.v1.UserService/ListUsers", &demo.access, &json!({}))
        .await?;
    assert_eq!(
        detail(&error, "ErrorInfo")["metadata"]["permission"],
        "users.read",
        "{error}"
    );

    let admin = grpcurl.system.admin().await?;
    let user = json!({"user": {"email": "no address"}});
    let error = grpcurl
        .fails("logicore.user.v1.UserService/CreateUser", &admin.access, &user)
        .await?;
    let violation = &detail(&error, "BadRequest")["fieldViolations"][0];
    assert_eq!(
        (&error["code"], &violation["field"]),
        (&3.into(), &"user.email".into()),
        "{error}"
    );
    Ok(())
}
