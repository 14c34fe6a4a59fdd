//! The example `swap` counts words as `wc -w` does, on whatever the default executor of this build is.

#[path = "../../examples/swap.rs"]
mod example;
#[path = "../support/mod.rs"]
mod support;

use std::{fs, io, path::Path, process::ExitCode};

use concurrent_futures::DefaultExecutor;
use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

use self::support::{Checked, ensure, ensure_eq, text};

fn main() -> ExitCode {
    if support::is_example() {
        return example::main();
    }
    let trials = vec![
        Trial::test("the_table_of_a_folder", the_table_of_a_folder),
        Trial::test("large_files_are_read_whole", large_files_are_read_whole),
        Trial::test("many_files", many_files),
        Trial::test("an_empty_folder", an_empty_folder),
        Trial::test("its_own_workspace", its_own_workspace),
        Trial::test("bad_arguments_are_named", bad_arguments_are_named),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn the_table_of_a_folder() -> Checked {
    let tree = tree()?;
    for (name, content) in [
        ("plain", &b"one two\nthree\n"[..]),
        ("sub/deep/none", b" \t\n"),
        ("sub/all the space", b"a b\tc\nd\x0be\x0cf\rg"),
        ("sub.md", "ein W\u{f6}rt\u{a0}chen\u{2003}mehr".as_bytes()),
        ("sub-1", b"x"),
        ("empty", b""),
        ("binary", b"with a \0 zero"),
        ("latin", b"gr\xfc\xdfe"),
        ("target/made", b"not counted"),
        ("sub/.git/object", b"not counted"),
        (".hidden", b"is counted"),
    ] {
        write(tree.path(), name, content)?;
    }
    let expected = [
        " 2 .hidden",
        " 0 empty",
        " 3 plain",
        " 1 sub-1",
        " 2 sub.md",
        " 7 sub/all the space",
        " 0 sub/deep/none",
        "15 total",
    ];
    ensure_eq(table(tree.path())?.lines().collect::<Vec<_>>(), expected)
}

/// They are read in pieces, between which neither words nor characters are torn.
fn large_files_are_read_whole() -> Checked {
    let tree = tree()?;
    write(tree.path(), "one", &vec![b'x'; 300_000])?;
    write(tree.path(), "wide", "\u{20ac}".repeat(100_000).as_bytes())?;
    write(tree.path(), "words", "five5 ".repeat(50_000).as_bytes())?;
    let expected = "    1 one\n    1 wide\n50000 words\n50002 total\n";
    ensure_eq(table(tree.path())?, expected.to_owned())
}

fn many_files() -> Checked {
    let tree = tree()?;
    for number in 0..500 {
        let name = format!("{}/{number:03}", number % 7);
        write(tree.path(), &name, "w ".repeat(number).as_bytes())?;
    }
    let table = table(tree.path())?;
    let mut lines: Vec<&str> = table.lines().collect();
    ensure_eq(lines.pop(), Some("124750 total"))?;
    ensure_eq(lines.len(), 500)?;
    let paths: Vec<&str> = lines.iter().map(|line| &line[7..]).collect();
    ensure_eq(paths.is_sorted(), true)?;
    for line in lines {
        let (count, path) = line.trim_start().split_once(' ').ok_or("no count")?;
        let (_, number) = path.split_once('/').ok_or("no folder")?;
        ensure_eq(count.parse::<u32>()?, number.parse::<u32>()?)?;
    }
    Ok(())
}

fn an_empty_folder() -> Checked {
    let tree = tree()?;
    ensure_eq(table(tree.path())?, "0 total\n".to_owned())
}

fn its_own_workspace() -> Checked {
    let output = support::run(&mut support::example())?;
    ensure(output.status.success(), &output)?;
    let table = text(&output.stdout);
    let has = |path: &str| {
        table
            .lines()
            .any(|line| line.ends_with(&format!(" {path}")))
    };
    ensure(has("Cargo.toml"), &output)?;
    ensure(has("concurrent-futures/examples/swap.rs"), &output)
}

fn bad_arguments_are_named() -> Checked {
    let tree = tree()?;
    let output = support::run(support::example().arg(tree.path().join("missing")))?;
    ensure(output.status.code() == Some(1), &output)?;
    let stderr = text(&output.stderr);
    ensure(
        stderr.starts_with("swap: ") && stderr.contains("missing"),
        &output,
    )?;
    let output = support::run(support::example().args(["one", "two"]))?;
    ensure(output.status.code() == Some(1), &output)?;
    ensure(text(&output.stderr).contains("one folder"), &output)
}

/// What the example prints for a folder.
fn table(folder: &Path) -> Result<String, libtest_mimic::Failed> {
    let output = support::run(support::example().arg(folder))?;
    ensure(output.status.success(), &output)?;
    let backend = format!("backend: {}\n", DefaultExecutor::BACKEND);
    ensure(text(&output.stderr) == backend, &output)?;
    Ok(text(&output.stdout))
}

fn tree() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("swap").tempdir()
}

fn write(root: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(path, content)
}
