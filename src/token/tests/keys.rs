//! Keys as the feed brings them: public, of the kind that their algorithm needs, strong enough.

use super::*;

fn taken(kid: &str, alg: &str, jwk: impl Into<String>) -> Result<VerifyingKey, InvalidKey> {
    VerifyingKey::from_feed(&pb::VerificationKey {
        kid: kid.to_owned(),
        alg: alg.to_owned(),
        jwk: jwk.into(),
    })
}

#[test]
fn the_public_document_names_the_key_its_algorithm_and_its_use() {
    for signer in [Signer::es256("k1"), Signer::eddsa("k1"), Signer::rs256("k1")] {
        let key = VerifyingKey::from_feed(&signer.published()).unwrap();
        let mut expected = signer.jwk();
        for (name, value) in [("kid", "k1"), ("alg", signer.alg), ("use", "sig")] {
            expected[name] = value.into();
        }
        assert_eq!(*key.public(), expected);
    }
    let secret = VerifyingKey::from_secret(&Secret::new(SECRET));
    assert_eq!((secret.public(), secret.jwk()), (&Value::Null, ""));
}

#[test]
fn a_key_with_private_members_is_not_taken() {
    for signer in [Signer::es256("k1"), Signer::eddsa("k1"), Signer::rs256("k1")] {
        for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            let jwk = with(signer.jwk(), member, "AAAA");
            assert!(
                taken("k1", signer.alg, jwk.to_string()).is_err(),
                "{} {member}",
                signer.alg
            );
        }
    }
}

#[test]
fn a_key_is_of_the_kind_that_its_algorithm_needs() {
    let signers = [Signer::es256("k1"), Signer::eddsa("k1"), Signer::rs256("k1")];
    for signer in &signers {
        for other in signers.iter().filter(|o| o.alg != signer.alg) {
            assert!(taken("k1", signer.alg, other.jwk().to_string()).is_err());
        }
        for alg in ["HS256", "none", "ES384", "PS256", "es256", ""] {
            assert!(taken("k1", alg, signer.jwk().to_string()).is_err(), "{alg}");
        }
        for kid in ["", "hs256"] {
            assert!(taken(kid, signer.alg, signer.jwk().to_string()).is_err(), "{kid:?}");
        }
    }
    let es256 = &signers[0];
    for (member, value) in [
        ("crv", json!("P-384")),
        ("kty", json!("OKP")),
        ("x", json!("AAAA")),
        ("x", es256.jwk()["y"].clone()),
        ("y", Value::Null),
        ("y", json!("!")),
    ] {
        let jwk = with(es256.jwk(), member, value.clone());
        assert!(taken("k1", "ES256", jwk.to_string()).is_err(), "{member} {value}");
    }
    for jwk in ["", "null", "[]", "{}"] {
        assert!(taken("k1", "ES256", jwk).is_err(), "{jwk}");
    }
}

#[test]
fn rsa_below_2048_bits_is_not_taken() {
    let jwk = with(Signer::rs256("k1").jwk(), "n", encode([0xff; 128]));
    assert!(taken("k1", "RS256", jwk.to_string()).is_err());
}

#[test]
fn a_key_that_is_not_taken_leaves_the_others_in_force() {
    let good = Signer::es256("k1");
    let world = World::with(&[&good]);
    let mut bad = Signer::eddsa("k2").published();
    bad.alg = "ES256".to_owned();
    world.auth_says(EPOCH, vec![resource::verification_key(bad), good.resource()]);
    assert!(world.access.key("k2").is_none());
    assert_eq!(world.reason(&good.token(&claims())), None);
    let jwks: Value = serde_json::from_str(&world.access.jwks()).unwrap();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    assert_eq!(jwks["keys"][0]["kid"], "k1");
}

#[test]
fn a_key_prints_its_name_and_no_material() {
    let signer = Signer::es256("k1");
    let key = VerifyingKey::from_feed(&signer.published()).unwrap();
    assert_eq!(format!("{key:?}"), r#"VerifyingKey { kid: "k1", alg: "ES256", .. }"#);
}
