//! `logicore check-config`.

use logicore::settings::Loaded;

/// Prints every setting with its value and where it comes from; warnings go to standard error.
pub(crate) fn print(loaded: &Loaded) {
    let rows: Vec<_> = loaded.table().collect();
    let width = |of: fn(&(&str, String, &logicore::settings::Origin)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|row| row.0.len()), width(|row| row.1.len()));
    for (name, value, origin) in &rows {
        println!("{name:<names$}  {value:<values$}  {origin}");
    }
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
}
