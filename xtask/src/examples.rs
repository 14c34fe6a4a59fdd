//! The examples that need nothing from outside, run as a reader of the README runs them.

use crate::family::{FACADE, FULL};
use crate::files;
use crate::nats;
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::Cmd;

/// A folder of ours with files and folders in it, as input.
const INPUT: &str = "executor-core";

/// Compares `sha256` with `sha256sum`, then runs the examples that need no arguments, and a test binary whose
/// workers start before `main`.
pub(crate) fn run() -> Outcome<Verdict> {
    sha256("threads")?;
    sha256("process")?;
    let server = nats::server()?;
    let compared = sha256_over_nats(&server)?;
    server.tell(example("cluster").args(["--", "demo"])).run()?;
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
            "--features",
            FULL,
            "--package",
            FACADE,
        ])
        .args(["--test", "worker_process"])
        .run()
}

fn example(name: &str) -> Cmd {
    Cmd::cargo("run").args([
        "--quiet",
        "--release",
        "--features",
        FULL,
        "--package",
        FACADE,
        "--example",
        name,
    ])
}

fn sha256(backend: &str) -> Outcome<Verdict> {
    compare(&example("sha256").args(["--", "--backend", backend, INPUT]))
}

/// With a server that runs as long as this.
fn sha256_over_nats(server: &nats::Server) -> Outcome<Verdict> {
    let running = server.start()?;
    let ours = example("sha256").args(["--", "--backend", "nats", INPUT]);
    compare(&ours.env("NATS_URL", running.url()))
}

fn compare(ours: &Cmd) -> Outcome<Verdict> {
    println!("    $ {ours}");
    let printed = ours.read()?;

    let files = files::below(INPUT)?;
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
            files::first_difference(&printed, &expected)
        );
        let repeat = format!(
            "{ours} | diff - <(find {INPUT} -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)"
        );
        return Err(Failure::new(reason).repeat_with(repeat));
    }
    println!("    {} files: the same as sha256sum", files.len());
    Ok(Verdict::Proved)
}
