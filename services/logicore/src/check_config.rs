//! `logicore check-config`.

use std::fmt::Write;

use anyhow::Result;
use logicore::{
    server,
    settings::{Loaded, Origin, routes::Routes},
};

use crate::terminal::plain;

/// Prints every setting with its value and where it comes from; warnings go to standard error.
///
/// # Errors
/// When a start would fail by what the settings name: a certificate that cannot be used, a routes file that cannot be read.
pub(crate) fn run(loaded: &Loaded) -> Result<()> {
    crate::say(plain(&table(loaded)).as_bytes())?;
    for warning in &loaded.warnings {
        eprintln!("warning: {}", plain(warning));
    }
    server::check_tls(&loaded.settings)?;
    // What the file says, and no service is asked: `logicore routes` does that.
    loaded.settings.routes.as_deref().map(Routes::read).transpose()?;
    Ok(())
}

fn table(loaded: &Loaded) -> String {
    let rows: Vec<_> = loaded.table().collect();
    let width = |of: fn(&(&str, String, &Origin)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (names, values) = (width(|row| row.0.len()), width(|row| row.1.len()));
    let mut text = String::new();
    for (name, value, origin) in &rows {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name:<names$}  {value:<values$}  {origin}");
    }
    text
}
