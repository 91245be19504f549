//! Query parameters: every kind of field that text can tell.

use super::means;

#[test]
fn scalars_are_read_from_text() {
    for (query, json) in [
        ("", "{}"),
        ("&&", "{}"),
        ("flag=true", r#"{"flag":true}"#),
        ("flag=false", "{}"),
        ("text=a", r#"{"text":"a"}"#),
        ("text=", "{}"),
        ("text", "{}"),
        ("text=a=b", r#"{"text":"a=b"}"#),
        ("text=true", r#"{"text":"true"}"#),
        ("raw=AQI%3D", r#"{"raw":"AQI="}"#),
        ("raw=AQI", r#"{"raw":"AQI="}"#),
        ("raw=-_8", r#"{"raw":"+/8="}"#),
        ("raw=%2B/8%3D", r#"{"raw":"+/8="}"#),
        ("i32=-5", r#"{"i32":-5}"#),
        ("i32=2147483647", r#"{"i32":2147483647}"#),
        ("s32=-2147483648", r#"{"s32":-2147483648}"#),
        ("sf32=1", r#"{"sf32":1}"#),
        ("i64=9223372036854775807", r#"{"i64":"9223372036854775807"}"#),
        ("s64=-9223372036854775808", r#"{"s64":"-9223372036854775808"}"#),
        ("sf64=9007199254740993", r#"{"sf64":"9007199254740993"}"#),
        ("u32=4294967295", r#"{"u32":4294967295}"#),
        ("f32=0", "{}"),
        ("u64=18446744073709551615", r#"{"u64":"18446744073709551615"}"#),
        ("f64=1", r#"{"f64":"1"}"#),
        ("single=1.5", r#"{"single":1.5}"#),
        ("single=-Infinity", r#"{"single":"-Infinity"}"#),
        ("double=1e300", r#"{"double":1e300}"#),
        ("double=NaN", r#"{"double":"NaN"}"#),
        ("double=Infinity", r#"{"double":"Infinity"}"#),
        ("i32=1e3", r#"{"i32":1000}"#),
        ("i32=7.0", r#"{"i32":7}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn enums_are_read_by_name_and_by_number() {
    for (query, json) in [
        ("color=RED", r#"{"color":"RED"}"#),
        ("color=2", r#"{"color":"GREEN"}"#),
        ("color=-1", r#"{"color":"NEGATIVE"}"#),
        ("color=99", r#"{"color":99}"#),
        ("color=0", "{}"),
        ("colors=RED&colors=2&colors=RED", r#"{"colors":["RED","GREEN","RED"]}"#),
        ("maybeColor=COLOR_UNSPECIFIED", r#"{"maybeColor":"COLOR_UNSPECIFIED"}"#),
        ("nothing=NULL_VALUE", "{}"),
        ("chosenNull=NULL_VALUE", r#"{"chosenNull":null}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn names_are_those_of_json_or_of_proto() {
    for (query, json) in [
        ("maybeText=x", r#"{"maybeText":"x"}"#),
        ("maybe_text=x", r#"{"maybeText":"x"}"#),
        ("another=x", r#"{"another":"x"}"#),
        ("renamed=x", r#"{"another":"x"}"#),
        ("oddName=x", r#"{"oddName":"x"}"#),
        ("odd__name_=x", r#"{"oddName":"x"}"#),
        ("i%33%32=1", r#"{"i32":1}"#),
        ("inner%2Eid=x", r#"{"inner":{"id":"x"}}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn a_query_is_decoded_as_forms_are() {
    for (query, json) in [
        ("text=a+b", r#"{"text":"a b"}"#),
        ("text=a%20b", r#"{"text":"a b"}"#),
        ("text=a%2Bb", r#"{"text":"a+b"}"#),
        ("text=a%26b%3Dc", r#"{"text":"a&b=c"}"#),
        ("text=%E2%82%AC", r#"{"text":"€"}"#),
        ("text=/a/../b?c:d", r#"{"text":"/a/../b?c:d"}"#),
        ("text=%252F", r#"{"text":"%2F"}"#),
        ("texts=a,b", r#"{"texts":["a,b"]}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn absence_and_emptiness_differ_where_the_field_tells() {
    for (query, json) in [
        ("maybeText=", r#"{"maybeText":""}"#),
        ("maybeText", r#"{"maybeText":""}"#),
        ("maybeNumber=0", r#"{"maybeNumber":0}"#),
        ("maybeFlag=false", r#"{"maybeFlag":false}"#),
        ("maybeRaw=", r#"{"maybeRaw":""}"#),
        ("wrappedText=", r#"{"wrappedText":""}"#),
        ("wrappedFlag=false", r#"{"wrappedFlag":false}"#),
        ("chosenText=", r#"{"chosenText":""}"#),
        ("mask=", r#"{"mask":""}"#),
        ("texts=", r#"{"texts":[""]}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn repeated_parameters_make_a_list_in_their_order() {
    for (query, json) in [
        ("texts=b&flag=true&texts=a", r#"{"texts":["b","a"],"flag":true}"#),
        ("numbers=1&numbers=1", r#"{"numbers":[1,1]}"#),
        ("raws=AQ&raws=", r#"{"raws":["AQ==",""]}"#),
        ("doubles=1&doubles=-Infinity", r#"{"doubles":[1,"-Infinity"]}"#),
        ("flags=true&flags=false", r#"{"flags":[true,false]}"#),
        (
            "times=2026-01-31T12:00:00Z&times=1969-12-31T23:59:59.999Z",
            r#"{"times":["2026-01-31T12:00:00Z","1969-12-31T23:59:59.999Z"]}"#,
        ),
        ("wrappedNumbers=1&wrapped_numbers=2", r#"{"wrappedNumbers":[1,2]}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn nested_fields_are_reached_by_dots() {
    for (query, json) in [
        ("inner.id=x", r#"{"inner":{"id":"x"}}"#),
        ("inner.id=x&inner.number=3", r#"{"inner":{"id":"x","number":3}}"#),
        ("inner.inner.inner.id=x", r#"{"inner":{"inner":{"inner":{"id":"x"}}}}"#),
        (
            "inner.id=x&inner.inner.id=x",
            r#"{"inner":{"id":"x","inner":{"id":"x"}}}"#,
        ),
        ("chosenInner.id=x", r#"{"chosenInner":{"id":"x"}}"#),
        (
            "chosenInner.id=x&chosenInner.number=1",
            r#"{"chosenInner":{"id":"x","number":1}}"#,
        ),
        ("inner.id=", r#"{"inner":{}}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn well_known_types_that_are_one_value_are_read() {
    for (query, json) in [
        ("when=2026-01-31T12:00:00Z", r#"{"when":"2026-01-31T12:00:00Z"}"#),
        (
            "when=2026-01-31T12:00:00.123456789Z",
            r#"{"when":"2026-01-31T12:00:00.123456789Z"}"#,
        ),
        ("when=2026-01-31T12:00:00%2B01:00", r#"{"when":"2026-01-31T11:00:00Z"}"#),
        ("when=0001-01-01T00:00:00Z", r#"{"when":"0001-01-01T00:00:00Z"}"#),
        (
            "when=9999-12-31T23:59:59.999999999Z",
            r#"{"when":"9999-12-31T23:59:59.999999999Z"}"#,
        ),
        ("span=1.5s", r#"{"span":"1.5s"}"#),
        ("span=-0.000000001s", r#"{"span":"-0.000000001s"}"#),
        ("span=315576000000s", r#"{"span":"315576000000s"}"#),
        ("chosenSpan=0s", r#"{"chosenSpan":"0s"}"#),
        ("mask=text,inner.id", r#"{"mask":"text,inner.id"}"#),
        (
            "mask=maybeText,inner.cityName",
            r#"{"mask":"maybeText,inner.cityName"}"#,
        ),
        ("mask=maybe_text", r#"{"mask":"maybeText"}"#),
        ("mask=*", r#"{"mask":"*"}"#),
        ("wrappedDouble=0.5", r#"{"wrappedDouble":0.5}"#),
        ("wrappedSingle=NaN", r#"{"wrappedSingle":"NaN"}"#),
        ("wrappedI64=-1", r#"{"wrappedI64":"-1"}"#),
        (
            "wrappedU64=18446744073709551615",
            r#"{"wrappedU64":"18446744073709551615"}"#,
        ),
        ("wrappedI32=-1", r#"{"wrappedI32":-1}"#),
        ("wrappedU32=1", r#"{"wrappedU32":1}"#),
        ("wrappedFlag=true", r#"{"wrappedFlag":true}"#),
        ("wrappedText=true", r#"{"wrappedText":"true"}"#),
        ("wrappedRaw=AQI", r#"{"wrappedRaw":"AQI="}"#),
    ] {
        means(&format!("GET /search?{query}"), "", "Odd/Search", json);
    }
}

#[test]
fn path_and_query_and_body_fill_one_message() {
    for (request, body, method, json) in [
        (
            "GET /v1/shelves?pageSize=5&pageToken=x",
            "",
            "Library/ListShelves",
            r#"{"pageSize":5,"pageToken":"x"}"#,
        ),
        (
            "GET /files/a?i32=1&maybeText=b",
            "",
            "Odd/ReadFile",
            r#"{"text":"a","i32":1,"maybeText":"b"}"#,
        ),
        (
            "GET /v1/books/1?name=x",
            "",
            "Library/GetBook",
            r#"{"isbn":"1","name":"x"}"#,
        ),
        (
            "GET /v1/shelves/1/books/2?readMask=title",
            "",
            "Library/GetBook",
            r#"{"name":"shelves/1/books/2","readMask":"title"}"#,
        ),
        (
            "POST /v1/shelves/1/books?bookId=b",
            r#"{"title":"T"}"#,
            "Library/CreateBook",
            r#"{"parent":"shelves/1","bookId":"b","book":{"title":"T"}}"#,
        ),
        (
            "PUT /v1/shelves/1/books/2?allowMissing=true",
            r#"{"title":"T"}"#,
            "Library/UpdateBook",
            r#"{"book":{"name":"shelves/1/books/2","title":"T"},"allowMissing":true}"#,
        ),
        (
            "GET /wrapped/a/b/1/true?inner.number=1&inner.inner.number=2",
            "",
            "Odd/Typed",
            r#"{"inner":{"id":"a","number":1,"inner":{"id":"b","number":2}},"wrappedU64":"1","wrappedFlag":true}"#,
        ),
    ] {
        means(request, body, method, json);
    }
}
