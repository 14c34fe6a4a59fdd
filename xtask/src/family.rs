//! The features of the facade that each pick the default executor, and what stands for all others.
//!
//! No two of the family go together, so that `--all-features` builds in no command that has the facade in it.
//! The feature `full` takes its place.

use std::collections::BTreeSet;

use crate::metadata::{Metadata, Package};
use crate::outcome::{Failure, Outcome};
use crate::step::Cmd;

pub(crate) const FACADE: &str = "concurrent-futures";

/// Every feature of the facade that is not of the family, and by these every one of the other crates.
pub(crate) const FULL: &str = "full";

/// How the names of the family begin.
pub(crate) const PREFIX: &str = "default-";

/// How names begin that are not for users.
const PRIVATE: &str = "_";

/// The family, in the order of the names.
pub(crate) fn members(package: &Package) -> impl Iterator<Item = &str> {
    let names = package.features.keys().map(String::as_str);
    names.filter(|name| name.starts_with(PREFIX))
}

/// The features that users choose freely: neither of the family, nor for other features.
pub(crate) fn others(package: &Package) -> impl Iterator<Item = &str> {
    let names = package.features.keys().map(String::as_str);
    names.filter(|name| {
        !["default", FULL].contains(name) && !name.starts_with(PREFIX) && !name.starts_with(PRIVATE)
    })
}

/// The arguments that turn on all that goes together in one package, or in the workspace.
pub(crate) fn all_of(package: Option<&str>) -> &'static [&'static str] {
    match package {
        None | Some(FACADE) => &["--features", FULL],
        Some(_) => &["--all-features"],
    }
}

/// Fails if `full` leaves out a feature that the commands are to test.
pub(crate) fn check_full(metadata: &Metadata) -> Outcome {
    let facade = metadata.member(FACADE)?;
    let on = closure(facade, FULL);
    if let Some(missing) = others(facade).find(|name| !on.contains(name)) {
        let reason = format!("the feature `{FULL}` of {FACADE} does not have `{missing}`");
        return Err(Failure::new(reason));
    }
    for package in metadata.members().filter(|package| package.name != FACADE) {
        let usual = closure(package, "default");
        for feature in others(package).filter(|name| !usual.contains(name)) {
            let qualified = format!("{}/{feature}", package.name);
            if !on.contains(&*qualified) {
                let reason = format!(
                    "the feature `{FULL}` of {FACADE} does not turn on `{qualified}`, so that nothing tests it"
                );
                return Err(Failure::new(reason));
            }
        }
    }
    Ok(())
}

/// What a feature turns on, as far as the package itself says.
fn closure<'a>(package: &'a Package, feature: &str) -> BTreeSet<&'a str> {
    let of = |name: &str| {
        let enables = package.features.get(name).into_iter().flatten();
        enables.map(String::as_str)
    };
    let mut open: Vec<&str> = of(feature).collect();
    let mut on = BTreeSet::new();
    while let Some(name) = open.pop() {
        if on.insert(name) {
            open.extend(of(name));
        }
    }
    on
}

/// Fails unless any two of the family are refused, in words that say what to do, and nothing else.
pub(crate) fn check_refusals(metadata: &Metadata) -> Outcome {
    let facade = metadata.member(FACADE)?;
    let family: Vec<&str> = members(facade).collect();
    for (place, one) in family.iter().enumerate() {
        for other in &family[place + 1..] {
            check_refusal(one, other)?;
        }
    }
    Ok(())
}

fn check_refusal(one: &str, other: &str) -> Outcome {
    let command = Cmd::cargo("check").args([
        "--quiet",
        "--package",
        FACADE,
        "--no-default-features",
        "--features",
        &format!("{one},{other}"),
    ]);
    println!("    $ {command} # is to fail");
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let wrong = |what: &str| {
        Err(
            Failure::new(format!("`{one}` and `{other}` together {what}:\n{said}"))
                .repeat_with(command.to_string()),
        )
    };
    if output.status.success() {
        return wrong("are not refused");
    }
    let expected = format!("error: the features `{one}` and `{other}` of {FACADE} are both on");
    if !said.contains(&expected) || !said.contains("only the Cargo.toml of the program itself") {
        return wrong("are refused without a word of why, and of what to do");
    }
    // The other one is cargo's: that the package could not be compiled.
    match said
        .lines()
        .filter(|line| line.starts_with("error"))
        .count()
    {
        2 => Ok(()),
        _ => wrong("give more errors than the one that says why"),
    }
}

#[cfg(test)]
mod tests {
    use super::{all_of, closure, members, others};
    use crate::metadata::Package;

    fn package() -> Package {
        let features = [
            ("default", ["a"].as_slice()),
            ("a", &["dep:x"]),
            ("b", &["a", "x/y"]),
            ("default-a", &["a", "_any"]),
            ("_any", &[]),
            ("full", &["b"]),
        ];
        Package::with_features("p", &features)
    }

    #[test]
    fn the_family_and_the_private_ones_are_told_from_the_others() {
        let package = package();
        assert_eq!(members(&package).collect::<Vec<_>>(), ["default-a"]);
        assert_eq!(others(&package).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_a_feature_turns_on_is_followed() {
        let package = package();
        let on = closure(&package, "full");
        assert_eq!(
            on.into_iter().collect::<Vec<_>>(),
            ["a", "b", "dep:x", "x/y"]
        );
    }

    #[test]
    fn only_the_facade_has_no_all_features() {
        assert_eq!(all_of(None), ["--features", "full"]);
        assert_eq!(all_of(Some("concurrent-futures")), ["--features", "full"]);
        assert_eq!(all_of(Some("executor-core")), ["--all-features"]);
    }
}
