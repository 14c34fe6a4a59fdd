//! Many tasks, one iterator of their results.
//!
//! The way of an item: the iterator pulls it from the input when there is room in the window, packs
//! it with others into a chunk ([`size`] says how many), and submits the chunk as one job. The
//! chunk's results come back in one piece and are given out one by one. A chunk that takes too long
//! gives back what it has not begun, and that is submitted anew in smaller chunks, in its place.

pub(crate) mod chunk;
pub(crate) mod encoded;
mod size;
#[cfg(feature = "stream")]
mod stream;
mod under_way;

use std::{
    any::Any,
    collections::VecDeque,
    fmt,
    iter::FusedIterator,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, Instant},
    vec,
};

pub use self::chunk::{Apply, RunTask, Step};
use self::{
    chunk::{Chunk, Results},
    size::Sizer,
    under_way::{Next, Pending, UnderWay},
};
use crate::{
    Admission, Executor, JobKind, PortableTask, Reason, TaskError, TaskErrorKind, Timeout,
    cell::Submission, context, wait::Select,
};

/// How many single items may be under way for each worker, unless [`Map::window`] says otherwise:
/// enough to hide one slow item behind the others.
const SINGLES_A_WORKER: usize = 8;

/// How many chunks of more than one item may be under way for each worker.
const CHUNKS_A_WORKER: usize = 3;

/// The iterator that [`map`](crate::ExecutorExt::map) gives: one `Result` for each item of the input.
///
/// - **Lazy.** The input is pulled on the thread that iterates, only as far as the window allows:
///   a few chunks for each worker, or [`window`](Self::window) items.
/// - **In order**, unless [`unordered`](Self::unordered).
/// - **In chunks.** Items start alone; cheap ones are packed until a chunk takes about a millisecond (two in
///   another process), fewer towards the end; slow ones stay alone. [`chunk`](Self::chunk) fixes the size.
/// - **One failure is one `Err`.** It neither ends the iteration nor spoils its chunk.
/// - **A panic of the input** comes up once, from `next`, after the results of all items before it;
///   then the iteration is over.
/// - **Dropping** it cancels what has not started, and signals what has.
#[must_use = "nothing is submitted before the first `next` (or `start`)"]
pub struct Map<E, I, S = RunTask>
where
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
    executor: E,
    input: Option<I>,
    step: S,
    submit: Submit<S, I::Item>,
    sizer: Sizer,
    window: Option<usize>,
    under_way: UnderWay<I::Item, S::Output>,
    /// A chunk that there was no room for.
    backlog: Option<Chunk<S, I::Item>>,
    /// Results that were fetched and not given out.
    ready: vec::IntoIter<Result<S::Output, TaskError>>,
    /// Items pulled whose results are not ready.
    pending: usize,
    /// Results given out, as far as anybody wants to know.
    given: usize,
    deadline: Option<Instant>,
    expired: bool,
    progress: Option<Box<dyn FnMut(Progress) + Send>>,
    input_panic: Option<Box<dyn Any + Send>>,
    /// Whether it waits on this thread, as an iterator, or in a poll, as a stream.
    waits: Waits,
    /// The kind of the job that there was no room for last.
    kind: JobKind,
}

/// How a map waits for room and for results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Blocking,
    Polling,
}

/// How far a [`Map`] is, for its [`progress`](Map::progress) function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Results given out.
    pub done: usize,
    /// All items, if the input knows.
    pub total: Option<usize>,
}

type Submit<S, Item> = fn(Chunk<S, Item>) -> Submission<Chunk<S, Item>>;
impl<E, I> Map<E, I>
where
    E: Executor,
    I: Iterator<Item: PortableTask>,
{
    pub(crate) fn portable(executor: E, input: I) -> Self {
        Self::new(executor, input, RunTask::new(), |chunk| {
            Submission::portable_chunk(chunk)
        })
    }
}

impl<E, I, S> Map<E, I, S>
where
    E: Executor,
    I: Iterator<Item: Send + 'static>,
    S: Step<I::Item, Output: 'static> + 'static,
{
    pub(crate) fn local(executor: E, input: I, step: S) -> Self {
        Self::new(executor, input, step, |chunk| {
            Submission::local(chunk, None)
        })
    }
}

impl<E, I, S> Map<E, I, S>
where
    E: Executor,
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
    fn new(executor: E, input: I, step: S, submit: Submit<S, I::Item>) -> Self {
        let sizer = Sizer::new(executor.capabilities().local);
        Self {
            executor,
            input: Some(input),
            step,
            submit,
            sizer,
            window: None,
            under_way: UnderWay::Ordered(VecDeque::new()),
            backlog: None,
            ready: Vec::new().into_iter(),
            pending: 0,
            given: 0,
            deadline: None,
            expired: false,
            progress: None,
            input_panic: None,
            waits: Waits::Blocking,
            kind: JobKind::Call,
        }
    }

    /// Pulls at most `items` ahead of the results that have been given out.
    ///
    /// # Panics
    ///
    /// If `items` is 0: nothing could ever be pulled. At least 1 is allowed.
    pub fn window(mut self, items: usize) -> Self {
        assert!(
            items > 0,
            "the window of a map is 0 items; it must be at least 1"
        );
        self.window = Some(items);
        self
    }

    /// Packs exactly `items` into each job (fewer at the end, or where the window is smaller).
    ///
    /// # Panics
    ///
    /// If `items` is 0. At least 1 is allowed.
    pub fn chunk(mut self, items: usize) -> Self {
        assert!(
            items > 0,
            "the chunk of a map is 0 items; it must be at least 1"
        );
        self.sizer.fix(items);
        self
    }

    /// Gives results out as they come, so that a slow item holds nobody up.
    ///
    /// # Panics
    ///
    /// If the iteration has begun.
    pub fn unordered(mut self) -> Self {
        assert!(
            self.pulled() == 0,
            "`unordered` comes before the iteration begins"
        );
        self.under_way = UnderWay::Unordered(Select::new(), VecDeque::new());
        self
    }

    /// Limits the time of the whole iteration, counted from this call. Items that are not done by
    /// then give [`Timeout::Wait`] errors; what has not started is cancelled, what has is
    /// signalled.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }

    /// Calls `f` after each result that is given out, on the thread that iterates.
    pub fn progress(mut self, f: impl FnMut(Progress) + Send + 'static) -> Self {
        self.progress = Some(Box::new(f));
        self
    }

    /// Pulls and submits the first window now, rather than at the first `next`.
    pub fn start(mut self) -> Self {
        self.fill();
        self
    }

    /// Submits chunks until the window is full.
    fn fill(&mut self) {
        if self.expired {
            return;
        }
        let workers = self.executor.capabilities().workers.max(1);
        while self.backlog.is_some() || self.input.is_some() {
            if let Some(chunk) = self.backlog.take() {
                if !self.submit(chunk, false) {
                    return;
                }
                continue;
            }
            let remaining = self.input.as_ref().and_then(|input| input.size_hint().1);
            let mut size = self.sizer.next(remaining, workers);
            match self.window {
                Some(window) => {
                    let room = window.saturating_sub(self.pulled());
                    if !self.sizer.is_fixed() {
                        // Leave something in the window for the other workers.
                        size = size.min(window.div_ceil(2 * workers));
                    }
                    size = size.min(room);
                    // A fixed chunk waits until it fits, unless the window is too small for it.
                    if room == 0 || (self.sizer.is_fixed() && size < self.fixed_size(window)) {
                        return;
                    }
                }
                None => {
                    let limit = if size > 1 {
                        CHUNKS_A_WORKER
                    } else {
                        SINGLES_A_WORKER
                    };
                    if self.under_way.len() >= limit * workers {
                        return;
                    }
                }
            }
            let items = self.pull(size);
            if items.is_empty() {
                return;
            }
            self.pending += items.len();
            self.sizer.made(items.len());
            self.backlog = Some(self.pack(items));
        }
    }

    fn pack(&self, items: Vec<I::Item>) -> Chunk<S, I::Item> {
        // What a chunk gives back goes before all that comes after it, and so cannot wait for room as a
        // stream would have to.
        let can_resubmit =
            self.waits == Waits::Blocking || self.executor.capabilities().queue_bound.is_none();
        let splits = !self.sizer.is_fixed() && can_resubmit;
        Chunk::new(self.step.clone(), items, splits)
    }

    fn fixed_size(&self, window: usize) -> usize {
        self.sizer.next(None, 1).min(window)
    }

    fn pull(&mut self, size: usize) -> Vec<I::Item> {
        let mut items = Vec::with_capacity(size);
        let Some(input) = &mut self.input else {
            return items;
        };
        let pulled = catch_unwind(AssertUnwindSafe(|| items.extend(input.by_ref().take(size))));
        if let Err(payload) = pulled {
            self.input_panic = Some(payload);
        }
        if self.input_panic.is_some() || items.len() < size {
            self.input = None;
        }
        items
    }

    /// Submits a chunk, in front of the others if it is the rest of the first. False if there is no
    /// room: then the chunk is the backlog.
    fn submit(&mut self, chunk: Chunk<S, I::Item>, in_front: bool) -> bool {
        let mut chunk = chunk;
        let mut admission = match self.waits {
            Waits::Blocking => Admission::Policy,
            Waits::Polling => Admission::Now,
        };
        let len = chunk.len();
        let pending = loop {
            let submission = (self.submit)(chunk);
            let kind = submission.kind();
            let refused = match submission.hand_to(&self.executor, admission) {
                Ok(future) => break Pending::Chunk(future),
                Err(error) => error,
            };
            let (refused, reason) = refused.into_parts();
            match reason {
                Reason::Full { .. } if self.waits == Waits::Polling && !in_front => {
                    self.kind = kind;
                    self.backlog = Some(refused);
                    return false;
                }
                Reason::Full { .. } | Reason::TimedOut { .. } | Reason::WouldDeadlock
                    if self.under_way.len() > 0 && !in_front =>
                {
                    // A result will come, and with it room.
                    self.backlog = Some(refused);
                    return false;
                }
                Reason::Full { .. } | Reason::TimedOut { .. } if !context::is_worker() => {
                    // The queue is full of others' tasks: there will be room.
                    chunk = refused;
                    admission = Admission::Within(Duration::from_secs(60));
                }
                Reason::Full { .. } | Reason::TimedOut { .. } | Reason::WouldDeadlock => {
                    // In a worker of what may be the full executor itself: to wait for room could be
                    // for ever, and here is the one place that is certainly free to run it.
                    let (job, future) = (self.submit)(refused).into_parts();
                    let _ran = job.run();
                    break Pending::Chunk(future);
                }
                reason => {
                    break Pending::Refused(TaskError::new(TaskErrorKind::Rejected(
                        reason.to_string(),
                    )));
                }
            }
        };
        if in_front {
            self.under_way.put_in_front(len, pending);
        } else {
            self.under_way.put_behind(len, pending);
        }
        true
    }

    /// Fetches the results of the next chunk into `ready`. False if there are no more.
    fn fetch(&mut self) -> bool {
        let next = self.under_way.next(self.deadline);
        self.fetched(next)
    }

    fn fetched(&mut self, next: Next<I::Item, S::Output>) -> bool {
        match next {
            Next::Done(_, Ok(output)) => self.accept(output.open()),
            Next::Done(len, Err(error)) => self.fail(len, &error),
            Next::Nothing => return false,
            Next::TimeIsUp => self.expire(),
        }
        true
    }

    fn fail(&mut self, len: usize, error: &TaskError) {
        let errors: Vec<_> = (0..len).map(|_| Err(error.clone())).collect();
        self.ready = errors.into_iter();
    }

    fn accept(&mut self, output: Results<I::Item, S::Output>) {
        let Results {
            done,
            rest,
            elapsed,
        } = output;
        if let Some(elapsed) = elapsed {
            self.sizer.learn(done.len(), elapsed);
        }
        self.ready = done.into_iter();
        if rest.is_empty() {
            return;
        }
        if self.expired {
            let error = TaskError::timed_out(Timeout::Wait);
            return self
                .under_way
                .put_in_front(rest.len(), Pending::Refused(error));
        }
        // In pieces, in front of what comes after, and so the last piece first.
        let workers = self.executor.capabilities().workers.max(1);
        let size = self.sizer.next(Some(rest.len()), workers);
        let mut rest = rest;
        while !rest.is_empty() {
            let chunk = self.pack(rest.split_off(rest.len().saturating_sub(size)));
            self.submit(chunk, true);
        }
    }

    /// The deadline has passed: whatever is not done becomes an error.
    fn expire(&mut self) {
        self.expired = true;
        if let Some(chunk) = self.backlog.take() {
            let error = TaskError::timed_out(Timeout::Wait);
            self.under_way
                .put_behind(chunk.len(), Pending::Refused(error));
        }
        self.under_way.expire();
    }

    /// Items pulled whose results have not been given out.
    fn pulled(&self) -> usize {
        self.pending + self.ready.len()
    }

    fn report_progress(&mut self) {
        let (low, high) = self.input_hint();
        self.given += 1;
        let total = (high == Some(low)).then(|| self.given + self.pulled() + low);
        let done = self.given;
        if let Some(progress) = &mut self.progress {
            progress(Progress { done, total });
        }
    }

    fn input_hint(&self) -> (usize, Option<usize>) {
        let input = self.input.as_ref();
        input.map_or((0, Some(0)), Iterator::size_hint)
    }

    /// Makes some results ready. False at the end.
    #[cold]
    fn refill(&mut self) -> bool {
        loop {
            self.fill();
            let has_fetched = self.fetch();
            if !self.take_in(has_fetched) {
                return false;
            }
            if self.ready.len() > 0 {
                return true;
            }
        }
    }

    /// Books what was fetched, if anything was. False if there is nothing any more.
    fn take_in(&mut self, has_fetched: bool) -> bool {
        if has_fetched {
            self.pending -= self.ready.len();
            // Before the results are given out: the workers have room meanwhile.
            self.fill();
        } else if self.expired && !self.pull(1).is_empty() {
            // One result for each item: these were never submitted.
            self.ready = vec![Err(TaskError::timed_out(Timeout::Wait))].into_iter();
        } else {
            return false;
        }
        true
    }

    /// The next result that is ready; at the end, the panic of the input.
    #[inline]
    fn give(&mut self, is_over: bool) -> Option<Result<S::Output, TaskError>> {
        if is_over {
            return match self.input_panic.take() {
                Some(payload) => resume_unwind(payload),
                None => None,
            };
        }
        let result = self.ready.next();
        if self.progress.is_some() {
            self.report_progress();
        }
        result
    }
}

impl<E, I, S> Iterator for Map<E, I, S>
where
    E: Executor,
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
    type Item = Result<S::Output, TaskError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let is_over = self.ready.len() == 0 && !self.refill();
        self.give(is_over)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (low, high) = self.input_hint();
        let pulled = self.pulled();
        let high = high.and_then(|high| high.checked_add(pulled));
        (low.saturating_add(pulled), high)
    }
}

impl<E, I, S> ExactSizeIterator for Map<E, I, S>
where
    E: Executor,
    I: ExactSizeIterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
}

impl<E, I, S> FusedIterator for Map<E, I, S>
where
    E: Executor,
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
}

impl<E, I, S> Drop for Map<E, I, S>
where
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
    fn drop(&mut self) {
        self.under_way.stop_all();
    }
}

impl<E: fmt::Debug, I, S> fmt::Debug for Map<E, I, S>
where
    I: Iterator<Item: Send>,
    S: Step<I::Item, Output: 'static>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("executor", &self.executor)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
