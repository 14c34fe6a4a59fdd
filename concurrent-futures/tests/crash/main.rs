//! The example `crash` gives every result that there is, and an exact report for every other job.

#[path = "../../examples/crash.rs"]
mod example;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeSet, process::ExitCode};

use libtest_mimic::{Arguments, Trial};

use self::support::{Checked, ensure, ensure_eq, text};

fn main() -> ExitCode {
    if support::is_example() {
        return example::main();
    }
    let trials = vec![
        Trial::test("one_worker", || reports_are_exact("1")),
        Trial::test("many_workers", || reports_are_exact("5")),
        Trial::test("bad_arguments_are_named", bad_arguments_are_named),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The jobs that do not come back: number, how the process ended on Linux, and its last words.
const ODD: [(&str, &str, &str); 10] = [
    (
        "7",
        "signal: 11 (SIGSEGV)",
        "job 7 is about to write to memory that is not there",
    ),
    ("26", "signal: 6 (SIGABRT)", "job 26 is about to abort"),
    ("45", "signal: 6 (SIGABRT)", "stack overflow"),
    ("64", "exit status: 3", "job 64 is about to exit with 3"),
    ("83", "killed, for it ran longer than 500ms", ""),
    (
        "102",
        "signal: 11 (SIGSEGV)",
        "job 102 is about to write to memory that is not there",
    ),
    ("121", "signal: 6 (SIGABRT)", "job 121 is about to abort"),
    ("140", "signal: 6 (SIGABRT)", "stack overflow"),
    ("159", "exit status: 0", "job 159 is about to exit with 0"),
    ("178", "killed", ""),
];

fn reports_are_exact(workers: &str) -> Checked {
    let output = support::run(support::example().args(["--workers", workers]))?;
    ensure(output.status.success(), &output)?;
    ensure(output.stderr.is_empty(), &output)?;
    let stdout = text(&output.stdout);
    let mut lines = stdout.lines();
    let mut processes = BTreeSet::new();
    for (number, status, last_words) in ODD {
        let report = lines.next().ok_or("a report is missing")?;
        let rest = report
            .strip_prefix(&format!("job {number:>3} "))
            .ok_or_else(|| format!("{report:?} is not of job {number}"))?;
        if last_words.is_empty() {
            ensure_eq(rest, status)?;
            continue;
        }
        if cfg!(target_os = "linux") {
            ensure(rest.starts_with(status), &output)?;
            ensure(rest.contains(last_words), &output)?;
        }
        let (_, process) = rest.split_once(", process ").ok_or("no process id")?;
        let (process, rest) = process.split_once(", after ").ok_or("no time")?;
        let (time, _) = rest
            .split_once(" ms, last words: ")
            .ok_or("no last words")?;
        processes.insert(process.parse::<u32>()?);
        // A job that was blamed for the time of others would have run for as long as all of them.
        ensure(time.parse::<f64>()? < 5_000.0, &output)?;
    }
    // Each has ended a process of its own.
    ensure_eq(processes.len(), 8)?;

    let odd = ODD.map(|(number, _, _)| number.parse::<u64>());
    let mut sum: u64 = (0..200_u64).map(|number| number * number).sum();
    for number in odd {
        let number = number?;
        sum -= number * number;
    }
    ensure_eq(
        lines.collect::<Vec<_>>(),
        [format!(
            "190 of 200 jobs gave a result, the sum of which is {sum}; 10 failed"
        )],
    )
}

fn bad_arguments_are_named() -> Checked {
    let output = support::run(support::example().args(["--workers", "0"]))?;
    ensure(output.status.code() == Some(2), &output)?;
    ensure(text(&output.stderr).contains("max_workers"), &output)
}
