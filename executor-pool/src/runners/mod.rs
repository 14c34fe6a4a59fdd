//! Jobs on borrowed threads: all that an executor needs over a pool which belongs to somebody else.
//!
//! Such a pool (rayon's, tokio's) takes closures and runs them some time; its queue has no bound, its
//! closures cannot be cancelled, and it does not say when they are done. So jobs do not go there. They wait in a
//! queue of ours, and the pool gets *runners*, of which each runs jobs until there are none. So one closure
//! in the pool's queue stands for many jobs, and bounds, orders, cancel, shutdown and counts are those that
//! all executors have.
//!
//! # The way of a job
//!
//! `execute` puts the job into the queue and looks at `head`: if no runner is searching, and there may be one
//! more, the [`Lender`] is asked for a thread. The [`Runner`] takes jobs from the queue (and, where the queue
//! steals, what its jobs submit from its own deque), waits for a moment when there are none, and gives the
//! thread back.
//!
//! # When all is over
//!
//! Nothing is counted per job: that would be a contended counter for all. An executor is quiet when its
//! queue is empty, and then no runner has started, and then nobody else is at work on a job of its. In this
//! order: what a runner has taken out of the queue it had started before. Somebody else is a waiter that
//! runs the very task it waits for on a thread without a runner; its shell is found in the queue, and is
//! watched from then on. A runner that the pool has not started yet does not matter: it will find
//! nothing.

mod head;
mod lender;
mod runner;
mod state;

use std::{
    any::Any,
    fmt,
    rc::Rc,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::Waker,
    thread,
    time::Instant,
};

use executor_core::{
    Admission, Capabilities, Home, Host, HostedHome, Job, JoinError, Ran, Reason, Rejected,
    Shutdown, Stats, TaskError, context,
};

use self::head::Head;
pub use self::{lender::Lender, runner::Runner};
use crate::{Counts, Gate, Locked, OnFull, Own, Pushed, Queue, QueueOrder, Stealing};

/// Called on a thread before its first job; gives the state that its jobs can read.
pub type Initializer = dyn Fn() -> Result<Box<dyn Any>, String> + Send + Sync;

/// How an executor on borrowed threads is to be.
pub struct RunnerSettings {
    /// Where the threads come from.
    pub lender: Box<dyn Lender>,
    /// How many jobs run at once, at the most; at least 1.
    pub limit: usize,
    /// What workers are called, before a dash and their index.
    pub name: String,
    /// How many jobs may be queued; `None` without a bound.
    pub bound: Option<usize>,
    /// The order in which queued jobs are started.
    pub order: QueueOrder,
    /// What a submission does when the queue is full.
    pub on_full: OnFull,
    /// What each thread calls before its first job.
    pub initializer: Option<Arc<Initializer>>,
}

/// What the handles of an executor on borrowed threads and its runners share.
pub struct Runners {
    me: Weak<Self>,
    home: HostedHome,
    settings: RunnerSettings,
    queue: Queue,
    gate: Gate,
    head: Head,
    /// Runners that have begun on their thread.
    started: AtomicUsize,
    /// Jobs that somebody else than a runner is at work on, as far as that is known.
    watched: AtomicUsize,
    phase: AtomicU8,
    broken: OnceLock<Arc<str>>,
    slots: Mutex<Slots>,
    /// Counts of jobs that no runner has run.
    rest: Counts,
    /// Threads that wait on `quiet`.
    watchers: AtomicUsize,
    quiet: Condvar,
}

/// How far an executor is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Phase {
    Open,
    /// What was accepted is run.
    Drain,
    /// What was accepted and has not started is cancelled.
    Cancel,
    /// What was accepted and has not started fails.
    Broken,
}

#[derive(Debug, Default)]
struct Slots {
    free: Vec<Slot>,
    all: Vec<Arc<Counts>>,
}

/// What a runner has for itself, and leaves to the next one.
#[derive(Debug)]
struct Slot {
    index: usize,
    counts: Arc<Counts>,
    /// Its own deques, where the queue has such.
    own: Option<Own>,
}

impl Runners {
    /// A new executor's.
    #[must_use]
    pub fn new(settings: RunnerSettings) -> Arc<Self> {
        Arc::new_cyclic(|runners: &Weak<Self>| Self {
            me: runners.clone(),
            home: HostedHome::new(settings.lender.kind(), runners.clone()),
            queue: Queue::new(settings.order, settings.bound),
            settings,
            gate: Gate::new(),
            head: Head::new(),
            started: AtomicUsize::new(0),
            watched: AtomicUsize::new(0),
            phase: AtomicU8::new(Phase::Open as u8),
            broken: OnceLock::new(),
            slots: Mutex::default(),
            rest: Counts::default(),
            watchers: AtomicUsize::new(0),
            quiet: Condvar::new(),
        })
    }

    /// What executors of this kind can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(self.settings.limit);
        if let Queue::Locked(queue) = &self.queue {
            capabilities.priorities = queue.has_priorities();
            capabilities.queue_bound = queue.bound();
        }
        capabilities
    }

    /// Whether this thread is one of the executor's workers, so that it must not wait for them.
    #[must_use]
    pub fn is_worker(&self) -> bool {
        context::is_worker_of(self.home()) || self.settings.lender.is_own_thread()
    }

    /// Accepts a job, or gives it back: [`Executor::execute`](executor_core::Executor::execute).
    ///
    /// # Errors
    ///
    /// The job and the reason.
    #[inline]
    pub fn execute(self: &Arc<Self>, job: Job, admission: Admission) -> Result<(), Rejected> {
        let job = if job.options().is_some() {
            self.capabilities().admit(job)?
        } else {
            job
        };
        job.bind(self.home());
        let queue = match &self.queue {
            Queue::Stealing(queue) => queue,
            Queue::Locked(queue) => return self.execute_locked(queue, job, admission),
        };
        if context::is_worker_of(self.home()) {
            if self.gate.is_closed() {
                return Err(Rejected::new(job, self.refusal()));
            }
            match runner::push_own(self, job) {
                Ok(()) => {
                    self.notify();
                    return Ok(());
                }
                Err(back) => return self.inject(queue, back),
            }
        }
        self.inject(queue, job)
    }

    fn execute_locked(
        self: &Arc<Self>,
        queue: &Locked,
        job: Job,
        admission: Admission,
    ) -> Result<(), Rejected> {
        // Who the caller is matters only if there is no room, and takes long to find out.
        let full = match self.admit(queue, job, Admission::Now, false)? {
            Err(full) if admission != Admission::Now => full,
            decided => return decided,
        };
        // To run the job here takes the thread as well as to wait does.
        let blocks =
            matches!(admission, Admission::Within(_)) || self.settings.on_full != OnFull::Reject;
        let job = full.into_parts().0;
        if blocks && self.settings.lender.must_not_block() {
            return Err(Rejected::new(job, Reason::BlockingInAsync));
        }
        self.admit(queue, job, admission, self.is_worker())?
    }

    /// Puts a job into the queue, or does what is to be done instead. The inner error is that there is no
    /// room, or something else that depends on the caller.
    fn admit(
        self: &Arc<Self>,
        queue: &Locked,
        job: Job,
        admission: Admission,
        is_worker: bool,
    ) -> Result<Result<(), Rejected>, Rejected> {
        // Inside, also while it waits for room: a shutdown ends such waits.
        let Some(inside) = self.gate.enter() else {
            return Err(Rejected::new(job, self.refusal()));
        };
        let pushed = queue.admit(job, admission, self.settings.on_full, is_worker);
        if let Pushed::RunHere(_) = &pushed {
            // Inside, so that no join ends before the job does.
            self.watched.fetch_add(1, Ordering::SeqCst);
        }
        drop(inside);
        match pushed {
            Pushed::Queued => self.notify(),
            Pushed::RunHere(job) => self.run_in_caller(job),
            Pushed::Rejected(rejected) => {
                let (job, reason) = rejected.into_parts();
                return match reason {
                    Reason::ShutDown => Err(Rejected::new(job, self.refusal())),
                    reason => Ok(Err(Rejected::new(job, reason))),
                };
            }
        }
        Ok(Ok(()))
    }

    #[inline]
    fn inject(self: &Arc<Self>, queue: &Stealing, job: Job) -> Result<(), Rejected> {
        let Some(inside) = self.gate.enter() else {
            return Err(Rejected::new(job, self.refusal()));
        };
        queue.push(job);
        drop(inside);
        self.notify();
        Ok(())
    }

    /// Has a waker woken when there may be room: [`Executor::when_room`](executor_core::Executor::when_room).
    #[must_use]
    pub fn when_room(&self, waker: &Waker) -> bool {
        match &self.queue {
            Queue::Stealing(_) => false,
            Queue::Locked(queue) => queue.when_room(waker),
        }
    }

    /// Whether a job handed over now would find a thread that has nothing to do, as far as can be known.
    #[inline]
    #[must_use]
    pub fn wants_work(&self) -> bool {
        self.head.live() < self.settings.limit
            && match &self.queue {
                Queue::Stealing(queue) => queue.has_no_injected() && !runner::has_own_children(),
                Queue::Locked(queue) => queue.is_empty(),
            }
    }

    /// Begins a shutdown that the capabilities allow.
    pub fn shutdown(&self, mode: Shutdown) {
        if mode == Shutdown::Drain {
            return self.close(Phase::Drain);
        }
        self.close(Phase::Cancel);
        self.settle_queue();
    }

    /// Waits until a shutdown is over: [`Executor::join`](executor_core::Executor::join).
    ///
    /// # Errors
    ///
    /// If the deadline passed first, or if a worker asks.
    pub fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if self.is_worker() {
            return Err(JoinError::would_deadlock());
        }
        if self.wait_until(deadline, |runners| runners.gate.is_closed())
            && self.wait_until_shut(deadline)
            && self.wait_until(deadline, Self::is_quiet)
        {
            return Ok(());
        }
        Err(JoinError::still_running(
            self.started.load(Ordering::SeqCst),
        ))
    }

    /// Waits until nothing is queued and nothing runs. False if the deadline passed first, and at once for
    /// a worker, which is never idle while it asks.
    #[must_use]
    pub fn wait_idle(&self, deadline: Option<Instant>) -> bool {
        !self.is_worker() && self.wait_until(deadline, Self::is_quiet)
    }

    /// What the executor is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.workers = self.started.load(Ordering::SeqCst);
        stats.queued = self.queue.len();
        for counts in &self.slots().all {
            counts.add_to(&mut stats);
        }
        self.rest.add_to(&mut stats);
        if let Queue::Locked(queue) = &self.queue {
            queue.pruned().add_to(&mut stats);
        }
        stats
    }

    /// Whether it has not been shut down, and is not broken.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase() == Phase::Open
    }

    /// On a thread of the pool that has become idle: runs jobs, if there are any, and if there may be one more
    /// runner. See [`Lender::offer`].
    pub fn join_in(self: &Arc<Self>) {
        if self.queue.is_empty() {
            return;
        }
        if runner::is_refused_here() {
            // The thread may be free again before the one that was refused first.
            runner::remember_refused(self);
        } else if !runner::is_at_work_here(self) && self.head.join(self.settings.limit) {
            Runner::new(Arc::clone(self)).run();
        }
    }

    /// Nothing can be run any more: everything pending fails with `cause`. Not to be called inside the
    /// gate.
    pub fn break_down(&self, cause: &str) {
        self.broken.get_or_init(|| cause.into());
        self.close(Phase::Broken);
        self.wait_until_shut(None);
        self.settle_queue();
        self.became_quiet();
    }

    fn home(&self) -> Home {
        self.home.home()
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Open,
            1 => Phase::Drain,
            2 => Phase::Cancel,
            _ => Phase::Broken,
        }
    }

    /// Why a closed executor accepts nothing.
    fn refusal(&self) -> Reason {
        match self.broken.get() {
            Some(cause) => Reason::Broken {
                cause: Arc::clone(cause),
            },
            None => Reason::ShutDown,
        }
    }

    /// Asks for a runner, if the queue needs one. Called after a job was added, outside of the gate: the
    /// lender may drop the runner at once.
    #[inline]
    fn notify(self: &Arc<Self>) {
        if self.head.ask(self.settings.limit) {
            self.lend();
        }
    }

    #[cold]
    fn lend(self: &Arc<Self>) {
        self.settings.lender.lend(Runner::new(Arc::clone(self)));
    }

    fn close(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        self.gate.close();
        if let Queue::Locked(queue) = &self.queue {
            queue.close();
        }
        self.became_quiet();
    }

    /// Settles what is queued without running it.
    fn settle_queue(&self) {
        loop {
            let job = match &self.queue {
                Queue::Stealing(queue) => queue.take_any(),
                Queue::Locked(queue) => queue.pop(),
            };
            match job {
                Some(job) => self.settle_unrun(job),
                None => return self.became_quiet(),
            }
        }
    }

    /// Cancels a job, or fails it if the executor is broken.
    fn settle_unrun(&self, job: Job) {
        let settled = match self.broken.get() {
            Some(cause) => job.try_fail(TaskError::broken(&**cause)),
            None => job.try_cancel().map(|()| Ran::Cancelled),
        };
        match settled {
            Ok(ran) => self.rest.count_shared(ran),
            Err(shell) => self.watch(shell),
        }
    }

    /// Runs a job in the caller, which the queue has no room for, and which is watched already.
    fn run_in_caller(&self, job: Job) {
        let _asks = runner::Asks::new();
        match job.try_run() {
            Ok(ran) => self.rest.count_shared(ran),
            Err(shell) => self.watch(shell),
        }
        self.watched.fetch_sub(1, Ordering::SeqCst);
        self.became_quiet();
    }

    /// Waits in the background until somebody has settled the job, who has claimed it.
    fn watch(&self, shell: Job) {
        let Some(runners) = self.me.upgrade() else {
            return;
        };
        self.watched.fetch_add(1, Ordering::SeqCst);
        shell.when_settled(move |outcome| {
            runners.rest.count_shared(Ran::Here(outcome));
            runners.watched.fetch_sub(1, Ordering::SeqCst);
            runners.became_quiet();
        });
    }

    /// Whether nothing is queued and nothing runs. In this order: see the module.
    fn is_quiet(&self) -> bool {
        self.queue.is_empty()
            && self.started.load(Ordering::SeqCst) == 0
            && self.watched.load(Ordering::SeqCst) == 0
    }

    /// Tells those who wait that something has ended. It costs a load if nobody does.
    fn became_quiet(&self) {
        if self.watchers.load(Ordering::SeqCst) > 0 {
            drop(self.slots());
            self.quiet.notify_all();
        }
    }

    /// Waits until nobody is inside of the closed gate. Who leaves tells nobody, but does so soon.
    fn wait_until_shut(&self, deadline: Option<Instant>) -> bool {
        while !self.gate.is_shut() {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return false;
            }
            thread::yield_now();
        }
        true
    }

    fn wait_until(&self, deadline: Option<Instant>, reached: impl Fn(&Self) -> bool) -> bool {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let mut slots = self.slots();
        let is_reached = loop {
            if reached(self) {
                break true;
            }
            slots = match deadline {
                None => self
                    .quiet
                    .wait(slots)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break false;
                    }
                    let waited = self.quiet.wait_timeout(slots, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        drop(slots);
        self.watchers.fetch_sub(1, Ordering::SeqCst);
        is_reached
    }

    /// The worker that a thread is while it has this index.
    fn worker(&self, index: usize, state: Option<Rc<dyn Any>>) -> context::Worker {
        let name = format!("{}-{index}", self.settings.name);
        let worker = context::Worker::new(self.home(), name, index);
        match state {
            Some(state) => worker.shared_state(state),
            None => worker,
        }
    }

    fn take_slot(&self) -> Slot {
        let mut slots = self.slots();
        slots.free.pop().unwrap_or_else(|| {
            let counts = Arc::<Counts>::default();
            slots.all.push(Arc::clone(&counts));
            Slot {
                index: slots.all.len() - 1,
                counts,
                own: match &self.queue {
                    Queue::Stealing(queue) => Some(queue.register()),
                    Queue::Locked(_) => None,
                },
            }
        })
    }

    fn give_back_slot(&self, slot: Slot) {
        self.slots().free.push(slot);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Runners {
    fn help(&self, run: &mut dyn FnMut() -> bool) -> bool {
        let Some(runners) = self.me.upgrade() else {
            return false;
        };
        if !self.settings.lender.is_own_thread() {
            return false;
        }
        let _asks = runner::Asks::new();
        let state = match state::of(&runners) {
            Ok(state) => state,
            Err(cause) => {
                self.break_down(&cause);
                return false;
            }
        };
        let slot = self.take_slot();
        let guard = self.worker(slot.index, state).enter();
        let ran = run();
        drop(guard);
        self.give_back_slot(slot);
        ran
    }

    fn must_not_block(&self) -> bool {
        self.settings.lender.must_not_block()
    }
}

impl fmt::Debug for Runners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runners")
            .field("settings", &self.settings)
            .field("phase", &self.phase())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunnerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunnerSettings")
            .field("limit", &self.limit)
            .field("name", &self.name)
            .field("bound", &self.bound)
            .field("order", &self.order)
            .field("on_full", &self.on_full)
            .finish_non_exhaustive()
    }
}
