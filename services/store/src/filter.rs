//! The filter language of list methods: the part of AIP-160 that a store can answer from an index or a scan, comparisons joined
//! by AND. What it lacks (OR, NOT, parentheses, bare words) is refused by name, never taken for something else.

mod scan;

use chrono::{DateTime, SubsecRound, Utc};
use logicore::{Error, Reason};

/// Longest filter, in bytes.
pub const MAX_BYTES: usize = 2000;
/// Most comparisons of a filter.
pub const MAX_COMPARISONS: usize = 20;

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `:`, contains or has.
    Has,
}

impl Op {
    /// As it is written in a filter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Has => ":",
        }
    }

    /// The operator in SQL; `None` for `:`, which each field means in its own way.
    #[must_use]
    pub const fn sql(self) -> Option<&'static str> {
        match self {
            Self::NotEqual => Some("<>"),
            Self::Has => None,
            other => Some(other.as_str()),
        }
    }
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Field, with dots where it is nested: `labels.team`.
    pub field: String,
    /// How.
    pub op: Op,
    /// Against what; quotes and escapes are gone.
    pub value: String,
    /// Where it begins: the first character of the filter is 1.
    pub at: usize,
}

impl Comparison {
    /// An error that names this comparison's place.
    #[must_use]
    pub fn refused(&self, problem: impl std::fmt::Display) -> Error {
        refused(self.at, problem)
    }

    /// The value as a time (RFC 3339), cut to microseconds.
    ///
    /// # Errors
    /// `INVALID_FILTER` when it is none.
    pub fn time(&self) -> Result<DateTime<Utc>, Error> {
        DateTime::parse_from_rfc3339(&self.value)
            .map(|t| t.to_utc().trunc_subsecs(6))
            .map_err(|_| {
                self.refused(format_args!(
                    "{} takes a time such as \"2026-01-31T08:00:00Z\"",
                    self.field
                ))
            })
    }
}

/// Reads a filter; the empty one has no comparison.
///
/// # Errors
/// `INVALID_FILTER`, which says where and what.
pub fn parse(filter: &str) -> Result<Vec<Comparison>, Error> {
    if filter.len() > MAX_BYTES {
        return Err(refused(1, format_args!("a filter has at most {MAX_BYTES} bytes")));
    }
    let mut scan = scan::Scan::new(filter);
    let mut comparisons = Vec::new();
    if scan.at_end() {
        return Ok(comparisons);
    }
    loop {
        if comparisons.len() == MAX_COMPARISONS {
            return Err(refused(
                scan.position(),
                format_args!("a filter has at most {MAX_COMPARISONS} comparisons"),
            ));
        }
        comparisons.push(scan.comparison()?);
        if scan.at_end() {
            return Ok(comparisons);
        }
        scan.and()?;
    }
}

fn refused(at: usize, problem: impl std::fmt::Display) -> Error {
    Error::new(Reason::InvalidFilter, format!("filter: at character {at}: {problem}")).with("position", at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str) -> Vec<(String, &'static str, String)> {
        let parsed = parse(filter).unwrap_or_else(|e| panic!("{filter}: {e}"));
        parsed.into_iter().map(|c| (c.field, c.op.as_str(), c.value)).collect()
    }

    fn row(field: &str, op: &'static str, value: &str) -> (String, &'static str, String) {
        (field.to_owned(), op, value.to_owned())
    }

    #[test]
    fn filters_are_read() {
        /// Field, operator, value.
        type Row = (&'static str, &'static str, &'static str);
        let table: &[(&str, &[Row])] = &[
            ("", &[]),
            ("  ", &[]),
            ("a=b", &[("a", "=", "b")]),
            ("a = b", &[("a", "=", "b")]),
            ("a!=b AND c<=\"d e\"", &[("a", "!=", "b"), ("c", "<=", "d e")]),
            ("labels:team", &[("labels", ":", "team")]),
            ("labels.my-team = x-1", &[("labels.my-team", "=", "x-1")]),
            (r#"a : "q\"uo\\te""#, &[("a", ":", r#"q"uo\te"#)]),
            ("t >= 2026-01-31T08:00:00Z", &[("t", ">=", "2026-01-31T08:00:00Z")]),
            ("email = a@x.io", &[("email", "=", "a@x.io")]),
            ("a='x y' AND b>1", &[("a", "=", "x y"), ("b", ">", "1")]),
            ("a = \"\"", &[("a", "=", "")]),
            ("a = \"AND\"\tAND b=ä", &[("a", "=", "AND"), ("b", "=", "ä")]),
        ];
        for (filter, wanted) in table {
            let wanted: Vec<_> = wanted.iter().map(|(f, o, v)| row(f, o, v)).collect();
            assert_eq!(read(filter), wanted, "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        let table = [
            ("a", 2, "operator"),
            ("a =", 4, "value"),
            ("= b", 1, "field"),
            ("a = b OR c = d", 7, "AND"),
            ("NOT a = b", 1, "NOT"),
            ("(a = b)", 1, "parentheses"),
            ("a = b c = d", 7, "AND"),
            ("a = b AND", 10, "field"),
            ("a = b and c = d", 7, "AND"),
            ("a = \"b", 5, "quote"),
            ("a == b", 4, "value"),
            ("ä = b", 1, "field"),
            ("a. = b", 3, "field"),
            ("a = \"b\"c", 8, "AND"),
            ("-a = b", 1, "field"),
        ];
        for (filter, at, word) in table {
            let error = parse(filter).expect_err(filter);
            assert_eq!(error.reason(), Reason::InvalidFilter);
            let wanted = format!("at character {at}:");
            assert!(
                error.message().contains(&wanted) && error.message().contains(word),
                "{filter}: {error}"
            );
        }
    }

    #[test]
    fn long_filters_are_refused() {
        assert!(parse(&"a".repeat(MAX_BYTES + 1)).is_err());
        let many = vec!["a=b"; MAX_COMPARISONS + 1].join(" AND ");
        assert!(parse(&many).is_err());
        assert_eq!(parse(&many[..many.len() - 8]).unwrap().len(), MAX_COMPARISONS);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(filter in "\\PC{0,60}") {
            let _ = parse(&filter);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "\\PC{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let parsed = parse(&format!("a = \"{quoted}\"")).unwrap();
            proptest::prop_assert_eq!(&parsed[0].value, &value);
        }
    }
}
