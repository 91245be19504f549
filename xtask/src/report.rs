//! Steps of a chore: each is announced, timed and remembered; the summary stands at the end.
//!
//! A failed step does not stop the ones after it: one run shows everything that is wrong.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How a step ended, when it did not fail.
pub(crate) enum Outcome {
    /// It ran.
    Done,
    /// There was nothing to do, for this reason.
    Skipped(String),
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    took: Duration,
    verdict: String,
    failed: bool,
}

/// Starts a stopwatch.
#[allow(clippy::disallowed_methods, reason = "measures real work in a program without tokio")]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}

impl Report {
    /// Runs a step that has no reason to be skipped.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        self.step_or_skip(name, || work().map(|()| Outcome::Done));
    }

    /// Runs a step.
    pub(crate) fn step_or_skip(&mut self, name: &str, work: impl FnOnce() -> Result<Outcome>) {
        println!("==> {name}");
        let watch = stopwatch();
        let outcome = work();
        let (verdict, failed) = match outcome {
            Ok(Outcome::Done) => ("ok".to_owned(), false),
            Ok(Outcome::Skipped(reason)) => (format!("skipped: {reason}"), false),
            Err(error) => (format!("FAILED: {error:#}"), true),
        };
        let row = Row {
            name: name.to_owned(),
            took: watch.elapsed(),
            verdict,
            failed,
        };
        println!("<== {}", row.line());
        self.rows.push(row);
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// When a step failed.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\nSummary");
        for row in &self.rows {
            println!("  {}", row.line());
        }
        let failed = self
            .rows
            .iter()
            .filter(|row| row.failed)
            .map(|row| row.name.as_str())
            .collect::<Vec<_>>();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

impl Row {
    fn line(&self) -> String {
        format!("{:<24} {:>7.1} s  {}", self.name, self.took.as_secs_f64(), self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_whole_and_does_not_stop_the_next() {
        let mut report = Report::default();
        let mut reached = false;
        report.step("first", || bail!("broken"));
        report.step("second", || {
            reached = true;
            Ok(())
        });
        let error = report.finish().expect_err("the first step failed");
        assert!(reached);
        assert_eq!(error.to_string(), "failed: first");
    }

    #[test]
    fn a_skipped_step_does_not_fail_the_whole() {
        let mut report = Report::default();
        report.step_or_skip("only", || Ok(Outcome::Skipped("nothing there".to_owned())));
        report.finish().expect("nothing failed");
    }
}
