//! The cell: one allocation per task, shared by its job, its future and sometimes a scope.
//!
//! # Who may touch what
//!
//! A cell is born with two references, the [`Job`](crate::Job)'s and the future's; a scope may hold a
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

mod job;
pub(crate) mod state;
mod task_future;
mod vtable;
pub(crate) mod waiter;

use std::{cell::Cell, mem::MaybeUninit, ptr::NonNull, task::Waker, time::Instant};

pub(crate) use self::job::Submission;
pub use self::{
    job::{Home, Job, JobKey, Ran, StartedJob},
    task_future::TaskFuture,
};
use self::{
    state::{
        CANCELLED, CLAIMED, Cancel, DropFuture, ENCODED, FAILED, FUTURE, Finish, Register,
        Registered, STOP, Snapshot, State, WAITER,
    },
    vtable::{Portable, TaskCell, VTable},
    waiter::{Waiter, Waiters},
};
use crate::{
    Outcome, PortableTask, Task, TaskError, TaskOptions, panic,
    sync::{AtomicU32, Ordering, UnsafeCell},
};

/// The part of a cell that does not depend on the task's type.
pub(crate) struct Header {
    state: State,
    home: AtomicU32,
    vtable: &'static VTable,
    waiters: UnsafeCell<MaybeUninit<Waiters>>,
    options: Option<Box<CellOptions>>,
}

/// Options, where a submission has any.
pub(crate) struct CellOptions {
    pub(crate) options: TaskOptions,
    /// When the queue timeout passes.
    pub(crate) start_by: Option<Instant>,
}

/// What rides in a cell beside the task, for the one who made the cell.
pub(crate) trait Extra: Send {
    /// The claimer has done with the stage: the task is gone, and the output is with the future or
    /// dropped. Called exactly once.
    fn settled(self);
}

impl Extra for () {
    fn settled(self) {}
}

impl CellOptions {
    pub(crate) fn of(options: Option<TaskOptions>) -> Option<Box<Self>> {
        options.map(|options| {
            let start_by = options
                .queue_timeout()
                .and_then(|d| Instant::now().checked_add(d));
            Box::new(Self { options, start_by })
        })
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
    pub(crate) fn new<T: Task, X: Extra>(
        task: T,
        extra: X,
        options: Option<Box<CellOptions>>,
    ) -> Self {
        Self::with_vtable(task, extra, options, &TaskCell::<T, X>::LOCAL)
    }

    /// As [`new`](Self::new), for a task that can leave the process.
    pub(crate) fn portable<T: PortableTask>(
        task: T,
        options: Option<Box<CellOptions>>,
        is_chunk: bool,
    ) -> Self {
        let vtable = if is_chunk {
            &TaskCell::<T, ()>::PORTABLE_CHUNK
        } else {
            &TaskCell::<T, ()>::PORTABLE
        };
        Self::with_vtable(task, (), options, vtable)
    }

    fn with_vtable<T: Task, X: Extra>(
        task: T,
        extra: X,
        options: Option<Box<CellOptions>>,
        vtable: &'static VTable,
    ) -> Self {
        let header = Header {
            state: State::new(),
            home: AtomicU32::new(0),
            vtable,
            waiters: UnsafeCell::new(MaybeUninit::uninit()),
            options,
        };
        Self(TaskCell::allocate(header, task, extra))
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
        own.unwrap_or_else(|| (self.header().vtable.name)())
    }

    pub(crate) fn portable_vtable(self) -> Option<&'static Portable> {
        self.header().vtable.portable
    }

    pub(crate) fn stop_requested(self) -> bool {
        self.snapshot().is(STOP)
    }

    pub(crate) fn request_stop(self) {
        self.header().state.request_stop();
    }

    /// How the task ended, if it has.
    pub(crate) fn outcome(self) -> Option<Outcome> {
        Outcome::of(self.snapshot())
    }

    // ---- the claimer's side ------------------------------------------------------------------

    /// Claims and runs the task with the job's reference, which this gives up.
    ///
    /// # Safety
    ///
    /// The caller owns the job's reference and does not use it again.
    #[inline]
    pub(crate) unsafe fn run_job(self) -> Run {
        let seen = self.snapshot();
        if seen.is_sole() && !seen.is(CLAIMED | FUTURE | WAITER) {
            // Fire and forget: nobody else can reach the cell, so nobody needs to be told.
            // SAFETY: the only reference is the caller's, so the stage is too.
            return Run::Ran(unsafe { self.run_alone() });
        }
        if !self.header().state.claim() {
            let cancelled = self.snapshot().is(CANCELLED);
            // SAFETY: the caller gives this reference up.
            unsafe { self.release() };
            return if cancelled {
                Run::Cancelled
            } else {
                Run::Claimed
            };
        }
        // SAFETY: claimed just now, and the job's reference is the caller's.
        Run::Ran(unsafe { self.run_claimed() })
    }

    /// Claims the task for a waiter, who holds a reference of another kind and keeps it. `None` if
    /// somebody else has claimed it.
    pub(crate) fn run_as_waiter(self) -> Option<Outcome> {
        if self.snapshot().is(CLAIMED) || !self.header().state.claim() {
            return None;
        }
        // The job, wherever it is queued, keeps its own reference; the claimer needs one to give up.
        self.header().state.add_reference();
        // SAFETY: claimed just now, with a reference of its own.
        Some(unsafe { self.run_claimed() })
    }

    /// Claims the task without running it.
    pub(crate) fn claim(self) -> bool {
        self.header().state.claim()
    }

    /// Runs a claimed task and settles it.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, and gives up one reference.
    #[inline]
    pub(crate) unsafe fn run_claimed(self) -> Outcome {
        // SAFETY: the claimer owns the stage, which holds the task.
        let outcome = unsafe { self.run_stage() };
        // SAFETY: run_stage has left an output, and the reference is passed on.
        unsafe { self.settle(outcome) };
        if outcome & FAILED == 0 {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        }
    }

    /// # Safety
    ///
    /// The caller's is the only reference, and nobody has claimed the task. The cell is freed.
    unsafe fn run_alone(self) -> Outcome {
        let vtable = self.header().vtable;
        // SAFETY: nobody else can reach the cell. run_stage turns the task into an output, which
        // is dropped once, and then the cell is freed.
        unsafe {
            let outcome = self.run_stage();
            (vtable.drop_output)(self.0, false);
            if let Some(settled) = vtable.settled {
                settled(self.0);
            }
            (vtable.free)(self.0);
            if outcome & FAILED == 0 {
                Outcome::Succeeded
            } else {
                Outcome::Failed
            }
        }
    }

    /// # Safety
    ///
    /// The caller owns the stage, and the stage holds the task.
    #[inline]
    unsafe fn run_stage(self) -> u32 {
        if let Some(options) = self.options()
            && options
                .start_by
                .is_some_and(|start_by| Instant::now() >= start_by)
        {
            let error = TaskError::timed_out(crate::Timeout::Queue);
            // SAFETY: passed on from the caller.
            unsafe { (self.header().vtable.fail)(self.0, error) };
            return FAILED;
        }
        let outer = CURRENT.replace(Some(self));
        // SAFETY: passed on from the caller. `run` does not unwind.
        let outcome = unsafe { (self.header().vtable.run)(self.0) };
        CURRENT.set(outer);
        outcome
    }

    /// Settles a claimed task with an error.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, and gives up one reference.
    pub(crate) unsafe fn fail_claimed(self, error: TaskError) {
        // SAFETY: the claimer owns the stage, which holds the task.
        unsafe { (self.header().vtable.fail)(self.0, error) };
        // SAFETY: the stage holds the error now.
        unsafe { self.settle(FAILED) };
    }

    /// Settles a claimed task with its encoded output.
    ///
    /// # Safety
    ///
    /// The caller has claimed the task, and gives up one reference. `portable` is the cell's own.
    pub(crate) unsafe fn complete_claimed(self, portable: &Portable, output: Box<[u8]>) {
        // SAFETY: the claimer owns the stage, which holds the task.
        unsafe { (portable.store)(self.0, output) };
        // SAFETY: the stage holds the bytes now.
        unsafe { self.settle(ENCODED) };
    }

    /// # Safety
    ///
    /// The caller has claimed the task, the stage holds an output of kind `outcome`, and the caller
    /// gives up one reference.
    #[inline]
    unsafe fn settle(self, outcome: u32) {
        let header = self.header();
        let vtable = header.vtable;
        if vtable.settled.is_some() {
            // SAFETY: passed on from the caller.
            return unsafe { self.settle_with_extra(outcome) };
        }
        let mut finish = header.state.finish(outcome, true);
        if let Finish::Unwanted = finish {
            // SAFETY: no future will take the output, and the claimer still owns the stage.
            unsafe { (vtable.drop_output)(self.0, outcome & ENCODED != 0) };
            finish = header.state.finish(outcome, false);
        }
        match finish {
            // SAFETY: the last reference is gone.
            Finish::Released { last: true } => unsafe { (vtable.free)(self.0) },
            Finish::Released { last: false } => {}
            // SAFETY: WAITER was set when DONE was: the slot is full and ours, and so is the
            // reference.
            _ => unsafe {
                self.fire(outcome_of(outcome));
                self.release();
            },
        }
    }

    /// As `settle`, for a cell whose maker wants to know. The claimer must hold a reference until it
    /// has told, so the reference cannot go in one step with `DONE`.
    ///
    /// # Safety
    ///
    /// As for `settle`.
    unsafe fn settle_with_extra(self, outcome: u32) {
        let header = self.header();
        header.state.add_reference();
        let mut finish = header.state.finish(outcome, true);
        if let Finish::Unwanted = finish {
            // SAFETY: as in `settle`.
            unsafe { (header.vtable.drop_output)(self.0, outcome & ENCODED != 0) };
            finish = header.state.finish(outcome, false);
        }
        if let Finish::Waiters = finish {
            // SAFETY: as in `settle`.
            unsafe {
                self.fire(outcome_of(outcome));
                self.release();
            }
        }
        // SAFETY: the stage is no longer the claimer's, this is called once, and then the reference
        // from above goes.
        unsafe {
            if let Some(settled) = header.vtable.settled {
                settled(self.0);
            }
            self.release();
        }
    }

    /// Cancels the task if nobody has claimed it. True if this call did. The caller's reference stays.
    pub(crate) fn cancel(self) -> bool {
        let header = self.header();
        let drops_task = match header.state.cancel() {
            Cancel::Lost => return false,
            Cancel::Won => true,
            Cancel::WonBorrowed => false,
        };
        if drops_task {
            // SAFETY: this call claimed the task, which is still in the stage.
            unsafe { self.drop_cancelled_task() };
        }
        if header.state.take_waiters() {
            // SAFETY: WAITER was set when this call set DONE.
            unsafe { self.fire(Outcome::Cancelled) };
        }
        true
    }

    /// # Safety
    ///
    /// The task is cancelled, is still in the stage, and the caller is the one to drop it.
    unsafe fn drop_cancelled_task(self) {
        let vtable = self.header().vtable;
        // SAFETY: passed on from the caller; `settled` is called here and, since a cancelled task is
        // never settled otherwise, nowhere else.
        unsafe {
            (vtable.drop_task)(self.0);
            if let Some(settled) = vtable.settled {
                settled(self.0);
            }
        }
    }

    /// Encodes the task onto the end of `buffer`, while others may cancel it. `None` if the task is
    /// claimed or cancelled.
    ///
    /// # Safety
    ///
    /// The caller owns the job's reference, and no other call of this runs. `portable` is the cell's.
    pub(crate) unsafe fn encode(
        self,
        portable: &Portable,
        buffer: &mut Vec<u8>,
    ) -> Option<Result<(), TaskError>> {
        if !self.header().state.borrow() {
            return None;
        }
        // SAFETY: under BORROWED the task stays in the stage, and nobody changes it.
        let result = panic::catch(|| unsafe { (portable.encode)(self.0, buffer) });
        if self.header().state.unborrow() {
            // SAFETY: the canceller has left the task to us.
            unsafe { self.drop_cancelled_task() };
            return None;
        }
        Some(result.and_then(|result| result.map_err(TaskError::from)))
    }

    // ---- the future's side -------------------------------------------------------------------

    /// Adds a waiter. Gives it back if the task is done.
    pub(crate) fn register(self, waiter: Waiter) -> Result<(), Waiter> {
        match self.header().state.begin_register() {
            Register::Done => Err(waiter),
            Register::Owned { full } => {
                // SAFETY: the slot is ours until end_register.
                let waiters = match unsafe { self.read_waiters(full) } {
                    None => Waiters::of(waiter),
                    Some(waiters) => waiters.with(waiter),
                };
                // SAFETY: the slot is ours and has just been emptied.
                unsafe { self.give_back_waiters(Some(waiters)) };
                Ok(())
            }
        }
    }

    /// Removes a waker, or all wakers; callbacks stay.
    pub(crate) fn unregister(self, waker: Option<&Waker>) {
        if let Register::Owned { full } = self.header().state.begin_register() {
            // SAFETY: the slot is ours until end_register, and is emptied before it is filled again.
            unsafe {
                let waiters = self.read_waiters(full);
                self.give_back_waiters(waiters.and_then(|waiters| waiters.without(waker)));
            }
        }
    }

    /// # Safety
    ///
    /// The slot belongs to the caller; `full` says whether it is full. It is empty afterwards.
    unsafe fn read_waiters(self, full: bool) -> Option<Waiters> {
        // SAFETY: full, so initialised; read out once, since it then counts as empty.
        full.then(|| {
            self.header()
                .waiters
                .with_mut(|slot| unsafe { (*slot).assume_init_read() })
        })
    }

    /// # Safety
    ///
    /// The slot belongs to the caller since `begin_register`, and is empty.
    unsafe fn give_back_waiters(self, waiters: Option<Waiters>) {
        let header = self.header();
        let full = waiters.is_some();
        if let Some(waiters) = waiters {
            // SAFETY: the slot is the caller's.
            header
                .waiters
                .with_mut(|slot| unsafe { (*slot).write(waiters) });
        }
        if let Registered::Done = header.state.end_register(full)
            && full
        {
            let outcome = self.outcome().unwrap_or(Outcome::Cancelled);
            // SAFETY: whoever set DONE found the slot owned by us, so it still is.
            unsafe { self.fire(outcome) };
        }
    }

    /// # Safety
    ///
    /// The slot is full and belongs to the caller. It is empty afterwards.
    unsafe fn fire(self, outcome: Outcome) {
        // SAFETY: passed on from the caller.
        if let Some(waiters) = unsafe { self.read_waiters(true) } {
            waiters.fire(outcome);
        }
    }

    /// Moves the output out, through a shared reference. `None` if it is not there: the task is not
    /// done, or somebody has taken it.
    ///
    /// # Safety
    ///
    /// `T` is the task's output type, and the caller's reference is the future's.
    pub(crate) unsafe fn take<T>(self) -> Option<Result<T, TaskError>> {
        let seen = self.snapshot();
        if seen.is(CANCELLED) {
            return Some(Err(TaskError::cancelled()));
        }
        if !seen.has_output() || !self.header().state.take() {
            return None;
        }
        // SAFETY: done, with an output, and TAKEN was set here.
        Some(unsafe { self.read_output(seen) })
    }

    /// Moves the output out and gives the future's reference up.
    ///
    /// # Safety
    ///
    /// The task is done (`seen` shows it), `T` is its output type, and the caller owns the future's
    /// reference and does not use it again.
    #[inline]
    pub(crate) unsafe fn take_and_release<T>(self, seen: Snapshot) -> Result<T, TaskError> {
        let result = if seen.has_output() {
            // SAFETY: done, and nobody else has the future.
            unsafe { self.read_output(seen) }
        } else {
            // Taken through a shared reference before; a future says so in its documentation.
            Err(if seen.is(CANCELLED) {
                TaskError::cancelled()
            } else {
                TaskError::lost()
            })
        };
        // SAFETY: passed on from the caller.
        unsafe { self.release_seen(seen) };
        result
    }

    /// # Safety
    ///
    /// The output is in the stage, is of type `T`, and is the caller's to move out, once.
    #[inline]
    unsafe fn read_output<T>(self, seen: Snapshot) -> Result<T, TaskError> {
        let mut slot = MaybeUninit::<Result<T, TaskError>>::uninit();
        // SAFETY: `take` moves the output to a place that has its type; then it is initialised.
        unsafe {
            let place = NonNull::from(&mut slot).cast();
            (self.header().vtable.take)(self.0, seen.is(ENCODED), place);
            slot.assume_init()
        }
    }

    /// The error, if the task is done and failed; without taking it.
    ///
    /// # Safety
    ///
    /// The caller's reference is the future's.
    pub(crate) unsafe fn error(self) -> Option<TaskError> {
        let seen = self.snapshot();
        if seen.is(CANCELLED) {
            return Some(TaskError::cancelled());
        }
        if !seen.has_output() || !seen.is(FAILED | ENCODED) || !self.header().state.begin_peek() {
            return None;
        }
        // SAFETY: done with an output, which stays where it is while we peek. It does not unwind.
        let error = unsafe { (self.header().vtable.error)(self.0, seen.is(ENCODED)) };
        self.header().state.end_peek();
        error
    }

    /// Drops the future's reference; the task goes on without it.
    ///
    /// # Safety
    ///
    /// The caller owns the future's reference and does not use it again.
    #[inline]
    pub(crate) unsafe fn drop_future(self) {
        let header = self.header();
        if header.state.load().is(WAITER) {
            // Those who waited through the future are gone; callbacks stay.
            self.unregister(None);
        }
        match header.state.drop_future() {
            DropFuture::Released { last: false } => {}
            // SAFETY: the last reference is gone.
            DropFuture::Released { last: true } => unsafe { (header.vtable.free)(self.0) },
            DropFuture::Done(seen) => {
                if seen.has_output() {
                    // SAFETY: after DONE the output is the future's.
                    unsafe { (header.vtable.drop_output)(self.0, seen.is(ENCODED)) };
                }
                // SAFETY: passed on from the caller.
                unsafe { self.release_seen(seen) };
            }
        }
    }

    /// Takes the task back out of a cell that nobody has claimed or shared, and frees the cell.
    ///
    /// # Safety
    ///
    /// The caller owns the job's and the future's reference, there is no third, the task is of type
    /// `T`, and none of them is used again.
    pub(crate) unsafe fn reclaim<T>(self) -> Option<T> {
        let vtable = self.header().vtable;
        let mut slot = MaybeUninit::<T>::uninit();
        let task = self.claim().then(|| {
            // SAFETY: claimed just now: the task is in the stage, and has the slot's type.
            unsafe {
                (vtable.move_task)(self.0, NonNull::from(&mut slot).cast());
                if let Some(settled) = vtable.settled {
                    settled(self.0);
                }
                slot.assume_init()
            }
        });
        // SAFETY: both references are the caller's; a cell without a task needs nothing else.
        unsafe { (vtable.free)(self.0) };
        task
    }

    // ---- references --------------------------------------------------------------------------

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

fn outcome_of(bits: u32) -> Outcome {
    if bits & FAILED == 0 {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    }
}
