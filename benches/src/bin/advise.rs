//! Shows how to measure your own tasks: which backend, how many workers, which chunks.
//!
//! `cargo run --release -p benches --bin advise`. Put your own `#[task]` in the place of `digest`.

use std::process::ExitCode;

use executor_macros::task;
use sha2::{Digest as _, Sha256};

/// The task to be measured: the digest of so many kilobytes.
#[task(crate = "executor_core")]
fn digest(seed: u8, kilobytes: usize) -> [u8; 32] {
    Sha256::digest(vec![seed; kilobytes * 1024]).into()
}

fn main() -> ExitCode {
    // Lets this program serve as a worker process: first in `main`.
    benches::init();

    // Uneven, as work mostly is: 1 to 64 KB, some microseconds each.
    let tasks = (0..5000).map(|n: usize| digest::task((n % 251) as u8, 1 + n * 7 % 64));
    println!("{}", benches::advise(tasks));
    ExitCode::SUCCESS
}
