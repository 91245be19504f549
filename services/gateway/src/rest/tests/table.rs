//! The tables of `tests/transcoding`, written from the specifications: rule, request, and what the service gets or why it is
//! refused. What it gets is read by prost-reflect's own reader.

use std::{fmt::Write as _, fs, path::Path};

use super::{call, from_json, inline, same, shown};
use crate::rest::Routes;

/// A line of a table that is a request.
struct Case<'t> {
    request: &'t str,
    body: &'t str,
    expected: &'t str,
}

impl<'t> Case<'t> {
    fn parse(line: &'t str) -> Self {
        let (asked, expected) = line
            .split_once("  =>  ")
            .unwrap_or_else(|| panic!("no `  =>  ` in: {line}"));
        let target = asked.find(' ').map_or(0, |verb| verb + 1);
        let end = asked[target..].find(' ').map_or(asked.len(), |end| target + end);
        Self {
            request: &asked[..end],
            body: asked[end..].trim_start(),
            expected,
        }
    }

    /// What is not as the table says.
    fn fails(&self, routes: &Routes) -> Option<String> {
        let expected = self
            .expected
            .strip_prefix('!')
            .map(|e| e.split_once(' ').unwrap_or((e, "")));
        match (call(routes, self.request, self.body.as_bytes()), expected) {
            (Ok((_, message)), None) => {
                let meant = from_json(prost_reflect::ReflectMessage::descriptor(&message), self.expected);
                (!same(&message, &meant)).then(|| format!("{} is not {}", shown(&message), shown(&meant)))
            }
            (Ok((_, message)), Some(_)) => Some(format!("was taken as {}", shown(&message))),
            (Err(error), None) => Some(format!("was refused: {error}")),
            (Err(error), Some((reason, field))) => {
                let named = error.violations().first().map_or("", |(field, _)| field);
                let right = error.reason().as_str() == reason && named == field;
                (!right).then(|| format!("was refused by {} of `{named}`: {error}", error.reason().as_str()))
            }
        }
    }
}

fn routes(rule: &str) -> Routes {
    let (input, rule) = rule.split_once(' ').unwrap();
    let source = format!(
        r#"syntax = "proto3";
        package case.v1;
        import "google/api/annotations.proto";
        import "cases.proto";
        import "shapes.proto";
        service S {{ rpc Go({input}) returns ({input}) {{ option (google.api.http) = {{ {rule} }}; }} }}"#
    );
    Routes::build(&inline(&source)).unwrap_or_else(|e| panic!("{rule}: {e}"))
}

/// Runs a table and tells all that fails at once.
fn table(name: &str) -> usize {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcoding")
        .join(name);
    let text = fs::read_to_string(file).unwrap();
    let (mut rule, mut served, mut cases, mut failed) = ("", Routes::default(), 0, String::new());
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(next) = line.strip_prefix("rule ") {
            (rule, served) = (next, routes(next));
            continue;
        }
        cases += 1;
        if let Some(why) = Case::parse(line).fails(&served) {
            writeln!(failed, "{rule}\n  {line}\n  {why}").unwrap();
        }
    }
    assert!(failed.is_empty(), "{name}:\n{failed}");
    cases
}

#[test]
fn requests_mean_what_the_comments_of_http_proto_say() {
    assert!(table("http_proto.txt") > 90);
}

#[test]
fn requests_mean_what_the_aips_say() {
    assert!(table("aips.txt") > 20);
}

#[test]
fn json_means_what_its_mapping_says() {
    assert!(table("json.txt") > 110);
}
