//! What a task can know of where it runs: its worker, its name, whether it should stop.
//!
//! Nothing here costs a task anything that does not ask.
//!
//! ```
//! use executor_core::context::{self, Stopped};
//!
//! fn sum(numbers: &[u64]) -> Result<u64, Stopped> {
//!     let mut sum = 0;
//!     for chunk in numbers.chunks(1024) {
//!         context::check()?; // ends early once somebody has called `future.stop(StopLevel::Signal)`
//!         sum += chunk.iter().sum::<u64>();
//!     }
//!     Ok(sum)
//! }
//! # assert_eq!(sum(&[1, 2]), Ok(3));
//! ```

use std::{
    any::Any,
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    time::Instant,
};

pub use crate::error::Stopped;
use crate::{
    Home, Job, JobKey, Ran,
    cell::{CellRef, state::CLAIMED},
    host,
};

/// How a wait gets a job back from its worker's own queue, and where it counts what became of it.
#[derive(Clone, Copy)]
struct Reclaim {
    take: fn(JobKey) -> Option<Job>,
    ran: fn(Ran),
}

/// What a wait asks its thread.
#[derive(Clone, Copy, Default)]
struct Hooks {
    /// The home of the executor whose worker this thread is; 0 for none.
    home: u32,
    reclaim: Option<Reclaim>,
    helped: Option<fn(Ran)>,
}

thread_local! {
    /// Beside `WORKER`, since every wait asks, and this has no destructor.
    static HOOKS: Cell<Hooks> = const { Cell::new(Hooks { home: 0, reclaim: None, helped: None }) };
    static WORKER: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
    static HOST: Cell<Option<&'static dyn TaskHost>> = const { Cell::new(None) };
    /// The home of the executor whose callbacks this thread calls; 0 for none.
    static SETTLES: Cell<u32> = const { Cell::new(0) };
}

/// The name of the worker that runs this code; `None` outside of workers.
#[must_use]
pub fn worker_name() -> Option<String> {
    worker().map(|worker| worker.name.clone())
}

/// The index of the worker that runs this code, from 0; `None` outside of workers. An index is
/// used again once its worker has ended.
#[must_use]
pub fn worker_index() -> Option<usize> {
    worker().map(|worker| worker.index)
}

/// The name of the task that runs this code: as given in its options, or else its own.
#[must_use]
pub fn task_name() -> Option<String> {
    match CellRef::current() {
        Some(cell) => Some(cell.name().to_owned()),
        None => HOST.get().and_then(TaskHost::task_name),
    }
}

/// The identity of the submission that runs this code, if it was given one: the same in each attempt. See
/// [`TaskOptions::with_id`](crate::TaskOptions::with_id).
#[must_use]
pub fn task_id() -> Option<String> {
    match CellRef::current() {
        Some(cell) => Some(cell.options()?.options.id()?.to_owned()),
        None => HOST.get().and_then(TaskHost::task_id),
    }
}

/// Which attempt at its task runs this code, from 1. A larger number says that it may have run before, in part or in
/// full: where an executor was asked to try again what has crashed, or tries again what was lost.
#[must_use]
pub fn attempt() -> u32 {
    match CellRef::current() {
        Some(cell) => cell
            .options()
            .map_or(1, |options| options.options.attempt()),
        None => HOST.get().map_or(1, TaskHost::attempt),
    }
}

/// Whether this code runs in a task, of any executor of this process.
#[must_use]
pub fn is_task() -> bool {
    CellRef::current().is_some()
}

/// Whether the task that runs this code has been asked to stop. Costs one load.
#[must_use]
pub fn stop_requested() -> bool {
    match CellRef::current() {
        Some(cell) => cell.stop_requested(),
        None => HOST.get().is_some_and(TaskHost::stop_requested),
    }
}

/// For `?` in a task: ends it early if it has been asked to stop.
///
/// # Errors
///
/// [`Stopped`], if it has.
pub fn check() -> Result<(), Stopped> {
    if stop_requested() {
        Err(Stopped)
    } else {
        Ok(())
    }
}

/// Calls `f` with what the worker's initializer returned; `None` outside of workers, and where there
/// is no state of this type. The state stays on its worker: it need not be `Send`.
pub fn with_worker_state<S: 'static, R>(f: impl FnOnce(&S) -> R) -> Option<R> {
    let worker = worker()?;
    worker.state.as_ref()?.downcast_ref().map(f)
}

/// What a worker in another process knows of the task that it is running: there is no cell there
/// that could say it. See [`host_tasks`].
pub trait TaskHost: Sync {
    /// The name of the task that is running: as given in its options, or else its own.
    fn task_name(&self) -> Option<String>;

    /// Whether the task that is running has been asked to stop.
    fn stop_requested(&self) -> bool;

    /// The identity of the submission, if it was given one.
    fn task_id(&self) -> Option<String> {
        None
    }

    /// Which attempt this is, from 1.
    fn attempt(&self) -> u32 {
        1
    }
}

/// Has `host` answer for the tasks that this thread runs from now on. For backends, on the main
/// thread of a worker process.
pub fn host_tasks(host: &'static dyn TaskHost) {
    HOST.set(Some(host));
}

/// Says that this thread calls the callbacks of the executor whose home this is, so that a wait for
/// that executor is refused here. For backends that do so on a thread of their own.
pub fn call_callbacks_for(home: Home) {
    SETTLES.set(home.0);
}

/// Whether this thread calls the callbacks of the executor whose home this is.
#[must_use]
pub fn calls_callbacks_for(home: Home) -> bool {
    settles_for(home.0)
}

/// As [`calls_callbacks_for`], from the inside.
pub(crate) fn settles_for(home: u32) -> bool {
    home != 0 && SETTLES.get() == home
}

/// Whether this thread calls the callbacks of some executor, and does nothing else.
pub(crate) fn settles() -> bool {
    SETTLES.get() != 0
}

/// A worker thread of a backend, as tasks and waits see it.
pub struct Worker {
    home: Home,
    name: String,
    index: usize,
    state: Option<Rc<dyn Any>>,
    reclaim: Option<Reclaim>,
    helped: Option<fn(Ran)>,
}

/// Keeps the current thread a worker.
#[derive(Debug)]
#[must_use]
pub struct WorkerGuard {
    outer: Option<Rc<Worker>>,
    not_send: std::marker::PhantomData<*const ()>,
}

impl Worker {
    /// A worker of the executor whose jobs are bound to `home`.
    #[must_use]
    pub const fn new(home: Home, name: String, index: usize) -> Self {
        Self {
            home,
            name,
            index,
            state: None,
            reclaim: None,
            helped: None,
        }
    }

    /// Gives the worker the state that its tasks can read.
    #[must_use]
    pub fn state(self, state: Box<dyn Any>) -> Self {
        self.shared_state(Rc::from(state))
    }

    /// As [`state`](Self::state), for a state that outlives the worker: a thread may be a worker many
    /// times.
    #[must_use]
    pub fn shared_state(mut self, state: Rc<dyn Any>) -> Self {
        self.state = Some(state);
        self
    }

    /// Gives waits a way to get a job back from the worker's own queue, with `take`; `ran` is told, on
    /// this thread, what became of it. Without it, a job that a waiter has run stays there as an empty
    /// shell until the worker comes to it.
    #[must_use]
    pub const fn reclaim(mut self, take: fn(JobKey) -> Option<Job>, ran: fn(Ran)) -> Self {
        self.reclaim = Some(Reclaim { take, ran });
        self
    }

    /// Has `helped` told, on this thread, of each job that a wait has run here and whose shell is still
    /// in a queue. For backends that do not look at the shell's [outcome](Job::outcome).
    #[must_use]
    pub const fn helped(mut self, helped: fn(Ran)) -> Self {
        self.helped = Some(helped);
        self
    }

    /// Makes the current thread this worker.
    pub fn enter(self) -> WorkerGuard {
        HOOKS.set(self.hooks());
        let outer = WORKER.replace(Some(Rc::new(self)));
        WorkerGuard {
            outer,
            not_send: std::marker::PhantomData,
        }
    }

    const fn hooks(&self) -> Hooks {
        Hooks {
            home: self.home.0,
            reclaim: self.reclaim,
            helped: self.helped,
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.name)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Drop for WorkerGuard {
    fn drop(&mut self) {
        HOOKS.set(
            self.outer
                .as_ref()
                .map_or_else(Hooks::default, |outer| outer.hooks()),
        );
        drop(WORKER.replace(self.outer.take()));
    }
}

/// Whether this thread is a worker of the executor whose home this is.
#[must_use]
pub fn is_worker_of(home: Home) -> bool {
    HOOKS.get().home == home.0
}

/// Why a wait for a job of this home could not end, or would hold up others, on this thread.
pub(crate) fn refuses_wait(home: u32) -> bool {
    settles_for(home) || host::must_not_block(home)
}

/// Whether this thread is a worker of any executor.
pub(crate) fn is_worker() -> bool {
    HOOKS.get().home != 0
}

/// The job of a task that this worker is about to wait for, if it is on top of the worker's own queue; and whom
/// to tell what became of it.
#[inline]
pub(crate) fn reclaim(cell: CellRef) -> Option<(Job, fn(Ran))> {
    let Hooks { home, reclaim, .. } = HOOKS.get();
    let reclaim = reclaim.filter(|_| home == cell.home())?;
    Some(((reclaim.take)(JobKey::of(cell))?, reclaim.ran))
}

/// Runs a task of this worker's executor whose job stays in some queue, as an empty shell. True if it was run.
pub(crate) fn help_in_place(cell: CellRef) -> bool {
    let hooks = HOOKS.get();
    if hooks.home == 0 || hooks.home != cell.home() {
        return false;
    }
    let ran = cell.run_as_waiter().map_or(Ran::Elsewhere, Ran::Here);
    if let Some(count) = hooks.helped {
        count(ran);
    }
    matches!(ran, Ran::Here(_))
}

/// Runs the task on this thread if it has not been started, and if this thread may; see
/// [`Future::help`](crate::Future::help).
///
/// If somebody else has started it the waiter runs nothing, not even what that task has submitted. Such a descendant
/// is not unrelated, but only one that the task waits for is safe here: one that it leaves to itself may need a lock
/// that this waiter holds, and would block on top of it for ever. Which is which shows only when the task does wait, and
/// then its own worker runs the descendant.
pub(crate) fn help(cell: CellRef) -> bool {
    if cell.snapshot().is(CLAIMED) {
        return false;
    }
    let home = cell.home();
    if home == HOOKS.get().home && home != 0 {
        let Some((job, count)) = reclaim(cell) else {
            return help_in_place(cell);
        };
        let ran = job.run();
        count(ran);
        return matches!(ran, Ran::Here(_));
    }
    if host::help(home, &mut || cell.run_as_waiter().is_some()) {
        return true;
    }
    // A task that has been queued for too long is failed by whoever sees it.
    let overdue = || {
        cell.options()?
            .start_by
            .map(|start_by| Instant::now() >= start_by)
    };
    (home == Home::anywhere().0 || overdue() == Some(true)) && cell.run_as_waiter().is_some()
}

fn worker() -> Option<Rc<Worker>> {
    WORKER.with_borrow(Clone::clone)
}
