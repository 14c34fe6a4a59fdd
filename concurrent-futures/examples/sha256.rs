//! Prints the SHA-256 digest of every regular file under the given paths, as `sha256sum` would,
//! in the order of the paths.
//!
//! ```text
//! cargo run --release --example sha256 -- PATH...
//! ```

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File},
    io::{self, IsTerminal as _, Read as _, Write as _},
    iter,
    num::NonZero,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use clap::Parser;
use concurrent_futures::{Backend, context, prelude::*};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest as _, Sha256};

/// How many files may be under way: a large one holds up the output, but not the workers.
const WINDOW: usize = 1024;

/// The exit code of a program that Ctrl-C ended: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Prints the SHA-256 digest of every regular file under the given paths, in path order.
#[derive(Debug, Parser)]
#[command(name = "sha256")]
struct Arguments {
    /// What runs the work.
    #[arg(long, default_value_t = Backend::Threads)]
    backend: Backend,
    /// How many files are read at once [default: one for each processor].
    #[arg(long)]
    workers: Option<usize>,
    /// Files and directories; symbolic links are not followed.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// The digest of one file, or in words why there is none.
///
/// The path is an `OsString`, for `PathBuf` can only be sent to another process if it is UTF-8.
#[task]
fn digest(path: OsString) -> Result<[u8; 32], String> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; 64 * 1024];
    let mut file = File::open(path).map_err(|error| reason(&error))?;
    loop {
        context::check().map_err(|stopped| stopped.to_string())?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(reason(&error)),
        }
    }
}

pub(crate) fn main() -> ExitCode {
    concurrent_futures::init();
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(End::AllHashed) => ExitCode::SUCCESS,
        Ok(End::SomeFailed) => ExitCode::FAILURE,
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("sha256: {error}");
            ExitCode::from(2)
        }
    }
}

enum End {
    AllHashed,
    SomeFailed,
    Interrupted,
}

/// What the main thread waits for.
enum Event {
    Hashed,
    Interrupted,
}

fn run(arguments: &Arguments) -> Result<End, Box<dyn std::error::Error>> {
    let workers = arguments
        .workers
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
    let executor = arguments.backend.open(workers)?;

    // Until here Ctrl-C just ends the program; nothing has been begun that it could leave behind.
    let (files, failed) = list(&arguments.paths);
    let bar = progress_bar(files.len());
    let (sender, events) = channel();
    let interrupt = sender.clone();
    // A send fails only once nobody is left to be interrupted.
    ctrlc::set_handler(move || drop(interrupt.send(Event::Interrupted)))?;

    let mut hashing = Hashing {
        executor,
        files: files.into_iter(),
        under_way: VecDeque::new(),
        events: sender,
        bar,
        failed,
    };
    let end = hashing.run(&events);
    hashing.bar.finish_and_clear();
    end
    // Dropping the executor joins its workers: what they still did has been told to stop.
}

/// The files on their way from the list, through the executor, to the output.
struct Hashing {
    executor: Box<dyn Executor>,
    files: std::vec::IntoIter<PathBuf>,
    /// What has been submitted and not printed, in path order.
    under_way: VecDeque<UnderWay>,
    events: Sender<Event>,
    bar: ProgressBar,
    /// Whether something could not be listed or read.
    failed: bool,
}

struct UnderWay {
    path: PathBuf,
    future: TaskFuture<Result<[u8; 32], String>>,
}

impl Hashing {
    fn run(&mut self, events: &Receiver<Event>) -> Result<End, Box<dyn std::error::Error>> {
        loop {
            self.submit()?;
            if self.under_way.is_empty() {
                return Ok(self.end());
            }
            // Whatever has been done meanwhile is printed with it: the slower the output, the
            // larger its pieces.
            for event in iter::once(events.recv()?).chain(events.try_iter()) {
                match event {
                    Event::Hashed => self.bar.inc(1),
                    Event::Interrupted => {
                        self.stop();
                        return Ok(End::Interrupted);
                    }
                }
            }
            match self.print() {
                Ok(()) => {}
                // The reader has seen enough, as in `sha256 .. | head`.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.stop();
                    return Ok(self.end());
                }
                Err(error) => {
                    self.stop();
                    return Err(format!("standard output: {}", reason(&error)).into());
                }
            }
        }
    }

    /// Submits files until the window is full.
    fn submit(&mut self) -> Result<(), SubmitError<digest>> {
        while self.under_way.len() < WINDOW {
            let Some(path) = self.files.next() else { break };
            let future = self.executor.submit(digest::task(path.clone().into()))?;
            let events = self.events.clone();
            // Nobody listens once the main thread has stopped, and then nobody needs to know.
            future.on_done(move |_| drop(events.send(Event::Hashed)));
            self.under_way.push_back(UnderWay { path, future });
        }
        Ok(())
    }

    /// Prints whatever is done and has nothing before it that is not.
    fn print(&mut self) -> io::Result<()> {
        let (mut lines, mut failures) = (Vec::new(), Vec::new());
        let is_done = |file: &UnderWay| file.future.is_done();
        while self.under_way.front().is_some_and(is_done) {
            let Some(UnderWay { path, future }) = self.under_way.pop_front() else {
                break;
            };
            match future.result() {
                Ok(Ok(digest)) => line(&digest, &path, &mut lines),
                Ok(Err(reason)) => failures.push((path, reason)),
                Err(error) => failures.push((path, error.to_string())),
            }
        }
        if !failures.is_empty() {
            self.failed = true;
            self.bar.suspend(|| {
                failures
                    .iter()
                    .for_each(|(path, reason)| report(path, reason))
            });
        }
        if !lines.is_empty() && io::stdout().is_terminal() {
            return self.bar.suspend(|| io::stdout().write_all(&lines));
        }
        io::stdout().write_all(&lines)
    }

    fn end(&self) -> End {
        if self.failed {
            End::SomeFailed
        } else {
            End::AllHashed
        }
    }

    /// Cancels what has not been started, and tells what runs to stop.
    fn stop(&self) {
        for UnderWay { future, .. } in &self.under_way {
            if future.stop(StopLevel::Signal).is_err() {
                // This backend cannot tell; at least nothing new is begun.
                future.cancel();
            }
        }
    }
}

/// The regular files under `roots` in the order of the bytes of their paths, and whether something
/// could not be listed.
fn list(roots: &[PathBuf]) -> (Vec<PathBuf>, bool) {
    let (mut files, mut failed) = (Vec::new(), false);
    let mut open = roots.to_vec();
    while let Some(path) = open.pop() {
        if let Err(error) = visit(&path, &mut files, &mut open) {
            failed = true;
            report(&path, &reason(&error));
        }
    }
    files.sort_by(|a, b| {
        a.as_os_str()
            .as_encoded_bytes()
            .cmp(b.as_os_str().as_encoded_bytes())
    });
    (files, failed)
}

fn visit(path: &Path, files: &mut Vec<PathBuf>, open: &mut Vec<PathBuf>) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        files.push(path.to_owned());
    } else if kind.is_dir() {
        for entry in fs::read_dir(path)? {
            open.push(entry?.path());
        }
    }
    Ok(())
}

/// Appends a line of `sha256sum`. A name that would break the line is escaped, and a backslash in
/// front of the line says so.
fn line(digest: &[u8; 32], path: &Path, lines: &mut Vec<u8>) {
    let name = path.as_os_str().as_encoded_bytes();
    if name
        .iter()
        .any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'))
    {
        lines.push(b'\\');
    }
    for byte in digest {
        lines.extend(format!("{byte:02x}").bytes());
    }
    lines.extend(b"  ");
    for &byte in name {
        match byte {
            b'\\' => lines.extend(br"\\"),
            b'\n' => lines.extend(br"\n"),
            b'\r' => lines.extend(br"\r"),
            byte => lines.push(byte),
        }
    }
    lines.push(b'\n');
}

/// Draws on stderr, and only if that is a terminal.
fn progress_bar(files: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} files, {eta} left")
        .expect("the template is well-formed");
    ProgressBar::new(files as u64).with_style(style)
}

fn report(path: &Path, reason: &str) {
    eprintln!("sha256: {}: {reason}", path.display());
}

/// An I/O error without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}
