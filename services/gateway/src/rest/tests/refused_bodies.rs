//! JSON bodies that are refused, each by the path of the field in proto names.

use logicore::Reason;

use super::refused;

fn invalid(cases: &[(&str, &str)]) {
    for (body, field) in cases {
        refused("POST /echo", body.as_bytes(), Reason::InvalidField, field);
    }
}

#[test]
fn what_the_message_does_not_have_is_unknown() {
    for (body, field) in [
        (r#"{"nope":1}"#, "nope"),
        (r#"{"nope":null}"#, "nope"),
        (r#"{"Text":"x"}"#, "Text"),
        (r#"{"":1}"#, ""),
        (r#"{"inner":{"nope":1}}"#, "inner.nope"),
        (r#"{"inner":{"inner":{"nope":1}}}"#, "inner.inner.nope"),
        (r#"{"inners":[{},{"nope":1}]}"#, "inners[1].nope"),
        (r#"{"byName":{"a b":{"nope":1}}}"#, r#"by_name["a b"].nope"#),
        (r#"{"empty":{"nope":1}}"#, "empty.nope"),
        (r#"{"chosenInner":{"nope":1}}"#, "chosen_inner.nope"),
        (r#"{"any":{"@type":"t/shapes.v1.Inner","nope":1}}"#, "any.nope"),
        (
            r#"{"any":{"@type":"t/google.protobuf.Duration","value":"1s","nope":1}}"#,
            "any.nope",
        ),
        (r#"{"@type":"x"}"#, "@type"),
        (r#"{"[shapes.v1.ext]":1}"#, "[shapes.v1.ext]"),
        (r#"{"inner.id":"x"}"#, "inner.id"),
    ] {
        let error = super::error_of(super::routes(), "POST /echo", body.as_bytes());
        assert_eq!(error.reason(), Reason::UnknownField, "{body}: {error}");
        assert_eq!(
            error.violations(),
            [(field.to_owned(), "no such field".to_owned())],
            "{body}"
        );
    }
}

#[test]
fn values_of_the_wrong_type_are_named() {
    invalid(&[
        ("null", "body"),
        ("[]", "body"),
        (r#""x""#, "body"),
        ("5", "body"),
        (r#"{"flag":"true"}"#, "flag"),
        (r#"{"flag":1}"#, "flag"),
        (r#"{"text":5}"#, "text"),
        (r#"{"text":{}}"#, "text"),
        (r#"{"raw":"*"}"#, "raw"),
        (r#"{"raw":[1,2]}"#, "raw"),
        (r#"{"raw":"AQ=I"}"#, "raw"),
        (r#"{"i32":"x"}"#, "i32"),
        (r#"{"i32":""}"#, "i32"),
        (r#"{"i32":" 5"}"#, "i32"),
        (r#"{"i32":"5 "}"#, "i32"),
        (r#"{"i32":"+5"}"#, "i32"),
        (r#"{"i32":"5x"}"#, "i32"),
        (r#"{"i32":true}"#, "i32"),
        (r#"{"i32":[5]}"#, "i32"),
        (r#"{"i32":1.5}"#, "i32"),
        (r#"{"i32":"1.5"}"#, "i32"),
        (r#"{"single":"nan"}"#, "single"),
        (r#"{"double":"Inf"}"#, "double"),
        (r#"{"double":"1,5"}"#, "double"),
        (r#"{"double":{}}"#, "double"),
        (r#"{"color":"BLUE"}"#, "color"),
        (r#"{"color":"red"}"#, "color"),
        (r#"{"color":"1"}"#, "color"),
        (r#"{"color":1.5}"#, "color"),
        (r#"{"color":true}"#, "color"),
        (r#"{"nothing":"x"}"#, "nothing"),
        (r#"{"nothing":false}"#, "nothing"),
        (r#"{"inner":"x"}"#, "inner"),
        (r#"{"inner":[]}"#, "inner"),
        (r#"{"inner":{"number":"x"}}"#, "inner.number"),
        (r#"{"maybeNumber":"x"}"#, "maybe_number"),
        (r#"{"another":1}"#, "renamed"),
    ]);
}

#[test]
fn lists_and_maps_name_the_element() {
    invalid(&[
        (r#"{"texts":"a"}"#, "texts"),
        (r#"{"texts":{}}"#, "texts"),
        (r#"{"texts":["a",1]}"#, "texts[1]"),
        (r#"{"texts":["a",null]}"#, "texts[1]"),
        (r#"{"texts":[["a"]]}"#, "texts[0]"),
        (r#"{"inners":{}}"#, "inners"),
        (r#"{"inners":[null]}"#, "inners[0]"),
        (r#"{"inners":[{"number":"x"}]}"#, "inners[0].number"),
        (r#"{"labels":[]}"#, "labels"),
        (r#"{"labels":{"a":1}}"#, r#"labels["a"]"#),
        (r#"{"labels":{"a":null}}"#, r#"labels["a"]"#),
        (r#"{"counts":{"x":1}}"#, r#"counts["x"]"#),
        (r#"{"counts":{"2147483648":1}}"#, r#"counts["2147483648"]"#),
        (r#"{"counts":{"1":"x"}}"#, r#"counts["1"]"#),
        (r#"{"counts":{"1":1,"1.0":2}}"#, r#"counts["1.0"]"#),
        (r#"{"byFlag":{"yes":"x"}}"#, r#"by_flag["yes"]"#),
        (r#"{"byNumber":{"-1":"RED"}}"#, r#"by_number["-1"]"#),
        (r#"{"byNumber":{"1":"BLUE"}}"#, r#"by_number["1"]"#),
        (r#"{"byName":{"a":{"number":"x"}}}"#, r#"by_name["a"].number"#),
        (r#"{"times":["x"]}"#, "times[0]"),
        (r#"{"wrappedNumbers":[1,null]}"#, "wrapped_numbers[1]"),
    ]);
}

#[test]
fn numbers_out_of_range_are_named() {
    invalid(&[
        (r#"{"i32":2147483648}"#, "i32"),
        (r#"{"i32":-2147483649}"#, "i32"),
        (r#"{"s32":"2147483648"}"#, "s32"),
        (r#"{"u32":-1}"#, "u32"),
        (r#"{"f32":4294967296}"#, "f32"),
        (r#"{"i64":9223372036854775808}"#, "i64"),
        (r#"{"i64":"-9223372036854775809"}"#, "i64"),
        (r#"{"i64":1e30}"#, "i64"),
        (r#"{"u64":18446744073709551616}"#, "u64"),
        (r#"{"u64":"-1"}"#, "u64"),
        (r#"{"single":1e39}"#, "single"),
        (r#"{"color":2147483648}"#, "color"),
        (r#"{"wrappedU32":-1}"#, "wrapped_u32"),
        (r#"{"wrappedSingle":1e39}"#, "wrapped_single"),
    ]);
    for number in ["2147483648", "1e30", "18446744073709551616", "\"9223372036854775808\""] {
        let body = format!(r#"{{"i32":{number}}}"#);
        let error = super::error_of(super::routes(), "POST /echo", body.as_bytes());
        assert_eq!(error.message(), "i32: is out of range", "{number}");
    }
}

#[test]
fn well_known_types_are_read_strictly() {
    invalid(&[
        (r#"{"when":1769860800}"#, "when"),
        (r#"{"when":"2026-01-31"}"#, "when"),
        (r#"{"when":"2026-01-31t12:00:00z"}"#, "when"),
        (r#"{"when":{"seconds":1}}"#, "when"),
        (r#"{"span":"1"}"#, "span"),
        (r#"{"span":1}"#, "span"),
        (r#"{"span":"1.0000000001s"}"#, "span"),
        (r#"{"mask":["text"]}"#, "mask"),
        (r#"{"mask":{"paths":["text"]}}"#, "mask"),
        (r#"{"mask":"a b"}"#, "mask"),
        (r#"{"any":5}"#, "any"),
        (r#"{"any":{"id":"x"}}"#, "any.@type"),
        (r#"{"any":{"@type":5}}"#, "any.@type"),
        (r#"{"any":{"@type":""}}"#, "any.@type"),
        (r#"{"any":{"@type":"shapes.v1.Inner"}}"#, "any.@type"),
        (r#"{"any":{"@type":"t/shapes.v1.Nope"}}"#, "any.@type"),
        (r#"{"any":{"@type":"t/shapes.v1.Inner","number":"x"}}"#, "any.number"),
        (r#"{"any":{"@type":"t/google.protobuf.Duration"}}"#, "any.value"),
        (
            r#"{"any":{"@type":"t/google.protobuf.Duration","value":5}}"#,
            "any.value",
        ),
        (
            r#"{"any":{"@type":"t/google.protobuf.Any","value":{"@type":"t/x"}}}"#,
            "any.value.@type",
        ),
        (r#"{"struct":[]}"#, "struct"),
        (r#"{"struct":"x"}"#, "struct"),
        (r#"{"list":{}}"#, "list"),
        (r#"{"empty":[]}"#, "empty"),
        (r#"{"wrappedFlag":"true"}"#, "wrapped_flag"),
        (r#"{"wrappedText":5}"#, "wrapped_text"),
        (r#"{"wrappedRaw":"*"}"#, "wrapped_raw"),
        (r#"{"wrappedI32":{"value":5}}"#, "wrapped_i32"),
    ]);
}

#[test]
fn a_field_is_set_once() {
    invalid(&[
        (r#"{"chosenText":"a","chosenNumber":1}"#, "chosen_text"),
        (r#"{"chosenNull":null,"chosenText":""}"#, "chosen_text"),
        (r#"{"chosenInner":{},"chosenText":""}"#, "chosen_text"),
        (r#"{"another":"a","renamed":"b"}"#, "renamed"),
        (r#"{"maybeText":"a","maybe_text":"a"}"#, "maybe_text"),
        (r#"{"maybeText":null,"maybe_text":"a"}"#, "maybe_text"),
    ]);
    for (request, body, field) in [
        ("POST /echo/a/b", r#"{"text":"a"}"#, "text"),
        ("POST /echo/a/b", r#"{"inner":{"id":"b"}}"#, "inner.id"),
        (
            "POST /v1/shelves/1/books/2:move",
            r#"{"name":"shelves/1/books/2"}"#,
            "name",
        ),
        ("POST /v1/shelves/1/books/2:ping", r#"{"name":""}"#, "name"),
        (
            "PATCH /v1/shelves/1/books/2",
            r#"{"name":"shelves/1/books/2"}"#,
            "book.name",
        ),
        ("PUT /v1/shelves/1/books/2", r#"{"title":"T","name":"x"}"#, "book.name"),
    ] {
        refused(request, body.as_bytes(), Reason::InvalidField, field);
    }
}

#[test]
fn what_is_not_json_is_malformed() {
    for body in [
        &b"{"[..],
        b"{}{}",
        b"{}]",
        b"{\"text\":}",
        b"{\"text\":\"a\",}",
        b"{text:\"a\"}",
        b"{'text':'a'}",
        b"{\"text\":\"a\" \"flag\":true}",
        b"{\"text\":\"\xff\"}",
        b"{\"text\":\"\\ud800\"}",
        b"{\"text\":\"\\x41\"}",
        b"{\"text\":\"a\nb\"}",
        b"{\"i32\":01}",
        b"{\"i32\":+1}",
        b"{\"i32\":.5}",
        b"{\"double\":NaN}",
        b"{\"double\":1e999}",
        b"{\"text\":\"a\",\"text\":\"b\"}",
        b"{\"struct\":{\"a\":1,\"a\":2}}",
        b"\xef\xbb\xbf{}",
        b"// {}",
        b"a=b&c=d",
        b"\0",
    ] {
        refused("POST /echo", body, Reason::MalformedJson, "");
    }
}

#[test]
fn a_body_is_neither_missing_nor_uncalled_for() {
    for request in [
        "POST /echo",
        "POST /echo/a/b",
        "POST /v1/shelves/1/books",
        "PATCH /bodies/inner",
        "PUT /bodies/text",
    ] {
        refused(request, b"", Reason::MissingBody, "");
    }
    for request in [
        "GET /search",
        "GET /v1/shelves/1",
        "DELETE /v1/shelves/1/books/2",
        "REPORT /custom/x",
        "GET /watch",
    ] {
        refused(request, b"{}", Reason::UnexpectedBody, "");
        refused(request, b" ", Reason::UnexpectedBody, "");
    }
}

#[test]
fn errors_repeat_no_more_than_the_beginning_of_a_name() {
    let long = "n".repeat(100_000);
    for (request, body) in [
        ("POST /echo", format!(r#"{{"{long}":1}}"#)),
        ("POST /echo", format!(r#"{{"labels":{{"{long}":1}}}}"#)),
        ("POST /echo", format!(r#"{{"mask":"{long}é"}}"#)),
        ("POST /echo", format!(r#"{{"any":{{"@type":"t/{long}"}}}}"#)),
        ("POST /echo", format!(r#"{{"{long}":1,"{long}":2}}"#)),
        ("POST /echo", format!(r#"{{"i32":"{long}","color":"x"}}"#)),
    ] {
        let error = super::error_of(super::routes(), request, body.as_bytes());
        let size = error.message().len() + error.violations().iter().map(|(f, p)| f.len() + p.len()).sum::<usize>();
        assert!(size < 800, "{size}: {}", error.reason().as_str());
    }
    let query = format!("GET /search?{}=1", &long[..20_000]);
    assert!(super::error_of(super::routes(), &query, b"").message().len() < 400);
}
