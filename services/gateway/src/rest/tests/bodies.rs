//! JSON bodies: every kind of field, in every form that protobuf's mapping takes.

use super::means;

fn echo(cases: &[(&str, &str)]) {
    for (body, json) in cases {
        means("POST /echo", body, "Odd/Echo", json);
    }
}

#[test]
fn scalars_are_read_in_all_their_forms() {
    echo(&[
        ("{}", "{}"),
        (" {\n\t\"flag\" : true } ", r#"{"flag":true}"#),
        (r#"{"text":"a\u20ac\n\ud83d\ude00"}"#, "{\"text\":\"a€\\n😀\"}"),
        (r#"{"raw":"AQI="}"#, r#"{"raw":"AQI="}"#),
        (r#"{"raw":"AQI"}"#, r#"{"raw":"AQI="}"#),
        (r#"{"raw":"-_8"}"#, r#"{"raw":"+/8="}"#),
        // As protobuf's conformance suite has it (BytesFieldBase64Url): the last bits belong to no byte.
        (r#"{"raw":"-_"}"#, r#"{"raw":"+w=="}"#),
        (r#"{"i32":-5,"s32":"-5","sf32":5.0}"#, r#"{"i32":-5,"s32":-5,"sf32":5}"#),
        (r#"{"i32":1e3,"s32":"1e3","sf32":-0}"#, r#"{"i32":1000,"s32":1000}"#),
        (
            r#"{"i32":2147483647,"s32":-2147483648}"#,
            r#"{"i32":2147483647,"s32":-2147483648}"#,
        ),
        (r#"{"i64":"9223372036854775807"}"#, r#"{"i64":"9223372036854775807"}"#),
        (r#"{"i64":-9223372036854775808}"#, r#"{"i64":"-9223372036854775808"}"#),
        (r#"{"s64":9007199254740993}"#, r#"{"s64":"9007199254740993"}"#),
        (r#"{"sf64":"-1"}"#, r#"{"sf64":"-1"}"#),
        (r#"{"u32":4294967295,"f32":"1"}"#, r#"{"u32":4294967295,"f32":1}"#),
        (
            r#"{"u64":18446744073709551615,"f64":"18446744073709551615"}"#,
            r#"{"u64":"18446744073709551615","f64":"18446744073709551615"}"#,
        ),
        (r#"{"single":1.5,"double":"1.5"}"#, r#"{"single":1.5,"double":1.5}"#),
        (
            r#"{"single":"NaN","double":"-Infinity"}"#,
            r#"{"single":"NaN","double":"-Infinity"}"#,
        ),
        (
            r#"{"single":3.4028234663852886e38,"double":1.7976931348623157e308}"#,
            r#"{"single":3.4028234663852886e38,"double":1.7976931348623157e308}"#,
        ),
        (r#"{"single":1,"double":-0.0}"#, r#"{"single":1,"double":-0.0}"#),
    ]);
}

/// Protobuf's conformance suite writes the largest float this way, and means it.
#[test]
fn a_float_is_rounded_before_its_range_is_looked_at() {
    let (_, message) = super::call(super::routes(), "POST /echo", br#"{"single":3.4028235e38}"#).unwrap();
    let single = message.get_field_by_name("single").unwrap().as_f32();
    assert_eq!(single, Some(f32::MAX));
}

/// A reader that is off by the last bit would change what passes through.
#[test]
fn doubles_keep_their_last_bit() {
    for text in [
        "-1.0270300378173665e-261",
        "9007199254740993.5",
        "0.1",
        "2.2250738585072011e-308",
        "5e-324",
    ] {
        let body = format!(r#"{{"double":{text},"doubles":["{text}"]}}"#);
        let (_, message) = super::call(super::routes(), "POST /echo", body.as_bytes()).unwrap();
        let double = message.get_field_by_name("double").unwrap().as_f64();
        assert_eq!(double, text.parse().ok(), "{text}");
        let doubles = message.get_field_by_name("doubles").unwrap().into_owned();
        assert_eq!(doubles.as_list().unwrap()[0].as_f64(), text.parse().ok(), "{text}");
    }
}

#[test]
fn enums_are_names_or_numbers() {
    echo(&[
        (r#"{"color":"RED"}"#, r#"{"color":"RED"}"#),
        (r#"{"color":2}"#, r#"{"color":"GREEN"}"#),
        (r#"{"color":-1}"#, r#"{"color":"NEGATIVE"}"#),
        (r#"{"color":99}"#, r#"{"color":99}"#),
        (r#"{"color":1.0}"#, r#"{"color":"RED"}"#),
        (r#"{"colors":["RED",2,99]}"#, r#"{"colors":["RED","GREEN",99]}"#),
    ]);
}

#[test]
fn names_are_those_of_json_or_of_proto() {
    echo(&[
        (r#"{"maybeText":"x"}"#, r#"{"maybeText":"x"}"#),
        (r#"{"maybe_text":"x"}"#, r#"{"maybeText":"x"}"#),
        (r#"{"another":"x"}"#, r#"{"another":"x"}"#),
        (r#"{"renamed":"x"}"#, r#"{"another":"x"}"#),
        (r#"{"oddName":"x"}"#, r#"{"oddName":"x"}"#),
        (r#"{"te\u0078t":"x"}"#, r#"{"text":"x"}"#),
    ]);
}

#[test]
fn null_is_absence_but_for_the_types_that_hold_it() {
    echo(&[
        (r#"{"flag":null,"text":null,"i64":null,"color":null}"#, "{}"),
        (r#"{"texts":null,"inner":null,"inners":null,"labels":null}"#, "{}"),
        (r#"{"maybeText":null,"maybeNumber":null}"#, "{}"),
        (
            r#"{"when":null,"any":null,"struct":null,"list":null,"empty":null}"#,
            "{}",
        ),
        (r#"{"wrappedText":null,"wrappedFlag":null}"#, "{}"),
        (r#"{"chosenText":null,"chosenNumber":5}"#, r#"{"chosenNumber":"5"}"#),
        (r#"{"anything":null}"#, r#"{"anything":null}"#),
        (r#"{"chosenNull":null}"#, r#"{"chosenNull":null}"#),
        (r#"{"chosenNull":"NULL_VALUE"}"#, r#"{"chosenNull":null}"#),
        (r#"{"nothing":null}"#, "{}"),
        (r#"{"anythings":[null,1]}"#, r#"{"anythings":[null,1]}"#),
        (r#"{"anythings":null}"#, "{}"),
        (r#"{"values":{"a":null}}"#, r#"{"values":{"a":null}}"#),
    ]);
}

#[test]
fn presence_is_kept_where_the_field_has_it() {
    echo(&[
        (
            r#"{"maybeText":"","maybeNumber":0,"maybeFlag":false,"maybeRaw":""}"#,
            r#"{"maybeText":"","maybeNumber":0,"maybeFlag":false,"maybeRaw":""}"#,
        ),
        (r#"{"maybeColor":0}"#, r#"{"maybeColor":"COLOR_UNSPECIFIED"}"#),
        (r#"{"inner":{}}"#, r#"{"inner":{}}"#),
        (r#"{"empty":{}}"#, r#"{"empty":{}}"#),
        (
            r#"{"wrappedText":"","wrappedI64":0,"wrappedFlag":false}"#,
            r#"{"wrappedText":"","wrappedI64":"0","wrappedFlag":false}"#,
        ),
        (r#"{"chosenText":""}"#, r#"{"chosenText":""}"#),
        (r#"{"chosenNumber":"0"}"#, r#"{"chosenNumber":"0"}"#),
        (r#"{"chosenInner":{}}"#, r#"{"chosenInner":{}}"#),
        (r#"{"mask":""}"#, r#"{"mask":""}"#),
        (r#"{"struct":{},"list":[]}"#, r#"{"struct":{},"list":[]}"#),
    ]);
}

#[test]
fn lists_and_maps_and_messages_are_read() {
    echo(&[
        (r#"{"texts":["b","a","b",""]}"#, r#"{"texts":["b","a","b",""]}"#),
        (r#"{"texts":[]}"#, "{}"),
        (r#"{"numbers":[1,"2",3.0]}"#, r#"{"numbers":[1,2,3]}"#),
        (r#"{"doubles":["NaN",1]}"#, r#"{"doubles":["NaN",1]}"#),
        (
            r#"{"inner":{"id":"a","inner":{"id":"b","number":1}}}"#,
            r#"{"inner":{"id":"a","inner":{"id":"b","number":1}}}"#,
        ),
        (r#"{"inners":[{},{"id":"a"},{}]}"#, r#"{"inners":[{},{"id":"a"},{}]}"#),
        (
            r#"{"labels":{"a":"1","":"","é.b":"2"}}"#,
            r#"{"labels":{"a":"1","":"","é.b":"2"}}"#,
        ),
        (r#"{"counts":{"-1":"5","7":6}}"#, r#"{"counts":{"-1":"5","7":"6"}}"#),
        (
            r#"{"byFlag":{"true":"a","false":"b"}}"#,
            r#"{"byFlag":{"true":"a","false":"b"}}"#,
        ),
        (
            r#"{"byName":{"a":{"id":"x"},"b":{}}}"#,
            r#"{"byName":{"a":{"id":"x"},"b":{}}}"#,
        ),
        (
            r#"{"byNumber":{"18446744073709551615":"RED","0":2}}"#,
            r#"{"byNumber":{"18446744073709551615":"RED","0":"GREEN"}}"#,
        ),
        (r#"{"labels":{}}"#, "{}"),
    ]);
}

#[test]
fn well_known_types_are_read() {
    echo(&[
        (
            r#"{"when":"2026-01-31T12:00:00.5+01:00"}"#,
            r#"{"when":"2026-01-31T11:00:00.500Z"}"#,
        ),
        (
            r#"{"when":"1969-12-31T23:59:59.999999999Z"}"#,
            r#"{"when":"1969-12-31T23:59:59.999999999Z"}"#,
        ),
        (r#"{"span":"-1.5s"}"#, r#"{"span":"-1.500s"}"#),
        (r#"{"mask":"maybeText,inner.id"}"#, r#"{"mask":"maybeText,inner.id"}"#),
        (
            r#"{"mask":"maybe_text, inner.id,"}"#,
            r#"{"mask":"maybeText,inner.id"}"#,
        ),
        (
            r#"{"times":["2026-01-31T12:00:00Z"]}"#,
            r#"{"times":["2026-01-31T12:00:00Z"]}"#,
        ),
        (
            r#"{"wrappedDouble":"Infinity","wrappedSingle":0.5}"#,
            r#"{"wrappedDouble":"Infinity","wrappedSingle":0.5}"#,
        ),
        (
            r#"{"wrappedI64":"-5","wrappedU64":5}"#,
            r#"{"wrappedI64":"-5","wrappedU64":"5"}"#,
        ),
        (
            r#"{"wrappedI32":"5","wrappedU32":5.0}"#,
            r#"{"wrappedI32":5,"wrappedU32":5}"#,
        ),
        (
            r#"{"wrappedFlag":true,"wrappedText":"x","wrappedRaw":"AQI"}"#,
            r#"{"wrappedFlag":true,"wrappedText":"x","wrappedRaw":"AQI="}"#,
        ),
        (r#"{"wrappedNumbers":[1,"2"]}"#, r#"{"wrappedNumbers":[1,2]}"#),
        (
            r#"{"struct":{"a":null,"b":[1,"x",true,{}],"c":{"d":-1.5}}}"#,
            r#"{"struct":{"a":null,"b":[1,"x",true,{}],"c":{"d":-1.5}}}"#,
        ),
        (r#"{"anything":{"a":[]}}"#, r#"{"anything":{"a":[]}}"#),
        (r#"{"anything":"x"}"#, r#"{"anything":"x"}"#),
        (r#"{"anything":false}"#, r#"{"anything":false}"#),
        (r#"{"anything":0}"#, r#"{"anything":0}"#),
        (r#"{"list":[null,[],[[1]]]}"#, r#"{"list":[null,[],[[1]]]}"#),
        (
            r#"{"values":{"a":1,"b":{"c":null}}}"#,
            r#"{"values":{"a":1,"b":{"c":null}}}"#,
        ),
    ]);
}

#[test]
fn any_is_read_wherever_its_type_stands() {
    let inner = r#"{"any":{"@type":"type.googleapis.com/shapes.v1.Inner","id":"x","number":1}}"#;
    let span = r#"{"any":{"@type":"t/google.protobuf.Duration","value":"1.5s"}}"#;
    let nested =
        r#"{"any":{"@type":"t/google.protobuf.Any","value":{"@type":"t/google.protobuf.Int32Value","value":5}}}"#;
    echo(&[
        (inner, inner),
        (
            r#"{"any":{"number":1,"id":"x","@type":"type.googleapis.com/shapes.v1.Inner"}}"#,
            inner,
        ),
        (span, span),
        (r#"{"any":{"value":"1.5s","@type":"t/google.protobuf.Duration"}}"#, span),
        (nested, nested),
        (
            r#"{"any":{"@type":"t/google.protobuf.Empty"}}"#,
            r#"{"any":{"@type":"t/google.protobuf.Empty","value":{}}}"#,
        ),
    ]);
    // The empty one: prost-reflect's reader does not take it, so it is built by its number.
    let (_, message) = super::call(super::routes(), "POST /echo", br#"{"any":{}}"#).unwrap();
    assert!(
        message.has_field_by_number(73)
            && super::same(&message, &{
                let mut empty = prost_reflect::DynamicMessage::new(super::everything());
                let any = super::pool().get_message_by_name("google.protobuf.Any").unwrap();
                let any = prost_reflect::DynamicMessage::new(any);
                empty.set_field_by_number(73, prost_reflect::Value::Message(any));
                empty
            })
    );
}

#[test]
fn a_field_alone_is_the_body() {
    for (path, body, json) in [
        ("text", r#""x""#, r#"{"text":"x"}"#),
        ("text", "null", "{}"),
        ("texts", r#"["a","b"]"#, r#"{"texts":["a","b"]}"#),
        ("texts", "[]", "{}"),
        ("labels", r#"{"a":"b"}"#, r#"{"labels":{"a":"b"}}"#),
        ("inner", r#"{"id":"x"}"#, r#"{"inner":{"id":"x"}}"#),
        ("inner", "{}", r#"{"inner":{}}"#),
        ("inners", r#"[{"id":"x"},{}]"#, r#"{"inners":[{"id":"x"},{}]}"#),
        (
            "when",
            r#""2026-01-31T12:00:00Z""#,
            r#"{"when":"2026-01-31T12:00:00Z"}"#,
        ),
        ("struct", r#"{"a":[1]}"#, r#"{"struct":{"a":[1]}}"#),
        ("anything", "null", r#"{"anything":null}"#),
        ("anything", "[1]", r#"{"anything":[1]}"#),
        ("i64", r#""5""#, r#"{"i64":"5"}"#),
        ("i64", "5", r#"{"i64":"5"}"#),
    ] {
        means(&format!("PUT /bodies/{path}"), body, "Odd/Bodies", json);
    }
    means(
        "PUT /bodies/text?i32=5&inner.id=a",
        r#""x""#,
        "Odd/Bodies",
        r#"{"text":"x","i32":5,"inner":{"id":"a"}}"#,
    );
}

#[test]
fn the_path_fills_what_the_body_leaves() {
    for (request, body, method, json) in [
        ("POST /echo/a/b", "{}", "Odd/Echo", r#"{"text":"a","inner":{"id":"b"}}"#),
        (
            "POST /echo/a/b",
            r#"{"inner":{"number":1}}"#,
            "Odd/Echo",
            r#"{"text":"a","inner":{"id":"b","number":1}}"#,
        ),
        (
            "POST /echo/a/b",
            r#"{"inner":null,"text":null}"#,
            "Odd/Echo",
            r#"{"text":"a","inner":{"id":"b"}}"#,
        ),
        (
            "POST /echo/a/b",
            r#"{"inner":{"id":null}}"#,
            "Odd/Echo",
            r#"{"text":"a","inner":{"id":"b"}}"#,
        ),
        (
            "POST /echo/a/b",
            r#"{"inner":{"inner":{"id":"c"}}}"#,
            "Odd/Echo",
            r#"{"text":"a","inner":{"id":"b","inner":{"id":"c"}}}"#,
        ),
        (
            "POST /v1/shelves/1/books/2:ping",
            "",
            "Library/PingBook",
            r#"{"name":"shelves/1/books/2"}"#,
        ),
        (
            "POST /v1/shelves/1/books/2:ping",
            "{}",
            "Library/PingBook",
            r#"{"name":"shelves/1/books/2"}"#,
        ),
        (
            "POST /v1/shelves/1/books",
            "{}",
            "Library/CreateBook",
            r#"{"parent":"shelves/1","book":{}}"#,
        ),
        (
            "POST /v1/shelves/1/books",
            r#"{"name":"x"}"#,
            "Library/CreateBook",
            r#"{"parent":"shelves/1","book":{"name":"x"}}"#,
        ),
    ] {
        means(request, body, method, json);
    }
}
