//! The files of the workspace, and what is printed of them.

use std::{fs, io};

use crate::outcome::{Failure, Outcome};
use crate::step::root;

/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &[".git", "target"];

/// Every regular file below a folder of the workspace, or below its root if that is empty, in the order of the
/// bytes of its path.
pub(crate) fn below(folder: &str) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let prefix = match folder {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    collect(&prefix, &mut found)
        .map_err(|error| Failure::new(format!("cannot list `{folder}`: {error}")))?;
    found.sort_unstable();
    Ok(found)
}

fn collect(prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root().join(prefix))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        if kind.is_file() {
            found.push(format!("{prefix}{name}"));
        } else if kind.is_dir() && !SKIPPED.contains(&&*name) {
            collect(&format!("{prefix}{name}/"), found)?;
        }
    }
    Ok(())
}

/// The first line that differs, in words.
pub(crate) fn first_difference(printed: &[u8], expected: &[u8]) -> String {
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
