//! Access tokens that were not issued as they are.
//!
//! With ES256 nobody outside holds a key, so what can be tried are tokens without one. With HS256 the test holds `JWT_SECRET`
//! and signs what it likes: a token that is right in all but one thing shows that this one thing is looked at.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use logicore::api::auth::GetMeRequest;
use logicore_harness::{Layout, System, framed, grpc_bytes};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{in_both_layouts, shared, start, text};

const SECRET: &str = "jwt-secret-of-a-test-0123456789abcdef";
const ME: &str = "/logicore.auth.v1.AuthService/GetMe";

in_both_layouts!(
    tokens_without_the_private_key_are_refused,
    a_signature_does_not_excuse_wrong_contents,
    a_token_for_another_audience_is_refused,
);

async fn tokens_without_the_private_key_are_refused(layout: Layout) -> anyhow::Result<()> {
    let system = shared(layout).await?;
    let good = system.demo().await?.access;
    let jwks = system.get("/.well-known/jwks.json", "").await?;
    let key = jwks.json()["keys"][0].clone();
    let mut forged = keyless(&good, &key)?;
    // The public key as an HMAC secret, in each form that a verifier might hold it in.
    let raw = [text(&key["x"]), text(&key["y"])].map(|c| URL_SAFE_NO_PAD.decode(c).unwrap_or_default());
    let point = [vec![4], raw.concat()].concat();
    let (_, claims, _) = parts(&good)?;
    for secret in [jwks.body.to_vec(), key.to_string().into_bytes(), raw.concat(), point] {
        let header = json!({"alg": "HS256", "typ": "at+jwt"});
        forged.push(hs256(&header, &claims, &secret));
        forged.push(hs256(&with(&header, "kid", key["kid"].clone()), &claims, &secret));
    }
    for token in forged {
        refused(&system, &token, "AUTH_TOKEN_INVALID").await?;
    }
    assert_eq!(system.get("/auth/me", &good).await?.status, 200);
    Ok(())
}

/// What can be made of a good token without any key.
fn keyless(good: &str, key: &Value) -> anyhow::Result<Vec<String>> {
    let (header, claims, signature) = parts(good)?;
    assert_eq!((&key["kid"], &key["kty"]), (&header["kid"], &json!("EC")));
    let mut forged = vec![
        unsigned(&json!({"alg": "none", "typ": "at+jwt"}), &claims, ""),
        unsigned(&json!({"alg": "ES256", "typ": "at+jwt"}), &claims, &signature),
        unsigned(
            &header,
            &with(&claims, "roles", json!(["user", "admin", "operator"])),
            &signature,
        ),
        unsigned(&header, &claims, &"A".repeat(86)),
        unsigned(&header, &claims, ""),
        format!("{good}A"),
        format!("{good}="),
        format!("{good}.{signature}"),
        good.replace('.', " "),
        "x".to_owned(),
        "A".repeat(9000),
    ];
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("NONE")),
        ("alg", json!("ES384")),
        ("kid", json!("another")),
        ("jwk", key.clone()),
    ] {
        forged.push(unsigned(&with(&header, name, value), &claims, &signature));
    }
    Ok(forged)
}

async fn a_signature_does_not_excuse_wrong_contents(layout: Layout) -> anyhow::Result<()> {
    let system = start(layout, &[("JWT_ALGORITHM", "HS256"), ("JWT_SECRET", SECRET)]).await?;
    let (header, claims, _) = parts(&system.demo().await?.access)?;
    let sign = |header: &Value, claims: &Value| hs256(header, claims, SECRET.as_bytes());
    let own = system.get("/auth/me", &sign(&header, &claims)).await?;
    assert_eq!(own.status, 200, "what the test signs is taken: {}", own.text());

    let now = claims["iat"].as_i64().unwrap_or_default();
    for claims in wrong_claims(&claims, now) {
        refused(&system, &sign(&header, &claims), "AUTH_TOKEN_INVALID").await?;
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("jku", json!("http://localhost/keys")),
        ("jwk", json!({"kty": "oct", "k": "AA"})),
        ("x5u", json!("http://localhost/x")),
        ("zip", json!("DEF")),
        ("kid", json!("another")),
        ("typ", json!("JWT")),
        ("alg", json!("HS512")),
        ("b64", json!(false)),
    ] {
        refused(
            &system,
            &sign(&with(&header, name, value), &claims),
            "AUTH_TOKEN_INVALID",
        )
        .await?;
    }
    let old = with(
        &with(&with(&claims, "iat", json!(now - 990)), "nbf", json!(now - 990)),
        "exp",
        json!(now - 90),
    );
    refused(&system, &sign(&header, &old), "AUTH_TOKEN_EXPIRED").await?;
    Ok(())
}

/// Claims that are right in all but one thing.
fn wrong_claims(claims: &Value, now: i64) -> Vec<Value> {
    let mut without_sub = claims.clone();
    without_sub.as_object_mut().map(|c| c.remove("sub"));
    vec![
        with(claims, "aud", json!("another")),
        with(claims, "aud", json!(["logicore", "another"])),
        with(claims, "iss", json!("http://localhost:1")),
        with(claims, "nbf", json!(now + 3600)),
        with(claims, "act", json!({"sub": "somebody"})),
        with(claims, "sub", json!("admin")),
        with(claims, "exp", json!("tomorrow")),
        with(claims, "exp", json!(i64::MAX)),
        without_sub,
        json!([]),
    ]
}

async fn a_token_for_another_audience_is_refused(layout: Layout) -> anyhow::Result<()> {
    let mut system = start(layout, &[("JWT_SECRET", SECRET)]).await?;
    let ours = system.demo().await?.access;
    // The same keys, issuer and accounts; only what the tokens are for is another thing.
    system.set("JWT_AUDIENCE", "billing");
    for part in system.parts() {
        system.kill(part)?;
        system.start_part(part)?;
    }
    system.ready().await?;
    refused(&system, &ours, "AUTH_TOKEN_INVALID").await?;
    let theirs = system.demo().await?.access;
    assert_eq!(system.get("/auth/me", &theirs).await?.status, 200);
    Ok(())
}

/// In every protocol, and by a challenge that says what is wrong.
async fn refused(system: &System, token: &str, reason: &str) -> anyhow::Result<()> {
    let rest = system.get("/auth/me", token).await?;
    assert_eq!(rest.outcome(), (401, reason.to_owned()), "{token}: {}", rest.text());
    assert!(rest.header("www-authenticate").contains("invalid_token"), "{rest:?}");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let grpc = grpc_bytes(system.address(), ME, &headers, framed(&[])).await?;
    assert_eq!(grpc.outcome(), (Code::Unauthenticated, reason.to_owned()), "{token}");
    let web = system.grpc_web(ME, token, &GetMeRequest {}).await?;
    assert_eq!(web.outcome(), (Code::Unauthenticated, reason.to_owned()), "{token}");
    Ok(())
}

fn parts(token: &str) -> anyhow::Result<(Value, Value, String)> {
    let parts: Vec<_> = token.split('.').collect();
    anyhow::ensure!(parts.len() == 3, "{token}");
    let json = |part: &str| anyhow::Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?);
    Ok((json(parts[0])?, json(parts[1])?, parts[2].to_owned()))
}

fn with(json: &Value, name: &str, value: Value) -> Value {
    let mut json = json.clone();
    json[name] = value;
    json
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = unsigned(header, claims, "");
    let signed = signed.trim_end_matches('.');
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}
