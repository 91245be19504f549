//! Somebody else's service behind the running gateway: by a file of descriptors, with permissions, read again while it runs.

#[path = "routes/crowded.rs"]
mod crowded;

use std::{fs, path::Path, time::Duration};

use logicore_harness::{Layout, System, framed, grpc_bytes, raw, soon};
use serde_json::json;
use tonic::Code;

use crate::{
    support::{in_both_layouts, start},
    upstream::Upstream,
};

in_both_layouts!(
    a_service_is_served_by_its_permissions_and_sees_no_token,
    routes_follow_their_file_and_survive_a_bad_one,
    no_spelling_of_a_path_gets_around_a_permission,
);

const PROTO: &str = r#"
syntax = "proto3";
package notes.v1;
import "google/api/annotations.proto";
import "logicore/policy/v1/policy.proto";
message Note { string id = 1; string owner = 2; string text = 3; }
service Notes {
  rpc GetNote(Note) returns (Note) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = { get: "/v1/notes/{id}" };
    option (logicore.policy.v1.method) = {
      access: ACCESS_SELF_OR_PERMISSION permission: "notes.read" subject_field: "owner"
    };
  }
  rpc PutNote(Note) returns (Note) {
    option (google.api.http) = { put: "/v1/notes/{id}" body: "*" };
    option (logicore.policy.v1.method) = { access: ACCESS_PERMISSION permission: "notes.write" };
  }
  rpc Forgotten(Note) returns (Note) { option (google.api.http) = { get: "/v1/forgotten" }; }
}
"#;

const GET: &str = "/notes.v1.Notes/GetNote";
const PUT: &str = "/notes.v1.Notes/PutNote";

/// The message `{id: "n1"}` on the wire.
const NOTE: &[u8] = b"\x0a\x02n1";

/// Writes the descriptors of [`PROTO`] and returns the routes of a service that has them.
fn routes(dir: &Path, upstream: &Upstream) -> anyhow::Result<String> {
    fs::write(dir.join("notes.proto"), PROTO)?;
    let protos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let mut compiler = protox::Compiler::new([dir, &protos])?;
    compiler.include_imports(true).open_file("notes.proto")?;
    fs::write(dir.join("notes.binpb"), compiler.encode_file_descriptor_set())?;
    Ok(format!(
        "[[upstream]]\nname = \"notes\"\nendpoints = [\"{}\"]\ndescriptors = \"notes.binpb\"\n",
        upstream.address
    ))
}

async fn system(layout: Layout, upstream: &Upstream) -> anyhow::Result<(System, tempfile::TempDir, String)> {
    let dir = tempfile::tempdir()?;
    let text = routes(dir.path(), upstream)?;
    let file = dir.path().join("routes.toml");
    fs::write(&file, &text)?;
    let system = start(layout, &[("LOGICORE_ROUTES", &file.display().to_string())]).await?;
    Ok((system, dir, text))
}

async fn a_service_is_served_by_its_permissions_and_sees_no_token(layout: Layout) -> anyhow::Result<()> {
    let upstream = Upstream::start(NOTE, Duration::ZERO).await?;
    let (system, _dir, _) = system(layout, &upstream).await?;
    let (admin, demo) = (system.admin().await?, system.demo().await?);
    system.role(&admin, "noter", &["notes.write"]).await?;
    let noter = system.person(&admin, "noter@example.com", &["noter"]).await?;

    let note = system.get("/v1/notes/n1", &admin.access).await?;
    assert_eq!(
        (note.status.as_u16(), note.json()),
        (200, json!({"id": "n1", "owner": "", "text": ""}))
    );
    assert_eq!(
        system.get("/v1/notes/n1", "").await?.outcome(),
        (401, "AUTH_TOKEN_MISSING".to_owned())
    );
    let put = json!({"text": "x"}).to_string();
    for (who, expected) in [(&demo.access, 403), (&noter.tokens.access, 200), (&admin.access, 200)] {
        let headers = [
            ("authorization", &*format!("Bearer {who}")),
            ("content-type", "application/json"),
        ];
        let answer = system.send("PUT", "/v1/notes/n1", &headers, &put).await?;
        assert_eq!(answer.status, expected);
    }
    // Own by the field that names the subject, and nobody else's.
    let others = system
        .get(&format!("/v1/notes/n1?owner={}", noter.id), &demo.access)
        .await?;
    assert_eq!(others.outcome(), (403, "PERMISSION_MISSING".to_owned()));
    let me = system.get("/auth/me", &demo.access).await?.json();
    let own = me["id"].as_str().unwrap_or_default();
    for (spelled, expected) in [
        (own.to_owned(), 200),
        (own.to_uppercase(), 403),
        (own.replace('-', ""), 403),
        (format!("%7B{own}%7D"), 403),
        (format!("urn:uuid:{own}"), 403),
    ] {
        let answer = system
            .get(&format!("/v1/notes/n1?owner={spelled}"), &demo.access)
            .await?;
        assert_eq!(answer.status, expected, "{spelled}");
    }
    assert_eq!(system.get("/v1/notes/n1", &demo.access).await?.status, 200);
    assert_eq!(
        system.get("/v1/forgotten", &admin.access).await?.outcome(),
        (403, "POLICY_MISSING".to_owned())
    );

    let bearer = format!("Bearer {}", admin.access);
    let spoofed = [
        ("authorization", &*bearer),
        ("x-logicore-tenant", "other"),
        ("x-logicore-roles", "operator"),
        ("x-logicore-mesh", "x"),
    ];
    let answer = grpc_bytes(system.address(), PUT, &spoofed, framed(NOTE)).await?;
    assert_eq!(answer.code(), Code::Ok, "{answer:?}");
    let Some(seen) = upstream.seen(PUT).pop() else {
        anyhow::bail!("nothing came");
    };
    for name in ["authorization", "x-logicore-mesh"] {
        assert!(!seen.headers.contains_key(name), "{name}: {:?}", seen.headers);
    }
    assert_eq!(seen.headers["x-logicore-tenant"], "default");
    assert_eq!(seen.headers["x-logicore-roles"], "admin,operator,user");
    assert_eq!(seen.headers.get_all("x-logicore-subject").iter().count(), 1);
    assert_eq!(seen.body, framed(NOTE), "byte for byte");

    let table = system.command("gateway", &["routes"]).await?;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains("notes.v1.Notes/PutNote"), "{}", table.stdout);
    assert!(
        table.stderr.contains("notes.v1.Notes/Forgotten has no policy"),
        "{}",
        table.stderr
    );
    Ok(())
}

async fn routes_follow_their_file_and_survive_a_bad_one(layout: Layout) -> anyhow::Result<()> {
    let upstream = Upstream::start(NOTE, Duration::ZERO).await?;
    let (system, dir, text) = system(layout, &upstream).await?;
    let admin = system.admin().await?;
    let file = dir.path().join("routes.toml");
    let gateway = if layout == Layout::One { "all" } else { "gateway" };

    fs::write(
        &file,
        format!("{text}\n[upstream.policy.\"notes.v1.Notes/Forgotten\"]\naccess = \"authenticated\"\n"),
    )?;
    soon("the new policy", async || {
        let answer = system.get("/v1/forgotten", &admin.access).await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;

    fs::write(&file, format!("{text}{text}"))?;
    system.signal(gateway, "HUP")?;
    let refused = soon("the refusal", async || {
        let checks = system.get("/readyz", "").await?.json();
        let found = checks["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|c| c["name"] == "routes");
        Ok(found
            .filter(|c| c["status"] == "degraded")
            .map(|c| c["detail"].to_string()))
    })
    .await?;
    assert!(refused.contains("there are two of this name"), "{refused}");
    assert!(
        !refused.contains(&dir.path().display().to_string()),
        "no path of ours: {refused}"
    );
    assert_eq!(
        system.get("/v1/forgotten", &admin.access).await?.status,
        200,
        "the routes before go on"
    );
    let metrics = system.get("/metrics", "").await?.text();
    assert!(metrics.contains("routes_last_reload_successful 0"), "a metric says so");
    let bad = system.command("gateway", &["routes"]).await?;
    assert_eq!((bad.code, &*bad.stdout), (Some(1), ""), "{}", bad.stderr);

    fs::write(&file, "")?;
    system.signal(gateway, "HUP")?;
    soon("the service to be gone", async || {
        let answer = grpc_bytes(system.address(), GET, &[], framed(NOTE)).await?;
        Ok((answer.code() == Code::Unimplemented).then_some(()))
    })
    .await?;
    assert_eq!(system.get("/readyz", "").await?.json()["status"], "ready");
    Ok(())
}

/// Of `PUT /v1/notes/n1`, which a demo user may not.
const OTHER_SPELLINGS: &[&str] = &[
    "//v1/notes/n1",
    "/v1//notes/n1",
    "/v1/notes//n1",
    "/v1/notes/n1/",
    "/V1/notes/n1",
    "/v1/notes;x=1/n1",
    "/v1;/notes/n1",
    "/v1/./notes/n1",
    "/v1/x/../notes/n1",
    "/v1/x/%2e%2e/notes/n1",
    "/v1/x/%2E%2E/notes/n1",
    "/v1/x/..%2Fnotes/n1",
    "/v1%2Fnotes/n1",
    "/v1%252Fnotes/n1",
    "/v1%5Cnotes/n1",
    "/%2Fv1/notes/n1",
    "/notes.v1.Notes/PutNote",
];

/// Of the method itself, for the protocols that name it.
const OTHER_NAMES: &[&str] = &[
    "//notes.v1.Notes/PutNote",
    "/notes.v1.Notes//PutNote",
    "/notes.v1.Notes/PutNote/",
    "/notes.v1.Notes/putnote",
    "/Notes.v1.Notes/PutNote",
    "/notes.v1.Notes/%50utNote",
    "/notes.v1.Notes%2FPutNote",
    "/notes.v1.Notes/PutNote;x",
    "/notes.v1.Notes/PutNote.",
    "/./notes.v1.Notes/PutNote",
    "/x/../notes.v1.Notes/PutNote",
    "/x/%2e%2e/notes.v1.Notes/PutNote",
];

async fn no_spelling_of_a_path_gets_around_a_permission(layout: Layout) -> anyhow::Result<()> {
    let upstream = Upstream::start(NOTE, Duration::ZERO).await?;
    let (system, _dir, _) = system(layout, &upstream).await?;
    let (admin, demo) = (system.admin().await?.access, system.demo().await?.access);
    let may_not = format!("Bearer {demo}");
    let may = format!("Bearer {admin}");
    let json = ("content-type", "application/json");
    for path in OTHER_SPELLINGS {
        for who in [&*may_not, &*may] {
            let headers = [("authorization", who), json];
            let answer = system.send("PUT", path, &headers, "{}").await?;
            assert!(
                (400..500).contains(&answer.status.as_u16()),
                "{path}: {}",
                answer.text()
            );
        }
    }
    for path in OTHER_NAMES {
        let headers = [("authorization", &*may)];
        let grpc = grpc_bytes(system.address(), path, &headers, framed(NOTE)).await?;
        assert_eq!(
            grpc.outcome(),
            (Code::Unimplemented, "METHOD_UNKNOWN".to_owned()),
            "{path}"
        );
        let headers = [("authorization", &*may), json, ("connect-protocol-version", "1")];
        let connect = system.send("POST", path, &headers, "{}").await?;
        assert_eq!(connect.status, 501, "{path}: {}", connect.text());
        assert_eq!(connect.json()["code"], "unimplemented", "{path}");
    }
    let overridden = [("authorization", &*may_not), json, ("x-http-method-override", "PUT")];
    assert!(
        system
            .send("POST", "/v1/notes/n1", &overridden, "{}")
            .await?
            .status
            .is_client_error()
    );
    assert_eq!(upstream.seen(PUT).len(), 0, "nothing went through");

    // An escaped letter is the letter, and an absolute target the same target: both ask for the same.
    let port = system.address().port();
    for (target, who, expected) in [
        ("/v1/n%6Ftes/n1".to_owned(), &may_not, "403"),
        ("/v1/n%6Ftes/n1".to_owned(), &may, "200"),
        (format!("http://localhost:{port}/v1/notes/n1"), &may_not, "403"),
        (format!("http://localhost:{port}/v1/notes/n1"), &may, "200"),
        (format!("http://localhost:{port}//v1/notes/n1"), &may, "404"),
        ("http://evil.example/v1/notes/n1".to_owned(), &may, "4"),
    ] {
        let request = format!(
            "PUT {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: {who}\r\ncontent-type: application/json\r\n\
             content-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        let answer = raw(system.address(), request.as_bytes()).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{target}: {answer}"
        );
    }
    assert_eq!(upstream.seen(PUT).len(), 2, "those that were allowed");
    assert_eq!(upstream.seen(GET).len(), 0);
    Ok(())
}
