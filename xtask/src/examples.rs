//! The examples that need nothing from outside, run as a reader of the README runs them.

use std::path::Path;
use std::{fs, io};

use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, root};

const PACKAGE: &str = "concurrent-futures";

/// A folder of ours with files and folders in it, as input.
const INPUT: &str = "executor-core";

/// Compares `sha256` with `sha256sum`, then runs the examples that need no arguments, and a test binary whose
/// workers start before `main`.
pub(crate) fn run() -> Outcome<Verdict> {
    sha256("threads")?;
    let compared = sha256("process")?;
    example("custom_executor").run()?;
    example("crash").run()?;
    early_workers()?;
    Ok(compared)
}

/// What runs before `main` is at the mercy of the optimizer and the linker, so here it is optimized.
fn early_workers() -> Outcome {
    Cmd::cargo("test")
        .args([
            "--quiet",
            "--release",
            "--all-features",
            "--package",
            PACKAGE,
        ])
        .args(["--test", "worker_process"])
        .run()
}

fn example(name: &str) -> Cmd {
    Cmd::cargo("run").args([
        "--quiet",
        "--release",
        "--all-features",
        "--package",
        PACKAGE,
        "--example",
        name,
    ])
}

fn sha256(backend: &str) -> Outcome<Verdict> {
    let ours = example("sha256").args(["--", "--backend", backend, INPUT]);
    println!("    $ {ours}");
    let printed = ours.read()?;

    let files =
        files(INPUT).map_err(|error| Failure::new(format!("cannot list {INPUT}: {error}")))?;
    let theirs = Cmd::new("sha256sum").arg("--").args(&files);
    if !Cmd::new("sha256sum").arg("--version").succeeds() {
        return Ok(Verdict::Skipped(
            "sha256sum is not installed to compare with".to_owned(),
        ));
    }
    let expected = theirs.read()?;
    if printed != expected {
        let reason = format!(
            "sha256 differs from sha256sum: {}",
            first_difference(&printed, &expected)
        );
        let repeat = format!(
            "{ours} | diff - <(find {INPUT} -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)"
        );
        return Err(Failure::new(reason).repeat_with(repeat));
    }
    println!("    {} files: the same as sha256sum", files.len());
    Ok(Verdict::Proved)
}

/// Every regular file below a folder, in the order of the bytes of its path.
fn files(folder: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    found.sort_unstable();
    Ok(found)
}

fn collect(folder: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root().join(Path::new(folder)))? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&path, found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn first_difference(printed: &[u8], expected: &[u8]) -> String {
    let (printed, expected) = (
        String::from_utf8_lossy(printed),
        String::from_utf8_lossy(expected),
    );
    let mut theirs = expected.lines();
    for ours in printed.lines() {
        match theirs.next() {
            Some(line) if line == ours => {}
            Some(line) => return format!("`{ours}` in place of `{line}`"),
            None => return format!("`{ours}` is one too many"),
        }
    }
    theirs.next().map_or_else(
        || "the line ends differ".to_owned(),
        |line| format!("`{line}` is missing"),
    )
}
