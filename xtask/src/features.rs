//! Every set of features builds: a feature that only compiles beside another is a broken promise.

use std::collections::BTreeSet;

use crate::family;
use crate::metadata::{Metadata, Package};
use crate::outcome::{Outcome, Verdict};
use crate::step::Cmd;

/// The crates that users choose features of.
const LIBRARIES: &[&str] = &[
    "executor-core",
    "executor-pool",
    "executor-threads",
    "executor-process",
    "executor-rayon",
    "executor-tokio",
    "executor-nats",
    family::FACADE,
];

/// A crate with more sets than this is checked with none of its features, with each alone, with larger sets as
/// long as there are few, and with everything on. So any two are seen together, apart, and off.
const LIMIT: usize = 32;

type Set<'a> = BTreeSet<&'a str>;

/// Checks each library with every distinct set of its features, and that those which exclude each other do.
pub(crate) fn run() -> Outcome<Verdict> {
    let metadata = Metadata::load()?;
    family::check_full(&metadata)?;
    family::check_refusals(&metadata)?;
    for name in LIBRARIES {
        let package = metadata.member(name)?;
        let sets = sets(package);
        println!("    {name}: {} sets of features", sets.len());
        for set in sets {
            check(name, &set)?;
        }
    }
    Ok(Verdict::Proved)
}

/// By clippy, which can deny warnings in our crates without a rebuild of all others.
fn check(package: &str, set: &Set<'_>) -> Outcome {
    let features = set.iter().copied().collect::<Vec<_>>().join(",");
    Cmd::cargo("clippy")
        .args([
            "--quiet",
            "--package",
            package,
            "--no-default-features",
            "--features",
        ])
        .arg(features)
        .args(["--", "-D", "warnings"])
        .run()
}

/// The sets to check, smallest first, without those that enable the same as an earlier one.
fn sets(package: &Package) -> Vec<Set<'_>> {
    let names: Vec<&str> = family::others(package)
        .chain(family::members(package))
        .collect();
    let mut sets: Vec<Set<'_>> = vec![Set::new()];
    let mut seen: BTreeSet<Set<'_>> = sets.iter().cloned().collect();
    let mut largest = sets.clone();
    while !largest.is_empty() {
        let mut next = Vec::new();
        for set in &largest {
            for name in &names {
                let mut larger = set.clone();
                if !larger.insert(name) || !is_allowed(&larger) {
                    continue;
                }
                if seen.insert(enabled(package, &larger)) {
                    next.push(larger);
                }
            }
        }
        if sets.len() + next.len() > LIMIT {
            sets.extend(everything(package));
            break;
        }
        sets.extend(next.iter().cloned());
        largest = next;
    }
    sets
}

/// All features but those that exclude each other, then once more with each of these.
fn everything(package: &Package) -> Vec<Set<'_>> {
    let others = || family::others(package);
    let mut sets = vec![others().collect()];
    sets.extend(family::members(package).map(|choice| others().chain([choice]).collect()));
    sets
}

fn is_allowed(set: &Set<'_>) -> bool {
    let family = set.iter().filter(|name| name.starts_with(family::PREFIX));
    family.count() <= 1
}

/// The set with all that it implies inside its package.
fn enabled<'a>(package: &'a Package, set: &Set<'a>) -> Set<'a> {
    let mut open: Vec<&str> = set.iter().copied().collect();
    let mut all = Set::new();
    while let Some(name) = open.pop() {
        if all.insert(name) {
            let implied = package.features.get(name).into_iter().flatten();
            open.extend(
                implied
                    .map(String::as_str)
                    .filter(|name| package.features.contains_key(*name)),
            );
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, sets};
    use crate::metadata::Package;

    fn joined(features: &[(&str, &[&str])]) -> Vec<String> {
        let package = Package::with_features("p", features);
        let join = |set: super::Set<'_>| set.into_iter().collect::<Vec<_>>().join("+");
        sets(&package).into_iter().map(join).collect()
    }

    #[test]
    fn independent_features_make_every_subset() {
        let sets = joined(&[("default", &["a"]), ("a", &["dep:x"]), ("b", &[])]);
        assert_eq!(sets, ["", "a", "b", "a+b"]);
    }

    #[test]
    fn a_set_that_adds_nothing_is_left_out() {
        assert_eq!(joined(&[("a", &["b"]), ("b", &[])]), ["", "a", "b"]);
    }

    #[test]
    fn two_defaults_never_meet() {
        let sets = joined(&[("default-x", &[]), ("default-y", &[])]);
        assert_eq!(sets, ["", "default-x", "default-y"]);
    }

    #[test]
    fn many_features_are_bounded_and_end_with_all() {
        let names: Vec<String> = (0..12).map(|n| format!("f{n}")).collect();
        let features: Vec<(&str, &[&str])> = names
            .iter()
            .map(|name| (name.as_str(), [].as_slice()))
            .collect();
        let package = Package::with_features("p", &features);
        let sets = sets(&package);
        assert!(sets.len() <= LIMIT + 1, "{}", sets.len());
        assert_eq!(sets.last().map(|set| set.len()), Some(12));
    }
    #[test]
    fn many_features_of_which_some_exclude_each_other() {
        let mut features: Vec<(&str, &[&str])> = ["a", "b", "c", "d", "e", "f", "g"]
            .map(|name| (name, [].as_slice()))
            .to_vec();
        features.extend([("default-x", ["a"].as_slice()), ("default-y", &["b"])]);
        features.push(("full", &["a", "b", "c", "d", "e", "f", "g"]));
        let sets = joined(&features);
        let ends = [
            "a+b+c+d+e+f+g",
            "a+b+c+d+default-x+e+f+g",
            "a+b+c+d+default-y+e+f+g",
        ];
        assert_eq!(sets.len(), 1 + 9 + 3);
        assert_eq!(sets[10..], ends);
    }
}
