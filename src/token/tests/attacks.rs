//! Tokens that a forger would send. Each row says which check has to stop it, so that no attack is refused by luck.

use super::*;

#[test]
fn a_token_without_a_signature_is_refused_however_it_says_so() {
    let signer = Signer::es256("k1");
    let world = World::with_secret(&[&signer]);
    let payload = encode(claims().to_string());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let keyed = encode(json!({ "alg": alg, "typ": TYP, "kid": "k1" }).to_string());
        let free = encode(json!({ "alg": alg, "typ": TYP }).to_string());
        let made = [
            (format!("{keyed}.{payload}."), "not three parts"),
            (format!("{keyed}.{payload}"), "not three parts"),
            (format!("{keyed}.{payload}.AAAA"), "alg is not the key's"),
            (format!("{free}.{payload}."), "not three parts"),
            (format!("{free}.{payload}.AAAA"), "no kid"),
        ];
        for (token, why) in made {
            assert_eq!(world.refusal(&token), why, "{alg:?} {token}");
        }
    }
}

/// Every text that a careless library might take for the secret of an HMAC.
fn texts_of_the_public_key(signer: &Signer) -> Vec<Vec<u8>> {
    let Pair::Es256(pair) = &signer.pair else {
        panic!("the public key of ES256 is tried");
    };
    let point = pair.public_key().as_ref();
    let der =
        aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----");
    vec![
        signer.jwk().to_string().into_bytes(),
        point.to_vec(),
        point[1..].to_vec(),
        encode(point).into_bytes(),
        der.as_ref().to_vec(),
        format!("{pem}\n").into_bytes(),
        pem.into_bytes(),
        Vec::new(),
    ]
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    let signer = Signer::es256("k1");
    for world in [World::with(&[&signer]), World::with_secret(&[&signer])] {
        for text in texts_of_the_public_key(&signer) {
            let forger = Signer::hs256(&text);
            let header = json!({ "alg": "HS256", "typ": TYP, "kid": "k1" });
            let token = forger.compact(&header.to_string(), &claims().to_string());
            assert_eq!(world.refusal(&token), "alg is not the key's");
        }
    }
}

#[test]
fn the_shared_secret_is_not_the_public_key_either() {
    let signer = Signer::es256("k1");
    let without = World::with(&[&signer]);
    let with_secret = World::with_secret(&[&signer]);
    for text in texts_of_the_public_key(&signer) {
        let forger = Signer::hs256(&text);
        for (header, why) in [
            (json!({ "alg": "HS256", "typ": TYP }), "no kid"),
            (json!({ "alg": "HS256", "typ": TYP, "kid": "hs256" }), "unknown kid"),
        ] {
            let token = forger.compact(&header.to_string(), &claims().to_string());
            assert_eq!(without.refusal(&token), why);
            assert_eq!(with_secret.refusal(&token), "the signature does not hold");
        }
    }
}

#[test]
fn the_kid_must_be_there_and_known() {
    let signer = Signer::es256("k1");
    let world = World::with_secret(&[&signer]);
    let of = |header: Value| signer.compact(&header.to_string(), &claims().to_string());
    for kid in ["k2", "K1", "", "key/k1", "../k1", "k1\0", "hs256"] {
        let token = of(json!({ "alg": "ES256", "typ": TYP, "kid": kid }));
        assert_eq!(world.refusal(&token), "unknown kid", "{kid:?}");
    }
    assert_eq!(world.refusal(&of(json!({ "alg": "ES256", "typ": TYP }))), "no kid");
    for kid in [json!(1), json!(["k1"]), json!({ "kid": "k1" })] {
        let token = of(json!({ "alg": "ES256", "typ": TYP, "kid": kid }));
        assert_eq!(world.refusal(&token), "a header that is not understood", "{kid}");
    }
}

#[test]
fn a_header_with_anything_that_is_not_known_is_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let extra = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", signer.jwk()),
        ("x5u", json!("https://evil.example/chain")),
        ("x5c", json!(["MII"])),
        ("zip", json!("DEF")),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("x-own", json!(1)),
    ];
    for (member, value) in extra {
        let header = with(signer.header(), member, value);
        let token = signer.compact(&header.to_string(), &claims().to_string());
        assert_eq!(world.refusal(&token), "a header that is not understood", "{member}");
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    for typ in ["JWT", "jwt", "at+JWT", "AT+JWT", "application/at+jwt", "", "at+jwt "] {
        let token = signer.compact(&with(signer.header(), "typ", typ).to_string(), &claims().to_string());
        assert_eq!(world.refusal(&token), "another typ", "{typ:?}");
    }
    let bare = json!({ "alg": "ES256", "kid": "k1" }).to_string();
    let token = signer.compact(&bare, &claims().to_string());
    assert_eq!(world.refusal(&token), "a header that is not understood");
}

#[test]
fn a_member_that_is_written_twice_is_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    for header in [
        r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"none","typ":"at+jwt","kid":"k1","alg":"ES256"}"#,
        r#"{"alg":"ES256","typ":"JWT","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"} {}"#,
    ] {
        let token = signer.compact(header, &claims().to_string());
        assert_eq!(world.refusal(&token), "a header that is not understood", "{header}");
    }
    let twice = claims()
        .to_string()
        .replacen('{', r#"{"sub":"01900000-0000-7000-8000-00000000de02","#, 1);
    let token = signer.compact(&signer.header().to_string(), &twice);
    assert_eq!(world.refusal(&token), UNREADABLE);
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    for signer in [Signer::es256("k1"), Signer::eddsa("k1"), Signer::rs256("k1")] {
        let world = World::with(&[&signer]);
        let token = signer.token(&claims());
        assert_eq!(world.reason(&token), None);
        for (at, byte) in token.bytes().enumerate().filter(|(_, byte)| *byte != b'.') {
            let mut changed = token.clone().into_bytes();
            changed[at] = if byte == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                world.reason(&changed),
                Some(Reason::AuthTokenInvalid),
                "{at} of {}",
                signer.alg
            );
        }
    }
}

#[test]
fn a_signature_belongs_to_its_own_header_and_payload() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let (own, other) = (
        signer.token(&claims()),
        signer.token(&with(claims(), "roles", json!(["admin"]))),
    );
    let part = |token: &str, n: usize| token.split('.').nth(n).unwrap().to_owned();
    let mixed = format!("{}.{}.{}", part(&own, 0), part(&other, 1), part(&own, 2));
    assert_eq!(world.refusal(&mixed), "the signature does not hold");
    // The same payload under a header that says the same in other bytes.
    let header = encode(r#"{"alg":"ES256","typ":"at+jwt","kid":"k1" }"#);
    let mixed = format!("{header}.{}.{}", part(&own, 1), part(&own, 2));
    assert_eq!(world.refusal(&mixed), "the signature does not hold");
}

#[test]
fn a_token_that_was_cut_off_is_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let token = signer.token(&claims());
    for end in 0..token.len() {
        assert_eq!(world.reason(&token[..end]), Some(Reason::AuthTokenInvalid), "{end}");
    }
}

#[test]
fn a_token_has_one_spelling() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let token = signer.token(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let foreign = "characters that no token has";
    let mut spellings = vec![
        (format!("{token}="), foreign),
        (format!("{token}=="), foreign),
        (format!(" {token}"), foreign),
        (format!("{token}\n"), foreign),
        (token.replacen('.', "%2E", 1), foreign),
        (format!("{}+{}", &token[..9], &token[10..]), foreign),
        (format!("{}/{}", &token[..9], &token[10..]), foreign),
        (format!("{token}é"), foreign),
        (format!("{token}."), "not three parts"),
        (format!("{token}.{}", parts[2]), "not three parts"),
        (format!(".{token}"), "not three parts"),
        (format!("{}..{}", parts[0], parts[2]), "not three parts"),
        (format!("a.b.c.{}.{}", parts[1], parts[2]), "not three parts"),
        ("..".to_owned(), "not three parts"),
        (String::new(), "not three parts"),
    ];
    // 64 bytes in 86 letters leave four bits over; whatever stands in them, the bytes are the same.
    let last = token.chars().last().unwrap();
    let stray = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = stray.chars().nth(stray.find(last).unwrap() + 1).unwrap();
    spellings.push((format!("{}{next}", &token[..token.len() - 1]), "not base64url"));
    // A part whose length no bytes have.
    spellings.push((format!("{token}AAA"), "not base64url"));
    for (spelling, why) in spellings {
        assert_eq!(world.refusal(&spelling), why, "{spelling}");
    }
}

#[test]
fn a_token_beyond_8_kib_is_not_looked_at() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let of = |size: usize| signer.token(&with(claims(), "client_id", "x".repeat(size)));
    let (long, too_long) = (of(5500), of(6000));
    assert!(long.len() <= MAX_BYTES && too_long.len() > MAX_BYTES);
    assert_eq!(world.reason(&long), None);
    assert_eq!(world.refusal(&too_long), "too long");
}

#[test]
fn a_key_of_another_algorithm_under_the_same_kid_does_not_count() {
    let published = Signer::es256("k1");
    let world = World::with(&[&published]);
    for forger in [
        Signer::eddsa("k1"),
        Signer::rs256("k1"),
        Signer::hs256(SECRET.as_bytes()),
    ] {
        let own = json!({ "alg": forger.alg, "typ": TYP, "kid": "k1" });
        let token = forger.compact(&own.to_string(), &claims().to_string());
        assert_eq!(world.refusal(&token), "alg is not the key's", "{}", forger.alg);
        let disguised = forger.compact(&published.header().to_string(), &claims().to_string());
        assert_eq!(
            world.refusal(&disguised),
            "the signature does not hold",
            "{}",
            forger.alg
        );
    }
    let other = Signer::es256("k1");
    assert_eq!(world.refusal(&other.token(&claims())), "the signature does not hold");
}

#[test]
fn signatures_that_are_no_signatures_are_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let token = signer.token(&claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let right = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let wrong = [
        vec![0; 64],
        vec![0xff; 64],
        [&order[..], &order[..]].concat(),
        [&right[..32], &[0; 32][..]].concat(),
        [&right[32..], &right[..32]].concat(),
        right[..63].to_vec(),
        [&right[..], &[0][..]].concat(),
        // The ASN.1 form, which JWS does not use.
        [&[0x30, 0x44, 2, 0x20][..], &right[..32], &[2, 0x20], &right[32..]].concat(),
    ];
    for signature in wrong {
        let token = format!("{signed}.{}", encode(&signature));
        assert_eq!(world.refusal(&token), "the signature does not hold", "{signature:?}");
    }
}

#[test]
fn each_claim_is_needed() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let all = claims();
    for name in all.as_object().unwrap().keys() {
        let mut without = all.clone();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(world.refusal(&signer.token(&without)), UNREADABLE, "{name}");
        let null = with(all.clone(), name, Value::Null);
        assert_eq!(world.refusal(&signer.token(&null)), UNREADABLE, "{name}");
    }
}

#[test]
fn claims_of_another_shape_or_place_are_refused() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let table = [
        ("iss", json!("https://evil.example"), "another issuer"),
        ("iss", json!(format!("{ISSUER}/")), "another issuer"),
        ("iss", json!(""), "another issuer"),
        ("iss", json!([ISSUER]), UNREADABLE),
        ("aud", json!("another"), "another audience"),
        ("aud", json!(""), "another audience"),
        ("aud", json!([AUDIENCE]), UNREADABLE),
        ("aud", json!([AUDIENCE, "another"]), UNREADABLE),
        ("act", json!({ "sub": "somebody" }), "acts on behalf of somebody"),
        ("act", json!(false), "acts on behalf of somebody"),
        ("sub", json!("me"), UNREADABLE),
        ("sub", json!(1), UNREADABLE),
        ("tid", json!("ACME"), UNREADABLE),
        ("tid", json!(""), UNREADABLE),
        ("roles", json!("admin"), UNREADABLE),
        ("roles", json!(["Admin"]), UNREADABLE),
        ("rev", json!({ "e": EPOCH, "n": -1 }), UNREADABLE),
        ("rev", json!({ "e": EPOCH }), UNREADABLE),
    ];
    for (name, value, why) in table {
        let token = signer.token(&with(claims(), name, value.clone()));
        assert_eq!(world.refusal(&token), why, "{name}: {value}");
    }
    for payload in ["", "{}", "null", "[]", "\"\"", "{", "\u{0}"] {
        let token = signer.compact(&signer.header().to_string(), payload);
        let why = if payload.is_empty() {
            "not three parts"
        } else {
            UNREADABLE
        };
        assert_eq!(world.refusal(&token), why, "{payload:?}");
    }
}

#[test]
fn a_list_of_the_right_values_is_no_object() {
    let signer = Signer::es256("k1");
    let world = World::with(&[&signer]);
    let header = json!(["ES256", TYP, "k1"]).to_string();
    let token = signer.compact(&header, &claims().to_string());
    assert_eq!(world.refusal(&token), "a header that is not understood");
    let header = json!({ "alg": "ES256", "typ": TYP, "kid": "k1" }).to_string();
    let token = signer.compact(&header, &json!([]).to_string());
    assert_eq!(world.refusal(&token), "claims cannot be read");
}
