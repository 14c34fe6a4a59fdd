//! The cell: one allocation per task, shared by its job, its future and sometimes a scope.
//!
//! `state` is the atomic word; `claim` is what the claimer of a task does, `take` what the future's
//! side does; `vtable` knows the task's type; `job` and `task_future` are the typed handles. `asynchronous` is all of this for a
//! task that is a future.
//!
//! # Who may touch what
//!
//! A cell is born with two references, the [`Job`]'s and the future's; a scope may hold a
//! third. Whoever gives up the last one frees the cell. The bits of [`state`] decide who owns the
//! rest:
//!
//! * **The stage** holds the task, then its output. Before `CLAIMED` nobody may touch it, except
//!   the job's owner, who may read the task under `BORROWED`. Setting `CLAIMED` is a race with one
//!   winner: a worker or a waiter that runs the task, a canceller that drops it, or a backend that
//!   fails it. The winner owns the stage until it sets `DONE`. After `DONE` the output belongs to the
//!   future's side: to the owner of the future, or through a shared reference to whoever sets
//!   `TAKEN`, or for a look `PEEKING`. If there is no future any more (`FUTURE` is clear), the claimer drops the output
//!   before `DONE`. A cancelled cell has no output.
//! * **The waiter slot** belongs to the registrar that set `REGISTERING`; or, while `WAITER` is set,
//!   to whoever sets `DONE`. Taking `WAITER` away and setting `REGISTERING` is one step, and so is the
//!   way back. A registrar that finds `DONE` on its way back keeps the slot and fires what is in it,
//!   since whoever set `DONE` found no `WAITER`. So the side that settles never waits, and every waiter
//!   is fired exactly once.
//! * **`HANDED`** says that a worker in another process may start the task at any moment. Only the
//!   backend, which shares memory or messages with that worker, can find out whether it has, so a
//!   canceller asks it ([`crate::Remote::revoke`]). The job's owner sets the bit before the worker hears
//!   of the task, and clears it when it has taken the task back; its own claim and cancel ignore it.
//! * **Both references in one hand**: a waiter that owns the future, and has got the job back from its own
//!   queue, is alone with the cell where there is no third reference and nothing was left in the waiter
//!   slot. Then the stage is its own without `CLAIMED`, and nobody is to be told: it runs the task, moves the
//!   output out and frees the cell, and never writes the word.
//! * **The options** and the vtable never change. **The home** is written by the backend that accepts
//!   the job, before anybody else can reach it.
//!
//! # The races that decided the orderings
//!
//! * *Settle against take*: `DONE` is set with release and read with acquire, so who sees it sees
//!   the output.
//! * *Settle against the future's drop*: both change the word by compare-and-swap. Either the drop
//!   sees `DONE` and drops the output, or the claimer sees `FUTURE` cleared and does.
//! * *Last references*: giving one up releases, and the last one acquires before it frees. When nobody
//!   waits, the claimer sets `DONE` and gives its reference up in one step: a future that then finds
//!   itself alone takes the output and frees the cell without a write.
//! * *Cancel against claim*: one compare-and-swap sets `CLAIMED`, `CANCELLED` and `DONE`, so that a
//!   cancelled task is done for everybody from that moment on, and never runs.
//!
//! # The lifetimes
//!
//! A task in a cell may borrow (a scope's tasks do); the types are erased behind raw pointers, which
//! carry no lifetime. Whoever creates a cell with borrows in it must see to it that the task and the
//! output are gone before the borrow ends: [`Extra::settled`] tells when the claimer has done with
//! the stage.

mod asynchronous;
mod claim;
mod expected;
mod job;
mod maker;
mod relayed;
pub(crate) mod state;
mod take;
mod task_future;
mod vtable;
pub(crate) mod waiter;

use std::{cell::Cell, mem::MaybeUninit, ptr::NonNull, time::Instant};

pub(crate) use self::job::Submission;
pub use self::{
    asynchronous::{AsyncJob, BlockOn},
    job::{Home, Job, JobKey, JobKind, Ran, StartedJob},
    maker::{ChunkOf, Maker, NewCell, NewChunkCell},
    task_future::TaskFuture,
    waiter::Callbacks,
};
use self::{
    state::{STOP, Snapshot, State},
    vtable::{Carries, Portable, TaskCell, VTable},
    waiter::Waiters,
};
use crate::{
    Outcome, PortableTask, Task, TaskOptions,
    map::{RunTask, chunk::Chunk},
    sync::{AtomicU32, Ordering, UnsafeCell},
};

/// The part of a cell that does not depend on the task's type.
pub(crate) struct Header {
    state: State,
    home: AtomicU32,
    vtable: &'static VTable,
    waiters: UnsafeCell<MaybeUninit<Waiters>>,
    options: Options,
}

/// Options, where a submission has any.
pub(crate) struct CellOptions {
    pub(crate) options: TaskOptions,
    /// When the queue timeout passes.
    pub(crate) start_by: Option<Instant>,
    /// The name of the task, where its type does not say it.
    pub(crate) task_name: Option<&'static str>,
}

/// The options of a submission, if it has any: most have none.
pub(crate) type Options = Option<Box<CellOptions>>;

/// What rides in a cell beside the task, for the one who made the cell.
pub(crate) trait Extra: Send {
    /// The claimer has done with the stage: the task is gone, and the output is with the future or
    /// dropped. Called exactly once.
    fn settled(self);
}

impl Extra for () {
    fn settled(self) {}
}

/// Makes a task the one that this thread is running, until it is dropped.
pub(crate) struct Current {
    outer: Option<CellRef>,
}

impl Current {
    #[inline]
    pub(crate) fn enter(cell: CellRef) -> Self {
        Self {
            outer: CURRENT.replace(Some(cell)),
        }
    }
}

impl Drop for Current {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

impl Header {
    fn new(vtable: &'static VTable, options: Options) -> Self {
        Self {
            state: State::new(),
            home: AtomicU32::new(0),
            vtable,
            waiters: UnsafeCell::new(MaybeUninit::uninit()),
            options,
        }
    }
}

impl CellOptions {
    #[inline]
    pub(crate) fn of(options: Option<TaskOptions>) -> Options {
        options.map(|options| {
            let start_by = options
                .queue_timeout()
                .and_then(|d| Instant::now().checked_add(d));
            Box::new(Self {
                options,
                start_by,
                task_name: None,
            })
        })
    }

    /// As [`of`](Self::of), with the name of the task.
    pub(crate) fn named(options: TaskOptions, task_name: &'static str) -> Options {
        let mut options = Self::of(Some(options));
        if let Some(options) = &mut options {
            options.task_name = Some(task_name);
        }
        options
    }
}

/// A counted reference to a cell: the common part of a job's, a future's and a scope's. It says
/// nothing of which of the three it is; those types keep their own rules and call accordingly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellRef(NonNull<Header>);

// SAFETY: a cell is shared between threads by design: the word is atomic, the waiters are Send, and the
// task and the output, which are Send too, are touched only by the one thread that the protocol
// above names. `&CellRef` gives nothing that `CellRef` does not, so it is Sync as well.
unsafe impl Send for CellRef {}
// SAFETY: as above.
unsafe impl Sync for CellRef {}

/// How a job ended when its owner ran it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// It ran here.
    Ran(Outcome),
    /// It had been cancelled.
    Cancelled,
    /// Somebody else had claimed it.
    Claimed,
}

thread_local! {
    /// The task that this thread is running.
    static CURRENT: Cell<Option<CellRef>> = const { Cell::new(None) };
}

impl CellRef {
    /// A new cell with two references: the job's and the future's.
    pub(crate) fn new<T: Task, X: Extra>(task: T, extra: X, options: Options) -> Self {
        Self::with_vtable(task, extra, options, &TaskCell::<T, X>::LOCAL)
    }

    /// As [`new`](Self::new), for a task that can leave the process.
    pub(crate) fn portable<T: PortableTask>(task: T, options: Options) -> Self {
        Self::with_vtable(task, (), options, &TaskCell::<T, ()>::PORTABLE)
    }

    /// As [`portable`](Self::portable), for what only stands for such a task.
    fn carrying<W: Carries>(work: W) -> Self {
        Self::with_vtable(work, (), None, &TaskCell::<W, ()>::PORTABLE)
    }

    /// As [`portable`](Self::portable), for many tasks of one name.
    pub(crate) fn portable_chunk<T: PortableTask>(chunk: Chunk<RunTask, T>) -> Self {
        let vtable = &TaskCell::<Chunk<RunTask, T>, ()>::PORTABLE_CHUNK;
        Self::with_vtable(chunk, (), None, vtable)
    }

    fn with_vtable<T: Task, X: Extra>(
        task: T,
        extra: X,
        options: Options,
        vtable: &'static VTable,
    ) -> Self {
        Self(TaskCell::allocate(
            Header::new(vtable, options),
            task,
            extra,
        ))
    }

    /// The task that this thread is running, if it is running one.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        CURRENT.get()
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: a CellRef stands for a reference that is counted, or for the running task, whose
        // claimer holds one; so the cell is alive. The header is only ever used through `&`.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn snapshot(self) -> Snapshot {
        self.header().state.load()
    }

    pub(crate) fn address(self) -> usize {
        self.0.as_ptr() as usize
    }

    pub(crate) fn home(self) -> u32 {
        // Relaxed: written before the cell was shared, by the submission that the reader follows.
        self.header().home.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_home(self, home: u32) {
        self.header().home.store(home, Ordering::Relaxed);
    }

    pub(crate) fn options(&self) -> Option<&CellOptions> {
        self.header().options.as_deref()
    }

    /// The name of the submission, or else of the task.
    pub(crate) fn name(&self) -> &str {
        let own = self.options().and_then(|options| options.options.name());
        own.unwrap_or_else(|| self.task_name())
    }

    pub(crate) fn task_name(&self) -> &'static str {
        let own = self.options().and_then(|options| options.task_name);
        own.unwrap_or_else(|| (self.header().vtable.name)())
    }

    pub(crate) fn portable_vtable(self) -> Option<&'static Portable> {
        self.header().vtable.portable
    }

    pub(crate) fn stop_requested(self) -> bool {
        self.snapshot().is(STOP)
    }

    pub(crate) fn hand_over(self) -> bool {
        self.header().state.hand_over()
    }

    pub(crate) fn take_back(self) {
        self.header().state.take_back();
    }

    /// How the task ended, if it has.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        Outcome::of(self.snapshot())
    }

    /// One more counted reference, for a scope.
    pub(crate) fn add_reference(self) -> Self {
        self.header().state.add_reference();
        self
    }

    /// Gives one reference up.
    ///
    /// # Safety
    ///
    /// The caller owns it and does not use it again.
    #[inline]
    pub(crate) unsafe fn release(self) {
        if self.header().state.release() {
            // SAFETY: the last reference is gone.
            unsafe { (self.header().vtable.free)(self.0) };
        }
    }

    /// # Safety
    ///
    /// As for `release`; `seen` is not older than the caller's last write.
    #[inline]
    unsafe fn release_seen(self, seen: Snapshot) {
        if seen.is_sole() {
            // SAFETY: ours is the only reference, and only a reference makes another.
            unsafe { (self.header().vtable.free)(self.0) };
        } else {
            // SAFETY: passed on from the caller.
            unsafe { self.release() };
        }
    }
}
