//! Paths: templates, variables, verbs, precedence, and what has no route.

use http::Method;
use logicore::{Error, Reason};

use super::{call, means, refused, route, routes};
use crate::rest::NoMatch;

#[test]
fn resource_names_are_bound_by_their_templates() {
    for (request, method, json) in [
        ("GET /v1/shelves", "Library/ListShelves", "{}"),
        ("GET /v1/shelves/7", "Library/GetShelf", r#"{"name":"shelves/7"}"#),
        (
            "GET /v1/shelves/7/books/9",
            "Library/GetBook",
            r#"{"name":"shelves/7/books/9"}"#,
        ),
        (
            "DELETE /v1/shelves/7/books/9",
            "Library/DeleteBook",
            r#"{"name":"shelves/7/books/9"}"#,
        ),
        ("GET /v1/books/978-3", "Library/GetBook", r#"{"isbn":"978-3"}"#),
        ("GET /v1/shelves/new", "Library/GetShelf", r#"{"name":"shelves/new"}"#),
        ("GET /v1/shelves/new/books/newest", "Library/GetNewest", "{}"),
        (
            "GET /v1/shelves/new/books/older",
            "Library/GetBook",
            r#"{"name":"shelves/new/books/older"}"#,
        ),
        (
            "GET /v1/shelves/old/books/newest",
            "Library/GetBook",
            r#"{"name":"shelves/old/books/newest"}"#,
        ),
        ("GET /v1/sh%65lves/%37", "Library/GetShelf", r#"{"name":"shelves/7"}"#),
    ] {
        means(request, "", method, json);
    }
}

/// http.proto: a variable of one segment is decoded whole; in one of several `%2F` stays.
#[test]
fn escapes_are_decoded_as_the_variable_asks() {
    for (request, method, json) in [
        ("GET /v1/books/978%2F3", "Library/GetBook", r#"{"isbn":"978/3"}"#),
        ("GET /v1/books/a+b", "Library/GetBook", r#"{"isbn":"a+b"}"#),
        ("GET /v1/books/a%20%2B", "Library/GetBook", r#"{"isbn":"a +"}"#),
        ("GET /v1/books/%E2%82%AC", "Library/GetBook", r#"{"isbn":"€"}"#),
        ("GET /v1/books/..%2F..", "Library/GetBook", r#"{"isbn":"../.."}"#),
        (
            "GET /v1/shelves/a%2Fb",
            "Library/GetShelf",
            r#"{"name":"shelves/a%2Fb"}"#,
        ),
        (
            "GET /v1/shelves/a%20b/books/c%2fd",
            "Library/GetBook",
            r#"{"name":"shelves/a b/books/c%2fd"}"#,
        ),
        ("GET /files/a%2Fb/%25", "Odd/ReadFile", r#"{"text":"a%2Fb/%"}"#),
        ("GET /files/%2F", "Odd/ReadFile", r#"{"text":"%2F"}"#),
        ("GET /files/%C3%A9%2F%C3%A9", "Odd/ReadFile", r#"{"text":"é%2Fé"}"#),
    ] {
        means(request, "", method, json);
    }
}

#[test]
fn wildcards_cover_what_they_say() {
    for (request, method, json) in [
        ("GET /files", "Odd/ReadFile", "{}"),
        ("GET /files/a", "Odd/ReadFile", r#"{"text":"a"}"#),
        ("GET /files/a/b/c", "Odd/ReadFile", r#"{"text":"a/b/c"}"#),
        ("GET /stars/x/y/z", "Odd/Stars", r#"{"text":"y"}"#),
        ("GET /double", "Odd/Stars", "{}"),
        ("GET /double/a", "Odd/Stars", "{}"),
        ("GET /double/a/b", "Odd/Stars", "{}"),
        ("GET /fixed/me", "Odd/Stars", r#"{"text":"me"}"#),
        ("GET /$sub!delims/@all/x", "Odd/Stars", r#"{"text":"x"}"#),
        ("GET /%24sub%21delims/%40all/x", "Odd/Stars", r#"{"text":"x"}"#),
    ] {
        means(request, "", method, json);
    }
}

#[test]
fn verbs_are_told_from_values() {
    for (request, body, method, json) in [
        ("GET /files/a:stat", "", "Odd/StatFile", r#"{"text":"a"}"#),
        ("GET /files/a/b:stat", "", "Odd/StatFile", r#"{"text":"a/b"}"#),
        ("GET /files:stat", "", "Odd/StatFile", "{}"),
        ("GET /files/a:b:stat", "", "Odd/StatFile", r#"{"text":"a:b"}"#),
        ("GET /files/a:st%61t", "", "Odd/StatFile", r#"{"text":"a"}"#),
        ("GET /files/a%2Fb:stat", "", "Odd/StatFile", r#"{"text":"a%2Fb"}"#),
        ("GET /files/a:other", "", "Odd/ReadFile", r#"{"text":"a:other"}"#),
        ("GET /files/a%3Astat", "", "Odd/ReadFile", r#"{"text":"a:stat"}"#),
        ("GET /files/a:stat:", "", "Odd/ReadFile", r#"{"text":"a:stat:"}"#),
        ("GET /files/a:stat/b", "", "Odd/ReadFile", r#"{"text":"a:stat/b"}"#),
        ("GET /files/:stat", "", "Odd/ReadFile", r#"{"text":":stat"}"#),
        ("GET /v1/books/a:b", "", "Library/GetBook", r#"{"isbn":"a:b"}"#),
        ("GET /v1/books:watch", "", "Library/WatchBooks", "{}"),
        (
            "POST /v1/books:find",
            r#"{"isbn":"1"}"#,
            "Library/GetBook",
            r#"{"isbn":"1"}"#,
        ),
        (
            "POST /v1/shelves/1/books/2:move",
            r#"{"otherShelfName":"shelves/3"}"#,
            "Library/MoveBook",
            r#"{"name":"shelves/1/books/2","otherShelfName":"shelves/3"}"#,
        ),
    ] {
        means(request, body, method, json);
    }
}

/// A stem of dots would be a dot segment to everybody who reads the value.
#[test]
fn a_verb_hides_no_dot_segment() {
    for path in ["/files/..:stat", "/files/.:stat", "/files/%2e%2e:stat"] {
        let (method, _) = call(routes(), &format!("GET {path}"), b"").unwrap();
        assert_eq!(method, "/shapes.v1.Odd/ReadFile", "{path}");
    }
}

#[test]
fn variables_are_of_every_type_that_text_can_tell() {
    for (request, method, json) in [
        (
            "GET /typed/-5/true/RED/2026-01-31T12:00:00Z",
            "Odd/Typed",
            r#"{"i64":"-5","flag":true,"color":"RED","when":"2026-01-31T12:00:00Z"}"#,
        ),
        (
            "GET /typed/9007199254740993/false/2/2026-01-31T12:00:00.5+01:00",
            "Odd/Typed",
            r#"{"i64":"9007199254740993","color":"GREEN","when":"2026-01-31T11:00:00.5Z"}"#,
        ),
        (
            "GET /wrapped/a/b/18446744073709551615/false",
            "Odd/Typed",
            r#"{"inner":{"id":"a","inner":{"id":"b"}},"wrappedU64":"18446744073709551615","wrappedFlag":false}"#,
        ),
        (
            "GET /more/1.5s/text,inner.id/1e3/AQI%3D/7",
            "Odd/Typed",
            r#"{"span":"1.5s","mask":"text,inner.id","double":1000,"raw":"AQI=","u32":7}"#,
        ),
        ("GET /chosen/x", "Odd/Typed", r#"{"chosenText":"x"}"#),
    ] {
        means(request, "", method, json);
    }
}

#[test]
fn a_variable_of_the_wrong_type_is_named() {
    let time = "2026-01-31T12:00:00Z";
    for (path, field) in [
        (format!("/typed/x/true/RED/{time}"), "i64"),
        (format!("/typed/9223372036854775808/true/RED/{time}"), "i64"),
        (format!("/typed/1.5/true/RED/{time}"), "i64"),
        (format!("/typed/1/yes/RED/{time}"), "flag"),
        (format!("/typed/1/true/BLUE/{time}"), "color"),
        ("/typed/1/true/RED/now".to_owned(), "when"),
        ("/wrapped/a/b/-1/true".to_owned(), "wrapped_u64"),
        ("/wrapped/a/b/1/1".to_owned(), "wrapped_flag"),
        ("/more/5/a/1/AQI/1".to_owned(), "span"),
        ("/more/5s/a%20b/1/AQI/1".to_owned(), "mask"),
        ("/more/5s/a/one/AQI/1".to_owned(), "double"),
        ("/more/5s/a/1/*/1".to_owned(), "raw"),
        ("/more/5s/a/1/AQI/4294967296".to_owned(), "u32"),
    ] {
        refused(&format!("GET {path}"), b"", Reason::InvalidField, field);
    }
}

#[test]
fn custom_kinds_are_served() {
    for (request, json) in [
        ("REPORT /custom/x", r#"{"text":"x"}"#),
        ("GET /whatever/x", r#"{"text":"x"}"#),
        ("DELETE /whatever/x", r#"{"text":"x"}"#),
        ("PURGE /whatever/x", r#"{"text":"x"}"#),
        ("OPTIONS /whatever/x", r#"{"text":"x"}"#),
        ("PUT /whatever/7", r#"{"i32":7}"#),
        ("HEAD /heads/x", r#"{"text":"x"}"#),
        ("OPTIONS /options/x", r#"{"text":"x"}"#),
    ] {
        means(request, "", "Odd/Custom", json);
    }
    refused("PUT /whatever/x", b"", Reason::InvalidField, "i32");
    refused("GET /custom/x", b"", Reason::MethodNotAllowed, "");
    refused("GET /heads/x", b"", Reason::MethodNotAllowed, "");
}

#[test]
fn head_is_served_wherever_get_is() {
    means("HEAD /v1/shelves/7", "", "Library/GetShelf", r#"{"name":"shelves/7"}"#);
    means("HEAD /files/a:stat", "", "Odd/StatFile", r#"{"text":"a"}"#);
    assert!(route("HEAD /v1/shelves/7").head && route("HEAD /heads/x").head && route("HEAD /whatever/x").head);
    assert!(!route("GET /v1/shelves/7").head);
    refused("HEAD /echo", b"", Reason::MethodNotAllowed, "");
}

#[test]
fn what_has_no_route_is_not_found() {
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/V1/shelves",
        "/v1/shelves/",
        "/v1/shelves//books/1",
        "//v1/shelves",
        "/v1/shelves/1/books/2/3",
        "/v1/shelves/1/books/",
        "/v2/shelves",
        "/v1/shelves/../shelves",
        "/v1/./shelves",
        "/v1/shelves/%2e%2E",
        "/v1/shelves/.",
        "/v1%2Fshelves",
        "/files/../etc",
        "/files/a/./b",
        "/files/a/..",
        "/files//a",
        "/files/a/",
        "/filesystem",
        "/stars/x/y",
        "/stars/x/y/z/w",
        "/fixed/you",
        "/typed/1/true/RED",
        "/shapes.v1.Odd/Hidden",
        "/echo:verb",
        "*",
    ] {
        refused(&format!("GET {path}"), b"", Reason::RouteNotFound, "");
    }
}

#[test]
fn other_methods_are_told_what_the_path_takes() {
    for (method, path, allowed) in [
        ("POST", "/v1/shelves", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/shelves/1/books", "OPTIONS, POST"),
        (
            "POST",
            "/v1/shelves/1/books/2",
            "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
        ),
        (
            "POST",
            "/v1/shelves/new/books/newest",
            "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
        ),
        ("GET", "/v1/shelves/1/books/2:move", "OPTIONS, POST"),
        ("DELETE", "/v1/shelves/1/books/2:move", "OPTIONS, POST"),
        (
            "POST",
            "/v1/shelves/1/books/2%3Amove",
            "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
        ),
        ("TRACE", "/search", "GET, HEAD, OPTIONS"),
        ("get", "/search", "GET, HEAD, OPTIONS"),
        ("GET", "/bodies/inner", "OPTIONS, PATCH, PUT"),
        ("GET", "/custom/x", "OPTIONS, REPORT"),
        ("POST", "/heads/x", "HEAD, OPTIONS"),
        ("POST", "/options/x", "OPTIONS"),
        ("POST", "/watch", "GET, HEAD, OPTIONS"),
    ] {
        let method: Method = method.parse().unwrap();
        match routes().matched(&method, path) {
            Err(NoMatch::MethodNotAllowed { allow }) => assert_eq!(allow, allowed, "{method} {path}"),
            other => panic!("{method} {path}: {other:?}"),
        }
        match routes().matched(&Method::OPTIONS, path) {
            Err(NoMatch::Options { allow }) => assert_eq!(allow, allowed, "OPTIONS {path}"),
            Ok(found) => assert_eq!(found.binding.http, Method::OPTIONS, "{path}"),
            other => panic!("OPTIONS {path}: {other:?}"),
        }
    }
}

#[test]
fn paths_that_cannot_be_read_are_malformed() {
    for path in [
        "/files/%",
        "/files/%2",
        "/files/%zz",
        "/files/a%ff",
        "/files/%c3%28",
        "/files/%C3/%A9",
        "/%/nowhere",
        "/v1/books/%g0",
        "/files/%00%80",
    ] {
        let error = Error::from(routes().matched(&Method::GET, path).unwrap_err());
        assert_eq!(error.reason(), Reason::MalformedPath, "{path}");
    }
}

#[test]
fn a_stream_from_the_caller_has_no_route_and_an_internal_method_none() {
    assert!(routes().bindings().iter().all(|b| b.method.name() != "Hidden"));
    assert_eq!(routes().bindings()[0].index, 0);
    let more = routes().bindings().iter().filter(|b| b.method.name() == "Bodies");
    assert_eq!(more.map(|b| b.index).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}
