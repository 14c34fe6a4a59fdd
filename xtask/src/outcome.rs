//! What a command of xtask ends with: nothing, or a failure that says how to repeat it.

use std::fmt;

/// The result of every step and command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// What a step that did not fail has shown.
#[derive(Debug)]
pub(crate) enum Verdict {
    Proved,
    /// Not, or not all of it: with what was missing and how to get it.
    Skipped(String),
}

/// Why a step failed, and what to type to see it again.
#[derive(Debug)]
pub(crate) struct Failure {
    reason: String,
    repeat: Vec<String>,
    help: &'static str,
}

impl Failure {
    /// A failure that the reason alone explains.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            repeat: Vec::new(),
            help: "",
        }
    }

    /// Arguments that no command understands.
    pub(crate) fn usage(reason: &str, help: &'static str) -> Self {
        Self {
            help,
            ..Self::new(reason)
        }
    }

    /// Adds a command that shows the failure again; the narrowest one first.
    pub(crate) fn repeat_with(mut self, command: impl Into<String>) -> Self {
        self.repeat.push(command.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nerror: {}", self.reason)?;
        for command in &self.repeat {
            writeln!(f, "  repeat with: {command}")?;
        }
        if !self.help.is_empty() {
            write!(f, "\n{}", self.help)?;
        }
        Ok(())
    }
}
