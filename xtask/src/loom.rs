//! The loom models: every interleaving of the cell's races, of the gate's closing and of the pool's
//! sleep and wake.
//!
//! A model is an integration test in a file `tests/loom_*.rs`, or a unit test with `loom` in its
//! path, in a source file that calls `loom::model`.

use std::fs;
use std::io;
use std::path::Path;

use crate::metadata::{Metadata, Package};
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::Cmd;
use crate::test::passed;

// Executors on borrowed threads have their races in executor-pool; and tokio has models of its own under this cfg,
// for which it asks for more than we have.
const PACKAGES: &[&str] = &[
    "executor-core",
    "executor-pool",
    "executor-process",
    "executor-threads",
];

/// How often a model may switch threads where none of them had to wait. Nearly every race known
/// shows within two switches; a fourth takes hours.
const MAX_PREEMPTIONS: &str = "3";

/// Runs the models of each package that has some; none at all is a failure.
pub(crate) fn run() -> Outcome<Verdict> {
    let metadata = Metadata::load()?;
    let mut models = 0;
    for name in PACKAGES {
        let package = metadata.member(name)?;
        let found = run_package(&metadata, package)?;
        if found == 0 {
            println!("    {name} has no loom model: skipped");
        }
        models += found;
    }
    if models == 0 {
        return Err(Failure::new(format!(
            "no loom model in any of {}",
            PACKAGES.join(", ")
        )));
    }
    println!("    {models} models hold");
    Ok(Verdict::Proved)
}

fn run_package(metadata: &Metadata, package: &Package) -> Outcome<u64> {
    let mut models = 0;
    if calls_loom(&package.folder.join("src")).map_err(|error| unreadable(package, &error))? {
        let command = cargo_test(metadata, package).args(["--lib", "--", "loom"]);
        models += held(&command)?;
    }
    let files: Vec<&str> = package
        .targets("test")
        .filter(|name| name.starts_with("loom"))
        .collect();
    if !files.is_empty() {
        let targets = files.iter().flat_map(|name| ["--test", name]);
        models += held(&cargo_test(metadata, package).args(targets))?;
    }
    Ok(models)
}

/// Optimized, since a model runs its body a hundred thousand times, with all assertions on.
fn cargo_test(metadata: &Metadata, package: &Package) -> Cmd {
    Cmd::cargo("test")
        .args([
            "--release",
            "--all-features",
            "--package",
            &package.name,
            "--target-dir",
        ])
        .arg(metadata.target_for("loom"))
        .flags("RUSTFLAGS", "--cfg loom")
        .env_default("LOOM_MAX_PREEMPTIONS", MAX_PREEMPTIONS)
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
}

/// How many models the command ran; it was built because there are some.
fn held(command: &Cmd) -> Outcome<u64> {
    match passed(&command.run_and_read()?) {
        0 => {
            let reason = "loom is used, but no model ran: a model in src needs `loom` in its path";
            Err(Failure::new(reason).repeat_with(command.to_string()))
        }
        models => Ok(models),
    }
}

fn calls_loom(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            calls_loom(&path)?
        } else {
            path.extension().is_some_and(|extension| extension == "rs")
                && fs::read_to_string(&path)?.contains("loom::model")
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unreadable(package: &Package, error: &io::Error) -> Failure {
    Failure::new(format!(
        "cannot read the sources of {}: {error}",
        package.name
    ))
}
