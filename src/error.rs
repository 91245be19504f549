//! The one table of errors.
//!
//! A [`Reason`] is what a client program looks at; it never changes its name. Each reason has one [`Kind`], and only the
//! kind's row names a gRPC code and an HTTP status. Whoever makes an error picks a reason and writes a sentence.

mod kind;
mod reason;
mod status;

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

pub use kind::{Kind, Level, Row, code_name, connect_code, servers_fault};
pub use reason::Reason;
pub use status::DOMAIN;
pub(crate) use status::sentence;

/// A boxed cause.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error on its way to a caller: a stable reason, a sentence, and what helps to mend it.
#[derive(Debug)]
pub struct Error {
    reason: Reason,
    message: Cow<'static, str>,
    metadata: Vec<(&'static str, String)>,
    violations: Vec<(String, String)>,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

impl Error {
    /// An error with a sentence for the caller.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            message: message.into(),
            metadata: Vec::new(),
            violations: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// Something broke inside. The caller sees a fixed sentence and the request id, the log sees the cause.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        let mut error = Self::new(
            Reason::Internal,
            "an internal error happened; the request id finds it in the log",
        );
        error.source = Some(cause.into());
        error
    }

    /// A field of the request is wrong; `field` is its path in the request message, such as `user.email`.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        let mut error = Self::new(Reason::InvalidField, format!("{field}: {problem}"));
        error.violations.push((field, problem));
        error
    }

    /// Adds another wrong field.
    #[must_use]
    pub fn and_field(mut self, field: impl Into<String>, problem: impl Into<String>) -> Self {
        self.violations.push((field.into(), problem.into()));
        self
    }

    /// Adds a fact for programs (`google.rpc.ErrorInfo.metadata`).
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((key, value.into()));
        self
    }

    /// Says when to try again (`google.rpc.RetryInfo`, `Retry-After`).
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<BoxError>) -> Self {
        self.source = Some(cause.into());
        self
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The row of the table that the reason stands in.
    #[must_use]
    pub fn row(&self) -> Row {
        self.reason.kind().row()
    }

    /// The wrong fields, with what is wrong with each.
    #[must_use]
    pub fn violations(&self) -> &[(String, String)] {
        &self.violations
    }

    /// The sentence for the caller.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// An error and its causes in one line, for the log. A cause that its effect already tells is left out.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as _)
    }
}
