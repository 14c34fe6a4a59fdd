//! The program that workers run.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

/// The program that workers run, where it is not this one: a binary that knows the same tasks and calls
/// `init` first in its `main`.
#[derive(Debug, Clone)]
#[must_use]
pub struct WorkerProgram {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
}

impl WorkerProgram {
    /// The program at this path, or of this name.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            directory: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the directory in which workers start.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

/// What a pool starts.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// This very program.
    Own,
    Other(WorkerProgram),
}

impl Program {
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Own => Command::new(own_program()),
            Self::Other(program) => program.command(),
        }
    }

    pub(crate) fn describe(&self) -> impl fmt::Display {
        match self {
            Self::Own => own_program().display().to_string(),
            Self::Other(program) => program.program.display().to_string(),
        }
    }
}

/// The file that this process runs, also if it has been deleted or replaced since.
#[cfg(target_os = "linux")]
fn own_program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

/// The file that this process runs.
#[cfg(not(target_os = "linux"))]
fn own_program() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| {
        let name = std::env::args_os().next();
        name.map_or_else(PathBuf::new, PathBuf::from)
    })
}
