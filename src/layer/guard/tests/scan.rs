//! The scan against cases by hand, and against the decoder that reads the message after it.

use proptest::prelude::*;
use prost::Message;

use super::super::last_string;
use crate::{api::user::GetUserRequest, error::Reason};

fn read(message: &[u8]) -> Option<String> {
    match last_string(message, 1) {
        Ok(text) => Some(text.to_owned()),
        Err(error) => {
            assert_eq!(error.reason(), Reason::MalformedMessage);
            None
        }
    }
}

fn decoded(message: &[u8]) -> Option<String> {
    GetUserRequest::decode(message).ok().map(|m| m.id)
}

/// A group of this field number around something.
fn group(inner: &[u8]) -> Vec<u8> {
    [&[0x13][..], inner, &[0x14]].concat()
}

fn nested(depth: usize, inner: &[u8]) -> Vec<u8> {
    (0..depth).fold(inner.to_vec(), |inner, _| group(&inner))
}

#[test]
fn the_wire_format_is_read_as_decoders_read_it() {
    let id = |text: &str| [&[0x0a, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let with = |more: &[u8]| [more, &id("a")].concat();
    let table: Vec<(&str, Vec<u8>, Option<&str>)> = vec![
        ("nothing", vec![], Some("")),
        ("the field", id("a"), Some("a")),
        ("an empty one", id(""), Some("")),
        ("two", [id("a"), id("b")].concat(), Some("b")),
        ("one and an empty one", [id("a"), id("")].concat(), Some("")),
        (
            "a key in two bytes more than it needs",
            vec![0x8a, 0x80, 0, 1, b'a'],
            Some("a"),
        ),
        (
            "a length in more bytes than it needs",
            vec![0x0a, 0x81, 0x80, 0, b'a'],
            Some("a"),
        ),
        ("behind a varint", with(&[0x10, 1]), Some("a")),
        (
            "behind the largest varint",
            with(&[&[0x10][..], &[0xff; 9], &[1]].concat()),
            Some("a"),
        ),
        ("behind eight bytes", with(&[0x11, 1, 2, 3, 4, 5, 6, 7, 8]), Some("a")),
        ("behind four bytes", with(&[0x15, 1, 2, 3, 4]), Some("a")),
        (
            "behind bytes that look like it",
            with(&[0x12, 3, 0x0a, 1, b'x']),
            Some("a"),
        ),
        ("behind a group", with(&group(&id("x"))), Some("a")),
        ("behind groups in groups", with(&nested(100, &[])), Some("a")),
        (
            "behind the largest field",
            with(&[0xf8, 0xff, 0xff, 0xff, 0x0f, 1]),
            Some("a"),
        ),
        ("a group too deep", with(&nested(101, &[])), None),
        ("something in the deepest group", with(&nested(100, &[0x10, 1])), None),
        ("a group of the field's number", vec![0x0b, 0x0c], None),
        ("a group that does not end", vec![0x13, 0x10, 1], None),
        ("a group that ends otherwise", vec![0x13, 0x1c], None),
        ("an end without a group", vec![0x14], None),
        ("the field as a varint", vec![0x08, 1], None),
        ("the field as eight bytes", vec![0x09, 1, 2, 3, 4, 5, 6, 7, 8], None),
        ("the field as four bytes", vec![0x0d, 1, 2, 3, 4], None),
        ("field 0", vec![0x02, 1, b'a'], None),
        ("wire type 6", vec![0x16], None),
        ("wire type 7", vec![0x17], None),
        (
            "a field beyond the largest",
            vec![0x80, 0x80, 0x80, 0x80, 0x10, 1],
            None,
        ),
        ("a key that does not end", vec![0x8a], None),
        ("a varint that does not end", vec![0x10, 0xff], None),
        (
            "a varint beyond 64 bits",
            [&[0x10][..], &[0xff; 9], &[2]].concat(),
            None,
        ),
        (
            "a varint of eleven bytes",
            [&[0x10][..], &[0x80; 10], &[0]].concat(),
            None,
        ),
        ("a length beyond the message", vec![0x0a, 2, b'a'], None),
        ("a length beyond memory", [&[0x0a][..], &[0xff; 9], &[1]].concat(), None),
        ("another field's length beyond the message", vec![0x12, 2, b'a'], None),
        ("four bytes that are three", vec![0x15, 1, 2, 3], None),
        ("no length", vec![0x0a], None),
        ("no UTF-8", vec![0x0a, 1, 0xff], None),
        (
            "no UTF-8, replaced by what is",
            [vec![0x0a, 1, 0xff], id("a")].concat(),
            None,
        ),
        ("a surrogate", vec![0x0a, 3, 0xed, 0xa0, 0x80], None),
    ];
    for (what, message, expected) in table {
        assert_eq!(read(&message).as_deref(), expected, "{what}");
        assert_eq!(decoded(&message).as_deref(), expected, "{what}, by the decoder");
    }
}

#[test]
fn each_field_is_told_from_the_others() {
    let message = [0x0a, 1, b'a', 0x12, 1, b'b', 0x82, 0x01, 1, b'c'];
    for (field, expected) in [(1, "a"), (2, "b"), (16, "c"), (3, "")] {
        assert_eq!(last_string(&message, field).unwrap(), expected);
    }
}

/// One field, rightly encoded: the one that is looked for, or any other.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![3 => Just(1_u64), 2 => 2..40_u64, 1 => Just((1 << 29) - 1)];
    let value = prop_oneof![
        any::<u64>().prop_map(|n| (0_u64, varint(n))),
        any::<[u8; 8]>().prop_map(|b| (1, b.to_vec())),
        any::<[u8; 4]>().prop_map(|b| (5, b.to_vec())),
        "[ -~ä€😀]{0,12}".prop_map(|text| (2, delimited(text.as_bytes()))),
        "[ -~ä€😀]{0,12}".prop_map(|text| (2, delimited(text.as_bytes()))),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| (2, delimited(&bytes))),
    ];
    (number, value).prop_map(|(number, (kind, value))| [varint(number << 3 | kind), value].concat())
}

fn fields() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(field(), 0..6).prop_map(|fields| fields.concat())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let grouped =
        (fields(), fields(), 0..3_usize).prop_map(|(inner, after, depth)| [nested(depth, &inner), after].concat());
    let harmed = (fields(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    let cut =
        (fields(), any::<prop::sample::Index>()).prop_map(|(bytes, at)| bytes[..at.index(bytes.len() + 1)].to_vec());
    prop_oneof![
        fields(),
        grouped,
        harmed,
        cut,
        proptest::collection::vec(any::<u8>(), 0..40)
    ]
}

fn varint(n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(n, &mut bytes);
    bytes
}

fn delimited(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len() as u64), bytes.to_vec()].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_scan_reads_what_the_decoder_reads_and_refuses_what_it_refuses(message in message()) {
        prop_assert_eq!(read(&message), decoded(&message));
    }
}
