//! The update mask of a PATCH (AIP-134): as it is given, and else as the body names it.

use logicore::Reason;

use super::{means, refused};

fn patch(query: &str, body: &str, book: &str, mask: &str) {
    let mut json: serde_json::Value = serde_json::from_str(book).unwrap();
    json["name"] = "shelves/1/books/2".into();
    let json = serde_json::json!({"book": json, "updateMask": mask});
    means(
        &format!("PATCH /v1/shelves/1/books/2{query}"),
        body,
        "Library/UpdateBook",
        &json.to_string(),
    );
}

#[test]
fn a_mask_that_is_not_given_is_what_the_body_names() {
    for (body, mask) in [
        ("{}", ""),
        (r#"{"title":"T"}"#, "title"),
        (r#"{"author":"A","title":""}"#, "author,title"),
        (r#"{"tags":[]}"#, "tags"),
        (r#"{"labels":{"a":"b"}}"#, "labels"),
        (r#"{"publishTime":"2026-01-31T12:00:00Z"}"#, "publishTime"),
        (r#"{"publish_time":"2026-01-31T12:00:00Z"}"#, "publishTime"),
        (r#"{"subtitle":"S"}"#, "subtitle"),
        (r#"{"notes":{"a":{"b":1}}}"#, "notes"),
        (r#"{"publisher":{}}"#, "publisher"),
        (r#"{"publisher":{"displayName":"P"}}"#, "publisher.displayName"),
        (
            r#"{"publisher":{"address":{"cityName":"C"}},"title":"T"}"#,
            "publisher.address.cityName,title",
        ),
    ] {
        patch("", body, body, mask);
    }
}

#[test]
fn null_names_a_field_that_is_to_be_cleared() {
    patch("", r#"{"title":null}"#, "{}", "title");
    patch("", r#"{"publisher":null}"#, "{}", "publisher");
    patch(
        "",
        r#"{"publisher":{"displayName":null}}"#,
        r#"{"publisher":{}}"#,
        "publisher.displayName",
    );
}

/// AIP-154: it is a condition of the change.
#[test]
fn an_etag_is_no_part_of_the_change() {
    patch(
        "",
        r#"{"title":"T","etag":"e"}"#,
        r#"{"title":"T","etag":"e"}"#,
        "title",
    );
}

#[test]
fn a_mask_that_is_given_stands() {
    let body = r#"{"title":"T"}"#;
    for (query, mask) in [
        ("?updateMask=author", "author"),
        ("?update_mask=author", "author"),
        ("?updateMask=title,publisher.displayName", "title,publisher.displayName"),
        ("?updateMask=publisher.display_name", "publisher.displayName"),
        ("?updateMask=*", "*"),
        ("?updateMask=", ""),
    ] {
        patch(query, body, body, mask);
    }
    refused(
        "PATCH /v1/shelves/1/books/2?updateMask=a+b",
        b"{}",
        Reason::InvalidField,
        "update_mask",
    );
}

/// A key of a map may hold anything, and is no name that two spellings have (AIP-161).
#[test]
fn what_stands_in_backticks_is_left_alone() {
    let request = "PATCH /v1/shelves/1/books/2?updateMask=labels.`aB_c`,publishTime";
    let (_, message) = super::call(super::routes(), request, b"{}").unwrap();
    let mask = message.get_field_by_name("update_mask").unwrap();
    let paths = mask.as_message().unwrap().get_field_by_number(1).unwrap().into_owned();
    let paths: Vec<_> = paths.as_list().unwrap().iter().filter_map(|p| p.as_str()).collect();
    assert_eq!(paths, ["labels.`aB_c`", "publish_time"]);
}

#[test]
fn only_a_patch_of_a_resource_has_a_mask_derived() {
    means(
        "PUT /v1/shelves/1/books/2",
        r#"{"title":"T"}"#,
        "Library/UpdateBook",
        r#"{"book":{"name":"shelves/1/books/2","title":"T"}}"#,
    );
    means(
        "PATCH /bodies/inner",
        r#"{"id":"x"}"#,
        "Odd/Bodies",
        r#"{"inner":{"id":"x"}}"#,
    );
}
