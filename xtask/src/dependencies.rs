//! What our crates may depend on, and how new a Rust that may need.

use std::collections::BTreeSet;

use crate::family::FULL;
use crate::metadata::Metadata;
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::Cmd;

/// What a crate must not bring to its users.
struct Absence {
    package: &'static str,
    features: Features,
    absent: &'static [&'static str],
    because: &'static str,
}

/// With which of its features a crate must not do so.
#[derive(Debug, Clone, Copy)]
enum Features {
    /// With any.
    All,
    /// With those that come by default.
    Default,
    /// With this one alone.
    Only(&'static str),
}

const ABSENCES: &[Absence] = &[
    Absence {
        package: "executor-core",
        features: Features::All,
        absent: &[
            "async-executor",
            "async-nats",
            "async-std",
            "crossbeam-channel",
            "executor-nats",
            "executor-pool",
            "executor-process",
            "executor-rayon",
            "executor-threads",
            "executor-tokio",
            "futures",
            "futures-util",
            "libc",
            "parking_lot",
            "rayon",
            "rayon-core",
            "rustix",
            "smol",
            "tokio",
        ],
        because: "the core knows no backend and no runtime",
    },
    Absence {
        package: "executor-core",
        features: Features::Default,
        absent: &["futures-core"],
        because: "who wants no streams must not pay for them",
    },
    Absence {
        package: "executor-pool",
        features: Features::All,
        absent: &[
            "async-executor",
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-rayon",
            "executor-threads",
            "executor-tokio",
            "futures",
            "futures-util",
            "rayon",
            "rayon-core",
            "rustix",
            "smol",
            "tokio",
        ],
        because: "the parts that backends share know none of the backends, nor whose threads run the jobs",
    },
    Absence {
        package: "executor-threads",
        features: Features::All,
        absent: &[
            "async-executor",
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-rayon",
            "executor-tokio",
            "futures",
            "futures-util",
            "rayon",
            "rayon-core",
            "rustix",
            "smol",
            "tokio",
        ],
        because: "its peers are for its benchmarks alone",
    },
    Absence {
        package: "executor-rayon",
        features: Features::All,
        absent: &[
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-threads",
            "executor-tokio",
            "futures",
            "futures-core",
            "rustix",
            "tokio",
        ],
        because: "it brings rayon and nothing else",
    },
    Absence {
        package: "executor-tokio",
        features: Features::All,
        absent: &[
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-rayon",
            "executor-threads",
            "futures",
            "mio",
            "rayon",
            "rayon-core",
            "rustix",
            "socket2",
            "tokio-macros",
        ],
        because: "it brings tokio's runtime, and no more of tokio than that",
    },
    Absence {
        package: "executor-process",
        features: Features::All,
        absent: &[
            "async-nats",
            "conformance-tests",
            "executor-macros",
            "executor-nats",
            "executor-pool",
            "executor-rayon",
            "executor-threads",
            "executor-tokio",
            "futures",
            "ipc-channel",
            "libc",
            "nix",
            "procspawn",
            "rayon",
            "tokio",
        ],
        because: "a worker needs the core and the system, and its peers are for its benchmarks alone",
    },
    Absence {
        package: "executor-nats",
        features: Features::All,
        absent: &[
            "aws-lc-rs",
            "conformance-tests",
            "executor-macros",
            "executor-rayon",
            "executor-tokio",
            "native-tls",
            "openssl",
            "rayon",
            "rcgen",
        ],
        because: "it brings the client of NATS with one set of TLS, and what runs tasks at the worker",
    },
    Absence {
        package: "executor-macros",
        features: Features::All,
        absent: &["executor-core", "serde", "tokio"],
        because: "a macro names what it expands to, and links nothing of it",
    },
    Absence {
        package: "concurrent-futures",
        features: Features::All,
        absent: &["clap", "conformance-tests", "indicatif", "rcgen", "ureq"],
        because: "what the examples and tests use must not reach users",
    },
    Absence {
        package: "concurrent-futures",
        features: Features::Default,
        absent: &[
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-rayon",
            "executor-tokio",
            "futures-core",
            "libc",
            "linux-raw-sys",
            "rayon",
            "rayon-core",
            "rustix",
            "tokio",
        ],
        because: "who wants threads alone must not pay for other backends",
    },
    Absence {
        package: "concurrent-futures",
        features: Features::Only("process"),
        absent: &[
            "async-nats",
            "crossbeam-deque",
            "executor-nats",
            "executor-pool",
            "executor-rayon",
            "executor-threads",
            "executor-tokio",
            "futures-core",
            "rayon",
            "tokio",
        ],
        because: "who wants processes alone must not pay for other backends",
    },
    Absence {
        package: "concurrent-futures",
        features: Features::Only("rayon"),
        absent: &[
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-threads",
            "executor-tokio",
            "futures-core",
            "rustix",
            "tokio",
        ],
        because: "who wants rayon alone must not pay for other backends",
    },
    Absence {
        package: "concurrent-futures",
        features: Features::Only("tokio"),
        absent: &[
            "async-nats",
            "executor-nats",
            "executor-process",
            "executor-rayon",
            "executor-threads",
            "rayon",
            "rayon-core",
            "rustix",
        ],
        because: "who wants tokio alone must not pay for other backends",
    },
    Absence {
        package: "concurrent-futures",
        features: Features::Only("nats"),
        absent: &["executor-rayon", "executor-tokio", "rayon"],
        because: "who wants many machines alone must not pay for other backends",
    },
    Absence {
        package: "conformance-tests",
        features: Features::All,
        absent: &[
            "concurrent-futures",
            "executor-nats",
            "executor-pool",
            "executor-process",
            "executor-rayon",
            "executor-threads",
            "executor-tokio",
        ],
        because: "the suite knows executors by their trait only",
    },
];

/// Tools of tests and models: absent from every library.
const NEVER: &[&str] = &["criterion", "loom", "proptest", "trybuild", "xtask"];

/// Libraries whose users want the tools of tests.
const TEST_LIBRARIES: &[&str] = &["conformance-tests"];

/// Fails for each forbidden package in the tree of normal dependencies.
pub(crate) fn absent() -> Outcome<Verdict> {
    for rule in ABSENCES {
        let command = Cmd::cargo("tree")
            .args(rule.features.arguments())
            .args([
                "--edges=normal",
                "--prefix=none",
                "--format={p}",
                "--package",
            ])
            .arg(rule.package);
        let output = command.read()?;
        let output = String::from_utf8_lossy(&output);
        let present: BTreeSet<&str> = output
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        if let Some(name) = rule.absent.iter().find(|name| present.contains(**name)) {
            return Err(unwanted(rule, name, rule.because));
        }
        if !TEST_LIBRARIES.contains(&rule.package)
            && let Some(name) = NEVER.iter().find(|name| present.contains(**name))
        {
            return Err(unwanted(rule, name, "it is a tool of tests and models"));
        }
        println!(
            "    {}, {}: {} packages, none of them unwanted",
            rule.package,
            rule.features.name(),
            present.len()
        );
    }
    Ok(Verdict::Proved)
}

fn unwanted(rule: &Absence, name: &str, because: &str) -> Failure {
    let Absence { package, .. } = rule;
    let features = rule.features.arguments().join(" ");
    Failure::new(format!("{package} depends on {name}, but {because}")).repeat_with(format!(
        "cargo tree {features} --edges=normal -p {package} -i {name}"
    ))
}

impl Features {
    fn arguments(self) -> Vec<&'static str> {
        match self {
            Self::All => vec!["--all-features"],
            Self::Default => Vec::new(),
            Self::Only(feature) => vec!["--no-default-features", "--features", feature],
        }
    }

    fn name(self) -> String {
        match self {
            Self::All => "all features".to_owned(),
            Self::Default => "default features".to_owned(),
            Self::Only(feature) => format!("feature {feature} alone"),
        }
    }
}

/// No shipped package asks for a newer Rust than we promise; with that Rust at hand, builds too.
///
/// Standard library items that are too new are the business of clippy's `incompatible_msrv`.
pub(crate) fn msrv() -> Outcome<Verdict> {
    let metadata = Metadata::load()?;
    let promised = metadata
        .member("executor-core")?
        .rust_version
        .clone()
        .ok_or_else(|| Failure::new("executor-core has no rust-version"))?;
    let limit = numbers(&promised);

    let shipped = metadata.shipped();
    for package in &shipped {
        let Some(needed) = &package.rust_version else {
            continue;
        };
        if numbers(needed) > limit {
            let reason = format!(
                "{} {} needs Rust {needed}, but we promise {promised}",
                package.name, package.version
            );
            let why = format!(
                "cargo tree --all-features --edges=normal -i {}",
                package.name
            );
            return Err(Failure::new(reason).repeat_with(why));
        }
    }
    println!(
        "    {} packages reach users, none needs more than Rust {promised}",
        shipped.len()
    );
    build_with(&promised, &metadata)
}

fn build_with(toolchain: &str, metadata: &Metadata) -> Outcome<Verdict> {
    // `rustup run` never installs what is missing, unlike `cargo +version`
    if !Cmd::new("rustup")
        .args(["run", toolchain, "rustc", "--version"])
        .succeeds()
    {
        return Ok(Verdict::Skipped(format!(
            "Rust {toolchain} is not installed to build with \
             (rustup toolchain install --profile minimal {toolchain})"
        )));
    }
    let published = metadata.members().filter(|package| package.published);
    let packages = published.flat_map(|package| ["--package", &package.name]);
    Cmd::new("rustup")
        .args([
            "run",
            toolchain,
            "cargo",
            "check",
            "--lib",
            "--features",
            FULL,
            "--target-dir",
        ])
        .arg(metadata.target_for("msrv"))
        .args(packages)
        .env_remove("RUSTUP_TOOLCHAIN")
        .check()
}

/// `1.88` and `1.88.0` are the same version.
fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(numbers("1.88"), numbers("1.88.0"));
        assert!(numbers("1.9") < numbers("1.88"));
        assert!(numbers("1.88.1") > numbers("1.88"));
    }
}
