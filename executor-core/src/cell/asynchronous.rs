//! Tasks that are futures: a cell in whose stage the future is polled.
//!
//! Such a cell is one allocation too: the stage holds first the task, then the future that it makes, then
//! the output. A backend that has a runtime takes the job as an [`AsyncJob`] and polls it there; any other
//! one runs it like all jobs, and the thread that does so drives the future itself.
//!
//! # Who may touch what
//!
//! The claimer owns the stage, as ever, and so nobody else polls. A future that has been polled does not
//! move any more: it stays in its cell, which is on the heap, and is dropped there; the task is only
//! moved out of a cell that nobody has claimed.
//!
//! **The stop slot** holds the waker of the latest poll. Whoever asks the task to stop sets `STOP`
//! and then wakes what is in the slot; the poller fills the slot and then looks at `STOP`. One of them
//! sees the other, so that a task that sleeps at an `.await` is woken, and ends there.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem::ManuallyDrop,
    ops::DerefMut,
    pin::Pin,
    ptr::NonNull,
    sync::PoisonError,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use super::{
    CellRef, Current, Header, Job, JobKind, Ran,
    state::{CANCELLED, FAILED, STOP},
    vtable::{Carries, CarriesChunk, TaskCell, VTable},
    waiter::Waiter,
};
use crate::{
    Outcome, PortableTask, Task, TaskError, Timeout,
    map::{RunTask, chunk::Chunk},
    panic,
    sync::{AtomicBool, Mutex, Ordering},
};

/// How the future is driven by a worker that has no runtime.
#[doc(hidden)]
pub type BlockOn = fn(Pin<&mut (dyn Future<Output = ()> + '_)>);

/// What a cell's vtable says of a task that is a future.
pub(super) struct Asynchronous {
    poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Poll<u32>,
    stop_slot: unsafe fn(NonNull<Header>) -> NonNull<Mutex<Option<Waker>>>,
}

/// A cell with a task that is a future.
#[repr(C)]
struct AsyncCell<T, M, F>
where
    Work<T, M, F>: Task,
{
    // First, so that a pointer to it is one to its cell, and to the header.
    cell: TaskCell<Work<T, M, F>, ()>,
    block_on: BlockOn,
    stop_slot: Mutex<Option<Waker>>,
    /// Whether the stop slot was ever filled; only the poller asks.
    has_slept: AtomicBool,
}

/// What is in the stage of such a cell: the task, and how it becomes a future; then the future.
pub(super) enum Work<T, M, F> {
    Waiting(T, M),
    Started(F),
    /// While `M` is called, and for good if it panics.
    Gone,
}

impl<T, M, F> Task for Work<T, M, F>
where
    T: Task,
    M: FnOnce(T) -> F + Send,
    F: Future<Output = T::Output> + Send,
{
    type Output = T::Output;

    /// Never called: the vtable has the cell's own `run`, since a future must not move.
    fn run(self) -> T::Output {
        unreachable!("an async task is polled where it is")
    }
}

impl<T, M, F> Carries for Work<T, M, F>
where
    T: PortableTask,
    M: FnOnce(T) -> F + Send,
    F: Future<Output = T::Output> + Send,
{
    type Task = T;

    fn carried(&self) -> Option<&T> {
        match self {
            Self::Waiting(task, _) => Some(task),
            _ => None,
        }
    }
}

impl<T, M, F> CarriesChunk for Work<Chunk<RunTask, T>, M, F>
where
    T: PortableTask,
    M: FnOnce(Chunk<RunTask, T>) -> F + Send,
    F: Future<Output = <Chunk<RunTask, T> as Task>::Output> + Send,
{
    type Item = T;

    fn carried(&self) -> Option<&Chunk<RunTask, T>> {
        match self {
            Self::Waiting(chunk, _) => Some(chunk),
            _ => None,
        }
    }

    fn into_carried(self) -> Option<Chunk<RunTask, T>> {
        match self {
            Self::Waiting(chunk, _) => Some(chunk),
            _ => None,
        }
    }
}

impl<T, M, F> Work<T, M, F>
where
    M: FnOnce(T) -> F,
    F: Future,
{
    /// # Safety
    ///
    /// The work has been polled never or at this very place, and stays here until it is dropped.
    unsafe fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        if matches!(self, Self::Waiting(..)) {
            let Self::Waiting(task, start) = std::mem::replace(self, Self::Gone) else {
                unreachable!("it is waiting");
            };
            *self = Self::Started(start(task));
        }
        let Self::Started(future) = self else {
            unreachable!("work is settled once it is over");
        };
        // SAFETY: passed on from the caller.
        unsafe { Pin::new_unchecked(future) }.poll(context)
    }
}

impl<T, M, F> AsyncCell<T, M, F>
where
    T: Task,
    M: FnOnce(T) -> F + Send,
    F: Future<Output = T::Output> + Send,
{
    const LOCAL: VTable = Self::adapt(TaskCell::<Work<T, M, F>, ()>::LOCAL);

    const ASYNCHRONOUS: Asynchronous = Asynchronous {
        poll: Self::poll,
        stop_slot: Self::stop_slot_of,
    };

    const fn adapt(vtable: VTable) -> VTable {
        VTable {
            name: std::any::type_name::<T>,
            ..Self::adapt_named(vtable)
        }
    }

    /// The functions that must know that the task is a future.
    const fn adapt_named(vtable: VTable) -> VTable {
        VTable {
            run: Self::run,
            fail: Self::fail,
            move_task: Self::move_task,
            free: Self::free,
            asynchronous: Some(&Self::ASYNCHRONOUS),
            ..vtable
        }
    }

    fn allocate(header: Header, task: T, start: M, block_on: BlockOn) -> NonNull<Header> {
        let cell = Box::new(Self {
            cell: TaskCell::new(header, Work::Waiting(task, start), ()),
            block_on,
            stop_slot: Mutex::new(None),
            has_slept: AtomicBool::new(false),
        });
        NonNull::from(Box::leak(cell)).cast()
    }

    /// # Safety
    ///
    /// `header` is the header of a live `AsyncCell<T, M, F>`; so for all functions below.
    unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: the header is the first field of the first field, and the cell is used through `&`.
        unsafe { header.cast().as_ref() }
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the work; if this is ready it holds the output, of the kind
    /// that this gives.
    unsafe fn poll(header: NonNull<Header>, context: &mut Context<'_>) -> Poll<u32> {
        // SAFETY: passed on from the caller.
        let cell = unsafe { &Self::of(header).cell };
        let is_stopped = || cell.header().state.load().is(STOP);
        let polled = cell.stage().with_mut(|stage| {
            if is_stopped() {
                return Err(TaskError::stopped());
            }
            // SAFETY: the claimer owns the stage; the work is in its cell on the heap, and stays there.
            let work: &mut Work<T, M, F> = unsafe { &mut (*stage).task };
            // SAFETY: as above.
            panic::catch(|| unsafe { work.poll(context) })
        });
        let output = match polled {
            Ok(Poll::Ready(output)) => Ok(output),
            Err(error) => Err(error),
            Ok(Poll::Pending) => {
                // SAFETY: passed on from the caller.
                unsafe { Self::of(header) }.fill_stop_slot(context.waker());
                if !is_stopped() {
                    return Poll::Pending;
                }
                Err(TaskError::stopped())
            }
        };
        // SAFETY: passed on from the caller.
        unsafe { Self::of(header) }.empty_stop_slot();
        let outcome = if output.is_ok() { 0 } else { FAILED };
        // SAFETY: the claimer owns the stage, which holds the work; it is dropped where it is.
        unsafe {
            (Self::LOCAL.drop_task)(header);
            cell.stage()
                .with_mut(|stage| (*stage).output = ManuallyDrop::new(output));
        }
        Poll::Ready(outcome)
    }

    /// Leaves a waker for whoever asks the task to stop. The old one is dropped with no lock held, and whatever its
    /// drop does is kept away from the poll.
    fn fill_stop_slot(&self, waker: &Waker) {
        // Relaxed: the poller's own.
        self.has_slept.store(true, Ordering::Relaxed);
        let is_there = |old: &Option<Waker>| old.as_ref().is_some_and(|old| old.will_wake(waker));
        if !is_there(&self.stop_slot()) {
            let new = waker.clone();
            let old = self.stop_slot().replace(new);
            panic::guard(|| drop(old));
        }
    }

    /// The task is over: nobody has to be woken any more.
    fn empty_stop_slot(&self) {
        if !self.has_slept.load(Ordering::Relaxed) {
            return;
        }
        let old = self.stop_slot().take();
        if old.is_some() {
            panic::guard(|| drop(old));
        }
    }

    fn stop_slot(&self) -> impl DerefMut<Target = Option<Waker>> {
        self.stop_slot
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the work; it holds the output afterwards.
    unsafe fn run(header: NonNull<Header>) -> u32 {
        // SAFETY: passed on from the caller.
        let block_on = unsafe { Self::of(header) }.block_on;
        let mut outcome = None;
        let driven = panic::catch(|| {
            let mut polling = async {
                // SAFETY: passed on from the caller; not polled again after it was ready.
                let polled = poll_fn(|context| unsafe { Self::poll(header, context) }).await;
                outcome = Some(polled);
            };
            // SAFETY: `polling` is not moved any more.
            block_on(unsafe { Pin::new_unchecked(&mut polling) });
        });
        match (outcome, driven) {
            (Some(outcome), _) => outcome,
            (None, driven) => {
                let error = driven.err().unwrap_or_else(TaskError::lost);
                // SAFETY: the future was not driven to its end, so the work is in the stage still.
                unsafe { Self::fail(header, error) };
                FAILED
            }
        }
    }

    /// # Safety
    ///
    /// The stage is the caller's and holds the work; it holds the error afterwards.
    unsafe fn fail(header: NonNull<Header>, error: TaskError) {
        // SAFETY: passed on from the caller.
        unsafe {
            Self::of(header).empty_stop_slot();
            (TaskCell::<Work<T, M, F>, ()>::LOCAL.fail)(header, error);
        }
    }

    /// # Safety
    ///
    /// The stage is the caller's, who has just claimed it, and holds a task that was never polled; `place`
    /// is for a `T`. The stage is empty afterwards.
    unsafe fn move_task(header: NonNull<Header>, place: NonNull<()>) {
        // SAFETY: the caller owns the stage and the place.
        unsafe { &Self::of(header).cell }
            .stage()
            .with_mut(|stage| unsafe {
                let Work::Waiting(task, _) = ManuallyDrop::take(&mut (*stage).task) else {
                    unreachable!("nobody has claimed the task");
                };
                place.cast().write(task);
            });
    }

    /// # Safety
    ///
    /// Only what `of` needs; the slot lives as long as the cell.
    unsafe fn stop_slot_of(header: NonNull<Header>) -> NonNull<Mutex<Option<Waker>>> {
        // SAFETY: passed on from the caller.
        NonNull::from(unsafe { &Self::of(header).stop_slot })
    }

    /// # Safety
    ///
    /// No reference is left, and the stage is empty.
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the cell came from a Box; see `TaskCell::free`.
        drop(unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) });
    }
}

impl<T, M, F> AsyncCell<T, M, F>
where
    T: PortableTask,
    M: FnOnce(T) -> F + Send,
    F: Future<Output = T::Output> + Send,
{
    const PORTABLE: VTable = Self::adapt_named(TaskCell::<Work<T, M, F>, ()>::PORTABLE);
}

impl<T, M, F> AsyncCell<Chunk<RunTask, T>, M, F>
where
    T: PortableTask,
    M: FnOnce(Chunk<RunTask, T>) -> F + Send,
    F: Future<Output = <Chunk<RunTask, T> as Task>::Output> + Send,
{
    const PORTABLE_CHUNK: VTable =
        Self::adapt_named(TaskCell::<Work<Chunk<RunTask, T>, M, F>, ()>::PORTABLE_CHUNK);
}

impl CellRef {
    /// A new cell for a task that `start` makes a future of.
    pub(crate) fn asynchronous<T, M, F>(task: T, start: M, options: super::Options) -> Self
    where
        T: Task,
        M: FnOnce(T) -> F + Send,
        F: Future<Output = T::Output> + Send,
    {
        let header = Header::new(&AsyncCell::<T, M, F>::LOCAL, options);
        let block_on: BlockOn = |future| crate::block_on(future);
        Self(AsyncCell::allocate(header, task, start, block_on))
    }

    /// As [`asynchronous`](Self::asynchronous), for a task that can leave the process.
    pub(crate) fn portable_asynchronous<T, M, F>(
        task: T,
        start: M,
        block_on: BlockOn,
        options: super::Options,
    ) -> Self
    where
        T: PortableTask,
        M: FnOnce(T) -> F + Send,
        F: Future<Output = T::Output> + Send,
    {
        let header = Header::new(&AsyncCell::<T, M, F>::PORTABLE, options);
        Self(AsyncCell::allocate(header, task, start, block_on))
    }

    /// As [`portable_asynchronous`](Self::portable_asynchronous), for many tasks of one name.
    pub(crate) fn portable_asynchronous_chunk<T, M, F>(
        chunk: Chunk<RunTask, T>,
        start: M,
        block_on: BlockOn,
    ) -> Self
    where
        T: PortableTask,
        M: FnOnce(Chunk<RunTask, T>) -> F + Send,
        F: Future<Output = <Chunk<RunTask, T> as Task>::Output> + Send,
    {
        let vtable = &AsyncCell::<Chunk<RunTask, T>, M, F>::PORTABLE_CHUNK;
        Self(AsyncCell::allocate(
            Header::new(vtable, None),
            chunk,
            start,
            block_on,
        ))
    }

    /// Asks the task to stop, and wakes it if it sleeps at an `.await`.
    pub(crate) fn request_stop(self) {
        self.header().state.request_stop();
        let Some(asynchronous) = self.header().vtable.asynchronous else {
            return;
        };
        // SAFETY: the cell is of the type that its vtable is for, and lives as long as this reference.
        let slot = unsafe { (asynchronous.stop_slot)(self.0).as_ref() };
        let waker = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            panic::guard(|| waker.wake());
        }
    }
}

/// A job whose task is a future, for a backend that has a runtime to poll it on.
///
/// It is a future of what became of the task. The first poll claims the task, which can be cancelled until
/// then; once it is ready the task is settled. Dropped before, it settles as
/// [`Lost`](crate::TaskErrorKind::Lost).
#[must_use = "an async job that is dropped settles as lost"]
pub struct AsyncJob {
    // Nothing else: it is moved about, and with more a tokio task would not fit into 128 bytes.
    stage: Stage,
}

/// How far an async job is.
enum Stage {
    Pending(Job),
    /// Claimed; the reference is this value's.
    Claimed(CellRef),
    /// Claimed by somebody else, who is about to settle it.
    Elsewhere(Job),
    Over,
}

impl Job {
    /// How the task is run; [`into_async`](Self::into_async) takes a future.
    #[must_use]
    pub fn kind(&self) -> JobKind {
        match self.cell().header().vtable.asynchronous {
            Some(_) => JobKind::Future,
            None => JobKind::Call,
        }
    }

    /// The job as a future, to be polled by the backend's runtime.
    ///
    /// # Errors
    ///
    /// The job, if its task is no future.
    pub fn into_async(self) -> Result<AsyncJob, Self> {
        match self.cell().header().vtable.asynchronous {
            Some(_) => Ok(AsyncJob {
                stage: Stage::Pending(self),
            }),
            None => Err(self),
        }
    }
}

impl AsyncJob {
    /// Whether the task has been started: polled once, and not cancelled before.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        matches!(self.stage, Stage::Claimed(_))
    }

    /// The job as it was, for a backend that cannot take it after all.
    ///
    /// # Panics
    ///
    /// If it has been polled.
    pub fn into_job(mut self) -> Job {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Pending(job) => job,
            other => {
                self.stage = other;
                panic!("an async job that has been polled is no job any more")
            }
        }
    }

    /// Cancels the task, if it has not been started.
    pub fn cancel(&self) {
        if let Stage::Pending(job) = &self.stage {
            // Whoever else has claimed it settles it.
            let _cancelled = job.cell().try_cancel(true);
        }
    }

    /// Claims the task. Ready if there is nothing to be polled.
    fn begin(&mut self, context: &Context<'_>) -> Poll<Option<Ran>> {
        let job = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Elsewhere(job) => {
                if let Err(_done) = job.cell().register(Waiter::Waker(context.waker().clone())) {
                    return Poll::Ready(Some(Ran::Elsewhere));
                }
                self.stage = Stage::Elsewhere(job);
                return Poll::Pending;
            }
            Stage::Pending(job) => job,
            other => {
                self.stage = other;
                return Poll::Ready(None);
            }
        };
        let cell = job.cell();
        if cell.claim() {
            std::mem::forget(job);
            self.stage = Stage::Claimed(cell);
            if let Some(start_by) = cell.options().and_then(|options| options.start_by)
                && Instant::now() >= start_by
            {
                self.stage = Stage::Over;
                // SAFETY: claimed just now, and the reference was the job's.
                unsafe { cell.fail_claimed(TaskError::timed_out(Timeout::Queue)) };
                return Poll::Ready(Some(Ran::Here(Outcome::Failed)));
            }
            return Poll::Ready(None);
        }
        if cell.snapshot().is(CANCELLED) {
            return Poll::Ready(Some(Ran::Cancelled));
        }
        self.stage = Stage::Elsewhere(job);
        self.begin(context)
    }
}

impl Future for AsyncJob {
    type Output = Ran;

    /// # Panics
    ///
    /// If it is polled after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ran> {
        let this = self.get_mut();
        if let Some(ran) = ready!(this.begin(context)) {
            return Poll::Ready(ran);
        }
        let Stage::Claimed(cell) = this.stage else {
            panic!("an async job was polled after it was over");
        };
        let polled = {
            let _current = Current::enter(cell);
            let Some(asynchronous) = cell.header().vtable.asynchronous else {
                unreachable!("only a future becomes an async job");
            };
            // SAFETY: claimed, so the stage is ours; it holds the work, since it has not been ready.
            unsafe { (asynchronous.poll)(cell.0, context) }
        };
        let outcome = ready!(polled);
        this.stage = Stage::Over;
        // SAFETY: claimed, the stage holds the output, and the reference is given up once.
        unsafe { cell.settle(outcome) };
        Poll::Ready(Ran::Here(super::claim::outcome_of(outcome)))
    }
}

impl Drop for AsyncJob {
    fn drop(&mut self) {
        if let Stage::Claimed(cell) = self.stage {
            let outcome = {
                // What the future drops is still the task's.
                let _current = Current::enter(cell);
                // SAFETY: claimed, and the work is in the stage.
                unsafe { cell.store_error(TaskError::lost()) }
            };
            // SAFETY: claimed, the stage holds the error, and the reference is given up once.
            unsafe { cell.settle(outcome) };
        }
    }
}

impl fmt::Debug for AsyncJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_started = matches!(self.stage, Stage::Claimed(_));
        f.debug_struct("AsyncJob")
            .field("is_started", &is_started)
            .finish_non_exhaustive()
    }
}
