//! The filter of ListUsers: which fields there are and how each compares.

use logicore::{Error, ids::TenantId};
use logicore_store::filter::{self, Comparison, Op};

use super::{Condition, TextField};
use crate::domain::{State, Users, validate::is_label_key};

impl Users {
    /// The conditions of a filter; `None` where no user can meet them.
    pub(super) async fn conditions(&self, tenant: &TenantId, text: &str) -> Result<Option<Vec<Condition>>, Error> {
        let (mut conditions, mut emails) = (Vec::new(), Vec::new());
        for comparison in filter::parse(text)? {
            match comparison.field.as_str() {
                "email" if comparison.op == Op::Equal => emails.push(comparison.value),
                "email" => return Err(comparison.refused("email is compared by = only")),
                _ => conditions.push(condition(comparison)?),
            }
        }
        // Emails are auth's, so auth says whose each is; asked when the rest is known to be sound.
        for email in emails {
            match self.accounts.lookup(tenant, &email).await? {
                Some(account) => conditions.push(Condition::Id(account.id)),
                None => return Ok(None),
            }
        }
        Ok(Some(conditions))
    }
}

fn condition(comparison: Comparison) -> Result<Condition, Error> {
    match comparison.field.as_str() {
        "display_name" => Ok(text(TextField::DisplayName, comparison)),
        "given_name" => Ok(text(TextField::GivenName, comparison)),
        "family_name" => Ok(text(TextField::FamilyName, comparison)),
        "locale" => Ok(text(TextField::Locale, comparison)),
        "state" => state(&comparison),
        "create_time" if comparison.op == Op::Has => Err(comparison.refused("a time is not compared by `:`")),
        "create_time" => Ok(Condition::CreateTime(comparison.op, comparison.time()?)),
        _ => label(comparison),
    }
}

fn text(field: TextField, comparison: Comparison) -> Condition {
    Condition::Text(field, comparison.op, comparison.value)
}

fn state(comparison: &Comparison) -> Result<Condition, Error> {
    if !matches!(comparison.op, Op::Equal | Op::NotEqual) {
        return Err(comparison.refused("state is compared by = and != only"));
    }
    let name = comparison.value.to_lowercase();
    let name = name.strip_prefix("user_state_").unwrap_or(&name);
    let state = State::ALL.into_iter().find(|s| s.as_str() == name);
    let state = state.ok_or_else(|| comparison.refused("state is PENDING, ACTIVE or DELETED"))?;
    Ok(Condition::State(comparison.op, state))
}

fn label(comparison: Comparison) -> Result<Condition, Error> {
    const KEY: &str = "a label key is a-z first, then a-z, 0-9, - and _";
    if comparison.field == "labels" {
        return match comparison.op {
            Op::Has if is_label_key(&comparison.value) => Ok(Condition::HasLabel(comparison.value)),
            Op::Has => Err(comparison.refused(KEY)),
            _ => Err(comparison.refused("labels are compared as `labels.key = value` or `labels:key`")),
        };
    }
    match comparison.field.strip_prefix("labels.") {
        Some(key) if is_label_key(key) => Ok(Condition::Label(key.to_owned(), comparison.op, comparison.value)),
        Some(_) => Err(comparison.refused(KEY)),
        None => Err(comparison.refused(format_args!(
            "`{}` is none of display_name, given_name, family_name, email, locale, state, create_time, labels.key",
            comparison.field
        ))),
    }
}

#[cfg(test)]
mod tests {
    use logicore::Reason;

    use super::*;

    fn read(text: &str) -> Result<Condition, Error> {
        condition(filter::parse(text)?.remove(0))
    }

    #[test]
    fn each_field_compares_in_its_own_way() {
        let time = chrono::DateTime::from_timestamp(0, 0).unwrap();
        let table = [
            (
                "display_name : \"A b\"",
                Condition::Text(TextField::DisplayName, Op::Has, "A b".into()),
            ),
            ("state = USER_STATE_ACTIVE", Condition::State(Op::Equal, State::Active)),
            ("state != deleted", Condition::State(Op::NotEqual, State::Deleted)),
            (
                "create_time < 1970-01-01T00:00:00Z",
                Condition::CreateTime(Op::Less, time),
            ),
            ("labels:team", Condition::HasLabel("team".into())),
            (
                "labels.team-1 != x",
                Condition::Label("team-1".into(), Op::NotEqual, "x".into()),
            ),
        ];
        for (text, wanted) in table {
            assert_eq!(read(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "nickname = a",
            "phone = a",
            "state < ACTIVE",
            "state = GONE",
            "create_time = yesterday",
            "create_time : 1970-01-01T00:00:00Z",
            "labels = a",
            "labels:Team",
            "labels.a.b = c",
            "display_name.x = a",
        ] {
            assert_eq!(read(bad).unwrap_err().reason(), Reason::InvalidFilter, "{bad}");
        }
    }
}
