//! 200 jobs, 10 of which do not come back: they crash, exit or hang. The pool gives the results of
//! the other 190, and says of each of the 10 what became of it.
//!
//! ```text
//! cargo run --release --features process --example crash
//! ```

use std::{fmt, hint, num::NonZero, process::ExitCode, ptr, thread, time::Duration};

use clap::Parser;
use concurrent_futures::{ProcessPoolExecutor, TaskErrorKind, WorkerStderr, prelude::*};
use serde::{Deserialize, Serialize};

/// How many jobs there are.
const JOBS: u64 = 200;

/// The jobs that do not come back.
const ODD: [(u64, Fate); 10] = [
    (7, Fate::Segfault),
    (26, Fate::Abort),
    (45, Fate::Overflow),
    (64, Fate::Exit(3)),
    (83, Fate::Hang),
    (102, Fate::Segfault),
    (121, Fate::Abort),
    (140, Fate::Overflow),
    (159, Fate::Exit(0)),
    (178, Fate::Hang),
];

/// How long a job may take. The first of the two that hang runs into it; the other one, which has no limit,
/// is killed.
const LIMIT: Duration = Duration::from_millis(500);

/// What becomes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Fate {
    Return,
    Segfault,
    Abort,
    Overflow,
    Exit(i32),
    Hang,
}

/// Runs 200 jobs, 10 of which crash, exit or hang, and reports what became of each.
#[derive(Debug, Parser)]
#[command(name = "crash")]
struct Arguments {
    /// How many worker processes there are [default: one for each processor].
    #[arg(long)]
    workers: Option<usize>,
}

/// The square of the number, if the job comes to that.
#[task]
fn job(number: u64, fate: Fate) -> u64 {
    if fate != Fate::Return {
        eprintln!("job {number} is about to {fate}");
    }
    match fate {
        Fate::Return => number * number,
        Fate::Segfault => write_to_nowhere(),
        Fate::Abort => std::process::abort(),
        Fate::Overflow => descend(0),
        Fate::Exit(code) => exit(code),
        Fate::Hang => loop {
            thread::park();
        },
    }
}

pub(crate) fn main() -> ExitCode {
    concurrent_futures::init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let workers = arguments
        .workers
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
    let pool = ProcessPoolExecutor::builder()
        .max_workers(workers)
        // The last of it is in the reports.
        .stderr(WorkerStderr::Discard)
        .build()?;

    let mut futures = Vec::new();
    for number in 0..JOBS {
        let options = TaskOptions::new().with_name(format!("job {number}"));
        let task = job::task(number, fate(number));
        futures.push(match number {
            178 => pool.submit_with(options, task)?,
            _ => pool.submit_with(options.with_timeout(LIMIT), task)?,
        });
    }

    // Some other part of a program may run out of patience.
    let stuck = &futures[178];
    while !stuck.is_running() && !stuck.wait_timeout(Duration::from_millis(10)) {}
    if !stuck.wait_timeout(LIMIT) {
        stuck.stop(StopLevel::Kill)?;
    }

    let (mut results, mut sum, mut failures) = (0, 0, 0);
    for (number, future) in futures.into_iter().enumerate() {
        match future.result() {
            Ok(square) => {
                results += 1;
                sum += square;
            }
            Err(error) => {
                failures += 1;
                println!("job {number:3} {}", Report(&error));
            }
        }
    }
    println!(
        "{results} of {JOBS} jobs gave a result, the sum of which is {sum}; {failures} failed"
    );
    Ok(())
}

fn fate(number: u64) -> Fate {
    let odd = ODD.iter().find(|(odd, _)| *odd == number);
    odd.map_or(Fate::Return, |(_, fate)| *fate)
}

/// What became of a job, in one line.
struct Report<'a>(&'a TaskError);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(death) = self.0.worker_death() else {
            return match self.0.kind() {
                TaskErrorKind::Killed => f.write_str("killed"),
                TaskErrorKind::TimedOut(_) => write!(f, "killed, for it ran longer than {LIMIT:?}"),
                _ => write!(f, "failed: {}", self.0),
            };
        };
        write!(f, "{}", death.status)?;
        if let Some(pid) = death.pid {
            write!(f, ", process {pid}")?;
        }
        if let Some(ran_for) = death.ran_for {
            write!(f, ", after {:.1} ms", ran_for.as_secs_f64() * 1e3)?;
        }
        match death.stderr_tail.trim_end().lines().last() {
            Some(line) => write!(f, ", last words: {line}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Return => f.write_str("return"),
            Self::Segfault => f.write_str("write to memory that is not there"),
            Self::Abort => f.write_str("abort"),
            Self::Overflow => f.write_str("overflow the stack"),
            Self::Exit(code) => write!(f, "exit with {code}"),
            Self::Hang => f.write_str("hang"),
        }
    }
}

fn write_to_nowhere() -> u64 {
    let nowhere = ptr::without_provenance_mut::<u8>(8);
    // SAFETY: none. No memory is ever there, so the system ends the process, which is the point.
    unsafe { hint::black_box(nowhere).write_volatile(1) };
    unreachable!("there is memory at the address 8")
}

fn descend(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let mut frame = [depth; 256];
    let below = descend(hint::black_box(&mut frame)[17] + 1);
    below + frame[42]
}

#[expect(
    clippy::disallowed_methods,
    reason = "a task that exits is one of those shown"
)]
fn exit(code: i32) -> ! {
    std::process::exit(code)
}
