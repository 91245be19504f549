//! Nesting: what is accepted can be decoded by everybody, and what is refused is refused early.

use logicore::Reason;
use prost::Message;
use prost_types::Struct;

use super::{call, error_of, refused, routes};

/// `{"a":{"a":...{}...}}`, of so many objects.
fn objects(depth: usize, name: &str) -> String {
    format!(
        "{}{{}}{}",
        format!("{{\"{name}\":").repeat(depth - 1),
        "}".repeat(depth - 1)
    )
}

fn lists(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn messages_nest_as_deep_as_json_may() {
    // The harness decodes what was made, so what passes here passes in a service.
    call(routes(), "PUT /bodies/inner", objects(64, "inner").as_bytes()).unwrap();
    refused(
        "PUT /bodies/inner",
        objects(65, "inner").as_bytes(),
        Reason::MalformedJson,
        "",
    );
    refused("POST /echo", lists(1 << 19).as_bytes(), Reason::MalformedJson, "");
    refused(
        "POST /echo",
        "{\"a\":".repeat(100_000).as_bytes(),
        Reason::MalformedJson,
        "",
    );
}

/// Each object of a `Struct` is three messages on the wire, each list two.
#[test]
fn structs_nest_as_deep_as_decoders_go() {
    for (depth, fits) in [(1, true), (34, true), (35, false), (64, false)] {
        let body = objects(depth, "a");
        match fits {
            true => {
                let (_, message) = call(routes(), "PUT /bodies/struct", body.as_bytes()).unwrap();
                let value = message.get_field_by_name("struct").unwrap();
                Struct::decode(&*value.as_message().unwrap().encode_to_vec()).unwrap();
            }
            false => refused("PUT /bodies/struct", body.as_bytes(), Reason::InvalidField, "struct"),
        }
    }
    call(routes(), "PUT /bodies/anything", lists(50).as_bytes()).unwrap();
    refused(
        "PUT /bodies/anything",
        lists(51).as_bytes(),
        Reason::InvalidField,
        "anything",
    );
}

#[test]
fn the_messages_around_a_struct_count_too() {
    for (around, within, fits) in [
        (10, 29, true),
        (10, 30, true),
        (10, 31, false),
        (30, 23, true),
        (30, 24, false),
    ] {
        let inner = format!(
            "{}{{\"struct\":{}}}{}",
            "{\"inner\":".repeat(around),
            objects(within, "a"),
            "}".repeat(around)
        );
        let answer = call(routes(), "PUT /bodies/inner", inner.as_bytes());
        assert_eq!(answer.is_ok(), fits, "{around} around {within}");
    }
    let map = |n: usize| format!(r#"{{"byName":{{"a":{{"struct":{}}}}}}}"#, objects(n, "a"));
    call(routes(), "PUT /bodies/inner", map(33).as_bytes()).unwrap();
    refused(
        "PUT /bodies/inner",
        map(34).as_bytes(),
        Reason::InvalidField,
        r#"inner.by_name["a"].struct"#,
    );
}

/// A message that holds itself makes names as long as a caller likes, and encoding one takes stack for each level.
#[test]
fn the_names_of_a_query_have_a_depth() {
    let name = |n: usize| format!("GET /search?{}id=x", "inner.".repeat(n));
    let (_, message) = call(routes(), &name(63), b"").unwrap();
    assert!(message.encoded_len() > 63);
    for deep in [64, 1000, 10_000] {
        let error = error_of(routes(), &name(deep), b"");
        assert_eq!(error.reason(), Reason::InvalidField, "{deep}");
        assert!(error.message().contains("nested deeper than 64"), "{error}");
    }
}
