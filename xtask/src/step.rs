//! Running one command: shown before it runs, and named in full when it fails.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crate::outcome::{Failure, Outcome, Verdict};

/// Runs `body` under a heading, and prints what came of it and how long it took.
pub(crate) fn step(heading: &str, body: impl FnOnce() -> Outcome<Verdict>) -> Outcome<Verdict> {
    println!("\n==> {heading}");
    let start = Instant::now();
    let outcome = body();
    let seconds = start.elapsed().as_secs_f64();
    match &outcome {
        Ok(Verdict::Proved) => println!("    ok in {seconds:.1} s"),
        Ok(Verdict::Skipped(missing)) => println!("    SKIPPED: {missing}"),
        Err(_) => println!("    FAILED in {seconds:.1} s"),
    }
    outcome
}

/// A command to run at the root of the workspace, unless it is told of another folder.
#[derive(Debug, Clone)]
pub(crate) struct Cmd {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
    removed: Vec<&'static str>,
    folder: Option<PathBuf>,
}

impl Cmd {
    #[must_use]
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            removed: Vec::new(),
            folder: None,
        }
    }

    /// Cargo: rustup hands its choice down, so `cargo +nightly xtask ..` means nightly throughout.
    #[must_use]
    pub(crate) fn cargo(subcommand: &str) -> Self {
        Self::new("cargo").arg(subcommand)
    }

    #[must_use]
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub(crate) fn args<A: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Sets a variable unless whoever runs xtask has set it.
    #[must_use]
    pub(crate) fn env_default(self, name: &'static str, value: &str) -> Self {
        let value = env::var(name).unwrap_or_else(|_| value.to_owned());
        self.env(name, value)
    }

    /// Appends to the flags in `name` (`RUSTFLAGS`, `RUSTDOCFLAGS`), which may hold the user's own.
    #[must_use]
    pub(crate) fn flags(self, name: &'static str, flags: &str) -> Self {
        let value = match env::var(name) {
            Ok(own) if !own.is_empty() => format!("{own} {flags}"),
            _ => flags.to_owned(),
        };
        self.env(name, value)
    }

    #[must_use]
    pub(crate) fn env_remove(mut self, name: &'static str) -> Self {
        self.removed.push(name);
        self
    }

    /// In this folder, and not at the root of the workspace.
    #[must_use]
    pub(crate) fn within(mut self, folder: PathBuf) -> Self {
        self.folder = Some(folder);
        self
    }

    /// Shows the command, runs it, and fails unless it succeeds.
    pub(crate) fn run(&self) -> Outcome {
        self.announce();
        let status = self
            .command()
            .status()
            .map_err(|error| self.unusable(&error))?;
        self.judge(status)
    }

    /// Runs it as all that a step does.
    pub(crate) fn check(&self) -> Outcome<Verdict> {
        self.run()?;
        Ok(Verdict::Proved)
    }

    /// Like [`run`](Self::run), and also returns what it wrote to standard output.
    pub(crate) fn run_and_read(&self) -> Outcome<String> {
        self.announce();
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.unusable(&error))?;
        let pipe = child.stdout.take().expect("stdout was asked to be a pipe");
        let mut text = String::new();
        for line in BufReader::new(pipe).split(b'\n') {
            let line = line.map_err(|error| self.unusable(&error))?;
            let line = String::from_utf8_lossy(&line);
            writeln!(io::stdout(), "{line}").map_err(|error| self.unusable(&error))?;
            text.push_str(&line);
            text.push('\n');
        }
        let status = child.wait().map_err(|error| self.unusable(&error))?;
        self.judge(status)?;
        Ok(text)
    }

    /// Runs the command unseen and returns its standard output; its errors stay visible.
    pub(crate) fn read(&self) -> Outcome<Vec<u8>> {
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.unusable(&error))?;
        self.judge(output.status)?;
        Ok(output.stdout)
    }

    /// Runs the command unseen, to whatever end.
    pub(crate) fn output(&self) -> Outcome<Output> {
        self.command()
            .output()
            .map_err(|error| self.unusable(&error))
    }

    /// Whether the command exists and succeeds; says nothing.
    pub(crate) fn succeeds(&self) -> bool {
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// The command for a caller that needs the child itself.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.current_dir(self.folder.clone().unwrap_or_else(root));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for name in &self.removed {
            command.env_remove(name);
        }
        command
    }

    fn announce(&self) {
        println!("    $ {self}");
    }

    fn judge(&self, status: std::process::ExitStatus) -> Outcome {
        if status.success() {
            return Ok(());
        }
        let program = self.program.to_string_lossy();
        Err(Failure::new(format!("{program} ended with {status}")).repeat_with(self.to_string()))
    }

    fn unusable(&self, error: &io::Error) -> Failure {
        let program = self.program.to_string_lossy();
        Failure::new(format!("cannot run {program}: {error}")).repeat_with(self.to_string())
    }
}

/// As a shell would take it, variables first.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        for name in &self.removed {
            write!(line, "{name}= ")?;
        }
        for (name, value) in &self.environment {
            write!(line, "{name}={} ", quoted(OsStr::new(value)))?;
        }
        line.push_str(&quoted(&self.program));
        for argument in &self.arguments {
            write!(line, " {}", quoted(argument))?;
        }
        f.write_str(&line)
    }
}

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
        .to_path_buf()
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::Cmd;

    #[test]
    fn a_command_is_shown_as_a_shell_takes_it() {
        let command = Cmd::cargo("doc")
            .arg("it's")
            .env("XTASK_TEST_FLAGS", "-D warnings");
        assert_eq!(
            command.to_string(),
            r"XTASK_TEST_FLAGS='-D warnings' cargo doc 'it'\''s'"
        );
    }

    #[test]
    fn a_missing_program_is_a_failure_that_names_it() {
        let failure = Cmd::new("no-such-program-anywhere")
            .run()
            .expect_err("it cannot run");
        assert!(failure.to_string().contains("no-such-program-anywhere"));
    }
}
