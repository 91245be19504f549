//! What holds for every input. `PROPTEST_CASES` says how many are tried; these are the fuzz targets, too.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use logicore_harness::framed;
use proptest::{collection::vec, prelude::*, sample::Index};
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage};
use tonic::{Code, Status, body::Body};

use super::{
    answers::trailers,
    arbitrary::{self, Source},
    call, client, everything, from_json, public, route, routes, same, shown,
};
use crate::rest::{Routes, Template, decode::bind, encode, http_error, write};

/// Says a message by a binding and looks what arrives.
fn comes_back(routes: &Routes, pick: Index, bytes: &[u8]) -> Result<(), TestCaseError> {
    let binding = pick.get(routes.bindings());
    let mut source = Source(bytes);
    let mut message = arbitrary::message(&binding.method.input(), &mut source);
    client::fit(binding, &mut message, &mut source);
    let sent = client::request(binding, &message);
    let (path, read) = call(routes, &sent.request, &sent.body)
        .map_err(|e| TestCaseError::fail(format!("{binding}: {e}: {sent:?}")))?;
    prop_assert_eq!(&path, &*binding.method_path, "{:?}", sent);
    prop_assert_eq!(
        Bytes::from(read.encode_to_vec()),
        Bytes::from(message.encode_to_vec()),
        "{:?}: {}",
        sent,
        shown(&read)
    );
    Ok(())
}

/// Words that lead further into the readers than noise does.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(
        prop_oneof![4 => prop::sample::select(words).prop_map(str::to_owned), 1 => ".{0,3}"],
        0..24,
    )
    .prop_map(|w| w.concat())
}

const QUERY: &[&str] = &[
    "&",
    "&",
    "=",
    "=",
    ".",
    "%",
    "%2",
    "%ff",
    "%20",
    "+",
    "text",
    "flag",
    "i32",
    "inner",
    "inner.",
    "id",
    "when",
    "span",
    "mask",
    "wrappedI64",
    "chosenText",
    "chosenNumber",
    "texts",
    "labels",
    "any",
    "true",
    "1",
    "-",
    "1e9",
    "s",
    "RED",
    "[",
    "2026-01-31T12:00:00Z",
    "9223372036854775808",
    "€",
];

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "{\"",
    "\":",
    "text",
    "i32",
    "i64",
    "inner",
    "inners",
    "labels",
    "any",
    "@type",
    "t/shapes.v1.Inner",
    "t/google.protobuf.Any",
    "value",
    "struct",
    "anything",
    "when",
    "span",
    "mask",
    "double",
    "null",
    "true",
    "1",
    "-1.5e3",
    "1e400",
    "\\u0000",
    "\\ud800",
    "2026-01-31T12:00:00Z",
    "1s",
    "chosenText",
    "values",
    "a_b",
];

const PATH: &[&str] = &[
    "/", "/", "/", "v1", "shelves", "books", "files", "typed", "wrapped", "whatever", "stars", "echo", ":", ":stat",
    ":move", "%2F", "%", "%2e", ".", "..", "*", "true", "1", "RED", "é", "%C3", "{", "}",
];

proptest! {
    #[test]
    fn a_message_comes_back_by_every_binding(pick: Index, bytes in vec(any::<u8>(), 0..600)) {
        comes_back(routes(), pick, &bytes)?;
    }

    #[test]
    fn a_message_comes_back_by_every_public_binding(pick: Index, bytes in vec(any::<u8>(), 0..600)) {
        comes_back(public::routes(), pick, &bytes)?;
    }

    #[test]
    fn an_answer_can_be_sent_as_it_came(bytes in vec(any::<u8>(), 0..1200)) {
        let message = arbitrary::message(&everything(), &mut Source(&bytes));
        let frames = [Frame::data(framed(&message.encode_to_vec())), Frame::trailers(trailers(&Status::ok("")))];
        let answer = Response::new(Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)))));
        let answer = encode(&route("GET /search"), answer).now_or_never().unwrap();
        prop_assert_eq!(answer.status(), 200);
        let json = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        let (_, read) = call(routes(), "POST /echo", &json).unwrap();
        prop_assert_eq!(Bytes::from(read.encode_to_vec()), Bytes::from(message.encode_to_vec()), "{:?}", json);
    }

    /// Two writers and two readers of one mapping.
    #[test]
    fn another_reader_understands_what_is_written(bytes in vec(any::<u8>(), 0..1200)) {
        let mut message = arbitrary::message(&everything(), &mut Source(&bytes));
        // Known to differ: names in a mask that have no JSON form.
        message.clear_field_by_name("mask");
        let mut json = Vec::new();
        write::message(&message, &mut json).unwrap();
        let theirs = from_json(message.descriptor(), std::str::from_utf8(&json).unwrap());
        prop_assert!(same(&theirs, &message), "{:?}", Bytes::from(json));
        let json = serde_json::to_vec(&message).unwrap();
        // Known to differ: a wrapper of a number that is none is null there, and so it is lost.
        let lost = ["wrapped_double", "wrapped_single"];
        for name in lost {
            message.clear_field_by_name(name);
        }
        let (_, mut ours) = call(routes(), "POST /echo", &json).unwrap();
        for name in lost {
            ours.clear_field_by_name(name);
        }
        prop_assert!(same(&ours, &message), "{:?}", Bytes::from(json));
    }

    #[test]
    fn any_path_is_matched_or_refused(method in "GET|POST|PUT|HEAD|OPTIONS|PURGE", words in words(PATH), noise in ".*") {
        let method: Method = method.parse().unwrap();
        for path in [&words, &noise, &format!("/files/{noise}"), &format!("/{words}")] {
            if let Ok(found) = routes().matched(&method, path) {
                let bound = bind(&found, "", b"{}");
                if let Ok(message) = bound {
                    prop_assert!(DynamicMessage::decode(message.descriptor(), &*message.encode_to_vec()).is_ok());
                }
            }
        }
    }

    #[test]
    fn any_query_is_read_or_refused(words in words(QUERY), noise in ".*") {
        for query in [words, noise] {
            if let Ok(message) = bind(&route("GET /search"), &query, b"") {
                prop_assert!(DynamicMessage::decode(message.descriptor(), &*message.encode_to_vec()).is_ok());
            }
        }
    }

    #[test]
    fn any_body_is_read_or_refused(words in words(JSON), noise in vec(any::<u8>(), 0..100)) {
        for body in [words.as_bytes(), &noise, format!("{{\"{words}}}").as_bytes()] {
            for request in ["POST /echo", "PATCH /v1/shelves/1/books/2", "PUT /bodies/anything", "PUT /bodies/inners"] {
                if let Ok(message) = bind(&route(request), "", body) {
                    prop_assert!(DynamicMessage::decode(message.descriptor(), &*message.encode_to_vec()).is_ok());
                }
            }
        }
    }

    /// One byte of a good body changed: close to what is right, where readers are weakest.
    #[test]
    fn a_damaged_body_is_read_or_refused(bytes in vec(any::<u8>(), 0..600), at: Index, byte: u8) {
        let message = arbitrary::message(&everything(), &mut Source(&bytes));
        let mut json = Vec::new();
        write::message(&message, &mut json).unwrap();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok((_, message)) = call(routes(), "POST /echo", &json) {
            prop_assert!(DynamicMessage::decode(message.descriptor(), &*message.encode_to_vec()).is_ok());
        }
    }

    #[test]
    fn any_answer_ends_in_json(
        chunks in vec(vec(any::<u8>(), 0..40), 0..6),
        status in prop::option::of(0..20_i32),
        framing: bool,
    ) {
        let frames = || {
            let prefix = |c: &Vec<u8>| [&[0, 0, 0, 0, c.len() as u8], &**c].concat();
            let data = chunks.iter().map(|c| Frame::data(Bytes::from(if framing { prefix(c) } else { c.clone() })));
            let last = status.map(|code| Frame::trailers(trailers(&Status::new(Code::from(code), "x"))));
            stream::iter(data.chain(last).map(Ok::<_, Status>).collect::<Vec<_>>())
        };
        for request in ["GET /search", "GET /watch", "GET /answers/inners"] {
            let answer = Response::new(Body::new(StreamBody::new(frames())));
            let answer = encode(&route(request), answer).now_or_never().unwrap();
            let body = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
            for line in body.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok(), "{:?}", body);
            }
        }
    }

    #[test]
    fn any_details_of_an_error_are_shown_or_left_out(code in 1..20_i32, message in ".*", details in vec(any::<u8>(), 0..80)) {
        let answer = http_error(Status::with_details(Code::from(code), message, details.into()));
        let body = answer.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(&json["code"], i32::from(Code::from(code)));
    }

    #[test]
    fn any_template_is_parsed_or_refused(words in words(PATH), noise in ".*") {
        for text in [words, noise] {
            if let Ok(template) = Template::parse(&text) {
                prop_assert!(!template.segments.is_empty());
                prop_assert!(template.variables.iter().all(|v| v.segments.end <= template.segments.len()));
            }
        }
    }
}
