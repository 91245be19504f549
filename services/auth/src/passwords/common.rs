//! Passwords that everybody tries, told by how they are made instead of by a list: at 15 characters and more, what leaks most is
//! a well-known word with digits, a word twice, a walk over the keyboard.
//!
//! A password is common when, letters folded and look-alikes undone, it is covered by runs (of digits, of one character, of the
//! alphabet, of neighbouring keys), little words, and at most [`WORDS_MAX`] different well-known words. Each word thus stands for thousands of
//! lines of a leaked list.

use std::collections::HashSet;

/// Three different common words are a passphrase, two are a habit.
const WORDS_MAX: usize = 2;

/// Words this short join others and count as none.
const LITTLE: usize = 3;

/// Shortest run that counts as one.
const RUN: usize = 3;

/// What people write when they are asked for a password, in lower case and without look-alikes.
const WORDS: &str = "\
password passwort passord passw pass contrasena motdepasse senha wachtwoord parola haslo heslo salasana \
admin administrator root user test tester testing guest demo login logon default changeme change secret \
welcome hello hallo bonjour letmein letme open access system server master manager support service \
iloveyou love lover loveme lovely baby babygirl babyboy angel princess prince queen king sunshine flower \
monkey dragon tiger lion eagle shadow killer ninja samurai warrior hunter ranger wizard magic phantom ghost \
superman batman spiderman ironman starwars pokemon pikachu naruto matrix hero legend soccer football baseball \
basketball hockey tennis golf cricket liverpool arsenal chelsea barcelona madrid juventus yankees cowboys \
michael jordan michelle jessica jennifer amanda ashley nicole daniel david robert thomas andrew charlie \
george william james john jordan joshua matthew anthony anna maria laura sophie peter paul mark alex max sam \
computer internet google facebook twitter linkedin amazon apple microsoft windows linux android samsung \
oracle cisco docker kubernetes gateway backend developer company office business private public \
summer winter spring autumn january february march april june july august september october november december \
monday tuesday wednesday thursday friday saturday sunday cookie chocolate cheese coffee pepper ginger banana \
orange purple yellow silver golden black white green blue red money dollar success freedom forever whatever \
nothing trustno trust mustang ferrari porsche mercedes harley corvette london paris berlin america england \
germany france canada mexico brasil jesus christ heaven buddha blessed family friend friends mother father \
sister brother daughter the my is to and you me of for in";

/// Words of this product and of whoever runs it as it comes.
const OWN: &str = "logicore logi core example com org net www";

/// Rows and columns of keyboards (QWERTY, QWERTZ, AZERTY), the alphabet and the digits: walked either way.
const WALKS: &[&str] = &[
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "a1b2c3d4e5f6g7h8i9j0",
    "qweasdzxc",
];

/// Whether a password is one of those. `email` is in lower case.
pub(super) fn is_common(password: &str, email: &str) -> bool {
    let plain: Vec<char> = password.to_lowercase().chars().collect();
    if is_repetition(&plain) || password.to_lowercase() == email {
        return true;
    }
    let words = words(email);
    // Look-alikes are undone in a second reading, since `1qaz` is a walk and `l0gin` is a word.
    let folded: Vec<char> = plain.iter().map(|c| unlike(*c)).collect();
    covered(&plain, &plain, &words) || covered(&folded, &plain, &words)
}

/// The well-known words, and the parts of this email.
fn words(email: &str) -> HashSet<String> {
    let parts = email.split(|c: char| !c.is_alphanumeric()).filter(|p| p.len() > 1);
    let joined = email
        .split('@')
        .map(|side| side.replace(|c: char| !c.is_alphanumeric(), ""));
    WORDS
        .split_whitespace()
        .chain(OWN.split_whitespace())
        .chain(parts)
        .map(str::to_owned)
        .chain(joined.filter(|j| !j.is_empty()))
        .collect()
}

/// Whether the whole is a short unit over and over.
fn is_repetition(text: &[char]) -> bool {
    (1..=text.len() / 3).any(|unit| text.iter().zip(&text[unit..]).all(|(a, b)| a == b))
}

/// Whether runs and few words cover the text. `reach[i]` is the smallest set of words that covers everything before `i`.
fn covered(text: &[char], plain: &[char], words: &HashSet<String>) -> bool {
    let longest = words.iter().map(|w| w.chars().count()).max().unwrap_or_default();
    let mut reach: Vec<Option<Vec<String>>> = vec![None; text.len() + 1];
    reach[0] = Some(Vec::new());
    for at in 0..text.len() {
        let Some(used) = reach[at].clone() else { continue };
        if !plain[at].is_alphabetic() {
            keep(&mut reach[at + 1], used.clone());
        }
        for end in at + 2..=(at + longest).min(text.len()) {
            let word: String = text[at..end].iter().collect();
            if words.contains(&word) {
                let mut with = used.clone();
                if end - at > LITTLE && !with.contains(&word) {
                    with.push(word);
                }
                if with.len() <= WORDS_MAX {
                    keep(&mut reach[end], with);
                }
            }
        }
        let farthest = at + run(&plain[at..]);
        for slot in reach.iter_mut().take(farthest + 1).skip(at + RUN) {
            keep(slot, used.clone());
        }
    }
    reach[text.len()].is_some()
}

fn keep(slot: &mut Option<Vec<String>>, words: Vec<String>) {
    if slot.as_ref().is_none_or(|old| words.len() < old.len()) {
        *slot = Some(words);
    }
}

/// Length of the longest run that the text begins with.
fn run(text: &[char]) -> usize {
    let same = text.iter().take_while(|c| **c == text[0]).count();
    let walked = WALKS
        .iter()
        .flat_map(|walk| [walk.chars().collect::<Vec<_>>(), walk.chars().rev().collect()])
        .flat_map(|walk| {
            let starts: Vec<usize> = (0..walk.len()).filter(|i| walk[*i] == text[0]).collect();
            starts
                .into_iter()
                .map(|s| text.iter().zip(&walk[s..]).take_while(|(a, b)| a == b).count())
                .collect::<Vec<_>>()
        })
        .max()
        .unwrap_or_default();
    same.max(walked)
}

/// The letter that a look-alike stands for.
fn unlike(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        other => other,
    }
}
