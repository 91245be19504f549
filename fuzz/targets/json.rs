//! Any body is a message or is refused; what it means can be shown and comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logicore_fuzz::{comes_back, sent};

/// Bindings whose body is one field, or the whole message.
const TARGETS: [(&str, &str); 6] = [
    ("POST", "/echo"),
    ("PUT", "/bodies/inner"),
    ("PATCH", "/bodies/inner"),
    ("PUT", "/bodies/anything"),
    ("PUT", "/bodies/labels"),
    ("PUT", "/bodies/when"),
];

fuzz_target!(|data: &[u8]| {
    // Most go to the method of every field, a few by their first byte to the others.
    let (target, body) = match data.split_first() {
        Some((first, body)) if *first < 5 => (TARGETS[usize::from(*first) + 1], body),
        _ => (TARGETS[0], data),
    };
    if let Some((_, framed)) = sent(target.0, target.1, body) {
        comes_back(&framed);
    }
});
