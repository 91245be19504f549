//! The direct writer writes what the general one writes, whatever the bytes.

use proptest::{collection::vec, prelude::*};
use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage};

use super::{arbitrary, everything, from_json, routes};
use crate::rest::{direct, shape::Shapes, write};

fn shapes() -> &'static (Shapes, usize) {
    static SHAPES: OnceLock<(Shapes, usize)> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let mut shapes = Shapes::default();
        let root = shapes.add(&everything());
        (shapes, root)
    })
}

fn directly(bytes: &[u8]) -> Option<String> {
    let (shapes, root) = shapes();
    let mut json = Vec::new();
    direct::message(shapes, *root, bytes, &mut json).ok()?;
    Some(String::from_utf8(json).unwrap())
}

fn generally(bytes: &[u8]) -> Option<String> {
    let message = DynamicMessage::decode(everything(), bytes).ok()?;
    let mut json = Vec::new();
    write::message(&message, &mut json).ok()?;
    Some(String::from_utf8(json).unwrap())
}

/// What is common is written directly, and as the general writer would.
#[track_caller]
fn direct_and_same(bytes: &[u8]) {
    assert_eq!(
        directly(bytes).expect("this is nothing rare"),
        generally(bytes).unwrap()
    );
}

#[test]
fn every_kind_of_field_is_written_directly() {
    for json in [
        "{}",
        r#"{"flag":true,"text":"\"\u0001é😀","raw":"AAEC","i32":-1,"s32":-2,"sf32":-3,"i64":"-4","s64":"-5","sf64":"-6"}"#,
        r#"{"u32":4294967295,"f32":7,"u64":"18446744073709551615","f64":"8","single":0.1,"double":1e300,"color":"NEGATIVE"}"#,
        r#"{"single":"NaN","double":"-Infinity","color":77,"maybeText":"","maybeNumber":0,"maybeColor":0,"maybeRaw":""}"#,
        r#"{"texts":["","a"],"numbers":[1,-1],"colors":["RED",9],"raws":["","AA=="],"doubles":[1,1.5,"NaN"],"flags":[true]}"#,
        r#"{"times":["2026-01-31T12:00:00Z"],"anythings":[null,1,{"a":[]}],"wrappedNumbers":[0,-1]}"#,
        r#"{"inner":{"inner":{"inner":{}},"byName":{"b":{},"a":{"number":1}}},"inners":[{},{"id":"x"}]}"#,
        r#"{"chosenText":""}"#,
        r#"{"chosenNumber":"0"}"#,
        r#"{"chosenNull":null}"#,
        r#"{"chosenSpan":"-0.000000001s"}"#,
        r#"{"labels":{"":"","b":"2","a":"1"},"counts":{"-1":"1","2147483647":"-1"},"byFlag":{"true":"t","false":"f"}}"#,
        r#"{"byNumber":{"18446744073709551615":"RED","0":0},"values":{"a":null,"b":[1]},"byName":{"x":{}}}"#,
        r#"{"when":"1969-12-31T23:59:59.5Z","span":"-1.5s","mask":"a.bC,d","struct":{"a":{"b":1.5}},"list":[1,"a"]}"#,
        r#"{"any":{"@type":"t/shapes.v1.Inner","id":"x"},"anything":"x","empty":{},"nothing":null}"#,
        r#"{"any":{"@type":"t/shapes.v1.Everything","any":{"@type":"t/google.protobuf.Duration","value":"1s"}}}"#,
        r#"{"wrappedDouble":0,"wrappedSingle":1.5,"wrappedI64":"7","wrappedU64":"0","wrappedI32":-1,"wrappedU32":1}"#,
        r#"{"wrappedFlag":false,"wrappedText":"","wrappedRaw":"AAE=","another":"r"}"#,
    ] {
        direct_and_same(&from_json(everything(), json).encode_to_vec());
    }
}

#[test]
fn what_stands_twice_counts_once() {
    let (first, second) = (r#"{"text":"a","i64":"1"}"#, r#"{"text":"b","i64":"0","u32":7}"#);
    let bytes = [first, second]
        .map(|json| from_json(everything(), json).encode_to_vec())
        .concat();
    direct_and_same(&bytes);
    // Members of a oneof overrule each other by their order on the wire.
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        let members = [
            r#"{"chosenText":"a"}"#,
            r#"{"chosenNumber":"1"}"#,
            r#"{"chosenSpan":"1s"}"#,
        ];
        let bytes = order
            .map(|i| from_json(everything(), members[i]).encode_to_vec())
            .concat();
        direct_and_same(&bytes);
    }
    // A list goes on, wherever its elements stand; a map keeps the last of a key.
    let parts = [
        r#"{"numbers":[1,2],"labels":{"a":"1","b":"2"}}"#,
        r#"{"text":"x","numbers":[3],"labels":{"a":"3"}}"#,
    ];
    let bytes = parts.map(|json| from_json(everything(), json).encode_to_vec()).concat();
    direct_and_same(&bytes);
    assert!(directly(&bytes).unwrap().contains(r#""labels":{"a":"3","b":"2"}"#));
}

#[test]
fn lists_are_read_packed_and_unpacked() {
    // numbers = 31, doubles = 34, colors = 32: one of them packed, one not, then the other way.
    direct_and_same(b"\xfa\x01\x02\x01\x02\xf8\x01\x03\x80\x02\x01\x82\x02\x02\x02\x01\x91\x02\0\0\0\0\0\0\xf0\x3f");
}

#[test]
fn what_is_rare_is_left_to_the_general_writer() {
    let twice = [r#"{"inner":{"id":"a"}}"#, r#"{"inner":{"number":1}}"#];
    let bytes = twice.map(|json| from_json(everything(), json).encode_to_vec()).concat();
    assert_eq!(directly(&bytes), None, "two parts of a message are one");
    assert!(generally(&bytes).unwrap().contains(r#""inner":{"id":"a","number":1"#));
    for bytes in [
        &b"\x12\x01\xff"[..],
        b"\x0d\0\0\0\0",
        b"\x12\x05a",
        b"\x0b",
        b"\xff",
        b"\x88\x80\x80\x80\x10\0",
    ] {
        assert_eq!((directly(bytes), generally(bytes)), (None, None), "{bytes:?}");
    }
}

#[test]
fn nesting_ends_where_the_general_reader_ends() {
    let nested = |levels: usize| {
        let mut bytes = Vec::new();
        for _ in 0..levels {
            let mut outer = vec![0x12];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.append(&mut bytes);
            bytes = outer;
        }
        let mut everything = vec![0xc2, 0x02];
        prost::encoding::encode_varint(bytes.len() as u64, &mut everything);
        everything.append(&mut bytes);
        everything
    };
    for levels in [1, 50, 97, 98, 99, 100, 101, 102, 1000, 100_000] {
        let bytes = nested(levels);
        if let Some(json) = directly(&bytes) {
            assert_eq!(Some(json), generally(&bytes), "{levels}");
        }
    }
    assert!(directly(&nested(1000)).is_none());
}

#[test]
fn every_answer_of_the_schema_has_a_shape() {
    for binding in routes().bindings() {
        let shape = &binding.shapes.messages[binding.shape];
        assert_eq!(shape.descriptor, binding.method.output());
    }
}

proptest! {
    #[test]
    fn any_message_is_written_alike(bytes in vec(any::<u8>(), 0..512)) {
        let message = arbitrary::message(&everything(), &mut arbitrary::Source(&bytes));
        let bytes = message.encode_to_vec();
        prop_assert_eq!(directly(&bytes), generally(&bytes));
    }

    /// Two messages one after the other are one message, too.
    #[test]
    fn any_two_messages_are_written_alike_or_left(one in vec(any::<u8>(), 0..256), two in vec(any::<u8>(), 0..256)) {
        let message = |bytes: &[u8]| arbitrary::message(&everything(), &mut arbitrary::Source(bytes)).encode_to_vec();
        let bytes = [message(&one), message(&two)].concat();
        if let Some(json) = directly(&bytes) {
            prop_assert_eq!(Some(json), generally(&bytes));
        }
    }

    #[test]
    fn any_bytes_are_written_alike_or_left(bytes in vec(any::<u8>(), 0..64)) {
        if let Some(json) = directly(&bytes) {
            prop_assert_eq!(Some(json), generally(&bytes));
        }
    }

    #[test]
    fn any_field_of_an_answer_is_written_alike(bytes in vec(any::<u8>(), 0..512)) {
        let message = arbitrary::message(&everything(), &mut arbitrary::Source(&bytes));
        let (bytes, (shapes, root)) = (message.encode_to_vec(), shapes());
        for field in message.descriptor().fields() {
            let (mut direct, mut general) = (Vec::new(), Vec::new());
            if direct::field(shapes, *root, field.number(), &bytes, &mut direct).is_ok() {
                let decoded = DynamicMessage::decode(everything(), &*bytes).unwrap();
                write::field(&decoded, &field, &mut general).unwrap();
                prop_assert_eq!(String::from_utf8(direct), String::from_utf8(general));
            }
        }
    }
}
