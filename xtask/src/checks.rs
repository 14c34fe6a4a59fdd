//! The steps of `ci` that are one command each.

use crate::family::FULL;
use crate::nats;
use crate::outcome::{Outcome, Verdict};
use crate::step::Cmd;

pub(crate) fn fmt() -> Outcome<Verdict> {
    Cmd::cargo("fmt").args(["--all", "--check"]).check()
}

pub(crate) fn clippy() -> Outcome<Verdict> {
    Cmd::cargo("clippy")
        .args([
            "--workspace",
            "--all-targets",
            "--features",
            FULL,
            "--",
            "-D",
            "warnings",
        ])
        .check()
}

/// First as users see it, where a public item must not link to a private one; then all of it.
pub(crate) fn docs() -> Outcome<Verdict> {
    let doc = Cmd::cargo("doc")
        .args(["--workspace", "--no-deps", "--features", FULL])
        .flags("RUSTDOCFLAGS", "-D warnings");
    doc.run()?;
    doc.arg("--document-private-items").check()
}

/// Runs every benchmark once, at tiny sizes, where each result is checked; figures are a matter of quiet machines, not
/// of CI. With a server, without which the backend `nats` would be left out.
pub(crate) fn benches() -> Outcome<Verdict> {
    let server = nats::server()?;
    let running = server.start()?;
    Cmd::cargo("bench")
        .args(["--package", "benches", "--bench=*", "--", "--test"])
        .env("NATS_URL", running.url())
        .run()?;
    // This one starts a server for each of its samples.
    let compare = Cmd::cargo("run")
        .args([
            "--profile",
            "bench",
            "--package",
            "benches",
            "--bin",
            "compare",
        ])
        .args(["--", "--tiny"]);
    server.tell(compare).check()
}

pub(crate) fn deny() -> Outcome<Verdict> {
    if Cmd::cargo("deny").arg("--version").succeeds() {
        return Cmd::cargo("deny").args(["--all-features", "check"]).check();
    }
    Ok(not_installed("cargo-deny", "cargo-deny"))
}

pub(crate) fn typos() -> Outcome<Verdict> {
    if Cmd::new("typos").arg("--version").succeeds() {
        return Cmd::new("typos").check();
    }
    Ok(not_installed("typos", "typos-cli"))
}

fn not_installed(tool: &str, package: &str) -> Verdict {
    Verdict::Skipped(format!(
        "{tool} is not installed (cargo install --locked {package})"
    ))
}
