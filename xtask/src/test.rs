//! `cargo xtask test`: whatever the tests need, then all of them.

use std::env;

use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, step};

/// Runs every test of the workspace, or those that the arguments after `--` select.
///
/// Loom models are not among them: they need `--cfg loom`, which changes every type of the core.
/// Benchmarks are not either; `cargo xtask ci benches` proves that they compile.
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

    println!(
        "setting up: nothing to do, the tests need only cargo; they start servers and workers themselves"
    );
    let nextest = env::var_os("XTASK_NO_NEXTEST").is_none()
        && Cmd::cargo("nextest").arg("--version").succeeds();
    if !nextest {
        println!("cargo nextest is not installed, or not wanted: cargo test runs the tests");
        step("tests and doc tests", || cargo_test(selection))?;
        if selection.is_empty() {
            step("the facade with its default features", default_features)?;
        }
        return Ok(());
    }

    if !selection.is_empty() {
        step("tests, each in its own process", || nextest_run(selection))?;
        println!("doc tests: left out, since the arguments select tests");
        return Ok(());
    }
    let others = format!(
        "not ({})",
        SUITES.map(|suite| format!("binary(={suite})")).join(" | ")
    );
    let others = ["-E".to_owned(), others];
    step("tests, each in its own process", || nextest_run(&others))?;
    step("conformance suites", suites)?;
    step("the facade with its default features", default_features)?;
    step("doc tests", doc_tests).map(|_| ())
}

/// With all features its default executor is another one.
fn default_features() -> Outcome<Verdict> {
    let command =
        Cmd::cargo("test").args(["--package", "concurrent-futures", "--test", "facade_api"]);
    require_tests(&command.run_and_read()?, &command)
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

fn suites() -> Outcome<Verdict> {
    let command = SUITES.iter().fold(Cmd::cargo("test"), |command, suite| {
        command.args(["--test", suite])
    });
    let command = command.args(["--workspace", "--all-features", "--no-fail-fast"]);
    require_tests(&command.run_and_read()?, &command)
}

// No `--all-targets`, here or below: that would run the benchmarks. The default is the libraries,
// binaries and integration tests, with the examples built, since some tests run them.
fn nextest_run(selection: &[String]) -> Outcome<Verdict> {
    scoped(Cmd::cargo("nextest").arg("run"), selection)
        .args(["--all-features", "--no-fail-fast", "--no-tests=fail"])
        .args(selection)
        .check()
}

/// Without nextest one command runs everything, doc tests included.
fn cargo_test(selection: &[String]) -> Outcome<Verdict> {
    let command = scoped(Cmd::cargo("test"), selection)
        .args(["--all-features", "--no-fail-fast"])
        .args(selection);
    require_tests(&command.run_and_read()?, &command)
}

fn doc_tests() -> Outcome<Verdict> {
    let command = Cmd::cargo("test").args(["--workspace", "--doc", "--all-features"]);
    require_tests(&command.run_and_read()?, &command)
}

/// The whole workspace, unless the selection names packages.
fn scoped(command: Cmd, selection: &[String]) -> Cmd {
    let names_packages = |argument: &String| {
        argument.starts_with("-p") || argument.starts_with("--package") || argument == "--workspace"
    };
    if selection.iter().any(names_packages) {
        command
    } else {
        command.arg("--workspace")
    }
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
    use super::passed;

    #[test]
    fn passed_tests_are_summed_over_all_binaries() {
        let output = "\nrunning 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\
                      test result: ok. 40 passed; 0 failed\ntest result: ok. 0 passed; 0 failed\n";
        assert_eq!(passed(output), 42);
        assert_eq!(passed("warning: nothing to run\n"), 0);
    }
}
