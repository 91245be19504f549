//! What a profile may hold. All that is wrong is told at once.

use logicore::Error;

use super::Fields;

const DISPLAY_NAME: usize = 200;
const NAME: usize = 100;
const LABELS: usize = 64;
const LABEL_KEY: usize = 63;
const LABEL_VALUE: usize = 63;
/// Longest address that SMTP carries (RFC 5321, 4.5.3.1.3, without the angle brackets).
const EMAIL: usize = 254;
/// Longest language tag that programs must take (RFC 5646, 4.4.1).
const LOCALE: usize = 35;

/// What is wrong so far.
#[derive(Default)]
struct Violations(Option<Error>);

impl Violations {
    fn add(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.0 = Some(match self.0.take() {
            None => Error::field(field, problem),
            Some(error) => error.and_field(field, problem),
        });
    }

    fn text(&mut self, field: &str, value: &str, longest: usize) {
        if value.chars().count() > longest {
            self.add(field, format!("has at most {longest} characters"));
        } else if value.chars().any(char::is_control) {
            self.add(field, "must not contain control characters");
        }
    }

    fn done(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Checks the fields of an update.
pub(super) fn fields(fields: &Fields) -> Result<(), Error> {
    let mut violations = Violations::default();
    check_fields(&mut violations, fields);
    violations.done()
}

/// Checks a user to be made.
pub(super) fn new_user(email: &str, fields: &Fields) -> Result<(), Error> {
    let mut violations = Violations::default();
    if email.is_empty() {
        violations.add("user.email", "is missing");
    } else if !is_email(email) {
        violations.add("user.email", "is not an email address");
    }
    check_fields(&mut violations, fields);
    violations.done()
}

fn check_fields(violations: &mut Violations, fields: &Fields) {
    violations.text("user.display_name", &fields.display_name, DISPLAY_NAME);
    violations.text("user.given_name", &fields.given_name, NAME);
    violations.text("user.family_name", &fields.family_name, NAME);
    if !fields.phone.is_empty() && !is_phone(&fields.phone) {
        violations.add(
            "user.phone",
            "is not a telephone number in E.164 form, such as +4930123456",
        );
    }
    if !fields.locale.is_empty() && !is_locale(&fields.locale) {
        violations.add("user.locale", "is not a language tag (BCP 47), such as de-CH");
    }
    if fields.labels.len() > LABELS {
        violations.add("user.labels", format!("has at most {LABELS} entries"));
    }
    for (key, value) in &fields.labels {
        let field = format!("user.labels.{}", key.escape_debug());
        if !is_label_key(key) {
            violations.add(
                field,
                "is not a label key: a-z first, then a-z, 0-9, - and _, at most 63 characters",
            );
        } else {
            violations.text(&field, value, LABEL_VALUE);
        }
    }
}

/// Whether it looks like an address; auth has the last word.
fn is_email(email: &str) -> bool {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return false;
    };
    email.len() <= EMAIL
        && !local.is_empty()
        && !domain.is_empty()
        && !domain.starts_with('.')
        && !local.contains('@')
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// E.164: a plus and at most 15 digits, no zero first. Seven is the shortest number in use.
fn is_phone(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// The shape of a language tag (RFC 5646): a language of letters, then subtags of 1 to 8 letters and digits.
fn is_locale(locale: &str) -> bool {
    let mut tags = locale.split('-');
    let language = tags.next().unwrap_or_default();
    locale.len() <= LOCALE
        && (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && tags.all(|t| (1..=8).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric()))
}

pub(super) fn is_label_key(key: &str) -> bool {
    key.len() <= LABEL_KEY
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_e164() {
        for good in ["+4930123456", "+15551234567", "+123456789012345"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in [
            "4930123456",
            "+0930123456",
            "+49 30 123456",
            "+1234567890123456",
            "+12345",
            "+",
        ] {
            assert!(!is_phone(bad), "{bad}");
        }
    }

    #[test]
    fn locales_are_language_tags() {
        for good in ["de", "de-CH", "zh-Hans-CN", "sr-Latn", "en-u-ca-buddhist"] {
            assert!(is_locale(good), "{good}");
        }
        for bad in [
            "d",
            "de_CH",
            "de-",
            "-de",
            "de-aaaaaaaaa",
            "12",
            "de ch",
            &"de-aa".repeat(10),
        ] {
            assert!(!is_locale(bad), "{bad}");
        }
    }

    #[test]
    fn emails_have_two_sides() {
        for good in ["a@x.io", "a+b@x", "ä@x.io"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "a",
            "@x",
            "a@",
            "a@b@c",
            "a b@x",
            "a@.x",
            "a@x\n",
            &format!("{}@x", "a".repeat(EMAIL)),
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let wrong = Fields {
            display_name: "x".repeat(201),
            given_name: "a\u{7}".into(),
            family_name: "y".repeat(101),
            phone: "12".into(),
            locale: "?".into(),
            labels: [("Bad".to_owned(), String::new()), ("ok".to_owned(), "v".repeat(64))].into(),
        };
        let error = new_user("nobody", &wrong).unwrap_err();
        let named: Vec<_> = error.violations().iter().map(|(field, _)| field.as_str()).collect();
        let all = [
            "user.email",
            "user.display_name",
            "user.given_name",
            "user.family_name",
            "user.phone",
            "user.locale",
            "user.labels.Bad",
            "user.labels.ok",
        ];
        assert_eq!(named, all);
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let long = Fields {
            display_name: "ä".repeat(200),
            ..Fields::default()
        };
        assert!(fields(&long).is_ok());
    }
}
