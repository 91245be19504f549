//! Reads a filter from left to right.

use super::{Comparison, Op, refused};
use logicore::Error;

pub(super) struct Scan<'a> {
    rest: &'a str,
    /// Place of `rest`, in characters, from 1.
    position: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(filter: &'a str) -> Self {
        Self {
            rest: filter,
            position: 1,
        }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Skips white space and says whether anything is left.
    pub(super) fn at_end(&mut self) -> bool {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.take(blank);
        self.rest.is_empty()
    }

    pub(super) fn comparison(&mut self) -> Result<Comparison, Error> {
        let at = self.position;
        let field = self.field()?;
        let op = self.op()?;
        let value = self.value()?;
        Ok(Comparison { field, op, value, at })
    }

    /// The word AND between two comparisons.
    pub(super) fn and(&mut self) -> Result<(), Error> {
        let word = self.rest.split(char::is_whitespace).next().unwrap_or_default();
        if word != "AND" {
            return Err(self.error("comparisons are joined by AND, and by nothing else"));
        }
        self.take(word.len());
        if self.at_end() {
            return Err(self.error("a field is missing after AND"));
        }
        Ok(())
    }

    fn field(&mut self) -> Result<String, Error> {
        if self.rest.starts_with('(') {
            return Err(self.error("parentheses are not supported, only comparisons joined by AND"));
        }
        let mut field = String::new();
        loop {
            let name = self.name();
            if name.is_empty() {
                return Err(self.error("a field name is missing"));
            }
            if name == "NOT" {
                return Err(refused(
                    self.position - 3,
                    "NOT is not supported, only comparisons joined by AND; use !=",
                ));
            }
            field.push_str(name);
            if !self.rest.starts_with('.') {
                return Ok(field);
            }
            field.push_str(self.take(1));
        }
    }

    fn name(&mut self) -> &'a str {
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return "";
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        self.take(end.unwrap_or(self.rest.len()))
    }

    fn op(&mut self) -> Result<Op, Error> {
        const LONGEST_FIRST: [Op; 7] = [
            Op::NotEqual,
            Op::LessOrEqual,
            Op::GreaterOrEqual,
            Op::Equal,
            Op::Less,
            Op::Greater,
            Op::Has,
        ];
        self.at_end();
        for op in LONGEST_FIRST {
            if self.rest.starts_with(op.as_str()) {
                self.take(op.as_str().len());
                return Ok(op);
            }
        }
        Err(self.error("an operator is missing: one of = != < <= > >= :"))
    }

    fn value(&mut self) -> Result<String, Error> {
        if self.at_end() {
            return Err(self.error("a value is missing"));
        }
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            return self.quoted(quote);
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || "()\"'=<>!\\".contains(c))
            .unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.error("a value is missing; quote it where it has special characters"));
        }
        Ok(self.take(end).to_owned())
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        let mut value = String::new();
        let mut escaped = false;
        for (i, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                c if c == quote => {
                    self.take(i + 1);
                    return Ok(value);
                }
                c => value.push(c),
            }
        }
        Err(self.error("the quote is not closed"))
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.position += taken.chars().count();
        taken
    }

    fn error(&self, problem: &str) -> Error {
        refused(self.position, problem)
    }
}
