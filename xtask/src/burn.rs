//! Noise for `stress`: child processes that keep the processors busy.

use std::env;
use std::hint;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::outcome::{Failure, Outcome};

/// The hidden command that a child runs.
pub(crate) const COMMAND: &str = "burn";

/// One busy child per processor, until dropped.
#[derive(Debug)]
pub(crate) struct Burners(Vec<Child>);

impl Burners {
    pub(crate) fn start() -> Outcome<Self> {
        let program = env::current_exe().map_err(|error| cannot_start(&error))?;
        let mut burners = Self(Vec::new());
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            let child = Command::new(&program)
                .arg(COMMAND)
                .stdin(Stdio::piped())
                .spawn();
            burners.0.push(child.map_err(|error| cannot_start(&error))?);
        }
        Ok(burners)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// A child ends when its standard input does, which our own death brings about as well.
impl Drop for Burners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
        }
        for child in &mut self.0 {
            if let Err(error) = child.wait() {
                eprintln!("a busy process cannot be waited for: {error}");
            }
        }
    }
}

/// Keeps one processor busy until standard input ends.
pub(crate) fn run() {
    static ORPHANED: AtomicBool = AtomicBool::new(false);
    thread::spawn(|| {
        // an input that cannot be read has ended as well
        while matches!(io::stdin().read(&mut [0; 64]), Ok(1..)) {}
        ORPHANED.store(true, Ordering::Relaxed);
    });
    while !ORPHANED.load(Ordering::Relaxed) {
        hint::spin_loop();
    }
}

fn cannot_start(error: &io::Error) -> Failure {
    Failure::new(format!("cannot start a busy process: {error}"))
}
