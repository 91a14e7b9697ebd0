//! Errors are sorted by what the reader must do next, never by the library they came from.

use std::fmt;

/// What an error asks of whoever meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The world may be better soon: wait with back-off and try again.
    Retry,
    /// This one record is wrong: dead-letter it and go on.
    Reject,
    /// An operator must act; the hint says how.
    Stop,
    /// We are wrong.
    Bug,
}

/// An error with its kind, what happened, what to do about it, and the cause still attached.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// The next step for a person; always present for `Stop`.
    pub hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn retry(message: impl Into<String>) -> Self {
        Self { kind: Kind::Retry, message: message.into(), hint: None, source: None }
    }

    pub fn reject(message: impl Into<String>) -> Self {
        Self { kind: Kind::Reject, message: message.into(), hint: None, source: None }
    }

    /// `hint` says what the operator should do.
    pub fn stop(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind: Kind::Stop, message: message.into(), hint: Some(hint.into()), source: None }
    }

    pub fn bug(message: impl Into<String>) -> Self {
        Self { kind: Kind::Bug, message: message.into(), hint: None, source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| &**s as _)
    }
}
