//! The tests of the core and of the pools of threads with their parts, built with a sanitizer.
//!
//! The sanitizers are unstable flags of a stable compiler: `RUSTC_BOOTSTRAP=1` unlocks them, for
//! this build only. AddressSanitizer looks for leaks as well.
//!
//! ThreadSanitizer needs a standard library that is instrumented too. With the usual one it takes
//! every `Mutex`, `Condvar`, channel, `park` and drop of an `Arc` for a data race, since it sees
//! neither their atomics nor their fences; so without `rust-src` it is refused, not run.

use std::path::Path;

use crate::metadata::Metadata;
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, step};
use crate::test::passed;

const PACKAGES: &[&str] = &[
    "executor-core",
    "executor-pool",
    "executor-rayon",
    "executor-threads",
    "executor-tokio",
];

/// The only target of ours with all three sanitizers. To name it keeps build scripts and macros
/// out of the instrumentation, even on that host.
const TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sanitizer {
    Address,
    Leak,
    Thread,
}

impl Sanitizer {
    fn parse(name: &str) -> Outcome<Self> {
        match name {
            "address" => Ok(Self::Address),
            "leak" => Ok(Self::Leak),
            "thread" => Ok(Self::Thread),
            _ => Err(Failure::new(format!(
                "no sanitizer `{name}`; there are address, leak and thread"
            ))),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Leak => "leak",
            Self::Thread => "thread",
        }
    }
}

/// `cargo xtask sanitize [KIND]`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let sanitizer = match arguments {
        [] => Sanitizer::Address,
        [name] => Sanitizer::parse(name)?,
        [_, stray, ..] => return Err(Failure::new(format!("unexpected argument `{stray}`"))),
    };
    let heading = format!("tests under the {} sanitizer", sanitizer.name());
    step(&heading, || sanitize(sanitizer)).map(|_| ())
}

/// The step of `ci`.
pub(crate) fn address() -> Outcome<Verdict> {
    sanitize(Sanitizer::Address)
}

fn sanitize(sanitizer: Sanitizer) -> Outcome<Verdict> {
    if !host_is_target()? {
        return Ok(Verdict::Skipped(format!("the host is not {TARGET}")));
    }
    let metadata = Metadata::load()?;
    let mut command = Cmd::cargo("test")
        .args([
            "--lib",
            "--tests",
            "--all-features",
            "--no-fail-fast",
            "--target",
            TARGET,
        ])
        .arg("--target-dir")
        .arg(metadata.target_for("sanitize").join(sanitizer.name()))
        .flags("RUSTFLAGS", &format!("-Zsanitizer={}", sanitizer.name()))
        .env("RUSTC_BOOTSTRAP", "1");
    for name in PACKAGES {
        metadata.member(name)?;
        command = command.args(["--package", name]);
    }
    if sanitizer == Sanitizer::Thread {
        require_rust_src()?;
        command = command.arg("-Zbuild-std");
    }

    if passed(&command.run_and_read()?) == 0 {
        return Err(Failure::new("no test ran").repeat_with(command.to_string()));
    }
    Ok(Verdict::Proved)
}

fn host_is_target() -> Outcome<bool> {
    let version = Cmd::new("rustc").arg("-vV").read()?;
    let host = format!("host: {TARGET}");
    Ok(String::from_utf8_lossy(&version)
        .lines()
        .any(|line| line == host))
}

fn require_rust_src() -> Outcome {
    let sysroot = Cmd::new("rustc").args(["--print", "sysroot"]).read()?;
    let sysroot = String::from_utf8_lossy(&sysroot);
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if library.is_dir() {
        return Ok(());
    }
    let reason = "ThreadSanitizer needs the sources of the standard library, to instrument it: \
                  with the usual one it reports races that are none; \
                  install them with: rustup component add rust-src";
    Err(Failure::new(reason).repeat_with("cargo xtask sanitize thread"))
}

#[cfg(test)]
mod tests {
    use super::Sanitizer;

    #[test]
    fn a_sanitizer_is_parsed_by_the_name_it_prints() {
        for sanitizer in [Sanitizer::Address, Sanitizer::Leak, Sanitizer::Thread] {
            assert_eq!(Sanitizer::parse(sanitizer.name()).ok(), Some(sanitizer));
        }
    }

    #[test]
    fn an_unknown_sanitizer_is_refused_with_the_known_ones() {
        let failure = Sanitizer::parse("memory").expect_err("it needs more than we set up");
        assert!(failure.to_string().contains("address, leak and thread"));
    }
}
