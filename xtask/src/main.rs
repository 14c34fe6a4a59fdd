//! `cargo xtask <command>`: every command that people and CI run in this repository, in one place.
//!
//! A check lives here and not in a CI file, so that whoever breaks it can repeat it at home. Each
//! failure ends with the command that repeats it.

#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

use crate::outcome::{Failure, Outcome};

mod burn;
mod checks;
mod ci;
mod counts;
mod cross;
mod dependencies;
mod deploy;
mod examples;
mod family;
mod features;
mod files;
mod loom;
mod metadata;
mod nats;
mod outcome;
mod sanitize;
mod step;
mod stress;
mod swap;
mod test;

const HELP: &str = "\
usage: cargo xtask <command>

  test [-- ARGS]         run every test of the workspace, then the doc tests; ARGS go to the runner,
                         nextest where it is installed unless XTASK_NO_NEXTEST is set
  ci [STEP...]           run the checks that `test` leaves out, or only the named ones
  ci --list              name the steps of `ci`
  counts                 count the instructions of the hot paths, and compare them with the baseline
  counts --update        write the baseline anew
  nats                   find a nats-server, or fetch one to below target/, and print where it is:
                         export NATS_SERVER=\"$(cargo xtask nats)\" for a cargo test by hand
  sanitize [KIND]        run the tests of the core and of the pools under a sanitizer:
                         address (default), leak or thread
  stress [--rounds N]    run the test binaries N times (default 20) beside busy processes, and
         [--package P]   name the tests that fail in some rounds; P limits it to one package
         [--limit S]     a binary that runs for more than S seconds (default 300) has hung
  help                   print this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Failure::usage("no command given", HELP));
    };
    match command.as_str() {
        "test" => test::run(rest),
        "ci" => ci::run(rest),
        "counts" => counts::run(rest),
        "nats" => nats::run(rest),
        "sanitize" => sanitize::run(rest),
        "stress" => stress::run(rest),
        burn::COMMAND => {
            burn::run();
            Ok(())
        }
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        unknown => Err(Failure::usage(
            &format!("unknown command `{unknown}`"),
            HELP,
        )),
    }
}
