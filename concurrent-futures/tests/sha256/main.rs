//! The example `sha256` prints what `sha256sum` prints, and stops cleanly.

#[path = "../../examples/sha256.rs"]
mod example;
#[cfg(feature = "nats")]
#[expect(
    dead_code,
    reason = "these trials need a server to which nothing happens"
)]
#[path = "../../../executor-nats/tests/support/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[cfg(unix)]
mod unix;

#[cfg(feature = "nats")]
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};
use std::{
    ffi::OsStr,
    fs, io,
    path::Path,
    process::{Command, ExitCode, Output},
};

use concurrent_futures::Backend;
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

use self::support::{Checked, ensure, ensure_eq, text};

fn main() -> ExitCode {
    if support::is_example() {
        return example::main();
    }
    // Ends with this function; the trials are told its address.
    #[cfg(feature = "nats")]
    let _server = serve();
    let trials = Backend::ALL.iter().flat_map(|backend| {
        let trials = trials();
        #[cfg(unix)]
        let trials = trials.into_iter().chain(unix::trials());
        trials.into_iter().map(move |(name, run)| {
            Trial::test(format!("{backend}::{name}"), move || run(*backend))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// A name, and what holds for each backend.
type Law = (&'static str, fn(Backend) -> Checked);

fn trials() -> Vec<Law> {
    vec![
        ("known_digests", known_digests),
        (
            "one_worker_and_many_print_the_same",
            one_worker_and_many_print_the_same,
        ),
        ("bad_arguments_are_named", bad_arguments_are_named),
    ]
}

fn known_digests(backend: Backend) -> Checked {
    let tree = tree()?;
    write(tree.path(), "abc", b"abc")?;
    write(tree.path(), "empty", b"")?;
    write(tree.path(), "million", &vec![b'a'; 1_000_000])?;
    let output = sha256(backend, tree.path(), ["abc", "empty", "million"])?;
    let expected = "\
        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc\n\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n\
        cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0  million\n";
    ensure_eq(text(&output.stdout), expected.to_owned())
}

fn one_worker_and_many_print_the_same(backend: Backend) -> Checked {
    let tree = tree()?;
    for number in 0..3000 {
        write(
            tree.path(),
            &format!("{}/{number}", number % 7),
            &vec![b'x'; number % 97],
        )?;
    }
    let one = sha256(backend, tree.path(), ["--workers", "1", "."])?;
    let many = sha256(backend, tree.path(), ["--workers", "8", "."])?;
    ensure_eq(text(&one.stdout).lines().count(), 3000)?;
    same(&many.stdout, &one.stdout)
}

fn bad_arguments_are_named(backend: Backend) -> Checked {
    let tree = tree()?;
    let mut ponies = support::example();
    let output = support::run(ponies.args(["--backend", "ponies", "."]))?;
    ensure(output.status.code() == Some(2), &output)?;
    ensure(
        text(&output.stderr).contains("there is no backend `ponies`"),
        &output,
    )?;
    ensure(text(&output.stderr).contains(backend.name()), &output)?;
    let output = sha256(backend, tree.path(), ["--workers", "0", "."])?;
    ensure(output.status.code() == Some(2), &output)?;
    ensure(text(&output.stderr).contains("0 workers"), &output)?;
    let output = sha256(backend, tree.path(), [""; 0])?;
    ensure(output.status.code() == Some(2), &output)
}

fn tree() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("sha256").tempdir()
}

fn write(root: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(path, content)
}

/// The example, ready to run in `directory`. The default backend needs no argument.
fn command<A: AsRef<OsStr>>(
    backend: Backend,
    directory: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Command {
    let mut command = support::example();
    if backend != Backend::Threads {
        command.args(["--backend", backend.name()]);
    }
    #[cfg(feature = "nats")]
    if let Some(url) = URL.get() {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        // Paths are relative to where a program runs: no two runs share their workers.
        let queue = format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed));
        command.env("NATS_URL", url).env("NATS_QUEUE", queue);
    }
    command.current_dir(directory).args(arguments);
    command
}

#[cfg(feature = "nats")]
static URL: OnceLock<String> = OnceLock::new();

#[cfg(feature = "nats")]
fn serve() -> server::Server {
    let server = server::Server::start(server::Options::new());
    URL.set(server.url()).expect("there is one server");
    server
}

fn sha256<A: AsRef<OsStr>>(
    backend: Backend,
    directory: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> Result<Output, Failed> {
    support::run(&mut command(backend, directory, arguments))
}

fn same(found: &[u8], expected: &[u8]) -> Checked {
    for (found, expected) in text(found).lines().zip(text(expected).lines()) {
        ensure_eq(found, expected)?;
    }
    if found == expected {
        Ok(())
    } else {
        Err("the outputs differ in length".into())
    }
}
