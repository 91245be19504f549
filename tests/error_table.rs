//! `docs/errors.md` lists every reason that a caller may see. `UPDATE_GOLDEN=1` rewrites it.

use std::{fmt::Write as _, fs, path::Path};

use logicore::{Reason, error::code_name};

#[test]
fn the_page_of_errors_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let wanted = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &wanted).expect("docs/ can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, wanted, "run `cargo xtask golden` and look at the difference");
}

#[test]
fn every_reason_says_what_it_means_in_one_sentence() {
    for reason in Reason::ALL {
        let meaning = reason.meaning();
        let whole = meaning.ends_with('.') && meaning.starts_with(char::is_uppercase);
        assert!(
            whole && !meaning.contains(['\n', '|']),
            "{}: {meaning:?}",
            reason.as_str()
        );
    }
}

fn page() -> String {
    let mut out = String::from(
        "# Errors\n\n\
         Every error that LogiCore makes has one of these reasons. A reason never changes its name; the sentence beside it may, so\n\
         programs look at the reason. It stands in `google.rpc.ErrorInfo` with the domain `logicore`:\n\n\
         - gRPC and gRPC-Web: in `grpc-status-details-bin`, beside `grpc-status` and `grpc-message`\n\
         - REST: in the body, a `google.rpc.Status` as JSON, under `details`\n\n\
         What else helps is in `metadata` (the permission that is missing, the breaker that is Open) and in further details: `BadRequest`\n\
         names each wrong field, `RetryInfo` and `Retry-After` say when to come again, `RequestInfo` holds the id that finds the request\n\
         in the log. *Retry* says whether the same request may succeed later.\n\n\
         | reason | gRPC | HTTP | retry | what it means |\n|---|---|---|---|---|\n",
    );
    for reason in Reason::ALL {
        let row = reason.kind().row();
        let retry = if row.retryable { "yes" } else { "no" };
        writeln!(
            out,
            "| `{}` | `{}` | {} | {retry} | {} |",
            reason.as_str(),
            code_name(row.code),
            row.http.as_u16(),
            reason.meaning(),
        )
        .expect("a string takes all");
    }
    out
}
