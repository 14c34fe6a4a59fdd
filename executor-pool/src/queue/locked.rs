//! A queue under one lock: with a bound, or with a strict order.
//!
//! # Who waits for room
//!
//! A blocked push waits on the condition variable, a submitter that must not block leaves a waker. Both
//! begin to wait under the lock, and only while the queue is full of jobs that are not settled. From
//! then on, room comes by one of four ways:
//!
//! - a pop, which wakes one blocked push and all wakers;
//! - the close, which wakes all of both;
//! - a push that prunes. It puts its own job in, so the queue does not become empty, and the pops
//!   still to come wake the others;
//! - [`Locked::when_room`], which prunes too but adds nothing; so it wakes all of both.
//!
//! So nobody waits at an empty queue, whose pops would wake nobody.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use executor_core::{Admission, Job, Ran, Reason, Rejected};

use super::items::Items;
use crate::{Counts, OnFull, QueueOrder};

/// The queue with a bound or a strict order.
#[derive(Debug)]
pub struct Locked {
    /// The most items; `usize::MAX` for no bound.
    bound: usize,
    has_priorities: bool,
    state: Mutex<State>,
    not_full: Condvar,
    /// A copy of the number of items, to be read without the lock.
    len: AtomicUsize,
    /// What became of the shells that were dropped to make room.
    pruned: Counts,
}

/// What a push does when the queue is full.
#[derive(Debug, Clone, Copy)]
pub enum WhenFull {
    /// It gives the job back, with [`Reason::Full`].
    Refuse,
    /// It waits for room.
    Wait,
    /// It waits for room until the deadline, then gives the job back, with [`Reason::TimedOut`].
    WaitUntil {
        /// When it gives up.
        deadline: Instant,
        /// How long that was ahead at first, for the error.
        timeout: Duration,
    },
}

/// What became of a job that was to be queued.
#[derive(Debug)]
#[must_use]
pub enum Pushed {
    /// It is in the queue: see to it that a worker looks there.
    Queued,
    /// The queue is full, and the caller is to run it.
    RunHere(Job),
    /// It is given back. The reason [`ShutDown`](Reason::ShutDown) means that the queue is closed; the
    /// executor may know better why.
    Rejected(Rejected),
}

#[derive(Debug)]
struct State {
    items: Items,
    closed: bool,
    /// How many pushes wait for room.
    waiting: usize,
    /// Woken when there may be room.
    wakers: Vec<Waker>,
}

impl Locked {
    /// An empty queue; `None` for no bound.
    #[must_use]
    pub fn new(order: QueueOrder, bound: Option<usize>) -> Self {
        Self {
            bound: bound.unwrap_or(usize::MAX),
            has_priorities: order == QueueOrder::Priority,
            state: Mutex::new(State {
                items: Items::new(order),
                closed: false,
                waiting: 0,
                wakers: Vec::new(),
            }),
            not_full: Condvar::new(),
            len: AtomicUsize::new(0),
            pruned: Counts::default(),
        }
    }

    /// Puts a job into the queue, or says what is to be done with it instead. `is_worker` says whether
    /// the caller is a worker of this executor, which must not wait for itself.
    pub fn admit(
        &self,
        job: Job,
        admission: Admission,
        on_full: OnFull,
        is_worker: bool,
    ) -> Pushed {
        let when_full = match (admission, on_full) {
            (Admission::Policy, OnFull::Block) if !is_worker => WhenFull::Wait,
            (Admission::Within(timeout), _) => match Instant::now().checked_add(timeout) {
                Some(deadline) => WhenFull::WaitUntil { deadline, timeout },
                None => WhenFull::Wait,
            },
            _ => WhenFull::Refuse,
        };
        let (job, reason) = match self.push(job, when_full) {
            Ok(()) => return Pushed::Queued,
            Err(rejected) => rejected.into_parts(),
        };
        match (reason, admission, on_full) {
            (Reason::Full { .. }, Admission::Policy, OnFull::CallerRuns) => Pushed::RunHere(job),
            (Reason::Full { .. }, Admission::Policy, OnFull::Block) => {
                Pushed::Rejected(Rejected::new(job, Reason::WouldDeadlock))
            }
            (reason, ..) => Pushed::Rejected(Rejected::new(job, reason)),
        }
    }

    /// Puts a job into the queue.
    ///
    /// # Errors
    ///
    /// The job, if the queue is closed, or full as `when_full` has it.
    pub fn push(&self, job: Job, when_full: WhenFull) -> Result<(), Rejected> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Err(Rejected::new(job, Reason::ShutDown));
            }
            if state.items.len() >= self.bound {
                // Cancelled jobs are only shells: they take nobody's room.
                self.prune(&mut state);
            }
            if state.items.len() < self.bound {
                state.items.push(job);
                self.publish(&state);
                return Ok(());
            }
            let left = match when_full {
                WhenFull::Refuse => {
                    return Err(Rejected::new(job, Reason::Full { bound: self.bound }));
                }
                WhenFull::Wait => None,
                WhenFull::WaitUntil { deadline, timeout } => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        self.publish(&state);
                        return Err(Rejected::new(job, Reason::TimedOut { waited: timeout }));
                    }
                    Some(left)
                }
            };
            self.publish(&state);
            state.waiting += 1;
            state = match left {
                None => self
                    .not_full
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.not_full.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.waiting -= 1;
        }
    }

    /// Has `waker` woken, once, as soon as there may be room: after the next pop, or when the queue is
    /// closed. Submitters that must not block wait in this way, and then try again.
    ///
    /// False if there is room now, or the queue is closed: then the caller is to try again at once, and
    /// is not registered. A waker that is registered already is not added again.
    ///
    /// A job that is cancelled *after* this call makes room too, but wakes nobody: that happens at the
    /// next pop, and shells are popped like all else.
    ///
    /// Not to be called inside of a [`Gate`](crate::Gate), since it may wake others, and a waker may do
    /// anything.
    #[must_use = "false means that nobody will be woken"]
    pub fn when_room(&self, waker: &Waker) -> bool {
        // Before the lock, and so dropped after it: a waker's methods may do anything.
        let waker = waker.clone();
        let mut state = self.lock();
        if state.closed || state.items.len() < self.bound {
            return false;
        }
        self.prune(&mut state);
        if state.items.len() < self.bound {
            self.publish(&state);
            // The caller may never try again, and others wait for the same room.
            self.wake_all(state);
            return false;
        }
        if !state.wakers.iter().any(|known| known.will_wake(&waker)) {
            state.wakers.push(waker);
        }
        true
    }

    /// Takes the next job.
    #[must_use = "a job that is dropped settles as lost"]
    pub fn pop(&self) -> Option<Job> {
        if self.is_empty() {
            return None;
        }
        let mut state = self.lock();
        let job = state.items.pop()?;
        self.publish(&state);
        if state.waiting > 0 || !state.wakers.is_empty() {
            self.wake_after_pop(state);
        }
        Some(job)
    }

    /// What became of the jobs that a full queue has dropped since nobody needed to come to them any more: they had
    /// been cancelled, or run by a thread that waited for them.
    #[must_use]
    pub const fn pruned(&self) -> &Counts {
        &self.pruned
    }

    /// Refuses all pushes from now on, those included that wait for room.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake_all(state);
    }

    /// The most jobs that may wait, if there is a bound.
    #[must_use]
    pub const fn bound(&self) -> Option<usize> {
        if self.bound == usize::MAX {
            None
        } else {
            Some(self.bound)
        }
    }

    /// Whether the order is by priority.
    #[must_use]
    pub const fn has_priorities(&self) -> bool {
        self.has_priorities
    }

    /// Whether no job waits.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many jobs wait, those included that were cancelled and lie there as shells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Wakes one blocked push, and *all* wakers. A blocked push that is woken takes the room, or waits
    /// again; but who left a waker may have lost interest, or be dropped while it is being woken, and
    /// would not tell the next. Those that find no room leave their waker again.
    #[cold]
    fn wake_after_pop(&self, mut state: MutexGuard<'_, State>) {
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        self.not_full.notify_one();
        wake(wakers);
    }

    fn wake_all(&self, mut state: MutexGuard<'_, State>) {
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        self.not_full.notify_all();
        wake(wakers);
    }

    fn publish(&self, state: &State) {
        self.len.store(state.items.len(), Ordering::SeqCst);
    }

    fn prune(&self, state: &mut State) {
        let pruned = &self.pruned;
        state
            .items
            .prune(|outcome| pruned.count_shared(Ran::Here(outcome)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Called without the lock: a waker may do anything, submit to this very queue too. A panic in one
/// (which the panic hook prints) must not cost the job that was popped, nor the next its turn.
fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicUsize},
        task::{Wake, Waker},
        thread,
        time::Duration,
    };

    use executor_core::{Future as _, LocalExecutorExt as _, Reason, SubmitError, TaskFuture};

    use super::{Locked, OnFull, Ordering};
    use crate::queue::front::Front;

    fn refusal(front: &Front, on_full: OnFull, is_worker: bool) -> Reason {
        let front = Front {
            on_full,
            is_worker,
            ..front.clone()
        };
        reason(front.spawn(|| ()))
    }

    fn reason<T>(submitted: Result<TaskFuture<()>, SubmitError<T>>) -> Reason {
        match submitted {
            Ok(_) => panic!("accepted"),
            Err(error) => error.reason().clone(),
        }
    }

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Count {
        fn new() -> (Arc<Self>, Waker) {
            let count = Arc::<Self>::default();
            (Arc::clone(&count), Waker::from(count))
        }

        fn get(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn where_there_is_room_nobody_is_registered() {
        let front = Front::new(2);
        let _future = front.spawn(|| ()).unwrap();
        let (count, waker) = Count::new();
        assert!(!front.queue.when_room(&waker));
        assert!(front.queue.pop().is_some());
        assert_eq!(count.get(), 0);
        assert_eq!(Arc::strong_count(&count), 2, "the waker was kept");
    }

    #[test]
    fn a_pop_wakes_all_wakers_once() {
        let (front, _futures) = Front::full(2);
        let (one, first) = Count::new();
        let (two, second) = Count::new();
        assert!(front.queue.when_room(&first));
        assert!(front.queue.when_room(&second));
        assert_eq!((one.get(), two.get()), (0, 0));
        assert!(front.queue.pop().is_some());
        assert!(front.queue.pop().is_some());
        assert_eq!((one.get(), two.get()), (1, 1));
    }

    #[test]
    fn a_waker_is_registered_only_once() {
        let (front, _futures) = Front::full(1);
        let (count, waker) = Count::new();
        assert!(front.queue.when_room(&waker));
        assert!(front.queue.when_room(&waker));
        assert!(front.queue.pop().is_some());
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn the_close_wakes_all_wakers_and_then_nobody_is_registered() {
        let (front, _futures) = Front::full(1);
        let (count, waker) = Count::new();
        assert!(front.queue.when_room(&waker));
        front.queue.close();
        assert_eq!(count.get(), 1);
        assert!(!front.queue.when_room(&waker));
    }

    #[test]
    fn a_cancelled_job_is_room() {
        let (front, futures) = Front::full(2);
        assert!(futures[0].cancel());
        let (_, waker) = Count::new();
        assert!(!front.queue.when_room(&waker));
        assert_eq!(front.queue.len(), 1);
    }

    #[test]
    fn a_job_that_is_cancelled_later_wakes_at_its_pop() {
        let (front, futures) = Front::full(1);
        let (count, waker) = Count::new();
        assert!(front.queue.when_room(&waker));
        assert!(futures[0].cancel());
        assert!(front.queue.pop().is_some());
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn who_finds_the_room_of_a_cancelled_job_wakes_those_who_wait() {
        let (front, futures) = Front::full(1);
        let (count, waker) = Count::new();
        assert!(front.queue.when_room(&waker));
        thread::scope(|scope| {
            let blocked = scope.spawn(|| spawn_blocking(&front));
            let _closes = ClosesIfFailed(&front.queue);
            wait_for_blocked(&front.queue);
            assert!(futures[0].cancel());
            // Leaves the queue empty: no pop could wake them.
            assert!(!front.queue.when_room(Waker::noop()));
            assert!(blocked.join().unwrap().is_ok());
        });
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn a_pop_wakes_a_blocked_push_and_the_wakers() {
        let (front, _futures) = Front::full(1);
        let (count, waker) = Count::new();
        thread::scope(|scope| {
            let blocked = scope.spawn(|| spawn_blocking(&front));
            let _closes = ClosesIfFailed(&front.queue);
            wait_for_blocked(&front.queue);
            assert!(front.queue.when_room(&waker));
            assert!(front.queue.pop().is_some());
            assert!(blocked.join().unwrap().is_ok());
        });
        assert_eq!(count.get(), 1);
        assert_eq!(front.queue.len(), 1);
    }

    /// Lets a blocked push go, so that a failure is not a hang.
    struct ClosesIfFailed<'q>(&'q Locked);

    impl Drop for ClosesIfFailed<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.close();
            }
        }
    }

    fn spawn_blocking(front: &Front) -> Result<TaskFuture<()>, Reason> {
        let front = Front {
            on_full: OnFull::Block,
            ..front.clone()
        };
        front.spawn(|| ()).map_err(|error| error.reason().clone())
    }

    fn wait_for_blocked(queue: &Locked) {
        while queue.lock().waiting == 0 {
            thread::yield_now();
        }
    }

    #[test]
    fn wakers_are_woken_outside_of_the_lock() {
        struct Asks(Arc<Locked>, AtomicUsize);
        impl Wake for Asks {
            fn wake(self: Arc<Self>) {
                assert!(self.0.state.try_lock().is_ok(), "woken under the lock");
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (front, _futures) = Front::full(2);
        let asks = Arc::new(Asks(Arc::clone(&front.queue), AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&asks));
        assert!(front.queue.when_room(&waker));
        assert!(front.queue.pop().is_some());
        let _future = front.spawn(|| ()).unwrap();
        assert!(front.queue.when_room(&waker));
        front.queue.close();
        assert_eq!(asks.1.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_waker_that_panics_costs_neither_the_job_nor_the_next() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker panics");
            }
        }
        let (front, _futures) = Front::full(1);
        let (count, waker) = Count::new();
        assert!(front.queue.when_room(&Waker::from(Arc::new(Panics))));
        assert!(front.queue.when_room(&waker));
        assert!(front.queue.pop().is_some());
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn a_full_queue_does_as_it_was_built_to() {
        let (front, _futures) = Front::full(1);
        let full = |reason| matches!(reason, Reason::Full { bound: 1 });
        assert!(full(refusal(&front, OnFull::Reject, false)));
        assert!(full(refusal(&front, OnFull::Reject, true)));
        let would_deadlock = refusal(&front, OnFull::Block, true);
        assert!(matches!(would_deadlock, Reason::WouldDeadlock));
        let runs = Front {
            on_full: OnFull::CallerRuns,
            ..front
        };
        let caller = thread::current().id();
        let ran = runs.spawn(|| thread::current().id()).unwrap();
        assert!(ran.is_done());
        assert_eq!(ran.result().unwrap(), caller);
    }

    #[test]
    fn a_submission_that_says_how_long_it_waits_is_never_run_by_the_caller() {
        let (front, _futures) = Front::full(1);
        for on_full in [OnFull::Block, OnFull::Reject, OnFull::CallerRuns] {
            for is_worker in [false, true] {
                let front = Front {
                    on_full,
                    is_worker,
                    ..front.clone()
                };
                let now = reason(front.try_spawn(|| ()));
                assert!(matches!(now, Reason::Full { bound: 1 }), "{now:?}");
                let within = reason(front.spawn_within(Duration::ZERO, || ()));
                assert!(matches!(within, Reason::TimedOut { .. }), "{within:?}");
            }
        }
    }

    #[test]
    fn a_closed_queue_takes_nothing_whatever_the_policy() {
        let (front, _futures) = Front::full(1);
        front.queue.close();
        for on_full in [OnFull::Block, OnFull::Reject, OnFull::CallerRuns] {
            let reason = refusal(&front, on_full, false);
            assert!(matches!(reason, Reason::ShutDown), "{reason:?}");
        }
    }
}
