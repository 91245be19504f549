use http::HeaderValue;

use super::*;
use crate::{
    clock::Clock,
    secret::Secret,
    settings::{Role, Settings},
    testkit,
};

const SECRET: &str = "a secret that all roles of this test share";

fn gate() -> ProvenPeer {
    let mut settings = Settings::defaults(Role::Auth);
    settings.mesh.secret = Some(Secret::new(SECRET));
    layer(&testkit::context_with(settings)).0
}

fn proof(role: Role, secret: &str) -> HeaderValue {
    Identity::with_clock(role, &Secret::new(secret), Clock::system()).header()
}

fn request(proofs: &[HeaderValue]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    for proof in proofs {
        request.headers_mut().append(ROLE_TOKEN, proof.clone());
    }
    request
}

#[test]
fn a_proven_peer_is_known_and_its_proof_goes_no_further() {
    for role in [Role::Gateway, Role::User, Role::All] {
        let mut request = request(&[proof(role, SECRET)]);
        gate().admit(&mut request).unwrap();
        assert_eq!(request.extensions().get::<Peer>(), Some(&Peer { role }));
        assert!(!request.headers().contains_key(ROLE_TOKEN));
    }
}

#[test]
fn whoever_proves_nothing_is_refused() {
    let attacks = [
        vec![],
        vec![proof(Role::Gateway, "another secret")],
        vec![HeaderValue::from_static("")],
        vec![HeaderValue::from_static("lm1.gateway.99999999999.AAAA")],
        // A proof behind something that is none.
        vec![HeaderValue::from_static("x"), proof(Role::Gateway, SECRET)],
    ];
    for proofs in attacks {
        let mut request = request(&proofs);
        let refused = gate().admit(&mut request).unwrap_err();
        assert_eq!(refused.reason(), Reason::PeerNotTrusted);
        assert!(request.extensions().get::<Peer>().is_none());
    }
}
