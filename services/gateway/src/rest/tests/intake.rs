//! The reader without a tree reads what the strict one reads, or leaves it.

use proptest::{collection::vec, prelude::*};
use prost_reflect::DynamicMessage;

use super::{arbitrary, everything, inline, only, route, same, shown};
use crate::rest::{Match, Routes, decode::bind, intake, write};

fn directly(route: &Match, body: &[u8]) -> Option<DynamicMessage> {
    let framed = intake::framed(route, "", body)?;
    Some(DynamicMessage::decode(route.binding.method.input(), only(&framed)).unwrap())
}

#[track_caller]
fn read_and_same(request: &str, body: &str) {
    let route = route(request);
    let direct = directly(&route, body.as_bytes()).unwrap_or_else(|| panic!("{body} is nothing rare"));
    let strict = bind(&route, "", body.as_bytes()).unwrap();
    assert!(
        same(&direct, &strict),
        "{body}:\n{}\nis not\n{}",
        shown(&direct),
        shown(&strict)
    );
}

#[test]
fn what_is_common_is_read_without_a_tree() {
    for body in [
        "{}",
        r#" { "flag" : true , "text" : "\"\u0001é😀" , "raw":"AAEC-_8"} "#,
        r#"{"i32":-1,"s32":-2,"sf32":-3,"i64":"-4","s64":"-5","sf64":"-6","u32":4294967295,"f32":7,"u64":18446744073709551615}"#,
        r#"{"i32":-2147483648,"s32":"-2147483648","s64":"-9223372036854775808","i64":9223372036854775807,"f64":"0"}"#,
        r#"{"single":1.5,"double":-2,"color":"RED","colors":["GREEN",-1,77],"doubles":[1,2.5,1e300]}"#,
        r#"{"maybeText":"","maybeNumber":0,"maybeFlag":false,"maybeColor":0,"maybe_raw":""}"#,
        r#"{"text":"","i32":0,"flag":false,"color":0,"raw":"","double":0,"texts":[],"labels":{}}"#,
        r#"{"texts":["","a"],"numbers":[1,"-1"],"flags":[true,false],"raws":["","AA"],"times":["2026-01-31T12:00:00.5Z"]}"#,
        r#"{"inner":{"id":"x","inner":{"inner":{}},"byName":{"a":{},"b":{"number":1}}},"inners":[{},{"id":"y"}]}"#,
        r#"{"chosenText":""}"#,
        r#"{"chosenText":null,"chosenNumber":"7"}"#,
        r#"{"chosenInner":{"id":"x"}}"#,
        r#"{"labels":{"":"","a":"b"},"counts":{"-1":"1","2147483647":-1},"byFlag":{"true":"t","false":"f"}}"#,
        r#"{"byNumber":{"18446744073709551615":"RED","0":0},"byName":{"a":{"id":"x"}}}"#,
        r#"{"when":"1969-12-31T23:59:59.5Z","span":"-1.5s","chosenSpan":"0s","empty":{}}"#,
        r#"{"wrappedDouble":0,"wrappedSingle":1.5,"wrappedI64":"7","wrappedU64":0,"wrappedI32":-1,"wrappedU32":"1"}"#,
        r#"{"wrappedFlag":false,"wrappedText":"","wrappedRaw":"AAE=","wrappedNumbers":[0,-1],"another":"r","odd__name_":"o"}"#,
        r#"{"inner":null,"texts":null,"labels":null,"when":null,"wrappedText":null}"#,
    ] {
        read_and_same("POST /echo", body);
    }
    let long = format!(r#"{{"inner":{{"inner":{{"id":"{}"}}}}}}"#, "a".repeat(20_000));
    read_and_same("POST /echo", &long);
    read_and_same("PUT /bodies/inner", r#"{"id":"x","number":-1}"#);
}

#[test]
fn what_is_wrong_or_rare_is_left_to_the_strict_reader() {
    let echo = route("POST /echo");
    for body in [
        "",
        "null",
        "[]",
        "1",
        "{",
        "{}x",
        r#"{"nope":1}"#,
        r#"{"text":1}"#,
        r#"{"i32":1.5}"#,
        r#"{"i32":1.0}"#,
        r#"{"i32":2147483648}"#,
        r#"{"i32":"01"}"#,
        r#"{"i32":"-0"}"#,
        r#"{"u32":-1}"#,
        r#"{"flag":"true"}"#,
        r#"{"flag":1}"#,
        r#"{"color":"PURPLE"}"#,
        r#"{"raw":"A"}"#,
        r#"{"text":"a","text":"a"}"#,
        r#"{"maybeText":"a","maybe_text":"a"}"#,
        r#"{"chosenText":"a","chosenNumber":1}"#,
        r#"{"texts":[null]}"#,
        r#"{"texts":"a"}"#,
        r#"{"text":["a"]}"#,
        r#"{"labels":["a"]}"#,
        r#"{"labels":{"a":null}}"#,
        r#"{"labels":{"a":"1","a":"2"}}"#,
        r#"{"counts":{"01":1}}"#,
        r#"{"byFlag":{"1":"t"}}"#,
        r#"{"when":"now"}"#,
        r#"{"span":"1"}"#,
        r#"{"single":1e300}"#,
        r#"{"double":"NaN"}"#,
        r#"{"any":{}}"#,
        r#"{"struct":{}}"#,
        r#"{"anything":null}"#,
        r#"{"nothing":null}"#,
        r#"{"mask":"a"}"#,
        r#"{"wrappedText":1}"#,
        r#"{"wrappedNumbers":[null]}"#,
        r#"{"inners":[[]]}"#,
        r#"{"text":{}}"#,
    ] {
        assert!(directly(&echo, body.as_bytes()).is_none(), "{body}");
    }
    for (request, body) in [
        ("POST /echo/a/7", r#"{"text":"b"}"#),
        ("PATCH /bodies/inner", r#"{"id":"x"}"#),
        ("PUT /bodies/when", r#""2026-01-31T12:00:00Z""#),
        ("PUT /bodies/texts", r#"["a"]"#),
    ] {
        assert!(directly(&route(request), body.as_bytes()).is_none(), "{request}");
    }
}

#[test]
fn nesting_ends_for_both_at_the_same_depth() {
    let echo = route("POST /echo");
    for levels in [1, 60, 61, 62, 63, 64, 65, 66, 1000, 100_000] {
        let body = format!("{}{{}}{}", r#"{"inner":"#.repeat(levels), "}".repeat(levels));
        let (direct, strict) = (directly(&echo, body.as_bytes()), bind(&echo, "", body.as_bytes()));
        assert_eq!(direct.is_some(), strict.is_ok(), "{levels}");
    }
}

/// What path and query bind stands beside the body.
#[test]
fn path_and_query_are_in_the_message() {
    let pool = inline(
        r#"syntax = "proto3";
        package case.v1;
        import "google/api/annotations.proto";
        message Item { string name = 1; int32 number = 2; }
        message In { string parent = 1; Item item = 2; string id = 3; }
        service S { rpc Go(In) returns (In) { option (google.api.http) = { post: "/v1/{parent}/items" body: "item" }; } }"#,
    );
    let routes = Routes::build(&pool).unwrap();
    let route = routes.matched(&http::Method::POST, "/v1/p/items").unwrap();
    let body = br#"{"name":"n","number":7}"#;
    let framed = intake::framed(&route, "id=x", body).unwrap();
    let direct = DynamicMessage::decode(route.binding.method.input(), only(&framed)).unwrap();
    assert!(
        same(&direct, &bind(&route, "id=x", body).unwrap()),
        "{}",
        shown(&direct)
    );
    assert!(intake::framed(&route, "nope=x", body).is_none());
    assert!(intake::framed(&route, "parent=x", body).is_none());
}

/// Whoever serves a routed service writes its descriptors.
#[test]
fn a_wrapper_that_holds_itself_is_no_end_of_the_process() {
    let pool = inline(
        r#"syntax = "proto3";
        package google.protobuf;
        import "google/api/annotations.proto";
        message Int64Value { Int64Value value = 1; }
        message In { Int64Value wrapped = 1; }
        service S { rpc Go(In) returns (In) { option (google.api.http) = { post: "/v1/x" body: "*" }; } }"#,
    );
    let routes = Routes::build(&pool).unwrap();
    let route = routes.matched(&http::Method::POST, "/v1/x").unwrap();
    for body in [
        &br#"{"wrapped":1}"#[..],
        br#"{"wrapped":"1"}"#,
        br#"{"wrapped":1.5}"#,
        br#"{"wrapped":true}"#,
    ] {
        assert!(intake::framed(&route, "", body).is_none());
        assert!(bind(&route, "", body).is_err());
    }
}

proptest! {
    #[test]
    fn any_message_is_read_alike_or_left(bytes in vec(any::<u8>(), 0..512)) {
        let message = arbitrary::message(&everything(), &mut arbitrary::Source(&bytes));
        let mut json = Vec::new();
        write::message(&message, &mut json).unwrap();
        let echo = route("POST /echo");
        if let Some(direct) = directly(&echo, &json) {
            let strict = bind(&echo, "", &json).unwrap();
            prop_assert!(same(&direct, &strict), "{}", String::from_utf8_lossy(&json));
        }
    }

    /// Without the fields that are always left, something is read.
    #[test]
    fn any_plain_message_is_read_alike(bytes in vec(any::<u8>(), 0..512)) {
        let mut message = arbitrary::message(&everything(), &mut arbitrary::Source(&bytes));
        for name in ["any", "struct", "anything", "anythings", "list", "nothing", "mask", "values", "chosen_null", "single", "double",
            "doubles", "wrapped_double", "wrapped_single", "inner", "inners", "by_name", "chosen_inner"] {
            message.clear_field_by_name(name);
        }
        let mut json = Vec::new();
        write::message(&message, &mut json).unwrap();
        // An enum without presence is shown by its name, the null that nobody set by null.
        let json = String::from_utf8(json).unwrap().replace("\"nothing\":null,", "");
        let json = json.replace("\"anythings\":[],", "");
        let echo = route("POST /echo");
        let direct = directly(&echo, json.as_bytes());
        prop_assert!(direct.is_some(), "{json}");
        prop_assert!(same(&direct.unwrap(), &bind(&echo, "", json.as_bytes()).unwrap()), "{json}");
    }
}
