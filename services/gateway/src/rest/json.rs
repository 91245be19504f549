//! Reading JSON within bounds: nesting is limited, and a name that stands twice in an object is refused, since two readers
//! could take two different values from it.

use std::fmt;

use logicore::{Error, Reason};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, map::Entry};

use super::value::clip;

/// Deepest nesting of objects and lists.
pub(super) const MAX_DEPTH: usize = 64;

/// Parses a whole text.
///
/// # Errors
/// `MALFORMED_JSON` with line and column.
pub(super) fn parse(text: &[u8]) -> Result<Value, Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Node { depth: 0 }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|e| {
            Error::new(Reason::MalformedJson, format!("the body is not JSON: {e}"))
                .with("line", e.line().to_string())
                .with("column", e.column().to_string())
        })
}

/// A value at some depth.
#[derive(Clone, Copy)]
struct Node {
    depth: usize,
}

impl Node {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth < MAX_DEPTH {
            true => Ok(Self { depth: self.depth + 1 }),
            false => Err(E::custom(format!("nested deeper than {MAX_DEPTH}"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            match values.entry(name) {
                Entry::Vacant(place) => place.insert(object.next_value_seed(inner)?),
                Entry::Occupied(taken) => {
                    return Err(A::Error::custom(format!("`{}` stands twice", clip(taken.key()))));
                }
            };
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_ends_at_its_limit() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        let error = parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
        assert!(error.message().contains("nested deeper than 64"), "{error}");
        assert!(parse("[".repeat(1 << 20).as_bytes()).is_err());
    }

    #[test]
    fn malformed_text_names_line_and_column() {
        let error = parse(b"{\n  \"a\": 1,\n  oops\n}").unwrap_err();
        assert_eq!(error.reason(), Reason::MalformedJson);
        assert!(error.message().contains("line 3 column 3"), "{error}");
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        for bad in [
            &b"{\"a\":1,\"a\":2}"[..],
            b"1 2",
            b"{} x",
            b"",
            b"1e999",
            b"NaN",
            b"\"\xff\"",
            b"{\"a\":1,}",
            b"'a'",
            b"\"\\ud800\"",
            b"01",
            b"\xef\xbb\xbf{}",
            b"{\"a\":{\"b\":1,\"b\":1}}",
            b"nul",
        ] {
            assert_eq!(parse(bad).unwrap_err().reason(), Reason::MalformedJson, "{bad:?}");
        }
    }
}
