//! What can change after a token was proven: revocations, the store's epoch, the tenant.

use pb::RevocationTarget as Target;

use super::*;

const TARGETS: [Target; 5] = [
    Target::Token,
    Target::Session,
    Target::User,
    Target::Tenant,
    Target::All,
];

/// The id under which a target of the claims is marked.
fn id(target: Target, claims: &Value) -> String {
    let name = match target {
        Target::Token => "jti",
        Target::Session => "sid",
        Target::User => "sub",
        Target::Tenant => "tid",
        Target::All | Target::Unspecified => return String::new(),
    };
    claims[name].as_str().unwrap().to_owned()
}

fn marks(target: Target, claims: &Value, revoked: u64, stale: u64) -> pb::Resource {
    resource::revocation(pb::Revocation {
        target: target.into(),
        id: id(target, claims),
        revoked,
        stale,
        expire_time: None,
    })
}

/// What becomes of a token of [`REVISION`] under these marks.
fn judged(signer: &Signer, claims: &Value, marks: Vec<pb::Resource>) -> Option<Reason> {
    let world = World::with(&[signer]);
    let token = signer.token(claims);
    assert_eq!(world.reason(&token), None, "it was good before");
    let resources = [vec![signer.resource()], marks].concat();
    world.auth_says(EPOCH, resources.clone());
    let remembered = world.reason(&token);
    let anew = World::ignorant(None);
    anew.auth_says(EPOCH, resources);
    assert_eq!(anew.reason(&token), remembered, "judged alike by whoever sees it first");
    remembered
}

#[test]
fn a_revocation_of_each_target_refuses_what_is_older() {
    let signer = Signer::es256("k1");
    for target in TARGETS {
        let claims = claims();
        let at = |revoked| judged(&signer, &claims, vec![marks(target, &claims, revoked, 0)]);
        assert_eq!(at(REVISION + 1), Some(Reason::AuthTokenRevoked), "{target:?}");
        assert_eq!(at(REVISION), None, "{target:?}: issued after the revocation");
        assert_eq!(at(0), None, "{target:?}: no mark");
    }
}

#[test]
fn a_stale_mark_of_each_target_asks_for_a_refresh() {
    let signer = Signer::es256("k1");
    for target in TARGETS {
        let claims = claims();
        let at = |stale| judged(&signer, &claims, vec![marks(target, &claims, 0, stale)]);
        assert_eq!(at(REVISION + 1), Some(Reason::AuthTokenStale), "{target:?}");
        assert_eq!(at(REVISION), None, "{target:?}");
    }
}

#[test]
fn a_revocation_of_somebody_else_says_nothing() {
    let signer = Signer::es256("k1");
    for target in TARGETS.into_iter().filter(|t| *t != Target::All) {
        let (own, mut other) = (claims(), claims());
        other["tid"] = "other".into();
        let revoked = vec![marks(target, &other, REVISION + 1, REVISION + 1)];
        assert_eq!(judged(&signer, &own, revoked), None, "{target:?}");
    }
}

#[test]
fn neither_mark_hides_the_other() {
    let signer = Signer::es256("k1");
    for target in TARGETS {
        let claims = claims();
        let at = |revoked, stale| judged(&signer, &claims, vec![marks(target, &claims, revoked, stale)]);
        let (below, above) = (REVISION, REVISION + 1);
        assert_eq!(at(above, above + 5), Some(Reason::AuthTokenRevoked), "{target:?}");
        assert_eq!(at(above + 5, above), Some(Reason::AuthTokenRevoked), "{target:?}");
        assert_eq!(at(below, above), Some(Reason::AuthTokenStale), "{target:?}");
        assert_eq!(at(above, below), Some(Reason::AuthTokenRevoked), "{target:?}");
        assert_eq!(at(below, below), None, "{target:?}");
    }
}

#[test]
fn a_revocation_counts_whatever_else_is_stale() {
    let signer = Signer::es256("k1");
    for stale in TARGETS {
        for revoked in TARGETS.into_iter().filter(|t| *t != stale) {
            let claims = claims();
            let found = judged(
                &signer,
                &claims,
                vec![
                    marks(stale, &claims, 0, REVISION + 1),
                    marks(revoked, &claims, REVISION + 1, 0),
                ],
            );
            assert_eq!(found, Some(Reason::AuthTokenRevoked), "{stale:?} {revoked:?}");
        }
    }
}

#[test]
fn a_token_of_another_epoch_must_be_refreshed() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let claims = claims();
    let token = signer.token(&claims);
    assert_eq!(world.reason(&token), None);
    world.auth_says("epoch-2", vec![signer.resource()]);
    assert_eq!(world.reason(&token), Some(Reason::AuthTokenStale));
    // Numbers of two epochs cannot be compared, so any revocation counts.
    world.auth_says("epoch-2", vec![signer.resource(), marks(Target::User, &claims, 1, 0)]);
    assert_eq!(world.reason(&token), Some(Reason::AuthTokenRevoked));
    let newer = with(claims, "rev", json!({ "e": "epoch-2", "n": 1 }));
    assert_eq!(world.reason(&signer.token(&newer)), None);
}

#[test]
fn a_token_of_a_suspended_tenant_is_refused_while_it_is() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let claims = claims();
    let (own, other) = (
        signer.token(&claims),
        signer.token(&with(claims.clone(), "tid", "other")),
    );
    let tenant = "acme".parse().unwrap();
    world.admin_says(vec![resource::tenant(&tenant, true)]);
    assert_eq!(world.reason(&own), Some(Reason::TenantSuspended));
    assert_eq!(world.reason(&other), None);
    world.auth_says(
        EPOCH,
        vec![signer.resource(), marks(Target::User, &claims, REVISION + 1, 0)],
    );
    assert_eq!(world.reason(&own), Some(Reason::AuthTokenRevoked), "that is for good");
    world.auth_says(EPOCH, vec![signer.resource()]);
    world.admin_says(vec![resource::tenant(&tenant, false)]);
    assert_eq!(world.reason(&own), None);
}

#[test]
fn what_was_revoked_is_refused_in_streams_and_at_a_late_logout() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let claims = claims();
    let token = signer.token(&claims);
    let principal = world.verifier.verify(&token).unwrap();
    assert!(world.verifier.still_good(&principal).is_ok());
    world.auth_says(
        EPOCH,
        vec![signer.resource(), marks(Target::Session, &claims, REVISION + 1, 0)],
    );
    let reason = |result: Result<(), Error>| result.unwrap_err().reason();
    assert_eq!(reason(world.verifier.still_good(&principal)), Reason::AuthTokenRevoked);
    let late = world.verifier.verify_expired(&token).map(drop);
    assert_eq!(reason(late), Reason::AuthTokenRevoked);
}
