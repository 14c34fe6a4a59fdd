//! The crates with code for single systems, compiled for the systems that this one is not.
//!
//! Without what needs a C compiler of theirs: TLS, and with it the client of NATS. That is compiled where CI runs the
//! tests on those systems.

use std::path::Path;

use crate::family::{self, FACADE};
use crate::metadata::Metadata;
use crate::outcome::{Outcome, Verdict};
use crate::step::Cmd;

/// One target for each system; nothing is linked, so no tools of theirs are needed.
const TARGETS: &[&str] = &["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// The features of the facade that bring C.
const WITH_C: &[&str] = &["nats"];

const PACKAGES: &[&str] = &["executor-process", "concurrent-futures"];

/// Compiles for each target whose standard library is here, or can be had.
pub(crate) fn run() -> Outcome<Verdict> {
    let metadata = Metadata::load()?;
    let mut missing = Vec::new();
    for target in TARGETS {
        if has_std(target)? || add(target) && has_std(target)? {
            check(target, &metadata)?;
        } else {
            missing.push(*target);
        }
    }
    if missing.is_empty() {
        return Ok(Verdict::Proved);
    }
    let missing = missing.join(" ");
    Ok(Verdict::Skipped(format!(
        "the standard library for {missing} is not installed, and could not be: rustup target add \
         {missing}"
    )))
}

fn check(target: &str, metadata: &Metadata) -> Outcome {
    let features: Vec<String> = family::others(metadata.member(FACADE)?)
        .filter(|feature| !WITH_C.contains(feature))
        .map(|feature| format!("{FACADE}/{feature}"))
        .collect();
    let packages = PACKAGES.iter().flat_map(|name| ["--package", name]);
    Cmd::cargo("check")
        .args(["--quiet", "--features", &features.join(","), "--target", target])
        // the hook before `main` is in a macro, which is compiled where it is used
        .args(["--lib", "--test", "worker_process"])
        .arg("--target-dir")
        .arg(metadata.target_for("cross"))
        .args(packages)
        .run()
}

fn has_std(target: &str) -> Outcome<bool> {
    let output = Cmd::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .read()?;
    let folder = String::from_utf8_lossy(&output);
    Ok(Path::new(folder.trim()).is_dir())
}

/// Tries to install it, which needs rustup and a network.
fn add(target: &str) -> bool {
    let command = Cmd::new("rustup").args(["target", "add", target]);
    println!("    $ {command}");
    command.succeeds()
}
