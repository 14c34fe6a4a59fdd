//! `worker_process!`: a test binary of libtest is its own worker.

#![forbid(unsafe_code)]

use std::{
    error::Error,
    io::Write as _,
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use concurrent_futures::{context, prelude::*, process::BuildErrorKind};

concurrent_futures::worker_process!();

/// A second one does no harm: two files of one program may have it.
mod other_file {
    concurrent_futures::worker_process!();
}

#[task]
fn square(x: u64) -> u64 {
    x * x
}

#[task]
fn facts() -> (u32, Vec<String>, bool) {
    (
        process::id(),
        std::env::args().collect(),
        context::worker_name().is_some(),
    )
}

/// Whether a write to a closed pipe is an error, as in every Rust program, and does not end it.
#[task]
fn write_to_a_closed_pipe() -> Option<String> {
    let (reader, mut writer) = std::io::pipe().expect("a process has room for a pipe");
    drop(reader);
    let error = writer.write_all(b"x").err()?;
    Some(format!("{:?}", error.kind()))
}

#[task]
fn overflow_the_stack(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let mut frame = [depth; 64];
    let below = overflow_the_stack(std::hint::black_box(&mut frame)[7] + 1);
    below + frame[11]
}

#[task]
fn panics() {
    panic!("in a worker");
}

static RUN_HERE: AtomicUsize = AtomicUsize::new(0);

#[task]
fn count_here() -> usize {
    RUN_HERE.fetch_add(1, Ordering::Relaxed)
}

fn pool() -> ProcessPoolExecutor {
    ProcessPoolExecutor::builder()
        .max_workers(2)
        .stderr(concurrent_futures::WorkerStderr::Discard)
        .build()
        .expect("this program can be a worker")
}

#[test]
fn tasks_of_this_crate_run_in_workers() {
    let pool = pool();
    assert_eq!(
        pool.submit(square::task(12)).unwrap().result().unwrap(),
        144
    );
    let sum: u64 = pool
        .map((0..1000).map(square::task))
        .map(Result::unwrap)
        .sum();
    assert_eq!(sum, 332_833_500);

    let counts = pool.map((0..10).map(|_| count_here::task()));
    assert_eq!(counts.filter(Result::is_ok).count(), 10);
    assert_eq!(RUN_HERE.load(Ordering::Relaxed), 0);
}

/// They register in constructors that the linker puts behind those of this crate.
#[test]
fn tasks_of_a_dependency_run_in_workers() {
    let calls = tempfile::NamedTempFile::new().unwrap();
    let start = conformance_tests::Start::Gives(7);
    let task = conformance_tests::initialize::task(start, calls.path().to_owned());
    let pool = ProcessPoolExecutor::builder()
        .max_workers(1)
        .initializer(task)
        .build()
        .unwrap();
    assert_eq!(pool.submit(square::task(3)).unwrap().result().unwrap(), 9);
    assert!(calls.as_file().metadata().unwrap().len() > 0);
}

#[test]
fn a_worker_is_a_process_as_any_other() {
    let pool = pool();
    let (pid, arguments, is_worker) = pool.submit(facts::task()).unwrap().result().unwrap();
    assert_ne!(pid, process::id());
    assert!(pool.worker_pids().contains(&pid));
    assert_eq!(arguments.len(), 1, "{arguments:?}");
    assert!(is_worker);
    let error = pool.submit(write_to_a_closed_pipe::task()).unwrap();
    assert_eq!(error.result().unwrap().as_deref(), Some("BrokenPipe"));
    let error = pool.submit(panics::task()).unwrap().error().unwrap();
    assert!(error.is_panicked(), "{error}");
    assert!(error.to_string().contains("in a worker"), "{error}");
}

/// Not std's message and SIGABRT: its handler is not set up before `main`.
#[test]
fn a_stack_overflow_costs_one_task() {
    let pool = pool();
    let error = pool
        .submit(overflow_the_stack::task(0))
        .unwrap()
        .error()
        .unwrap();
    let Some(death) = error.worker_death() else {
        panic!("{error}");
    };
    assert!(death.pid.is_some() && death.ran_for.is_some(), "{error}");
    if cfg!(unix) {
        assert!(death.status.contains("SIGSEGV"), "{error}");
    }
    assert_eq!(pool.submit(square::task(5)).unwrap().result().unwrap(), 25);
}

#[test]
fn what_is_wrong_with_a_builder_is_still_said() -> Result<(), Box<dyn Error>> {
    let error = ProcessPoolExecutor::new(0).err().ok_or("it was built")?;
    assert!(matches!(
        error.kind(),
        BuildErrorKind::Setting {
            name: "max_workers",
            ..
        }
    ));
    Ok(())
}
