//! `cargo xtask stress`: the test binaries again and again on busy processors, to find the tests
//! that fail in some rounds only.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::burn::Burners;
use crate::family;
use crate::metadata::Metadata;
use crate::nats::{self, NATS_PACKAGES};
use crate::outcome::{Failure, Outcome};
use crate::step::Cmd;

/// How often a running binary is looked at. Nothing is decided by it but how soon we notice.
const POLL: Duration = Duration::from_millis(20);

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    rounds: u32,
    package: Option<String>,
    limit: Duration,
}

/// A test binary, and where cargo would run it.
#[derive(Debug)]
struct Binary {
    name: String,
    program: PathBuf,
    folder: PathBuf,
}

/// How one run of a binary ended.
#[derive(Debug)]
enum Run {
    Passed,
    /// With the names that it gave, if it came to that.
    Failed(Vec<String>, String),
    Hung(Vec<String>, String),
}

/// Runs every test binary in every round, then names what failed in any.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let binaries = build(&options)?;
    if binaries.is_empty() {
        return Err(Failure::new("there is no test binary to run"));
    }
    let server = options.needs_nats().then(nats::server).transpose()?;
    let output = Metadata::load()?.target_for("stress-output.txt");
    let burners = Burners::start()?;
    println!(
        "{} test binaries, {} rounds, beside {} busy processes",
        binaries.len(),
        options.rounds,
        burners.count()
    );

    let mut failures: BTreeMap<String, u32> = BTreeMap::new();
    for round in 1..=options.rounds {
        let start = Instant::now();
        for binary in &binaries {
            let (names, text, what) = match binary.run(&output, options.limit, server.as_ref())? {
                Run::Passed => continue,
                Run::Failed(names, text) => (names, text, "failed"),
                Run::Hung(names, text) => (names, text, "hung"),
            };
            println!(
                "---- {} {what} in round {round}; its output:\n{text}----",
                binary.name
            );
            for name in names {
                *failures
                    .entry(format!("{} {name}: {what}", binary.name))
                    .or_default() += 1;
            }
        }
        println!("round {round}: {:.1} s", start.elapsed().as_secs_f64());
    }
    drop(burners);
    report(&failures, options.rounds)
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self {
            rounds: 20,
            package: None,
            limit: Duration::from_secs(300),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest
                .next()
                .ok_or_else(|| Failure::new(format!("`{name}` needs a value, or is unknown")))?;
            match name.as_str() {
                "--rounds" => options.rounds = positive(name, value)?,
                "--limit" => options.limit = Duration::from_secs(positive(name, value)?.into()),
                "--package" | "-p" => options.package = Some(value.clone()),
                _ => {
                    let reason = format!(
                        "unknown option `{name}`; there are --rounds, --package and --limit"
                    );
                    return Err(Failure::new(reason));
                }
            }
        }
        Ok(options)
    }

    fn needs_nats(&self) -> bool {
        let package = self.package.as_deref();
        package.is_none_or(|package| NATS_PACKAGES.contains(&package))
    }
}

fn positive(name: &str, value: &str) -> Outcome<u32> {
    match value.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(Failure::new(format!(
            "{name} takes a number from 1, not `{value}`"
        ))),
    }
}

/// Builds the tests and asks cargo where they are.
fn build(options: &Options) -> Outcome<Vec<Binary>> {
    let scope = match &options.package {
        Some(package) => vec!["--package", package],
        None => vec!["--workspace"],
    };
    let command = Cmd::cargo("test")
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .args(family::all_of(options.package.as_deref()))
        .args(scope);
    let messages = command.read()?;
    let messages = String::from_utf8_lossy(&messages);
    Ok(messages.lines().filter_map(parse_binary).collect())
}

fn parse_binary(line: &str) -> Option<Binary> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["profile"]["test"].as_bool() != Some(true) {
        return None;
    }
    let program = PathBuf::from(message["executable"].as_str()?);
    let folder = PathBuf::from(message["manifest_path"].as_str()?)
        .parent()?
        .to_path_buf();
    let package = folder.file_name()?.to_string_lossy().into_owned();
    Some(Binary {
        name: format!("{package}/{}", message["target"]["name"].as_str()?),
        program,
        folder,
    })
}

impl Binary {
    /// Runs it once. Its output goes to a file, since a pipe that nobody reads would stop it.
    fn run(
        &self,
        output: &PathBuf,
        limit: Duration,
        server: Option<&nats::Server>,
    ) -> Outcome<Run> {
        let failed = |error: io::Error| Failure::new(format!("cannot run {}: {error}", self.name));
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(output)
            .map_err(failed)?;
        let command = Cmd::new(&self.program).within(self.folder.clone());
        let command = match server {
            Some(server) => server.tell(command),
            None => command,
        };
        let mut child = command
            .command()
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file.try_clone().map_err(failed)?)
            .spawn()
            .map_err(failed)?;

        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break Some(status);
            }
            if Instant::now() >= deadline {
                child.kill().map_err(failed)?;
                child.wait().map_err(failed)?;
                break None;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "std cannot wait for a child with a deadline"
            )]
            thread::sleep(POLL);
        };

        let mut bytes = Vec::new();
        file.rewind().map_err(failed)?;
        file.read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(match status {
            Some(status) if status.success() => Run::Passed,
            Some(status) => Run::Failed(failed_tests(&text, &status.to_string()), text),
            None => Run::Hung(slow_tests(&text), text),
        })
    }
}

/// The names that libtest and libtest-mimic print, or how the binary ended when there is none.
fn failed_tests(output: &str, ending: &str) -> Vec<String> {
    let names: Vec<String> = output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix("FAILED"))
        .filter_map(|line| line.rsplit_once("..."))
        .map(|(name, _)| name.trim_end().to_owned())
        .collect();
    if names.is_empty() {
        vec![format!("(the whole binary: {ending})")]
    } else {
        names
    }
}

/// libtest says which tests have been running for a minute.
fn slow_tests(output: &str) -> Vec<String> {
    let names: Vec<String> = output
        .lines()
        .filter_map(|line| {
            line.strip_prefix("test ")?
                .split_once(" has been running for over")
        })
        .map(|(name, _)| name.to_owned())
        .collect();
    if names.is_empty() {
        vec!["(the whole binary)".to_owned()]
    } else {
        names
    }
}

fn report(failures: &BTreeMap<String, u32>, rounds: u32) -> Outcome {
    if failures.is_empty() {
        println!("\nstress: {rounds} rounds without a failure");
        return Ok(());
    }
    println!("\nstress: failures in {rounds} rounds");
    for (name, times) in failures {
        let kind = if *times == rounds { "always" } else { "flaky" };
        println!("  {kind}: {name} in {times} of {rounds}");
    }
    Err(Failure::new(format!(
        "{} tests failed under stress",
        failures.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::{Options, failed_tests, slow_tests};

    #[test]
    fn failed_tests_are_read_from_the_output() {
        let output = "running 3 tests\ntest a::b ... ok\ntest c::d ... FAILED\n\
                      test laws::settle (line 3) ... FAILED\n\nfailures:\n    c::d\n";
        assert_eq!(
            failed_tests(output, "exit status: 101"),
            ["c::d", "laws::settle (line 3)"]
        );
    }

    #[test]
    fn a_binary_that_dies_without_a_word_is_named_by_its_end() {
        let names = failed_tests("running 3 tests\n", "signal: 11");
        assert_eq!(names, ["(the whole binary: signal: 11)"]);
    }

    #[test]
    fn a_hung_test_is_named() {
        let output = "test x::y has been running for over 60 seconds\n";
        assert_eq!(slow_tests(output), ["x::y"]);
    }

    #[test]
    fn options_are_checked() {
        let parse = |line: &str| {
            let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&arguments)
        };
        assert_eq!(parse("--rounds 3").expect("valid").rounds, 3);
        assert!(parse("--rounds 0").is_err());
        assert!(parse("--rounds").is_err());
        assert!(parse("--round 3").is_err());
    }
}
