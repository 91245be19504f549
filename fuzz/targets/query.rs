//! Any path and query mean a message or are refused; what they mean can be shown and comes back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use logicore_fuzz::{comes_back, sent};

fuzz_target!(|text: &str| {
    // A query for the method of every field, or a path of any method.
    let target = match text.strip_prefix('/') {
        Some(_) => text.to_owned(),
        None => format!("/search?{text}"),
    };
    if let Some((route, framed)) = sent("GET", &target, b"")
        && route.method_path.starts_with("/shapes.v1.Odd/")
    {
        comes_back(&framed);
    }
});
