//! `cargo xtask test`: whatever the tests need, then all of them.

use std::env;

use crate::family::{self, FACADE, FULL};
use crate::metadata::Metadata;
use crate::nats::{self, NATS_PACKAGES};
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, step};

/// Runs every test of the workspace, or those that the arguments after `--` select.
///
/// Loom models are not among them: they need `--cfg loom`, which changes every type of the core.
/// Benchmarks are not either; `cargo xtask ci benches` runs them at tiny sizes.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let selection = match arguments.split_first() {
        None => arguments,
        Some((dashes, selection)) if dashes == "--" => selection,
        Some((stray, _)) => {
            let reason =
                format!("unexpected argument `{stray}`: arguments of the runner go after `--`");
            return Err(Failure::new(reason));
        }
    };

    let tools = Tools::set_up(selection)?;
    let nextest = env::var_os("XTASK_NO_NEXTEST").is_none()
        && Cmd::cargo("nextest").arg("--version").succeeds();
    if !nextest {
        println!("cargo nextest is not installed, or not wanted: cargo test runs the tests");
        step("tests and doc tests", || cargo_test(&tools, selection))?;
        if selection.is_empty() {
            step(DEFAULTS, || defaults(&tools))?;
        }
        return Ok(());
    }

    if !selection.is_empty() {
        step("tests, each in its own process", || {
            nextest_run(&tools, selection)
        })?;
        println!("doc tests: left out, since the arguments select tests");
        return Ok(());
    }
    let others = format!(
        "not ({})",
        SUITES.map(|suite| format!("binary(={suite})")).join(" | ")
    );
    let others = ["-E".to_owned(), others];
    step("tests, each in its own process", || {
        nextest_run(&tools, &others)
    })?;
    step("conformance suites", || suites(&tools))?;
    step(DEFAULTS, || defaults(&tools))?;
    step("doc tests", || doc_tests(&tools)).map(|_| ())
}

/// What the tests need besides cargo.
#[derive(Debug)]
struct Tools {
    nats: Option<nats::Server>,
}

impl Tools {
    /// Everything that the selected tests start by themselves must be there; nothing is skipped for want of it.
    fn set_up(selection: &[String]) -> Outcome<Self> {
        let named = packages(selection);
        let needed = named.is_empty() || named.iter().any(|name| NATS_PACKAGES.contains(name));
        if !needed {
            println!("setting up: nothing to do, these tests need only cargo");
            return Ok(Self { nats: None });
        }
        println!(
            "setting up: the tests start servers themselves, for which they need a nats-server"
        );
        let nats = nats::server()?;
        Ok(Self { nats: Some(nats) })
    }

    /// Cargo, told where the tools are.
    fn cargo(&self, subcommand: &str) -> Cmd {
        let command = Cmd::cargo(subcommand);
        match &self.nats {
            Some(server) => server.tell(command),
            None => command,
        }
    }
}

const DEFAULTS: &str = "the facade with its default features, and with each default executor";

/// What depends on the default executor, of which there is one at a time.
fn defaults(tools: &Tools) -> Outcome<Verdict> {
    let metadata = Metadata::load()?;
    let tests = ["facade_api", "from_env", "swap"].map(|name| ["--test", name]);
    let command = tools
        .cargo("test")
        .args(["--package", FACADE])
        .args(tests.concat());
    require_tests(&command.run_and_read()?, &command)?;
    for feature in family::members(metadata.member(FACADE)?) {
        let command = command
            .clone()
            .args(["--no-default-features", "--features", feature]);
        require_tests(&command.run_and_read()?, &command)?;
    }
    Ok(Verdict::Proved)
}

/// The test targets that are suites: thousands of trials, which take seconds in one process and minutes in
/// one process each; or trials that start and kill processes of their own, and count what is left.
const SUITES: [&str; 11] = [
    "broken_processes",
    "conformance",
    "custom_executor",
    "faults",
    "inline",
    "large",
    "leaks",
    "manual",
    "orphans",
    "processes",
    "round_trip",
];

fn suites(tools: &Tools) -> Outcome<Verdict> {
    let command = SUITES.iter().fold(tools.cargo("test"), |command, suite| {
        command.args(["--test", suite])
    });
    let command = command.args(["--workspace", "--features", FULL, "--no-fail-fast"]);
    require_tests(&command.run_and_read()?, &command)
}

// No `--all-targets`, here or below: that would run the benchmarks. The default is the libraries,
// binaries and integration tests, with the examples built, since some tests run them.
fn nextest_run(tools: &Tools, selection: &[String]) -> Outcome<Verdict> {
    scoped(tools.cargo("nextest").arg("run"), selection)
        .args(["--no-fail-fast", "--no-tests=fail"])
        .args(selection)
        .check()
}

/// Without nextest one command runs everything, doc tests included.
fn cargo_test(tools: &Tools, selection: &[String]) -> Outcome<Verdict> {
    let command = scoped(tools.cargo("test"), selection)
        .arg("--no-fail-fast")
        .args(selection);
    require_tests(&command.run_and_read()?, &command)
}

fn doc_tests(tools: &Tools) -> Outcome<Verdict> {
    let command = tools
        .cargo("test")
        .args(["--workspace", "--doc", "--features", FULL]);
    require_tests(&command.run_and_read()?, &command)
}

/// The whole workspace, unless the selection names packages; every feature, unless it names some.
fn scoped(command: Cmd, selection: &[String]) -> Cmd {
    let packages = packages(selection);
    let command = match &*packages {
        [] if !selection.iter().any(|argument| argument == "--workspace") => {
            command.arg("--workspace")
        }
        _ => command,
    };
    let names_features = |argument: &String| {
        let options = [
            "--features",
            "-F",
            "--all-features",
            "--no-default-features",
        ];
        options.iter().any(|option| argument.starts_with(option))
    };
    if selection.iter().any(names_features) {
        return command;
    }
    // The facade decides, since it has no `--all-features`.
    let facade = packages.iter().find(|name| **name == FACADE);
    command.args(family::all_of(facade.or_else(|| packages.first()).copied()))
}

/// The packages that the arguments select, in any of cargo's ways of writing so.
fn packages(selection: &[String]) -> Vec<&str> {
    let mut packages = Vec::new();
    let mut arguments = selection.iter().map(String::as_str);
    while let Some(argument) = arguments.next() {
        if argument == "-p" || argument == "--package" {
            packages.extend(arguments.next());
        } else if let Some(name) = argument
            .strip_prefix("--package=")
            .or_else(|| argument.strip_prefix("-p"))
        {
            packages.push(name.trim_start_matches('='));
        }
    }
    packages
}

/// A run without a test proves nothing, whatever its exit code.
fn require_tests(output: &str, command: &Cmd) -> Outcome<Verdict> {
    let passed = passed(output);
    println!("    {passed} passed in all");
    if passed == 0 {
        return Err(Failure::new("no test ran").repeat_with(command.to_string()));
    }
    Ok(Verdict::Proved)
}

/// Sums the `test result: ok. N passed; ..` lines of libtest and libtest-mimic.
pub(crate) fn passed(output: &str) -> u64 {
    output
        .lines()
        .filter_map(|line| line.split_once("test result: ")?.1.split_once(" passed"))
        .filter_map(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::{passed, scoped};
    use crate::step::Cmd;

    fn command(selection: &str) -> String {
        let selection: Vec<String> = selection.split_whitespace().map(str::to_owned).collect();
        scoped(Cmd::cargo("test"), &selection).to_string()
    }

    #[test]
    fn without_a_package_the_workspace_is_tested() {
        assert_eq!(
            command("some_name"),
            "cargo test --workspace --features full"
        );
        assert_eq!(command("--workspace"), "cargo test --features full");
    }

    #[test]
    fn the_features_are_those_that_the_packages_have_together() {
        assert_eq!(command("-p executor-core x"), "cargo test --all-features");
        for facade in [
            "-p concurrent-futures",
            "-pconcurrent-futures",
            "--package=concurrent-futures",
            "--package executor-core --package concurrent-futures",
        ] {
            assert_eq!(command(facade), "cargo test --features full", "{facade}");
        }
    }

    #[test]
    fn features_that_are_named_are_left_alone() {
        let selection = "-p concurrent-futures --no-default-features --features default-rayon";
        assert_eq!(command(selection), "cargo test");
    }

    #[test]
    fn passed_tests_are_summed_over_all_binaries() {
        let output = "\nrunning 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\
                      test result: ok. 40 passed; 0 failed\ntest result: ok. 0 passed; 0 failed\n";
        assert_eq!(passed(output), 42);
        assert_eq!(passed("warning: nothing to run\n"), 0);
    }
}
