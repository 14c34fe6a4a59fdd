//! The hot paths, one at a time, for callgrind: `cargo xtask counts`.
//!
//! `bench-counts --list` prints each path with the number of operations that it repeats; `bench-counts PATH` runs one.
//! Callgrind counts the instructions inside of `meter::measured` and no others, so what a path prepares is not part of
//! its figure. Each path runs twice, and the second time counts: by then registries, thread-locals and the memory of the
//! allocator are there.
//!
//! Every path is deterministic: where threads take part, only one of them can run.

#![forbid(unsafe_code)]

use std::{env, process::ExitCode};

use crate::meter::Meter;

mod calls;
mod chunks;
mod frames;
mod meter;
mod polls;
mod remote;
mod shelf;
mod threads;

/// How often a path repeats its operation, unless it says otherwise.
const OPERATIONS: u64 = 1000;

/// A path through our code.
struct Path {
    name: &'static str,
    operations: u64,
    run: fn(Meter),
}

impl Path {
    const fn new(name: &'static str, run: fn(Meter)) -> Self {
        Self {
            name,
            operations: OPERATIONS,
            run,
        }
    }

    const fn of_chunks(name: &'static str, run: fn(Meter)) -> Self {
        Self {
            name,
            operations: chunks::ITEMS,
            run,
        }
    }
}

const PATHS: &[Path] = &[
    Path::new("cell/submit", calls::submit),
    Path::new("cell/run", calls::run),
    Path::new("cell/take", calls::take),
    Path::new("cell/cancel", calls::cancel),
    Path::new("cell/lose", calls::lose),
    Path::new("cell/callback", calls::callback),
    Path::new("inline/submit-run-take", calls::inline),
    Path::new("inline/map-item", calls::map),
    Path::new("threads/submit", threads::submit),
    Path::new("threads/take", threads::take),
    Path::new("threads/nested-spawn-take", threads::nested),
    Path::new("threads/join", threads::join),
    Path::new("async/submit", polls::submit),
    Path::new("async/poll-ready", polls::ready),
    Path::new("async/poll-pending", polls::pending),
    Path::new("async/take", polls::take),
    Path::new("registry/contains", remote::contains),
    Path::new("registry/id", remote::id),
    Path::new("call/encode", remote::encode),
    Path::new("call/encode-struct", remote::encode_struct),
    Path::new("call/run", remote::run),
    Path::new("call/run-struct", remote::run_struct),
    Path::new("call/complete", remote::complete),
    Path::new("call/take", remote::take),
    Path::of_chunks("chunk/encode-item", chunks::encode),
    Path::of_chunks("chunk/run-item", chunks::run),
    Path::of_chunks("chunk/take-item", chunks::take),
    Path::new("frame/write-run", frames::write_run),
    Path::new("frame/read-run", frames::read_run),
    Path::new("frame/write-done", frames::write_done),
    Path::new("frame/read-done", frames::read_done),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name] = arguments.as_slice() else {
        eprintln!("usage: bench-counts --list | PATH");
        return ExitCode::FAILURE;
    };
    if name == "--list" {
        for path in PATHS {
            println!("{} {}", path.name, path.operations);
        }
        return ExitCode::SUCCESS;
    }
    let Some(path) = PATHS.iter().find(|path| path.name == name) else {
        eprintln!("no path is called `{name}`; see `bench-counts --list`");
        return ExitCode::FAILURE;
    };
    (path.run)(Meter::Rehearsal);
    (path.run)(Meter::Measurement);
    ExitCode::SUCCESS
}
