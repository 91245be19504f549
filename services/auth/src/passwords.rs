//! Passwords: which are taken, how they are hashed, how they are changed.

mod change;
mod common;
mod hasher;
mod phc;

use logicore::{Error, Reason, secret::Secret};

#[cfg(test)]
pub(crate) use hasher::tests::CHEAP;
pub(crate) use hasher::{Hasher, Params, Place};

use crate::accounts::Email;

/// Shortest new password: it is the only factor (NIST SP 800-63B-4).
const MIN: usize = 15;

/// Longest new password, in characters.
const MAX: usize = 256;

/// A longer text, in bytes, is nobody's password and is not hashed as one.
pub(crate) const MAX_BYTES: usize = 4 * MAX;

/// Judges a new password. No composition rules: length, and none of those that everybody tries.
///
/// # Errors
/// `PASSWORD_UNACCEPTABLE`, with the reason in words.
pub(crate) fn check_new(password: &Secret, email: &Email) -> Result<(), Error> {
    let text = password.expose();
    let length = text.chars().count();
    let problem = if length < MIN {
        Some("is shorter than 15 characters")
    } else if length > MAX {
        Some("is longer than 256 characters")
    } else if common::is_common(text, email.as_str()) {
        Some("is one that everybody tries: a well-known word or pattern, the email, or the product's name")
    } else {
        None
    };
    match problem {
        Some(problem) => Err(
            Error::new(Reason::PasswordUnacceptable, format!("the new password {problem}"))
                .and_field("new_password", problem),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(password: &str) -> bool {
        let email = Email::new("jane.miller@example.com").unwrap();
        check_new(&Secret::new(password), &email).is_ok()
    }

    #[test]
    fn length_counts_characters_and_has_bounds() {
        assert!(!judged("vK3#pL9!qW2$zX"));
        assert!(judged("vK3#pL9!qW2$zXt"));
        assert!(judged("äöüßéèêñçøåœæþð"));
        assert!(!judged(&"kq7Zp2Lx".repeat(33)));
    }

    #[test]
    fn what_everybody_tries_is_refused() {
        for bad in [
            "passwordpassword",
            "Password12345678",
            "P@ssw0rd!P@ssw0rd!",
            "123456789012345",
            "987654321098765",
            "qwertyuiopasdfgh",
            "1qaz2wsx3edc4rfv",
            "aaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabc",
            "abcdefghijklmnop",
            "iloveyou1234567890",
            "letmeinletmein2024!",
            "logicore-logicore",
            "LogiCore2026Admin",
            "jane.miller@example.com",
            "janemiller1234567",
            "welcome_to_example.com1",
        ] {
            assert!(!judged(bad), "{bad}");
        }
    }

    #[test]
    fn a_passphrase_of_several_words_is_taken() {
        for good in [
            "correct horse battery staple",
            "purple monkey dishwasher",
            "my password is a long sentence",
            "tr0ub4dor&3 and more",
        ] {
            assert!(judged(good), "{good}");
        }
    }
}
