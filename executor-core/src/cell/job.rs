//! What a backend is handed: a task with its result slot, types erased.

use std::{fmt, marker::PhantomData, time::Instant};

use super::{
    CellOptions, CellRef, Extra, Run, TaskFuture,
    vtable::Portable,
    waiter::{Callbacks, Waiter},
};
use crate::{
    Admission, Executor, Outcome, Rejected, SubmitError, Task, TaskError, TaskOptions, Timeout,
    codec::{Encoded, Shelf},
    homes::MARKS,
    registry::EncodedCall,
};

/// A task with its result slot, types erased: what a backend is handed.
///
/// A backend [`run`](Self::run)s it here, or [`encode`](Self::encode)s it for elsewhere and, once a
/// worker there has started it, [`claim`](Self::claim)s it and completes it from the encoded output.
/// A job that is dropped without being settled settles itself as
/// [`Lost`](crate::TaskErrorKind::Lost), so that no future waits for ever.
///
/// The job's owner does not own the right to run the task: until it is claimed, its future can be
/// cancelled, and a worker that waits for it may run it. `run` and `claim` say so.
#[must_use = "a job that is dropped settles as lost"]
pub struct Job {
    cell: CellRef,
}

/// A job whose task nobody else can run or cancel any more. Dropped unsettled, it settles as lost.
#[must_use = "a started job that is dropped settles as lost"]
pub struct StartedJob {
    cell: CellRef,
}

/// Which executor's workers may run a job in order to wait for it; see [`Job::bind`].
///
/// Some homes lead to their backend: see `homes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Home(pub(crate) u32);

/// How a job is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// By a call, which takes a thread until it returns.
    Call,
    /// By polling a future: see [`Job::into_async`].
    Future,
}

/// The identity of a job, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobKey(usize);

/// A job and its future before they part, which remember the task's type: a refused job can become
/// the task again.
pub(crate) struct Submission<T: Task> {
    job: Job,
    future: TaskFuture<T::Output>,
    task: PhantomData<T>,
}

/// What became of a job that was to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ran {
    /// It ran, and ended like this.
    Here(Outcome),
    /// It had been cancelled.
    Cancelled,
    /// Somebody else had claimed it: a waiter ran it, or is running it.
    Elsewhere,
}

impl Home {
    /// A home of its own, for a new executor.
    #[must_use]
    pub fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(2);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        // After five hundred million executors ids come again. 0 and 1 mean something else.
        Self((id & !MARKS).max(2))
    }

    /// The home of jobs that any thread may run in order to wait for them: of an executor that has
    /// no workers of its own.
    #[must_use]
    pub const fn anywhere() -> Self {
        Self(1)
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Task<Output: 'static> + 'static> Submission<T> {
    /// A submission for an executor of this process.
    #[inline]
    pub(crate) fn local(task: T, options: Option<TaskOptions>) -> Self {
        // SAFETY: neither the task nor its output borrows anything.
        let (job, future) = unsafe { Job::borrowing(task, (), options) };
        Self {
            job,
            future,
            task: PhantomData,
        }
    }
}

impl<T: Task> Submission<T> {
    /// # Safety
    ///
    /// The cell is new, and its task is a `T`.
    #[inline]
    pub(super) unsafe fn of_cell(cell: CellRef) -> Self {
        // SAFETY: passed on from the caller; this is one of the two references of a new cell.
        let future = unsafe { TaskFuture::from_cell(cell) };
        Self {
            job: Job { cell },
            future,
            task: PhantomData,
        }
    }

    /// Hands the job to `executor`; a job that is not accepted becomes the task again.
    ///
    /// # Panics
    ///
    /// If the executor gives back another job than it was handed, or has run the job before.
    #[inline]
    pub(crate) fn hand_to<E: Executor + ?Sized>(
        self,
        executor: &E,
        admission: Admission,
    ) -> Result<TaskFuture<T::Output>, SubmitError<T>> {
        match executor.execute(self.job, admission) {
            Ok(()) => Ok(self.future),
            Err(Rejected { job, reason }) => {
                assert!(
                    job.cell == self.future.cell(),
                    "the executor gave back another job"
                );
                job.into_cell();
                // SAFETY: the job and the future are the two references of a cell whose task is a
                // `T`; a scope's third one is made by `borrowing`'s caller, who does not come here.
                let task = unsafe { self.future.into_cell().reclaim() };
                let task = task.expect("the executor gave back a job that it had run");
                Err(SubmitError::new(task, reason))
            }
        }
    }

    /// What kind of job it is.
    pub(crate) fn kind(&self) -> JobKind {
        self.job.kind()
    }

    /// The job and the future.
    pub(crate) fn into_parts(self) -> (Job, TaskFuture<T::Output>) {
        (self.job, self.future)
    }
}

impl Job {
    /// # Safety
    ///
    /// Whatever the task and its output borrow must live until `extra` has been told that the job is
    /// settled, and until the future is dropped or has given its result away.
    pub(crate) unsafe fn borrowing<T: Task, X: Extra>(
        task: T,
        extra: X,
        options: Option<TaskOptions>,
    ) -> (Self, TaskFuture<T::Output>) {
        let cell = CellRef::new(task, extra, CellOptions::of(options));
        // SAFETY: the two references of a new cell.
        (Self { cell }, unsafe { TaskFuture::from_cell(cell) })
    }

    /// The cell, for a scope that wants a reference of its own.
    pub(crate) const fn cell(&self) -> CellRef {
        self.cell
    }

    /// Says whose workers may run this job when they wait for it. A backend calls it as it
    /// accepts the job, before any other thread can reach it.
    ///
    /// A job without a home is only ever run by its owner: for backends whose workers are not
    /// threads of this process.
    #[inline]
    pub fn bind(&self, home: Home) {
        self.cell.set_home(home.0);
    }

    /// The identity of this job.
    #[must_use]
    pub fn key(&self) -> JobKey {
        JobKey::of(self.cell)
    }

    /// The name of the submission, or else of the task.
    #[must_use]
    pub fn name(&self) -> &str {
        self.cell.name()
    }

    /// The registered name of the task, or the name of its type if it cannot leave the process.
    #[must_use]
    pub fn task_name(&self) -> &'static str {
        self.cell.task_name()
    }

    /// The options of the submission, if it has any.
    #[must_use]
    pub fn options(&self) -> Option<&TaskOptions> {
        self.cell.options().map(|options| &options.options)
    }

    /// Whether the future is done already: cancelled, or run by a waiter. Running it does
    /// nothing then, and neither does dropping it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cell.outcome().is_some()
    }

    /// How the task ended, if it has: cancelled, or run by a waiter.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.cell.outcome()
    }

    /// Runs the task on this thread and settles it; a panic in it settles it too, and goes no
    /// further. Does nothing if the job is not to be run any more.
    #[inline]
    pub fn run(self) -> Ran {
        // The shell that is given back is dropped: it is of no use to anybody.
        self.try_run().unwrap_or(Ran::Elsewhere)
    }

    /// As [`run`](Self::run), for backends that keep count of what they have accepted until it is
    /// settled.
    ///
    /// # Errors
    ///
    /// The job, if somebody else has claimed it; it may not be settled yet. See
    /// [`when_settled`](Self::when_settled).
    #[inline]
    pub fn try_run(self) -> Result<Ran, Self> {
        let cell = self.into_cell();
        // SAFETY: the job's reference, which `into_cell` has taken from the job.
        match unsafe { cell.run_job() } {
            Run::Ran(outcome) => Ok(Ran::Here(outcome)),
            Run::Cancelled => Ok(Ran::Cancelled),
            // The reference was not given up.
            Run::Claimed => Err(Self { cell }),
        }
    }

    /// As [`cancel`](Self::cancel), for the same backends.
    ///
    /// # Errors
    ///
    /// The job, if somebody else has claimed it.
    pub fn try_cancel(self) -> Result<(), Self> {
        match self.cell.try_cancel(true) {
            Some(true) => Ok(()),
            _ if self.outcome() == Some(Outcome::Cancelled) => Ok(()),
            _ => Err(self),
        }
    }

    /// As [`fail`](Self::fail), for the same backends.
    ///
    /// # Errors
    ///
    /// The job, if somebody else has claimed it.
    pub fn try_fail(self, error: TaskError) -> Result<Ran, Self> {
        if self.cell.claim() {
            StartedJob {
                cell: self.into_cell(),
            }
            .fail(error);
            return Ok(Ran::Here(Outcome::Failed));
        }
        match self.outcome() {
            Some(Outcome::Cancelled) => Ok(Ran::Cancelled),
            _ => Err(self),
        }
    }

    /// Calls `then` once the task is settled, which somebody else has claimed: at once, if it is.
    pub fn when_settled(self, then: impl FnOnce(Outcome) + Send + 'static) {
        if let Err(waiter) = self.cell.register(Waiter::Callback(Box::new(then))) {
            waiter.fire(self.cell.outcome().unwrap_or(Outcome::Cancelled));
        }
    }

    /// Cancels the task. False if somebody has claimed it.
    ///
    /// A job that was [handed over](Self::hand_over) is cancelled by this too: the caller has taken it
    /// back from the worker.
    #[expect(
        clippy::must_use_candidate,
        reason = "either way the job needs no more care"
    )]
    pub fn cancel(self) -> bool {
        self.cell.try_cancel(true) == Some(true)
    }

    /// Says that from now on a worker elsewhere may start the task, so that only the backend knows
    /// whether it can still be cancelled: see [`Remote`](crate::Remote). Called before the worker
    /// hears of the task. False if the task is cancelled: then nobody may start it.
    #[must_use]
    pub fn hand_over(&self) -> bool {
        self.cell.hand_over()
    }

    /// Ends [`hand_over`](Self::hand_over): the worker will not start the task.
    pub fn take_back(&self) {
        self.cell.take_back();
    }

    /// When the queue timeout of the task passes, if it has one.
    #[must_use]
    pub fn start_by(&self) -> Option<Instant> {
        self.cell.options().and_then(|options| options.start_by)
    }

    /// Settles the task with an error, if nobody has claimed it.
    pub fn fail(self, error: TaskError) -> Ran {
        match self.claim() {
            Ok(started) => {
                started.fail(error);
                Ran::Here(Outcome::Failed)
            }
            Err(ran) => ran,
        }
    }

    /// Claims the task: from now on it is running, and cannot be cancelled.
    ///
    /// # Errors
    ///
    /// If it has been cancelled or claimed before.
    pub fn claim(self) -> Result<StartedJob, Ran> {
        let claimed = self.cell.claim();
        let ran = match self.cell.outcome() {
            Some(Outcome::Cancelled) => Ran::Cancelled,
            _ => Ran::Elsewhere,
        };
        let cell = self.into_cell();
        if claimed {
            return Ok(StartedJob { cell });
        }
        // SAFETY: the job's reference, which `into_cell` has taken from the job.
        unsafe { cell.release() };
        Err(ran)
    }

    /// Whether the task can leave the process.
    #[must_use]
    pub fn is_portable(&self) -> bool {
        self.cell.portable_vtable().is_some()
    }

    /// Encodes the task onto the end of `buffer`, and says what else its worker must know. The job
    /// stays as it is, and can still be cancelled. `None` if it has been cancelled or claimed, or
    /// if it cannot leave the process.
    ///
    /// # Errors
    ///
    /// When the task's `Serialize` implementation fails or panics.
    pub fn encode<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
    ) -> Option<Result<EncodedCall<'b>, TaskError>> {
        self.encode_onto(None, buffer)
    }

    /// As [`encode`](Self::encode), with a place for long pieces. If it was used, all of the encoding is
    /// there and the body of the call is empty. That of a `map`'s chunk is never there.
    ///
    /// # Errors
    ///
    /// As there; what is on the shelf is of no use then.
    pub fn encode_onto<'b>(
        &mut self,
        shelf: Option<&'static dyn Shelf>,
        buffer: &'b mut Vec<u8>,
    ) -> Option<Result<EncodedCall<'b>, TaskError>> {
        let portable = self.cell.portable_vtable()?;
        // The items of a chunk are in frames, which say how long they are.
        let shelf = shelf.filter(|_| portable.interrupt.is_none());
        let start = buffer.len();
        // SAFETY: the job owns its reference, and is borrowed exclusively.
        let result = unsafe { self.cell.encode(portable, buffer, shelf) }?;
        Some(result.map(|()| EncodedCall {
            name: match self.options() {
                None => portable.name,
                Some(_) => self.task_name(),
            },
            is_chunk: portable.interrupt.is_some(),
            body: &buffer[start..],
        }))
    }

    /// The cell with the job's reference, for whoever takes over.
    pub(super) fn into_cell(self) -> CellRef {
        let cell = self.cell;
        std::mem::forget(self);
        cell
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.cell.claim() {
            drop(StartedJob { cell: self.cell });
        } else {
            // SAFETY: the job's reference, given up once.
            unsafe { self.cell.release() };
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl StartedJob {
    /// Runs the task on this thread and settles it.
    #[expect(clippy::must_use_candidate, reason = "the future gets the outcome")]
    pub fn run(self) -> Outcome {
        let cell = self.into_cell();
        // SAFETY: claimed, and the reference is taken from the started job.
        unsafe { cell.run_claimed() }
    }

    /// Settles the task with an error.
    pub fn fail(self, error: TaskError) {
        let cell = self.into_cell();
        // SAFETY: claimed, and the reference is taken from the started job.
        unsafe { cell.fail_claimed(error) }
    }

    /// Settles the task with the encoded output that its worker sent. The bytes are decoded by
    /// whoever takes the result, and need not be trusted: bytes that cannot be decoded fail this task.
    ///
    /// # Panics
    ///
    /// If the task cannot leave the process: then nothing can have encoded its output.
    pub fn complete(self, output: Box<[u8]>) {
        let portable: &Portable = self
            .cell
            .portable_vtable()
            .expect("only a portable task has an encoded output");
        let cell = self.into_cell();
        // SAFETY: claimed, and the reference is taken from the started job.
        unsafe { cell.complete_claimed(portable, output.into()) }
    }

    /// Settles the task with the encoded output or the error that its worker sent, for a backend
    /// whose thread must not run callbacks: whoever waits is woken, and the callbacks come back, if
    /// there are any. The output may be [held](Encoded::held) elsewhere until it is taken.
    ///
    /// # Panics
    ///
    /// If there is an output, and the task cannot leave the process.
    #[expect(
        clippy::must_use_candidate,
        reason = "dropped callbacks are called, where that may be done"
    )]
    pub fn settle(self, result: Result<Encoded, TaskError>) -> Option<Callbacks> {
        let portable = self.cell.portable_vtable();
        let cell = self.into_cell();
        // SAFETY: claimed, the stage holds the task, and the reference is taken from the started job.
        // A task that can leave the process has no extra, and no other comes to such a backend.
        unsafe {
            let outcome = match result {
                Ok(output) => {
                    let portable = portable.expect("only a portable task has an encoded output");
                    cell.store_output(portable, output)
                }
                Err(error) => cell.store_error(error),
            };
            cell.settle_deferring(outcome)
        }
    }

    /// Settles the task as one whose worker died while it ran it: with the error, and of a chunk only the
    /// item that the worker was at. The items before it have their results in `partial`, which is what
    /// the worker had put into its [`Sink`](crate::Sink); the items after it go back to the `map` that
    /// sent them, which submits them again.
    ///
    /// `partial` may be cut off at any byte, and need not be trusted. It is read by whoever takes the
    /// results. If all of them are in it the error is not used.
    ///
    /// Callbacks come back, as with [`settle`](Self::settle).
    #[expect(
        clippy::must_use_candidate,
        reason = "callbacks that are dropped are called"
    )]
    pub fn interrupted(self, partial: Vec<u8>, error: TaskError) -> Option<Callbacks> {
        let interrupt = self.cell.portable_vtable().and_then(|p| p.interrupt);
        let cell = self.into_cell();
        // SAFETY: as in `settle`.
        unsafe {
            let outcome = match interrupt {
                Some(interrupt) => cell.store_partial(interrupt, partial, error),
                None => cell.store_error(error),
            };
            cell.settle_deferring(outcome)
        }
    }

    /// Settles the task as overdue: it ran for longer than its options allow.
    pub fn time_out(self) {
        self.fail(TaskError::timed_out(Timeout::Run));
    }

    fn into_cell(self) -> CellRef {
        let cell = self.cell;
        std::mem::forget(self);
        cell
    }
}

impl Drop for StartedJob {
    fn drop(&mut self) {
        // SAFETY: claimed, and the reference is given up once.
        unsafe { self.cell.fail_claimed(TaskError::lost()) };
    }
}

impl fmt::Debug for StartedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartedJob")
            .field("name", &self.cell.name())
            .finish_non_exhaustive()
    }
}

impl JobKey {
    pub(crate) fn of(cell: CellRef) -> Self {
        Self(cell.address())
    }
}
