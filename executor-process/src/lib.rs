//! An executor over subprocesses: a crash costs one task, and the pool goes on.
//!
//! [`ProcessPoolExecutor`] starts this very program again, as often as it needs workers, and sends them tasks. A
//! task that segfaults, aborts, overflows the stack, calls `exit` or is killed for want of memory ends its
//! worker, not this program: its future says how, the worker is replaced, and every other task runs. And a
//! task that hangs can be ended by force, which no thread can.
//!
//! ```
//! use executor_core::{ExecutorExt as _, Future as _};
//! use executor_macros::task;
//! use executor_process::ProcessPoolExecutor;
//!
//! #[task(crate = "executor_core")] // with the facade: #[task]
//! fn divide(a: u64, b: u64) -> u64 {
//!     a / b
//! }
//!
//! #[task(crate = "executor_core")]
//! fn abort() {
//!     std::process::abort()
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     executor_process::init(); // first of all: a worker goes no further than this
//!     let pool = ProcessPoolExecutor::new(2)?;
//!
//!     let doomed = pool.submit(abort::task())?;
//!     let fine = pool.submit(divide::task(91, 7))?;
//!     assert_eq!(fine.result()?, 13);
//!
//!     let error = doomed.error().ok_or("it should not have come back")?;
//!     let death = error.worker_death().ok_or("its worker should have died")?;
//!     println!("{death}"); // signal: 6 (SIGABRT), pid 4711, after 213.4µs
//!     Ok(()) // drop = finish what was accepted, then end the workers
//! }
//! ```
//!
//! Users depend on the facade `concurrent-futures` with its feature `process`, which has the same items.
//!
//! # When not to use it
//!
//! | you have | use |
//! |---|---|
//! | pure Rust that may panic | `ThreadPoolExecutor`: a panic fails its own task there as well, and nothing is encoded |
//! | tasks of a few microseconds with large arguments | threads: here each byte is encoded, copied and decoded |
//! | closures, borrowed data, shared memory | threads: a task here is a `#[task]` function with arguments that serde can encode |
//! | code that you do not trust | a sandbox; see [below](#security) |
//! | another program to run | `std::process::Command` |
//!
//! It fits where tasks call C libraries that crash, leak or keep global state, where they may need more memory than there is, or
//! where one that hangs must end.
//!
//! # What happens when workers die
//!
//! | what | its task | the pool |
//! |---|---|---|
//! | the worker dies while a task runs: signal, abort, `exit`, no memory | fails with [`WorkerDied`](executor_core::TaskErrorKind::WorkerDied): pid, signal or exit code, how long it ran, the last of its standard error | replaces the worker |
//! | the same, with [`OnCrash::Retry`] | runs again; after the last attempt [`Poisoned`](executor_core::TaskErrorKind::Poisoned) | replaces the worker |
//! | the same, with [`OnCrash::BreakPool`] | fails with `WorkerDied`; all others with [`Broken`](executor_core::TaskErrorKind::Broken) | ends; `submit` says why |
//! | the worker dies between two tasks | none fails: what it had not started is given to others, what it had finished is kept | replaces the worker |
//! | the task panics | fails with the panic's message and location | the worker lives |
//! | the task runs longer than its [limit](executor_core::TaskOptions::with_timeout) | [`TimedOut`](executor_core::TaskErrorKind::TimedOut) | kills and replaces the worker |
//! | [`stop(StopLevel::Kill)`](executor_core::Future::stop) | [`Killed`](executor_core::TaskErrorKind::Killed), or cancelled if it had not started | kills and replaces the worker |
//! | the worker leaks | none fails | replaces the worker: [`max_tasks_per_worker`](ProcessPoolBuilder::max_tasks_per_worker), [`max_resident_memory`](ProcessPoolBuilder::max_resident_memory) |
//! | workers cannot start: five in a row die, or the initializer fails | `Broken` | ends; `submit` says why |
//! | more deaths than [`restart_limit`](ProcessPoolBuilder::restart_limit) allows | `Broken` | ends; `submit` says why |
//! | this program dies, however | | its workers end with it, those included that are busy |
//!
//! A chunk of a `map` is one task for its worker, but what its items gave before a crash is kept, the item that
//! crashed fails, and those after it run elsewhere.
//!
//! Nothing runs twice unless `OnCrash::Retry` says that it may. A worker is killed with its process group:
//! first by SIGTERM, then, after the [grace](ProcessPoolBuilder::kill_grace), by SIGKILL.
//!
//! # Starting
//!
//! A worker is this program, started again; so the program has to give way when it is a worker.
//!
//! - **A program with a `main`** calls [`init()`](init()) first in it.
//! - **A program without**, such as a test binary, has [`worker_process!()`](worker_process) once in a file.
//! - **A program that can do neither**, or one so large that it starts slowly, names another binary with the same
//!   tasks: [`worker_program`](ProcessPoolBuilder::worker_program).
//!
//! Whoever forgets it gets a [`BuildError`] that says so, and no process is started. Parent and worker compare the
//! tasks that they know before the first one is sent: two builds that differ do not talk past each other.
//!
//! A worker has this program's environment and directory, but not its arguments, open files or memory: what
//! statics held in the parent is not there. Its standard input is empty, and what it prints goes to its standard
//! error, and from there where [`WorkerStderr`] says. What each worker needs once, such as a connection or a
//! model, is made by the [`initializer`](ProcessPoolBuilder::initializer).
//!
//! # Costs
//!
//! A worker is a process: it takes milliseconds to start, and has its own heap. A task costs its encoding, a pass
//! through a pipe each way and, if nobody was awake, two wake-ups: microseconds, where a thread pool needs
//! a fraction of one. Short tasks are sent ahead in batches, and `map` makes chunks by itself, so that many
//! short tasks cost far less than one alone. Large arguments and outputs bypass the pipe where memory can be shared.
//! `cargo bench -p executor-process` measures all of it beside other pools.
//!
//! # Systems
//!
//! Linux has a transport with shared memory. Everywhere else, workers are spoken to through their standard input
//! and output:
//!
//! | | Linux | other unixes | Windows |
//! |---|---|---|---|
//! | every law of this page but those below | yes | yes | yes |
//! | tasks are sent ahead; large values bypass the pipe | yes | no | no |
//! | `memory_limit`, `max_resident_memory` | yes | a `BuildError` | a `BuildError` |
//! | a worker that is to be killed gets SIGTERM first; what it has started ends with it | yes | yes | no |
//! | tasks may print to standard output | yes | yes | no: it is the pipe |
//! | workers end with this program | at once, by the kernel | when they see the end of their input, also while a task runs | likewise |
//!
//! # Security
//!
//! A worker is not a sandbox. It runs with all rights of this program: it can open the same files, and send signals to
//! its parent. It contains accidents, not attackers. What workers send is checked all the same: one that
//! sends nonsense is ended and replaced, and its task fails.
//!
//! # Features
//!
//! - `auto-register` (default): `#[task]` functions enter the registry by themselves. Without it, list them before
//!   [`init()`](init()).

#![deny(unsafe_code)]

mod builder;
mod error;
mod init;
#[expect(
    unsafe_code,
    reason = "what the operating system is asked for; nothing else is in there"
)]
mod os;
mod parent;
mod pool;
mod program;
mod wire;
mod worker;

pub use self::{
    builder::{OnCrash, OnFull, ProcessPoolBuilder, StderrSink, WorkerStderr},
    error::{BuildError, BuildErrorKind},
    init::init,
    pool::ProcessPoolExecutor,
    program::WorkerProgram,
};

#[doc(hidden)]
pub mod private {
    //! What the code that `worker_process!` writes refers to.

    pub use crate::os::hook::*;
}
