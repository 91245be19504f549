//! Query parameters that are refused, each by its name.

use logicore::Reason;

use super::refused;

fn invalid(query: &str, field: &str) {
    refused(&format!("GET /search?{query}"), b"", Reason::InvalidField, field);
}

#[test]
fn what_the_message_does_not_have_is_unknown() {
    for (query, field) in [
        ("nope=1", "nope"),
        ("Text=1", "Text"),
        ("inner.nope=1", "inner.nope"),
        ("inner.id.x=1", "inner.id.x"),
        ("text.x=1", "text.x"),
        ("texts.x=1", "texts.x"),
        ("inners.id=1", "inners.id"),
        ("labels.a=1", "labels.a"),
        ("labels[a]=1", "labels[a]"),
        ("when.seconds=1", "when.seconds"),
        ("struct.a=1", "struct.a"),
        ("any.typeUrl=1", "any.typeUrl"),
        ("empty.x=1", "empty.x"),
        ("inner.=1", "inner."),
        (".text=1", ".text"),
        ("a%20b=1", "a b"),
    ] {
        refused(&format!("GET /search?{query}"), b"", Reason::UnknownField, field);
    }
}

#[test]
fn what_text_cannot_tell_is_refused() {
    for (query, field) in [
        ("inner=x", "inner"),
        ("inners=x", "inners"),
        ("labels=a", "labels"),
        ("any=x", "any"),
        ("struct=x", "struct"),
        ("anything=1", "anything"),
        ("list=1", "list"),
        ("empty=", "empty"),
        ("inner.byName=1", "inner.by_name"),
    ] {
        invalid(query, field);
    }
}

#[test]
fn values_of_the_wrong_type_are_named() {
    for (query, field) in [
        ("flag=", "flag"),
        ("flag", "flag"),
        ("flag=1", "flag"),
        ("flag=TRUE", "flag"),
        ("i32=", "i32"),
        ("i32=abc", "i32"),
        ("i32=1.5", "i32"),
        ("i32=0x5", "i32"),
        ("i32=%2B5", "i32"),
        ("i32=+5", "i32"),
        ("i32=5+", "i32"),
        ("i32=%22%22", "i32"),
        ("i32=null", "i32"),
        ("i32=[1]", "i32"),
        ("u32=1,2", "u32"),
        ("double=inf", "double"),
        ("double=nan", "double"),
        ("double=.5", "double"),
        ("double=1e999", "double"),
        ("color=BLUE", "color"),
        ("color=red", "color"),
        ("color=", "color"),
        ("color=1.0", "color"),
        ("color=%2B1", "color"),
        ("raw=*", "raw"),
        ("raw=+/8", "raw"),
        ("raw=A", "raw"),
        ("raw=-/8", "raw"),
        ("numbers=1&numbers=x", "numbers"),
        ("wrappedFlag=1", "wrapped_flag"),
        ("wrappedI32=x", "wrapped_i32"),
        ("wrappedRaw=*", "wrapped_raw"),
        ("nothing=null", "nothing"),
        ("inner.number=x", "inner.number"),
    ] {
        invalid(query, field);
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    for (query, field) in [
        ("i32=2147483648", "i32"),
        ("i32=-2147483649", "i32"),
        ("u32=-1", "u32"),
        ("u32=4294967296", "u32"),
        ("i64=9223372036854775808", "i64"),
        ("i64=1e19", "i64"),
        ("u64=18446744073709551616", "u64"),
        ("u64=-1", "u64"),
        ("u64=99999999999999999999999999999999999999999999", "u64"),
        ("single=1e39", "single"),
        ("color=2147483648", "color"),
        ("wrappedU32=-1", "wrapped_u32"),
        ("wrappedSingle=-1e39", "wrapped_single"),
    ] {
        invalid(query, field);
    }
}

#[test]
fn times_and_durations_are_exact() {
    for (query, field) in [
        ("when=yesterday", "when"),
        ("when=", "when"),
        ("when=1769860800", "when"),
        ("when=2026-01-31", "when"),
        ("when=2026-02-30T12:00:00Z", "when"),
        ("when=2026-01-31T24:00:00Z", "when"),
        ("when=2026-01-31t12:00:00z", "when"),
        ("when=2026-01-31T12:00:00", "when"),
        ("when=2026-01-31%2012:00:00Z", "when"),
        ("when=2026-01-31T12:00:00+01:00", "when"),
        ("when=2026-01-31T12:00:00%2B0100", "when"),
        ("when=2026-01-31T12:00:00%2B24:00", "when"),
        ("when=2026-01-31T12:00:00.Z", "when"),
        ("when=2026-01-31T12:00:00.1234567890Z", "when"),
        ("when=0000-12-31T23:59:59Z", "when"),
        ("when=0001-01-01T00:00:00%2B01:00", "when"),
        ("when=9999-12-31T23:59:59-01:00", "when"),
        ("when=10000-01-01T00:00:00Z", "when"),
        ("span=5", "span"),
        ("span=s", "span"),
        ("span=1.s", "span"),
        ("span=.5s", "span"),
        ("span=1e3s", "span"),
        ("span=%2B1s", "span"),
        ("span=1.0000000001s", "span"),
        ("span=315576000001s", "span"),
        ("span=-315576000000.000000001s", "span"),
        ("span=9999999999999999999s", "span"),
        ("mask=a%20b", "mask"),
        ("mask=%C3%A9", "mask"),
        ("mask=a,%20,b", "mask"),
    ] {
        invalid(query, field);
    }
}

#[test]
fn a_field_is_bound_once() {
    for (query, field) in [
        ("flag=true&flag=true", "flag"),
        ("flag=true&text=a&flag=false", "flag"),
        ("maybeText=a&maybe_text=b", "maybe_text"),
        ("inner.id=a&inner.id=a", "inner.id"),
        ("when=2026-01-31T12:00:00Z&when=2026-01-31T12:00:00Z", "when"),
        ("mask=a&mask=b", "mask"),
        ("chosenText=a&chosenNumber=1", "chosen_number"),
        ("chosenNumber=0&chosenText=", "chosen_text"),
        ("chosenText=a&chosenInner.id=b", "chosen_inner.id"),
        ("chosenInner.id=b&chosenNull=NULL_VALUE", "chosen_null"),
    ] {
        invalid(query, field);
    }
    for (request, body, field) in [
        ("GET /files/a?text=a", "", "text"),
        ("GET /files/a:stat?text=b", "", "text"),
        ("GET /wrapped/a/b/1/true?inner.inner.id=c", "", "inner.inner.id"),
        ("GET /chosen/a?chosenText=b", "", "chosen_text"),
        ("GET /chosen/a?chosenNumber=1", "", "chosen_text"),
        ("POST /v1/shelves/1/books?parent=x", "{}", "parent"),
        ("POST /v1/shelves/1/books?book.title=x", "{}", "book.title"),
        ("PATCH /v1/shelves/1/books/2?book.name=x", "{}", "book.name"),
        ("PATCH /v1/shelves/1/books/2?book.title=x", "{}", "book.title"),
        ("PUT /bodies/inners?inners=x", "[]", "inners"),
        ("PUT /bodies/texts?texts=x", "[]", "texts"),
    ] {
        refused(request, body.as_bytes(), Reason::InvalidField, field);
    }
}

#[test]
fn a_body_of_all_fields_leaves_none_to_the_query() {
    for (request, field) in [
        ("POST /echo?text=x", "text"),
        ("POST /echo?nope=x", "nope"),
        ("POST /v1/shelves/1/books/2:move?otherShelfName=x", "otherShelfName"),
        ("POST /echo?=", ""),
    ] {
        let error = super::error_of(super::routes(), request, b"{}");
        assert_eq!(error.reason(), Reason::UnknownField, "{request}");
        assert_eq!(error.violations()[0].0, field, "{request}");
    }
}

#[test]
fn queries_that_cannot_be_read_are_malformed() {
    for query in [
        "text=%",
        "text=%4",
        "text=%zz",
        "text=%ff",
        "%=1",
        "text=%C3%28",
        "%ff",
        "text=a&%80=b",
        "nope=%zz",
    ] {
        refused(&format!("GET /search?{query}"), b"", Reason::MalformedPath, "");
    }
}
