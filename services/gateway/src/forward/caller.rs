//! What other people's services are told of a caller: who it is, and not by what it proved that.

use std::sync::Arc;

use http::{HeaderName, Request, header};
use logicore::{
    access::{Principal, Told},
    layer::authenticate::Identified,
};
use tonic::body::Body;

/// Id of the account.
const SUBJECT: HeaderName = HeaderName::from_static("x-logicore-subject");
/// Its tenant.
const TENANT: HeaderName = HeaderName::from_static("x-logicore-tenant");
/// Its roles, comma-separated.
const ROLES: HeaderName = HeaderName::from_static("x-logicore-roles");

/// What proves a caller to others than the service.
const TAKEN_OFF: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// Takes the caller's token off, and its cookies, and says who calls. Nothing of it can come from outside: the first hop took off what did.
pub(super) fn tell(request: &mut Request<Body>) {
    let told = told(request.extensions());
    let headers = request.headers_mut();
    for name in TAKEN_OFF {
        headers.remove(name);
    }
    let Some(told) = told else { return };
    headers.insert(SUBJECT, told.subject);
    headers.insert(TENANT, told.tenant);
    headers.insert(ROLES, told.roles);
}

/// What is told of the principal: as its token keeps it, where the principal is that of the token.
fn told(extensions: &http::Extensions) -> Option<Told> {
    let principal = extensions.get::<Arc<Principal>>()?;
    let kept = extensions.get::<Identified>().map(Identified::verified);
    Some(match kept.filter(|kept| Arc::ptr_eq(kept.principal(), principal)) {
        Some(kept) => kept.told().clone(),
        None => Told::of(principal),
    })
}

#[cfg(test)]
mod tests {
    use logicore::{
        layer::{authenticate, gate::Gate},
        settings::Role,
        testkit,
        token::{Claims, Verifier},
    };

    use super::*;

    const SECRET: &str = "a secret of at least thirty-two bytes";

    fn verifier() -> (logicore::Context, Arc<Verifier>) {
        let ctx = testkit::context(Role::Gateway);
        testkit::feed(&ctx.access, Vec::new(), testkit::built_in_roles());
        let verifier = Verifier::new(
            ctx.settings.public_url.clone(),
            ctx.settings.jwt.audience.clone(),
            Some(logicore::secret::Secret::new(SECRET)),
            Arc::clone(&ctx.access),
            ctx.clock.clone(),
        );
        (ctx, Arc::new(verifier))
    }

    /// A request of whoever the claims name, as the way in makes it.
    fn of(ctx: &logicore::Context, verifier: &Arc<Verifier>, claims: &Claims) -> Request<Body> {
        let token = testkit::token(&logicore::secret::Secret::new(SECRET), claims);
        let mut request = Request::new(Body::empty());
        let method = ctx.policies.get("/logicore.auth.v1.AuthService/GetMe").unwrap();
        request.extensions_mut().insert(Arc::clone(method));
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        headers.insert(header::COOKIE, "a=b".parse().unwrap());
        authenticate::identify(verifier).0.admit(&mut request).unwrap();
        authenticate::layer(verifier).0.admit(&mut request).unwrap();
        request
    }

    fn told_of(claims: &Claims) -> [String; 3] {
        let roles: Vec<_> = claims.roles.iter().map(|role| role.as_str()).collect();
        [claims.sub.to_string(), claims.tid.to_string(), roles.join(",")]
    }

    fn sees(request: &Request<Body>) -> [String; 3] {
        [SUBJECT, TENANT, ROLES].map(|name| request.headers()[name].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_service_is_told_what_the_token_says_and_gets_no_token() {
        let (ctx, verifier) = verifier();
        for roles in [&["user"][..], &["admin", "user"], &[]] {
            let claims = testkit::claims(&ctx.settings, &ctx.clock, roles);
            // The second time it is what was made the first time.
            let at = [0, 1].map(|_| {
                let mut request = of(&ctx, &verifier, &claims);
                tell(&mut request);
                assert_eq!(sees(&request), told_of(&claims));
                for name in TAKEN_OFF {
                    assert!(!request.headers().contains_key(name));
                }
                (request.headers()[SUBJECT].as_bytes().as_ptr(), request)
            });
            assert_eq!(at[0].0, at[1].0, "made once for a token");
        }
    }

    #[test]
    fn each_token_of_a_person_tells_its_own_roles() {
        let (ctx, verifier) = verifier();
        let before = testkit::claims(&ctx.settings, &ctx.clock, &["admin"]);
        let mut after = testkit::claims(&ctx.settings, &ctx.clock, &["user"]);
        after.sub = before.sub;
        for claims in [&before, &after, &before] {
            let mut request = of(&ctx, &verifier, claims);
            tell(&mut request);
            assert_eq!(sees(&request), told_of(claims));
        }
    }

    #[test]
    fn the_principal_decides_and_not_what_stands_beside_it() {
        let (ctx, verifier) = verifier();
        let (one, other) = (
            testkit::claims(&ctx.settings, &ctx.clock, &["user"]),
            testkit::claims(&ctx.settings, &ctx.clock, &["admin"]),
        );
        let mut request = of(&ctx, &verifier, &one);
        let others = of(&ctx, &verifier, &other)
            .extensions()
            .get::<Arc<Principal>>()
            .cloned();
        request.extensions_mut().insert(others.unwrap());
        tell(&mut request);
        assert_eq!(sees(&request), told_of(&other));

        let mut nobody = of(&ctx, &verifier, &one);
        nobody.extensions_mut().remove::<Arc<Principal>>();
        tell(&mut nobody);
        assert!(nobody.headers().is_empty());
    }
}
