//! What needs the file names, the signals and the tools of Unix.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
};

use concurrent_futures::Backend;
use libtest_mimic::Failed;
use sha2::{Digest as _, Sha256};

use super::{
    Law, command, same, sha256,
    support::{Checked, end, ensure, ensure_eq, text},
    tree, write,
};

pub(super) fn trials() -> Vec<Law> {
    vec![
        ("prints_what_sha256sum_prints", prints_what_sha256sum_prints),
        (
            "paths_are_joined_and_ordered_as_find_and_sort_do",
            paths_are_joined_and_ordered,
        ),
        (
            "a_failure_is_reported_and_the_others_are_hashed",
            a_failure_is_reported,
        ),
        ("a_carriage_return_is_escaped", a_carriage_return_is_escaped),
        (
            "a_closed_pipe_ends_the_program_quietly",
            a_closed_pipe_ends_the_program,
        ),
        ("ctrl_c_stops_cleanly", ctrl_c_stops_cleanly),
    ]
}

fn prints_what_sha256sum_prints(backend: Backend) -> Checked {
    let tree = tree()?;
    let files = fill(tree.path())?;
    let output = sha256(backend, tree.path(), [OsStr::new("d")])?;
    ensure(output.status.success(), &output)?;
    ensure(output.stderr.is_empty(), &output)?;
    let expected = match sha256sum(tree.path(), &files)? {
        Some(expected) => expected,
        None => plain_lines(tree.path(), &files)?,
    };
    same(&output.stdout, &expected)
}

fn paths_are_joined_and_ordered(backend: Backend) -> Checked {
    let tree = tree()?;
    for name in ["a/b", "a-b", "a.b", "ab", "B", "a/c/d", "e"] {
        write(tree.path(), name, b"")?;
    }
    let names = |arguments: &[&str]| -> Result<Vec<String>, Failed> {
        let output = sha256(backend, tree.path(), arguments)?;
        ensure(output.status.success(), &output)?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().map(|line| line[66..].to_owned()).collect())
    };
    let all = ["./B", "./a-b", "./a.b", "./a/b", "./a/c/d", "./ab", "./e"];
    ensure_eq(names(&["."])?, all.to_vec())?;
    ensure_eq(names(&["a//", "e"])?, vec!["a//b", "a//c/d", "e"])?;
    ensure_eq(
        names(&["e", "a/../a", "e"])?,
        vec!["a/../a/b", "a/../a/c/d", "e", "e"],
    )
}

fn a_failure_is_reported(backend: Backend) -> Checked {
    let tree = tree()?;
    write(tree.path(), "a", b"a")?;
    write(tree.path(), "z", b"z")?;
    let output = sha256(backend, tree.path(), ["a", "missing", "z"])?;
    ensure(output.status.code() == Some(1), &output)?;
    ensure_eq(
        text(&output.stderr),
        "sha256: missing: No such file or directory\n".to_owned(),
    )?;
    ensure_eq(text(&output.stdout).lines().count(), 2)?;

    // A regular file that can be listed, and be opened, but not be read.
    if cfg!(target_os = "linux") {
        let output = sha256(backend, tree.path(), ["a", "/proc/self/mem", "z"])?;
        ensure(output.status.code() == Some(1), &output)?;
        ensure_eq(
            text(&output.stderr),
            "sha256: /proc/self/mem: Input/output error\n".to_owned(),
        )?;
        ensure_eq(text(&output.stdout).lines().count(), 2)?;
    }
    Ok(())
}

/// Older versions of `sha256sum` print a carriage return as it is, so this is not compared.
fn a_carriage_return_is_escaped(backend: Backend) -> Checked {
    let tree = tree()?;
    write(tree.path(), "a\rb", b"")?;
    let output = sha256(backend, tree.path(), ["a\rb"])?;
    ensure_eq(text(&output.stdout).starts_with("\\e3b0c4"), true)?;
    ensure_eq(text(&output.stdout).ends_with("  a\\rb\n"), true)
}

fn a_closed_pipe_ends_the_program(backend: Backend) -> Checked {
    let tree = tree()?;
    for number in 0..2000 {
        write(tree.path(), &number.to_string(), b"")?;
    }
    let mut child = command(backend, tree.path(), ["."]).spawn()?;
    drop(child.stdout.take());
    let output = end(child)?;
    ensure(output.stderr.is_empty(), &output)?;
    ensure(output.status.success(), &output)
}

/// A small file, then one that takes hours, then others that wait behind it for the only worker.
fn ctrl_c_stops_cleanly(backend: Backend) -> Checked {
    let tree = tree()?;
    write(tree.path(), "a", b"abc")?;
    File::create(tree.path().join("b"))?.set_len(1 << 40)?;
    for number in 0..100 {
        write(tree.path(), &format!("c{number}"), b"")?;
    }
    let mut child = command(backend, tree.path(), ["--workers", "1", "."]).spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no stdout")?);
    let mut first = String::new();
    // Once this line is there the only worker can do nothing but the endless file.
    stdout.read_line(&mut first)?;
    ensure_eq(first.trim_end().ends_with("  ./a"), true)?;
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    ensure_eq(sent.success(), true)?;
    let output = end(child)?;
    ensure(output.status.code() == Some(130), &output)?;
    ensure(output.stderr.is_empty(), &output)?;
    let mut rest = String::new();
    stdout.read_to_string(&mut rest)?;
    ensure_eq(rest, String::new())
}

/// Files of all kinds of names and sizes under `d`; gives the paths of the regular ones, in order.
fn fill(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut add = |name: &OsStr, content: &[u8]| -> io::Result<()> {
        let path = Path::new("d").join(name);
        let whole = root.join(&path);
        fs::create_dir_all(whole.parent().unwrap_or(root))?;
        fs::write(whole, content)?;
        files.push(path);
        Ok(())
    };
    for name in [
        "plain",
        "with space",
        " lead",
        "ünïcode",
        "-dash",
        "*",
        "a-b",
        "a/b",
        "a/b c/d",
    ] {
        add(OsStr::new(name), name.as_bytes())?;
    }
    for length in [0, 1, 63, 64, 65, 65535, 65536, 65537, 3_000_000] {
        add(OsStr::new(&format!("size/{length}")), &vec![b'x'; length])?;
    }
    for name in ["new\nline", "back\\slash", "both\\n\n", "tab\t", "quote'\""] {
        add(OsStr::new(name), b"odd")?;
    }
    if cfg!(target_os = "linux") {
        // Elsewhere the file system may insist on UTF-8.
        add(OsStr::from_bytes(b"not \xff\xfe utf-8"), b"odd")?;
    }
    symlink("plain", root.join("d/link"))?;
    symlink("a", root.join("d/linked directory"))?;
    symlink("nowhere", root.join("d/dangling"))?;
    UnixListener::bind(root.join("d/socket"))?;
    fs::create_dir(root.join("d/empty directory"))?;
    files.sort_by(|a, b| {
        a.as_os_str()
            .as_encoded_bytes()
            .cmp(b.as_os_str().as_encoded_bytes())
    });
    Ok(files)
}

/// What `sha256sum` prints, if there is one here.
fn sha256sum(directory: &Path, files: &[PathBuf]) -> Result<Option<Vec<u8>>, Failed> {
    match Command::new("sha256sum")
        .current_dir(directory)
        .arg("--")
        .args(files)
        .output()
    {
        Ok(output) if output.status.success() => Ok(Some(output.stdout)),
        Ok(output) => Err(text(&output.stderr).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What `sha256sum` would print, by other means than the example's.
fn plain_lines(directory: &Path, files: &[PathBuf]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for path in files {
        let digest = Sha256::digest(fs::read(directory.join(path))?);
        let name = path.as_os_str().as_encoded_bytes();
        if name.contains(&b'\\') || name.contains(&b'\n') {
            lines.push(b'\\');
        }
        for byte in digest {
            write!(lines, "{byte:02x}")?;
        }
        lines.extend(b"  ");
        for byte in name {
            match byte {
                b'\n' => lines.extend(b"\\n"),
                b'\\' => lines.extend(b"\\\\"),
                other => lines.push(*other),
            }
        }
        lines.push(b'\n');
    }
    Ok(lines)
}
