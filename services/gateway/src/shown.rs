//! The routes as a table for people: what `logicore routes` prints.

use std::fmt::Write;

use logicore::policy::Idempotency;

use crate::{live::Live, routes::foreign::said};

/// Methods by name; a method with several REST bindings has a line for each.
pub(crate) fn table(live: &Live) -> String {
    let mut rows = vec![["METHOD", "REST", "ACCESS", "IDEMPOTENCY", "UPSTREAM"].map(str::to_owned)];
    let mut routes: Vec<_> = live.table.iter().collect();
    routes.sort_by(|a, b| a.method.path.cmp(&b.method.path));
    for route in routes {
        let method = &route.method;
        let of_method = live.table.rest().bindings().iter();
        let mut rest: Vec<_> = of_method
            .filter(|b| b.method_path == method.path)
            .map(|b| format!("{} {}", b.http, b.text))
            .collect();
        if rest.is_empty() {
            rest.push("-".to_owned());
        }
        let idempotency = match method.idempotency {
            Idempotency::NoSideEffects => "reads only",
            Idempotency::Idempotent => "idempotent",
            Idempotency::Unknown if method.idempotency_key => "by key",
            Idempotency::Unknown => "-",
        };
        for rest in rest {
            rows.push([
                method.path.trim_start_matches('/').to_owned(),
                rest,
                said(&method.access),
                idempotency.to_owned(),
                route.target.names().join(", "),
            ]);
        }
    }
    aligned(&rows)
}

fn aligned(rows: &[[String; 5]]) -> String {
    let widths: [usize; 5] = std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
