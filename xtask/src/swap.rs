//! `swap`: one program, unchanged, on each executor that a feature makes the default.

use std::collections::BTreeMap;
use std::fs;

use crate::family::{self, FACADE};
use crate::files;
use crate::metadata::Metadata;
use crate::outcome::{Failure, Outcome, Verdict};
use crate::step::{Cmd, root};

/// Words of files by their paths.
type Counts = BTreeMap<String, u64>;

/// Runs the example as the README does, only not optimized, which takes minutes to link. Compares what it prints:
/// each run with the first one, and that with `wc -w`.
pub(crate) fn run() -> Outcome<Verdict> {
    let metadata = Metadata::load()?;
    let family: Vec<&str> = family::members(metadata.member(FACADE)?).collect();
    // All of them first: the runs are to see the same files, also while somebody is writing some.
    for feature in &family {
        cargo("build", feature).run()?;
    }
    let mut first: Option<(Cmd, Vec<u8>)> = None;
    for feature in &family {
        let command = cargo("run", feature);
        println!("    $ {command}");
        let printed = printed_on(feature, &command)?;
        let Some((other, expected)) = &first else {
            first = Some((command, printed));
            continue;
        };
        if printed != *expected {
            let reason = format!(
                "the outputs of two default executors differ: {}",
                files::first_difference(&printed, expected)
            );
            return Err(Failure::new(reason)
                .repeat_with(command.to_string())
                .repeat_with(other.to_string()));
        }
    }
    let (command, printed) =
        first.ok_or_else(|| Failure::new(format!("{FACADE} has no feature `default-..`")))?;
    compare(&String::from_utf8_lossy(&printed))
        .map_err(|failure| failure.repeat_with(command.to_string()))
}

fn cargo(subcommand: &str, feature: &str) -> Cmd {
    Cmd::cargo(subcommand).args([
        "--quiet",
        "--example",
        "swap",
        "--no-default-features",
        "--features",
        feature,
    ])
}

/// The standard output of a run that says on standard error which backend it is on.
fn printed_on(feature: &str, command: &Cmd) -> Outcome<Vec<u8>> {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let backend = feature.trim_start_matches(family::PREFIX);
    if !output.status.success()
        || said
            .lines()
            .all(|line| line != format!("backend: {backend}"))
    {
        let reason = format!(
            "swap ended with {} with `{feature}`, and said: {said}",
            output.status
        );
        return Err(Failure::new(reason).repeat_with(command.to_string()));
    }
    Ok(output.stdout)
}

/// The table has each text file of the workspace, with the count of `wc -w`, and their sum.
fn compare(table: &str) -> Outcome<Verdict> {
    let mut ours = parse(table)?;
    let total = ours.remove("total");
    if total != Some(ours.values().sum()) {
        return Err(Failure::new(format!(
            "swap's total is {total:?}, and not the sum"
        )));
    }
    let texts = texts()?;
    let all: Vec<&String> = texts.iter().map(|(path, _)| path).collect();
    if !ours.keys().eq(all.iter().copied()) {
        let (ours, all) = (ours.keys().cloned().collect::<Vec<_>>(), all);
        let all: Vec<String> = all.into_iter().cloned().collect();
        let difference =
            files::first_difference(ours.join("\n").as_bytes(), all.join("\n").as_bytes());
        return Err(Failure::new(format!(
            "swap's files are not the text files: {difference}"
        )));
    }

    let clear = texts.iter().filter(|(_, text)| is_clear(text));
    let clear: Vec<&String> = clear.map(|(path, _)| path).collect();
    let wc = Cmd::new("wc").env("LC_ALL", "C").args(["-w", "--"]);
    if !wc.clone().arg("Cargo.toml").succeeds() {
        return Ok(Verdict::Skipped(
            "wc is not installed to compare with".to_owned(),
        ));
    }
    let theirs = parse(&String::from_utf8_lossy(&wc.args(&clear).read()?))?;
    for path in &clear {
        let (ours, theirs) = (ours.get(*path), theirs.get(*path));
        if ours != theirs {
            let reason = format!("{path} has {ours:?} words for swap, and {theirs:?} for wc -w");
            return Err(Failure::new(reason));
        }
    }
    println!(
        "    {} files: the same on each backend; {} of them as wc counts them",
        all.len(),
        clear.len()
    );
    Ok(Verdict::Proved)
}

/// The files that are text, in the order of their paths, with it.
fn texts() -> Outcome<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for path in files::below("")? {
        let bytes = fs::read(root().join(&path))
            .map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
        if let Ok(text) = String::from_utf8(bytes)
            && !text.contains('\0')
        {
            texts.push((path, text));
        }
    }
    Ok(texts)
}

/// Whether every version of `wc` finds the same words: some leave out those without a printable byte of
/// ASCII.
fn is_clear(text: &str) -> bool {
    text.split_ascii_whitespace()
        .all(|word| word.bytes().any(|byte| byte.is_ascii_graphic()))
}

fn parse(table: &str) -> Outcome<Counts> {
    let line = |line: &str| {
        let (count, path) = line.trim_start().split_once(' ')?;
        Some((path.to_owned(), count.parse().ok()?))
    };
    let counts: Option<Counts> = table.lines().map(line).collect();
    counts.ok_or_else(|| Failure::new(format!("this is no table of counts:\n{table}")))
}

#[cfg(test)]
mod tests {
    use super::{is_clear, parse};

    #[test]
    fn a_table_is_parsed_whatever_its_width() {
        let counts = parse("  2 a b\n13 c\n15 total\n").expect("a table");
        assert_eq!(counts.get("a b"), Some(&2));
        assert_eq!(counts.get("total"), Some(&15));
        assert!(parse("no count").is_err());
    }

    #[test]
    fn words_that_only_some_count_are_told() {
        assert!(is_clear("one t\u{f6}o\t.\n"));
        assert!(!is_clear("one \u{2192} two"));
        assert!(!is_clear("one \u{1} two"));
    }
}
