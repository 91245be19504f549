//! Text for a terminal.

/// A text as it may be printed: what a terminal takes for an order, and what turns the order of letters about, is escaped as in the access
/// log. Names come from files and from services of others. Lines stay lines.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '"' | '\'' | '\\' => out.push(c),
            c if c.escape_debug().len() == 1 => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (text, shown) in [
            (
                "`caf\u{e9}` is \"no\" \\name\n  - 'next'",
                "`caf\u{e9}` is \"no\" \\name\n  - 'next'",
            ),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\rb\tc\u{7}\0\u{7f}", "a\\u{d}b\\u{9}c\\u{7}\\u{0}\\u{7f}"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }
}
