//! Path templates, as the comments of `google/api/http.proto` define them.
//!
//! A template is flattened: `/v1/{name=shelves/*}:sort` becomes the segments `v1`, `shelves`, `*` with the variable `name`
//! over the last two and the verb `sort`, so that the trie sees one shape however variables are cut.

use std::ops::Range;

/// One segment of a flattened template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Literal(String),
    /// `*`: any one segment.
    One,
    /// `**`: any number of segments, none too; only at the end.
    Rest,
}

/// A variable and the segments that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Field path in the request message, such as `user.id`.
    pub field: String,
    /// Segments of the template.
    pub segments: Range<usize>,
    /// Whether the value may span several segments, so that `%2F` in it stays as it is.
    pub multi: bool,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Segments, variables dissolved.
    pub segments: Vec<Segment>,
    /// Variables, in the order of the path.
    pub variables: Vec<Variable>,
    /// What follows the last colon.
    pub verb: Option<String>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fail = |why: &str| format!("template `{text}`: {why}");
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| fail("does not begin with a slash"))?;
        let (rest, verb) = split_verb(rest);
        if verb.is_some_and(|v| !is_literal(v)) {
            return Err(fail("the verb is not a plain word"));
        }
        let mut template = Self {
            segments: Vec::new(),
            variables: Vec::new(),
            verb: verb.map(str::to_owned),
        };
        let mut rest = rest;
        loop {
            rest = template.take_part(rest).map_err(|why| fail(&why))?;
            match rest.strip_prefix('/') {
                Some(more) => rest = more,
                None if rest.is_empty() => break,
                None => return Err(fail("a slash is missing after a variable")),
            }
        }
        template.check().map_err(|why| fail(&why))?;
        Ok(template)
    }

    /// Takes one segment, or one variable with all its segments, off the front.
    fn take_part<'t>(&mut self, text: &'t str) -> Result<&'t str, String> {
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find('/').unwrap_or(text.len());
            self.segments.push(segment(&text[..end])?);
            return Ok(&text[end..]);
        };
        let (variable, rest) = inner.split_once('}').ok_or("a variable is not closed")?;
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        if !field.split('.').all(is_identifier) {
            return Err(format!("`{field}` is not a field path"));
        }
        let start = self.segments.len();
        for part in pattern.split('/') {
            self.segments.push(segment(part)?);
        }
        let segments = start..self.segments.len();
        self.variables.push(Variable {
            field: field.to_owned(),
            multi: segments.len() > 1 || self.segments.last() == Some(&Segment::Rest),
            segments,
        });
        Ok(rest)
    }

    fn check(&self) -> Result<(), String> {
        let last = self.segments.len() - 1;
        if self.segments[..last].contains(&Segment::Rest) {
            return Err("`**` stands before the end".to_owned());
        }
        for (i, variable) in self.variables.iter().enumerate() {
            if self.variables[..i].iter().any(|v| v.field == variable.field) {
                return Err(format!("`{}` is bound twice", variable.field));
            }
        }
        Ok(())
    }
}

/// Cuts the verb off, which only the last segment can have; a colon within a variable is none.
fn split_verb(text: &str) -> (&str, Option<&str>) {
    match text.rfind(':') {
        Some(at) if !text[at..].contains(['/', '}']) => (&text[..at], Some(&text[at + 1..])),
        _ => (text, None),
    }
}

fn segment(text: &str) -> Result<Segment, String> {
    match text {
        "*" => Ok(Segment::One),
        "**" => Ok(Segment::Rest),
        "" => Err("a segment is empty".to_owned()),
        "." | ".." => Err("a dot segment never matches".to_owned()),
        literal if is_literal(literal) => Ok(Segment::Literal(literal.to_owned())),
        other => Err(format!("`{other}` is not a segment")),
    }
}

/// What stands for itself in a path (RFC 3986, `pchar`), but for what means something in a template.
fn is_literal(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()+,;=@".contains(&b))
}

fn is_identifier(text: &str) -> bool {
    text.bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_flattened() {
        let t = Template::parse("/v1/{name=shelves/*/books/*}/{page}:sort").unwrap();
        let shape: Vec<_> = t
            .segments
            .iter()
            .map(|s| match s {
                Segment::Literal(l) => l.as_str(),
                Segment::One => "*",
                Segment::Rest => "**",
            })
            .collect();
        assert_eq!(shape, ["v1", "shelves", "*", "books", "*", "*"]);
        assert_eq!(t.verb.as_deref(), Some("sort"));
        assert_eq!((t.variables[0].segments.clone(), t.variables[0].multi), (1..5, true));
        assert_eq!((t.variables[1].segments.clone(), t.variables[1].multi), (5..6, false));
    }

    #[test]
    fn the_rest_may_stand_last_only() {
        assert!(Template::parse("/v1/{name=files/**}:read").unwrap().variables[0].multi);
        assert!(Template::parse("/v1/**/x").unwrap_err().contains("`**` stands before"));
    }

    #[test]
    fn malformed_templates_are_refused() {
        for bad in [
            "",
            "v1",
            "/",
            "/v1/",
            "//v1",
            "/v1/{",
            "/v1/{}",
            "/v1/{a=}",
            "/v1/{a}b",
            "/v1/{a}{b}",
            "/v1/{a}/{a}",
            "/v1/{a={b}}",
            "/v1/x*",
            "/v1/{1a}",
            "/v1/{a.}",
            "/v1:",
            "/v1/a b",
            "/v1/..",
            "/v1/{a}:b:c",
            "/v1/x%2Fy",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
