//! Paths that are written otherwise: they neither lead anywhere else nor past what a method needs.

use logicore::settings::{DEMO_ADMIN_ID, DEMO_USER_ID};
use logicore_harness::{Layout, System, framed, grpc_bytes, grpc_web_bytes, raw};
use tonic::Code;

use crate::support::{in_both_layouts, shared};

/// Of `/circuit-breaker/status`, which only an operator may read.
const OTHER_SPELLINGS: &[&str] = &[
    "//circuit-breaker/status",
    "/circuit-breaker//status",
    "/circuit-breaker/status/",
    "/circuit-breaker/status//",
    "/circuit-breaker/status;x=1",
    "/circuit-breaker;/status",
    "/circuit-breaker/./status",
    "/./circuit-breaker/status",
    "/auth/../circuit-breaker/status",
    "/auth/%2e%2e/circuit-breaker/status",
    "/auth/%2E%2e/circuit-breaker/status",
    "/auth/..%2Fcircuit-breaker/status",
    "/circuit-breaker%2Fstatus",
    "/circuit-breaker%2fstatus",
    "/circuit-breaker%252Fstatus",
    "/circuit-breaker%5Cstatus",
    "/circuit-breaker/status.",
    "/circuit-breaker/status%2E",
    "/circuit-breaker/status%20",
    "/circuit-breaker/status%00",
    "/circuit-breaker/status%0d%0a",
    "/circuit-breaker/STATUS",
    "/Circuit-Breaker/status",
    "/circuit-breaker/status.json",
    "/circuit-breaker/status:",
    "/circuit-breaker/status:reset",
    "/%2Fcircuit-breaker/status",
    "/logicore.mesh.v1.GatewayService/GetCircuitBreakerStatus",
];

in_both_layouts!(
    another_spelling_of_a_rest_path_leads_nowhere,
    an_escaped_letter_is_the_letter_and_asks_for_the_same,
    another_spelling_of_a_grpc_path_is_no_method,
    no_spelling_of_anothers_id_passes_for_ones_own,
);

async fn another_spelling_of_a_rest_path_leads_nowhere(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let (demo, admin) = (system.demo().await?.access, system.admin().await?.access);
    assert_eq!(system.get("/circuit-breaker/status", &admin).await?.status, 200);
    for path in OTHER_SPELLINGS {
        for token in ["", &demo, &admin] {
            let answer = system.get(path, token).await?;
            assert_eq!(answer.outcome(), (404, "ROUTE_NOT_FOUND".to_owned()), "{path}");
        }
    }
    // What no client library would send.
    for target in [
        "circuit-breaker/status",
        "\\circuit-breaker\\status",
        "/circuit-breaker/status x",
        "*",
    ] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {admin}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw(system.address(), request.as_bytes()).await?;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 4"), "{target}: {answer}");
    }
    Ok(())
}

async fn an_escaped_letter_is_the_letter_and_asks_for_the_same(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let (demo, admin) = (system.demo().await?.access, system.admin().await?.access);
    for path in [
        "/circuit-breaker/%73tatus",
        "/%63ircuit%2Dbreaker/status",
        "/circuit-breaker/status?",
    ] {
        let outcomes = [
            system.get(path, "").await?.outcome(),
            system.get(path, &demo).await?.outcome(),
            system.get(path, &admin).await?.outcome(),
        ];
        let expected = [(401, "AUTH_TOKEN_MISSING"), (403, "PERMISSION_MISSING"), (200, "")];
        assert_eq!(outcomes, expected.map(|(s, r)| (s, r.to_owned())), "{path}");
    }
    Ok(())
}

async fn another_spelling_of_a_grpc_path_is_no_method(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let admin = format!("Bearer {}", system.admin().await?.access);
    let headers = [("authorization", admin.as_str())];
    let path = "/logicore.admin.v1.AdminService/GetOverview";
    let right = grpc_bytes(system.address(), path, &headers, framed(&[])).await?;
    assert_eq!(right.code(), Code::Ok);
    for path in [
        "//logicore.admin.v1.AdminService/GetOverview",
        "/logicore.admin.v1.AdminService//GetOverview",
        "/logicore.admin.v1.AdminService/GetOverview/",
        "/logicore.admin.v1.AdminService/getoverview",
        "/logicore.admin.v1.adminservice/GetOverview",
        "/LOGICORE.ADMIN.V1.ADMINSERVICE/GETOVERVIEW",
        "/logicore.admin.v1.AdminService/GetOverview.",
        "/logicore.admin.v1.AdminService/GetOverview;x",
        "/logicore.admin.v1.AdminService%2FGetOverview",
        "/logicore.admin.v1.AdminService/%47etOverview",
        "/./logicore.admin.v1.AdminService/GetOverview",
        "/x/../logicore.admin.v1.AdminService/GetOverview",
        "/x/%2e%2e/logicore.admin.v1.AdminService/GetOverview",
        "/v1/overview",
        "/",
    ] {
        let unknown = (Code::Unimplemented, "METHOD_UNKNOWN".to_owned());
        let grpc = grpc_bytes(system.address(), path, &headers, framed(&[])).await?;
        assert_eq!(grpc.outcome(), unknown, "{path}");
        let web = grpc_web_bytes(system.address(), path, &headers, framed(&[])).await?;
        assert_eq!(web.outcome(), unknown, "{path}");
    }
    Ok(())
}

async fn no_spelling_of_anothers_id_passes_for_ones_own(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let demo = system.demo().await?.access;
    let (own, other) = (DEMO_USER_ID.to_string(), DEMO_ADMIN_ID.to_string());
    assert_eq!(id(&system, &format!("/v1/users/{own}"), &demo).await?, own);
    for spelling in [
        other.clone(),
        other.to_uppercase(),
        other.replace('-', ""),
        other.replace('-', "%2D"),
        format!("%{:x}{}", other.as_bytes()[0], &other[1..]),
        format!("{own}%2F..%2F{other}"),
        format!("{own}/../{other}"),
        format!("{other}%20"),
        format!("{other}%00"),
        format!("{own},{other}"),
        format!("{own}?id={other}"),
        format!("{other}?id={own}"),
        format!("{own}%3Fid={other}"),
        "..".to_owned(),
        "%2e".to_owned(),
    ] {
        let shown = id(&system, &format!("/v1/users/{spelling}"), &demo).await?;
        assert_ne!(shown, other, "{spelling}");
        assert!(
            shown.is_empty(),
            "{spelling} is refused, and not taken for another: {shown}"
        );
    }
    Ok(())
}

/// Id of the user that a path shows; empty where it is refused.
async fn id(system: &System, path: &str, token: &str) -> anyhow::Result<String> {
    let answer = system.get(path, token).await?;
    let refused = [400, 403, 404].contains(&answer.status.as_u16());
    assert!(answer.status == 200 || refused, "{path}: {}", answer.text());
    Ok(crate::support::text(&answer.json()["id"]))
}
