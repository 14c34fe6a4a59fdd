//! One borrowed thread, for as long as there is something to do.

use std::{
    cell::{Cell, RefCell},
    fmt,
    marker::PhantomData,
    rc::Rc,
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use executor_core::{HostKind, Job, JobKey, Ran, context, spin};

use super::{Phase, Runners, Slot, state};
use crate::{Own, Queue};

/// How many jobs go by between two looks at the clock, and how long it takes until the pool's other work has
/// its turn.
const JOBS: u32 = 8;
const TURN: Duration = Duration::from_millis(2);

/// A runner that was asked for: a turn on a thread of the [`Lender`](super::Lender)'s.
#[must_use = "a runner that is dropped breaks its executor"]
pub struct Runner {
    /// `None` once it has run.
    runners: Option<Arc<Runners>>,
}

/// A runner at work, as the calls from inside of its jobs find it.
struct AtWork {
    runners: Arc<Runners>,
    slot: Slot,
}

thread_local! {
    /// The runner whose job this thread runs; there may be others beneath, of other executors, which are
    /// between two jobs.
    static AT_WORK: RefCell<Vec<Rc<AtWork>>> = const { RefCell::new(Vec::new()) };
    /// Executors that had to be refused this thread, since it was in the middle of a job.
    static REFUSED: RefCell<Vec<Weak<Runners>>> = const { RefCell::new(Vec::new()) };
    static ANY_REFUSED: Cell<bool> = const { Cell::new(false) };
    /// How many [`Asks`] this thread is in.
    static ASKS: Cell<usize> = const { Cell::new(0) };
}

/// While it exists, this thread may run a job; afterwards it asks anew for the runners that it has had to
/// refuse meanwhile.
pub(super) struct Asks(PhantomData<*const ()>);

/// Puts a job on the deque of the runner that this thread is, if it is one of this executor's. The runner does
/// not leave before that is empty, so that this needs no gate.
pub(super) fn push_own(runners: &Arc<Runners>, job: Job) -> Result<(), Job> {
    AT_WORK.with_borrow(|at_work| {
        let own = at_work
            .last()
            .filter(|at_work| Arc::ptr_eq(&at_work.runners, runners))
            .and_then(|at_work| at_work.slot.own.as_ref());
        match own {
            Some(own) => {
                own.push(job);
                Ok(())
            }
            None => Err(job),
        }
    })
}

/// Whether this thread has children on its own deque that nobody has taken.
pub(super) fn has_own_children() -> bool {
    let asked = AT_WORK.try_with(|at_work| {
        let at_work = at_work.borrow();
        let own = at_work.last().and_then(|at_work| at_work.slot.own.as_ref());
        own.is_some_and(|own| !own.has_no_children())
    });
    // A thread that is being torn down has no deque any more.
    asked.unwrap_or(false)
}

fn reclaim(key: JobKey) -> Option<Job> {
    AT_WORK.with_borrow(|at_work| {
        let Slot { own, counts, .. } = &at_work.last()?.slot;
        own.as_ref()?
            .reclaim_with(key, |outcome| counts.count(Ran::Here(outcome)))
    })
}

fn reclaimed(ran: Ran) {
    AT_WORK.with_borrow(|at_work| {
        if let Some(at_work) = at_work.last() {
            at_work.slot.counts.count(ran);
        }
    });
}

/// Whether this thread is in the middle of a job, or of an initializer, after which it asks for what it refuses.
/// The jobs of other executors that it may be in, such as one that runs them in the caller, end without that.
pub(super) fn is_refused_here() -> bool {
    ASKS.get() > 0 && (context::is_task() || state::is_being_made())
}

/// Whether a runner of this executor is on this thread already, and lets the pool's other work have its turn: a
/// second one would count as another of those that may be at work, and keep another thread from it.
pub(super) fn is_at_work_here(runners: &Arc<Runners>) -> bool {
    AT_WORK.with_borrow(|all| {
        all.iter()
            .any(|at_work| Arc::ptr_eq(&at_work.runners, runners))
    })
}

/// Asks anew for the runners that were refused this thread, now that it has no job.
fn ask_for_refused() {
    if !ANY_REFUSED.get() || is_refused_here() {
        return;
    }
    ANY_REFUSED.set(false);
    for runners in REFUSED.take() {
        if let Some(runners) = runners.upgrade() {
            runners.notify();
        }
    }
}

/// Has this thread ask for a runner of this executor once it is free.
pub(super) fn remember_refused(runners: &Arc<Runners>) {
    REFUSED.with_borrow_mut(|refused| {
        if !refused
            .iter()
            .any(|other| other.as_ptr() == Arc::as_ptr(runners))
        {
            refused.push(Arc::downgrade(runners));
        }
    });
    ANY_REFUSED.set(true);
}

impl Runner {
    pub(super) const fn new(runners: Arc<Runners>) -> Self {
        Self {
            runners: Some(runners),
        }
    }

    /// Runs jobs on this thread until there are none.
    ///
    /// A thread in the middle of a job of any of these executors is refused: its pool has called this while
    /// that job waits for something, and what came next could need a lock that the job holds. The other
    /// threads are offered the turn, and this one gets it after the job. So they are if a runner of this
    /// very executor is on the thread, between two jobs.
    pub fn run(mut self) {
        let Some(runners) = self.runners.take() else {
            return;
        };
        let in_job = is_refused_here();
        if in_job || is_at_work_here(&runners) {
            runners.head.leave();
            if in_job {
                remember_refused(&runners);
            }
            runners.settings.lender.offer(&runners);
            return;
        }
        let _asks = Asks::new();
        AtWork::enter(runners);
    }
}

impl Asks {
    pub(super) fn new() -> Self {
        ASKS.set(ASKS.get() + 1);
        Self(PhantomData)
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        ASKS.set(ASKS.get() - 1);
        ask_for_refused();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(runners) = self.runners.take() {
            runners.head.leave();
            // One that was asked for by a late submitter of a job that somebody else has run since is not missed.
            if runners.is_open() || !runners.queue.is_empty() {
                runners.break_down("the pool whose threads run the tasks has been shut down");
            }
        }
    }
}

impl AtWork {
    /// Makes this thread a worker until there is nothing to do.
    fn enter(runners: Arc<Runners>) {
        if !runners.is_open() && runners.queue.is_empty() {
            // Too late: who joins may have found everything over, and it stays so.
            runners.head.leave();
            if !runners.queue.is_empty() {
                runners.notify();
            }
            return;
        }
        runners.started.fetch_add(1, Ordering::SeqCst);
        let state = match state::of(&runners) {
            Ok(state) => state,
            Err(cause) => {
                runners.head.leave();
                runners.started.fetch_sub(1, Ordering::SeqCst);
                return runners.break_down(&cause);
            }
        };
        let _awake = spin::AwakeWorker::new();
        let slot = runners.take_slot();
        let worker = runners
            .worker(slot.index, state)
            .reclaim(reclaim, reclaimed);
        let at_work = Rc::new(Self { runners, slot });
        AT_WORK.with_borrow_mut(|all| all.push(Rc::clone(&at_work)));
        let guard = worker.enter();
        at_work.work();
        drop(guard);
        let popped = AT_WORK.with_borrow_mut(Vec::pop);
        drop(popped);
        let Ok(Self { runners, slot }) = Rc::try_unwrap(at_work).map_err(drop) else {
            unreachable!("calls from inside of jobs are over");
        };
        runners.give_back_slot(slot);
        runners.started.fetch_sub(1, Ordering::SeqCst);
        runners.became_quiet();
    }

    fn work(&self) {
        let Runners { head, queue, .. } = &*self.runners;
        let mut pace = Pace::new();
        loop {
            if let Some(job) = self.find() {
                if head.found() && !queue.is_empty() {
                    self.runners.notify();
                }
                self.run(job);
                while let Some(job) = self.next() {
                    if self.slot.own.as_ref().is_some_and(Own::takes_batch) {
                        self.runners.notify();
                    }
                    self.run(job);
                    // With no job in hand, for which whatever runs now may wait.
                    if pace.is_over() {
                        if !queue.is_empty() {
                            // Others may have to do what this thread does not get to now.
                            self.runners.notify();
                        }
                        self.runners.settings.lender.breathe();
                        pace = Pace::new();
                    }
                }
                head.search();
                continue;
            }
            if self.waits_for_more() && !queue.is_empty() {
                continue;
            }
            head.leave();
            // Whoever added a job may have counted on this runner.
            if queue.is_empty() || !head.ask(self.runners.settings.limit) {
                return;
            }
        }
    }

    /// Polls for a moment, if that is of use. True if something has come.
    ///
    /// Whoever waits on a thread for a result polls as well, and sees it at once. Async code cannot: it sleeps, and to wake
    /// it on another core than this one, which polling keeps busy, takes several times as long as all the rest.
    fn waits_for_more(&self) -> bool {
        let Runners {
            queue, settings, ..
        } = &*self.runners;
        settings.lender.kind() == HostKind::Pool
            && spin::until(|| !queue.is_empty() || self.runners.phase() != Phase::Open)
    }

    fn next(&self) -> Option<Job> {
        match (&self.runners.queue, &self.slot.own) {
            (Queue::Stealing(queue), Some(own)) => queue.next(own),
            (Queue::Locked(queue), _) => queue.pop(),
            (Queue::Stealing(_), None) => None,
        }
    }

    fn find(&self) -> Option<Job> {
        self.next()
            .or_else(|| match (&self.runners.queue, &self.slot.own) {
                (Queue::Stealing(queue), Some(own)) => queue.steal(own),
                _ => None,
            })
    }

    fn run(&self, job: Job) {
        let counts = &self.slot.counts;
        if self.runners.phase() >= Phase::Cancel {
            return self.runners.settle_unrun(job);
        }
        counts.set_busy(true);
        let ran = job.try_run();
        counts.set_busy(false);
        match ran {
            Ok(ran) => counts.count(ran),
            Err(shell) => self.runners.watch(shell),
        }
        ask_for_refused();
    }
}

/// When it is the pool's other work's turn.
struct Pace {
    start: Instant,
    jobs: u32,
}

impl Pace {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            jobs: 0,
        }
    }

    fn is_over(&mut self) -> bool {
        self.jobs += 1;
        self.jobs.is_multiple_of(JOBS) && self.start.elapsed() >= TURN
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}
