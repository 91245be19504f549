//! Who may call what: every method against every built-in role and every part of the deployment, decided by what decides in
//! production. `UPDATE_GOLDEN=1` rewrites `tests/golden/role_matrix.txt`.

use std::{fmt::Write as _, fs, path::Path, sync::Arc, time::Duration};

use logicore::{
    Context, Reason,
    access::Principal,
    layer::authorize::{Caller, authorize},
    mesh::Peer,
    policy::Method,
    secret::Secret,
    settings::{Role, Settings},
    testkit,
    token::Verifier,
};

/// A caller of each kind, by the name of the column.
const CALLERS: [(&str, Option<&str>); 4] = [
    ("nobody", None),
    ("user", Some("user")),
    ("admin", Some("admin")),
    ("operator", Some("operator")),
];

const PARTS: [Role; 5] = [Role::Gateway, Role::Auth, Role::User, Role::Admin, Role::Cli];

#[test]
fn the_matrix_is_what_is_decided() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/role_matrix.txt");
    let wanted = matrix();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wanted).expect("tests/golden/ can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "run `cargo xtask golden` and look at the difference");
}

#[test]
fn no_method_is_closed_to_everybody() {
    let ctx = knowing();
    for method in ctx.policies.iter() {
        let callers = CALLERS.map(|(_, role)| called(&ctx, method, role));
        let open = callers.iter().any(|c| *c != "-") || !peers(&ctx, method).is_empty();
        assert!(open, "{}", method.path);
    }
}

/// A process that has just heard of the built-in roles.
fn knowing() -> Context {
    let ctx = testkit::context(Role::Gateway);
    ctx.access.learn(&ctx.policies);
    testkit::feed(&ctx.access, Vec::new(), testkit::built_in_roles());
    ctx
}

fn matrix() -> String {
    let ctx = knowing();
    let mut methods: Vec<_> = ctx.policies.iter().collect();
    methods.sort_by_key(|method| &method.path);
    let name = |method: &Method| format!("{}/{}", method.service, method.name);
    let width = methods.iter().map(|m| name(m).len()).max().unwrap_or_default();
    let mut out = String::from(
        "Who may call what. `yes`: anything in their tenant, or in the platform where the permission is the platform's;\n\
         `own`: what is theirs; `-`: refused. Last, the parts of the deployment that an internal method serves.\n\n",
    );
    write!(out, "{:width$}", "").expect("a string takes all");
    for (caller, _) in CALLERS {
        write!(out, " {caller:8}").expect("a string takes all");
    }
    out.push_str(" peers\n");
    for method in methods {
        write!(out, "{:width$}", name(method)).expect("a string takes all");
        for (_, role) in CALLERS {
            write!(out, " {:8}", called(&ctx, method, role)).expect("a string takes all");
        }
        let peers = peers(&ctx, method).join(" ");
        writeln!(out, " {}", if peers.is_empty() { "-" } else { &peers }).expect("a string takes all");
    }
    out
}

/// What a caller of this role may do.
fn called(ctx: &Context, method: &Method, role: Option<&str>) -> &'static str {
    let principal = role.map(|role| principal(ctx, role));
    let caller = Caller {
        principal: principal.as_ref(),
        peer: None,
    };
    match decide(ctx, method, caller) {
        Ok(true) => "yes",
        Ok(false) => "own",
        Err(Reason::AuthTokenMissing | Reason::PermissionMissing | Reason::PeerNotTrusted) => "-",
        Err(other) => panic!("{}: {other:?}", method.path),
    }
}

/// The parts that an internal method serves.
fn peers(ctx: &Context, method: &Method) -> Vec<&'static str> {
    let serves = |role: &Role| {
        let peer = Peer { role: *role };
        let caller = Caller {
            principal: None,
            peer: Some(&peer),
        };
        // Membership alone opens nothing that needs no membership.
        method.access != logicore::policy::Access::Public && decide(ctx, method, caller).is_ok()
    };
    PARTS.into_iter().filter(serves).map(Role::as_str).collect()
}

/// Whether a caller may, whatever the message says.
fn decide(ctx: &Context, method: &Method, caller: Caller<'_>) -> Result<bool, Reason> {
    let stale_after: Duration = ctx.settings.resilience.feed_stale_after;
    authorize(&ctx.access, stale_after, method, caller)
        .map(|verdict| verdict.settled())
        .map_err(|error| error.reason())
}

/// Whoever a verified token of this role speaks for.
fn principal(ctx: &Context, role: &str) -> Arc<Principal> {
    let settings: &Settings = &ctx.settings;
    let secret = Secret::new("a secret of at least thirty-two bytes");
    let token = testkit::token(&secret, &testkit::claims(settings, &ctx.clock, &[role]));
    let verifier = Verifier::new(
        settings.public_url.clone(),
        settings.jwt.audience.clone(),
        Some(secret),
        Arc::clone(&ctx.access),
        ctx.clock.clone(),
    );
    verifier.verify(&token).expect("a token that was made just now is good")
}
