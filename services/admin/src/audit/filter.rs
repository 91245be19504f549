//! What the audit log can be narrowed by.

use chrono::{DateTime, Utc};
use logicore::Error;
use logicore_store::filter::{self, Comparison, Op};

/// A field that is compared for equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// What was done.
    Action,
    /// Who did it.
    Actor,
    /// What it was done to.
    Target,
    /// How it ended.
    Outcome,
    /// Service that it comes from.
    Producer,
    /// Id of the request.
    RequestId,
}

impl Field {
    const ALL: [(&'static str, Self); 6] = [
        ("action", Self::Action),
        ("actor", Self::Actor),
        ("target", Self::Target),
        ("outcome", Self::Outcome),
        ("producer", Self::Producer),
        ("request_id", Self::RequestId),
    ];
}

/// What an event must meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The field has this value.
    Is(Field, String),
    /// It happened then or later.
    Since(DateTime<Utc>),
    /// It happened before then.
    Before(DateTime<Utc>),
}

/// Reads a filter (AIP-160, comparisons joined by AND).
///
/// # Errors
/// `INVALID_FILTER`, which says where and what.
pub fn parse(text: &str) -> Result<Vec<Condition>, Error> {
    filter::parse(text)?.into_iter().map(condition).collect()
}

fn condition(comparison: Comparison) -> Result<Condition, Error> {
    if comparison.field == "time" {
        return match comparison.op {
            Op::GreaterOrEqual => Ok(Condition::Since(comparison.time()?)),
            Op::Less => Ok(Condition::Before(comparison.time()?)),
            _ => Err(comparison.refused("time is compared by >= or <")),
        };
    }
    let field = Field::ALL.iter().find(|(name, _)| *name == comparison.field);
    match (field, comparison.op) {
        (Some((_, field)), Op::Equal) => Ok(Condition::Is(*field, comparison.value)),
        (Some((name, _)), _) => Err(comparison.refused(format_args!("{name} is compared by ="))),
        (None, _) => {
            Err(comparison
                .refused("only action, actor, target, outcome, producer, request_id and time can be compared"))
        }
    }
}

#[cfg(test)]
mod tests {
    use logicore::Reason;

    use super::*;

    #[test]
    fn fields_and_times_are_read() {
        let conditions =
            parse(r#"action = auth.login AND time >= 2026-01-31T08:00:00Z AND time < 2026-02-01T08:00:00Z"#);
        let conditions = conditions.unwrap();
        assert_eq!(conditions[0], Condition::Is(Field::Action, "auth.login".to_owned()));
        assert!(matches!((&conditions[1], &conditions[2]), (Condition::Since(a), Condition::Before(b)) if a < b));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for text in [
            "details = x",
            "action",
            "time = yesterday",
            "time >= yesterday",
            "action != x",
            "a = b OR c = d",
        ] {
            assert_eq!(parse(text).unwrap_err().reason(), Reason::InvalidFilter, "{text}");
        }
    }
}
