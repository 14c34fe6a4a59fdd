//! Counts the words of every text file in a folder, on whatever `DefaultExecutor` is.
//!
//! Which one it is says a feature; not a line of this program does:
//!
//! ```text
//! cargo run --release --example swap --no-default-features --features default-threads
//! cargo run --release --example swap --no-default-features --features default-process
//! cargo run --release --example swap --no-default-features --features default-rayon
//! cargo run --release --example swap --no-default-features --features default-tokio
//! ```
//!
//! All four print the same table, with the counts of `LC_ALL=C wc -w`. Without an argument the folder is
//! the workspace of this example.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File},
    future,
    io::{self, Read as _, Write as _},
    mem,
    path::{Path, PathBuf},
    process::ExitCode,
    task::Poll,
};

use concurrent_futures::prelude::*;

/// Folders that nobody has written in by hand.
const SKIPPED: [&str; 2] = [".git", "target"];

/// How much of a file is read before others have a turn.
const PIECE: u64 = 64 * 1024;

/// The text of a file, or `None` if it is not text: if it holds a zero byte, or is not UTF-8.
///
/// The path is an `OsString`, for `PathBuf` can only be sent to another process if it is UTF-8.
#[task]
async fn read(path: OsString) -> Result<Option<String>, String> {
    let name = path.display().to_string();
    let reason = |error: io::Error| format!("{name}: {error}");
    let file = File::open(path).map_err(reason)?;
    let mut bytes = Vec::new();
    while (&file)
        .take(PIECE)
        .read_to_end(&mut bytes)
        .map_err(reason)?
        > 0
    {
        yield_now().await;
    }
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(String::from_utf8(bytes).ok())
}

/// How many words there are between the white space of ASCII.
#[task]
fn count_words(path: String, text: String) -> (String, usize) {
    let words = text.split(|c| matches!(c, ' ' | '\t'..='\r'));
    (path, words.filter(|word| !word.is_empty()).count())
}

pub(crate) fn main() -> ExitCode {
    concurrent_futures::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("swap: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let folder = folder()?;
    let mut paths = Vec::new();
    list(&folder, "", &mut paths)?;

    let pool = DefaultExecutor::new()?;
    eprintln!("backend: {}", DefaultExecutor::BACKEND);

    // The files are read ahead of this loop, but only a few of them.
    let texts = pool.map(
        paths
            .iter()
            .map(|path| read::task(folder.join(path).into_os_string())),
    );
    let mut counts = Vec::new();
    for (path, text) in paths.iter().zip(texts) {
        if let Some(text) = text?? {
            counts.push(pool.submit(count_words::task(path.clone(), text))?);
        }
    }

    let mut table = BTreeMap::new();
    for count in as_completed(counts) {
        let (path, words) = count.result()?;
        table.insert(path, words);
    }
    print(&table)?;
    Ok(())
}

/// The folder that is asked for, or the workspace of this example.
fn folder() -> Result<PathBuf, String> {
    let mut arguments = env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (None, _) => Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")),
        (Some(folder), None) => Ok(PathBuf::from(folder)),
        (Some(_), Some(_)) => Err("it takes one folder, or none for its own workspace".to_owned()),
    }
}

/// Finds the regular files in `folder`, below a path in it that is empty or ends with a slash. Names that are
/// not UTF-8 are left out: they could not be printed.
fn list(folder: &Path, below: &str, found: &mut Vec<String>) -> Result<(), String> {
    let whole = folder.join(below);
    let reason = |error: io::Error| format!("{}: {error}", whole.display());
    for entry in fs::read_dir(&whole).map_err(reason)? {
        let entry = entry.map_err(reason)?;
        let kind = entry.file_type().map_err(reason)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if kind.is_file() {
            found.push(format!("{below}{name}"));
        } else if kind.is_dir() && !SKIPPED.contains(&&*name) {
            list(folder, &format!("{below}{name}/"), found)?;
        }
    }
    Ok(())
}

/// Prints as `wc -w` does, in the order of the paths.
fn print(table: &BTreeMap<String, usize>) -> io::Result<()> {
    let total: usize = table.values().sum();
    let width = total.to_string().len();
    let mut text = String::new();
    for (path, words) in table {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{words:>width$} {path}");
    }
    let _ = writeln!(text, "{total:>width$} total");
    io::stdout().write_all(text.as_bytes())
}

/// Gives way to the other tasks of this thread, where there are some.
async fn yield_now() {
    let mut has_yielded = false;
    let pass = future::poll_fn(|context| {
        if mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    pass.await;
}
