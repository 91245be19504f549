use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::{
    access::missing_token,
    api::mesh::{self as pb, RevocationTarget as Target},
    context::Context,
    feed::resource,
    layer::refuse,
    secret::Secret,
    settings::Role,
    testkit,
    token::Claims,
};

const PUBLIC: &str = "/logicore.auth.v1.AuthService/Login";
const AUTHENTICATED: &str = "/logicore.auth.v1.AuthService/GetMe";
const SELF_OR_PERMISSION: &str = "/logicore.user.v1.UserService/GetUser";
const PERMISSION: &str = "/logicore.user.v1.UserService/ListUsers";
const INTERNAL: &str = "/logicore.mesh.v1.FeedService/Sync";
/// Those that judge a token.
const JUDGING: [&str; 3] = [AUTHENTICATED, SELF_OR_PERMISSION, PERMISSION];

struct World {
    ctx: Context,
    secret: Secret,
    verifier: Arc<Verifier>,
}

impl World {
    fn new() -> Self {
        let ctx = testkit::context(Role::Gateway);
        testkit::feed(&ctx.access, Vec::new(), testkit::built_in_roles());
        let secret = Secret::new("a secret of at least thirty-two bytes");
        let verifier = Arc::new(Verifier::new(
            ctx.settings.public_url.clone(),
            ctx.settings.jwt.audience.clone(),
            Some(secret.clone()),
            ctx.access.clone(),
            ctx.clock.clone(),
        ));
        Self { ctx, secret, verifier }
    }

    fn claims(&self) -> Claims {
        testkit::claims(&self.ctx.settings, &self.ctx.clock, &["user"])
    }

    fn bearer(&self, claims: &Claims) -> String {
        format!("Bearer {}", testkit::token(&self.secret, claims))
    }

    fn request(&self, path: &str, authorization: &[&str]) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        let method = self.ctx.policies.get(path).unwrap();
        request.extensions_mut().insert(Arc::clone(method));
        for value in authorization {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().append(header::AUTHORIZATION, value);
        }
        request
    }

    /// Who the request is from, as the layer finds it.
    fn judged(&self, path: &str, authorization: &[&str]) -> Result<Option<Arc<Principal>>, Reason> {
        self.admitted(self.request(path, authorization))
    }

    fn admitted(&self, mut request: Request<Body>) -> Result<Option<Arc<Principal>>, Reason> {
        let admitted = layer(&self.verifier).0.admit(&mut request);
        admitted.map_err(|e| e.reason())?;
        Ok(request.extensions_mut().remove::<Arc<Principal>>())
    }

    /// The same, after `identify` has looked.
    fn identified(&self, path: &str, authorization: &[&str]) -> Request<Body> {
        let mut request = self.request(path, authorization);
        identify(&self.verifier)
            .0
            .admit(&mut request)
            .expect("it refuses nobody");
        request
    }
}

fn from_header(value: &str) -> Result<Option<String>, Reason> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    bearer(&headers)
        .map(|token| token.map(str::to_owned))
        .map_err(|e| e.reason())
}

#[test]
fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
    assert_eq!(bearer(&HeaderMap::new()).unwrap(), None);
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "Bearer   a.b.c  "] {
        assert_eq!(from_header(value), Ok(Some("a.b.c".to_owned())), "{value:?}");
    }
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer   ",
        "a.b.c",
        "Basic dXNlcg==",
        "Bearera.b.c",
        "Bearer:a.b.c",
    ] {
        assert_eq!(from_header(value), Err(Reason::AuthTokenInvalid), "{value:?}");
    }
}

#[test]
fn a_good_token_gives_its_principal() {
    let world = World::new();
    let claims = world.claims();
    let token = world.bearer(&claims);
    for path in JUDGING.into_iter().chain([PUBLIC]) {
        let principal = world.judged(path, &[&token]).unwrap().unwrap();
        assert_eq!(principal.subject, claims.sub, "{path}");
    }
}

#[test]
fn no_token_is_nobody_and_not_yet_an_error() {
    let world = World::new();
    for path in JUDGING.into_iter().chain([PUBLIC, INTERNAL]) {
        assert_eq!(world.judged(path, &[]), Ok(None), "{path}");
    }
}

#[test]
fn a_bad_token_is_refused_where_a_token_matters() {
    let world = World::new();
    let mut expired = world.claims();
    (expired.iat, expired.nbf, expired.exp) = (expired.iat - 3600, expired.iat - 3600, expired.iat - 1800);
    let revoked = world.claims();
    let mark = resource::revocation(pb::Revocation {
        target: Target::User.into(),
        id: revoked.sub.to_string(),
        revoked: 100,
        ..pb::Revocation::default()
    });
    testkit::feed(&world.ctx.access, vec![mark], testkit::built_in_roles());
    let [good, expired, revoked] = [&world.claims(), &expired, &revoked].map(|claims| world.bearer(claims));
    let table: [(Vec<&str>, Reason); 6] = [
        (vec!["Bearer a.b.c"], Reason::AuthTokenInvalid),
        (vec!["Basic dXNlcg=="], Reason::AuthTokenInvalid),
        (vec![&good, &good], Reason::AuthTokenInvalid),
        (vec![&good, "Bearer a.b.c"], Reason::AuthTokenInvalid),
        (vec![&expired], Reason::AuthTokenExpired),
        (vec![&revoked], Reason::AuthTokenRevoked),
    ];
    for (authorization, reason) in table {
        for path in JUDGING {
            assert_eq!(world.judged(path, &authorization), Err(reason), "{path}");
        }
        assert_eq!(
            world.judged(PUBLIC, &authorization),
            Ok(None),
            "whoever signs in again may still send it"
        );
        assert_eq!(
            world.judged(INTERNAL, &authorization),
            Ok(None),
            "peers prove themselves otherwise"
        );
    }
}

#[test]
fn an_internal_method_takes_no_principal() {
    let world = World::new();
    assert_eq!(world.judged(INTERNAL, &[&world.bearer(&world.claims())]), Ok(None));
}

#[test]
fn nobody_is_who_something_else_says_they_are() {
    let world = World::new();
    let somebody = world
        .judged(AUTHENTICATED, &[&world.bearer(&world.claims())])
        .unwrap()
        .unwrap();
    for path in JUDGING.into_iter().chain([PUBLIC, INTERNAL]) {
        let mut request = world.request(path, &[]);
        request.extensions_mut().insert(Arc::clone(&somebody));
        assert_eq!(world.admitted(request), Ok(None), "{path}");
        let mut request = world.request(path, &[]);
        request.extensions_mut().insert(Arc::clone(&somebody));
        identify(&world.verifier).0.admit(&mut request).unwrap();
        assert_eq!(world.admitted(request), Ok(None), "{path}, looked at before");
    }
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(somebody);
    assert_eq!(world.admitted(request), Ok(None), "without a method");
}

#[test]
fn a_look_finds_out_who_calls_and_refuses_nobody() {
    let world = World::new();
    let claims = world.claims();
    let token = world.bearer(&claims);
    let found = |path: &str, authorization: &[&str]| {
        let mut request = world.identified(path, authorization);
        request.extensions_mut().remove::<Arc<Principal>>().map(|p| p.subject)
    };
    for path in JUDGING.into_iter().chain([PUBLIC]) {
        assert_eq!(found(path, &[&token]), Some(claims.sub), "{path}");
        for bad in [&[][..], &["Bearer a.b.c"], &["Basic x"], &[&token, &token]] {
            assert_eq!(found(path, bad), None, "{path} {bad:?}");
        }
    }
    assert_eq!(found(INTERNAL, &[&token]), None);
}

#[test]
fn what_a_look_found_is_taken_over_once() {
    let world = World::new();
    let claims = world.claims();
    let mut request = world.identified(AUTHENTICATED, &[&world.bearer(&claims)]);
    // Judged already, so nobody reads it again.
    request.headers_mut().remove(header::AUTHORIZATION);
    layer(&world.verifier).0.admit(&mut request).unwrap();
    let principal = request.extensions().get::<Arc<Principal>>().unwrap();
    assert_eq!(principal.subject, claims.sub);
    let found = request.extensions().get::<Identified>().unwrap();
    assert!(
        Arc::ptr_eq(found.verified().principal(), principal),
        "for whoever tells of it"
    );
    assert_eq!(
        world.admitted(request),
        Ok(None),
        "the second time it is judged by what it brings"
    );
}

#[test]
fn what_a_look_did_not_take_is_still_refused() {
    let world = World::new();
    let request = world.identified(AUTHENTICATED, &["Bearer a.b.c"]);
    assert_eq!(world.admitted(request), Err(Reason::AuthTokenInvalid));
}

#[test]
fn a_second_look_and_a_second_judgement_leave_nothing_of_the_first() {
    let world = World::new();
    let look = |request: &mut Request<Body>| identify(&world.verifier).0.admit(request).unwrap();
    let mut request = world.identified(AUTHENTICATED, &[&world.bearer(&world.claims())]);
    request.headers_mut().remove(header::AUTHORIZATION);
    let mut looked_again = world.identified(AUTHENTICATED, &[&world.bearer(&world.claims())]);
    looked_again.headers_mut().remove(header::AUTHORIZATION);
    look(&mut looked_again);
    for _ in 0..2 {
        layer(&world.verifier).0.admit(&mut request).unwrap();
    }
    for request in [request, looked_again] {
        assert!(request.extensions().get::<Arc<Principal>>().is_none());
        assert!(request.extensions().get::<Identified>().is_none());
    }
}

#[test]
fn every_401_says_what_to_bring() {
    for reason in Reason::ALL.iter().copied() {
        let challenge = challenge(reason);
        let unauthenticated = reason.kind() == Kind::Unauthenticated;
        assert_eq!(challenge.is_some(), unauthenticated, "{reason:?}");
        let Some(challenge) = challenge else { continue };
        let text = challenge.to_str().unwrap();
        assert!(text.starts_with("Bearer"), "{text}");
        let of_a_token = matches!(
            reason,
            Reason::AuthTokenInvalid | Reason::AuthTokenExpired | Reason::AuthTokenRevoked | Reason::AuthTokenStale
        );
        assert_eq!(
            text.contains(r#"error="invalid_token""#),
            of_a_token,
            "{reason:?}: {text}"
        );
    }
}

#[tokio::test]
async fn a_refusal_carries_its_challenge_and_reaches_no_handler() {
    let world = World::new();
    let never = tower::service_fn(|_| async { panic!("the handler must not be called") });
    let mut service = layer(&world.verifier).layer(never);
    let request = world.request(AUTHENTICATED, &["Bearer a.b.c"]);
    let Ok(response) = service.ready().await.unwrap().call(request).await;
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("not valid"), "{challenge}");
    let bare = refuse(missing_token());
    assert_eq!(
        bare.headers()["www-authenticate"],
        r#"Bearer realm="logicore""#,
        "without a token there is no error in it"
    );
}
