//! What a pool's handles and its workers share.

use std::{
    any::Any,
    fmt, io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use executor_core::{Home, Job, JoinError, Ran, Reason, Shutdown, Stats, TaskError};
use executor_pool::{Counts, Gate, OnFull, Queue};

use crate::{
    idle::{Idle, Wake},
    worker,
};

/// Called on a new worker; gives its state.
pub(crate) type Initializer = dyn Fn() -> Result<Box<dyn Any>, String> + Send + Sync;

/// Called with the index of a worker.
pub(crate) type Hook = dyn Fn(usize) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) thread_name: String,
    pub(crate) stack_size: Option<usize>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) initializer: Option<Arc<Initializer>>,
    pub(crate) on_start: Option<Arc<Hook>>,
    pub(crate) on_stop: Option<Arc<Hook>>,
    pub(crate) on_full: OnFull,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) home: Home,
    pub(crate) queue: Queue,
    pub(crate) gate: Gate,
    pub(crate) idle: Idle,
    pub(crate) min_workers: usize,
    max_workers: AtomicUsize,
    phase: AtomicU8,
    broken: OnceLock<Arc<str>>,
    threads: Mutex<Threads>,
    /// Counts of workers that have ended, and of jobs that no worker ran.
    rest: Counts,
    /// Threads in `wait_idle`, or in `join` with a deadline; they wait on `quiet`.
    watchers: AtomicUsize,
    quiet: Condvar,
}

/// How far a pool is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Open,
    /// What was accepted is run.
    Drain,
    /// What was accepted and has not started is cancelled.
    Cancel,
    /// What was accepted and has not started fails.
    Broken,
}

#[derive(Debug, Default)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// The counts of live workers, by index.
    counts: Vec<Option<Arc<Counts>>>,
}

impl Shared {
    pub(crate) fn new(settings: Settings, min: usize, max: usize, queue: Queue) -> Self {
        Self {
            settings,
            home: Home::new(),
            queue,
            gate: Gate::new(),
            idle: Idle::new(),
            min_workers: min,
            max_workers: AtomicUsize::new(max),
            phase: AtomicU8::new(Phase::Open as u8),
            broken: OnceLock::new(),
            threads: Mutex::default(),
            rest: Counts::default(),
            watchers: AtomicUsize::new(0),
            quiet: Condvar::new(),
        }
    }

    #[inline]
    pub(crate) fn max_workers(&self) -> usize {
        self.max_workers.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Open,
            1 => Phase::Drain,
            2 => Phase::Cancel,
            _ => Phase::Broken,
        }
    }

    /// Why nothing is accepted any more.
    pub(crate) fn refusal(&self) -> Reason {
        match self.broken.get() {
            Some(cause) => Reason::Broken {
                cause: Arc::clone(cause),
            },
            None => Reason::ShutDown,
        }
    }

    /// A job was added. Wakes or starts a worker if need be.
    ///
    /// # Errors
    ///
    /// If the worker that was to be started could not be, and there is no other.
    #[inline]
    pub(crate) fn notify(self: &Arc<Self>) -> io::Result<()> {
        self.heed(self.idle.notify(self.max_workers()))
    }

    /// As [`notify`](Self::notify), where the last thing that adding did was an atomic
    /// read-modify-write: the injector's push ends with one.
    #[inline]
    pub(crate) fn notify_after_rmw(self: &Arc<Self>) -> io::Result<()> {
        self.heed(self.idle.notify_after_rmw(self.max_workers()))
    }

    #[inline]
    fn heed(self: &Arc<Self>, wake: Wake) -> io::Result<()> {
        match wake {
            Wake::Start => self.start_worker(),
            Wake::Nobody | Wake::Woken => Ok(()),
        }
    }

    #[cold]
    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let mut threads = self.threads();
        threads.handles.retain(|handle| !handle.is_finished());
        let index = threads.free_index();
        let counts = Arc::<Counts>::default();
        let shared = Arc::clone(self);
        let mut builder =
            thread::Builder::new().name(format!("{}-{index}", self.settings.thread_name));
        if let Some(bytes) = self.settings.stack_size {
            builder = builder.stack_size(bytes);
        }
        let own = Arc::clone(&counts);
        match builder.spawn(move || worker::main(&shared, index, &own)) {
            Ok(handle) => {
                threads.handles.push(handle);
                threads.counts[index] = Some(counts);
                Ok(())
            }
            // The others will do the work, if there are any: they are all awake, or there would have
            // been no need of a new one.
            Err(error) => {
                let left = self.idle.leave(0);
                debug_assert!(left, "the worker that did not start was counted");
                if self.idle.live() > 0 {
                    Ok(())
                } else {
                    Err(error)
                }
            }
        }
    }

    /// The last thing that a worker does.
    pub(crate) fn worker_ended(&self, index: usize) {
        let mut threads = self.threads();
        if let Some(counts) = threads.counts.get_mut(index).and_then(Option::take) {
            self.rest.absorb(&counts);
        }
        drop(threads);
        self.became_quiet();
    }

    /// Counts a job that no worker ran.
    pub(crate) fn count(&self, ran: Ran) {
        self.rest.count_shared(ran);
    }

    pub(crate) fn resize(&self, max: usize) {
        self.max_workers.store(max, Ordering::SeqCst);
        // Those that are too many leave when they find nothing to do.
        self.idle.wake_all();
    }

    pub(crate) fn shutdown(&self, mode: Shutdown) {
        let phase = if mode == Shutdown::Drain {
            Phase::Drain
        } else {
            Phase::Cancel
        };
        self.close(phase);
        if phase == Phase::Cancel {
            self.settle_queue();
        }
    }

    /// Nothing can be run any more: everything pending fails with `cause`. Not to be called inside
    /// the gate.
    pub(crate) fn break_down(&self, cause: String) {
        self.broken.get_or_init(|| cause.into());
        self.close(Phase::Broken);
        while !self.gate.is_shut() {
            thread::yield_now();
        }
        self.settle_queue();
        self.became_quiet();
    }

    fn close(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        self.gate.close();
        if let Queue::Locked(queue) = &self.queue {
            queue.close();
        }
        self.idle.wake_all();
        self.became_quiet();
    }

    /// Settles what is queued without running it. What workers have taken meanwhile they settle
    /// in the same way.
    fn settle_queue(&self) {
        while let Some(job) = self.take_any() {
            self.settle_unrun(job, |ran| self.rest.count_shared(ran));
        }
    }

    fn take_any(&self) -> Option<Job> {
        match &self.queue {
            Queue::Stealing(queue) => queue.take_any(),
            Queue::Locked(queue) => queue.pop(),
        }
    }

    /// Cancels a job, or fails it if the pool is broken.
    pub(crate) fn settle_unrun(&self, job: Job, count: impl FnOnce(Ran)) {
        count(match self.broken.get() {
            Some(cause) => job.fail(TaskError::broken(&**cause)),
            None => {
                job.cancel();
                Ran::Cancelled
            }
        });
    }

    /// Whether a worker of a closed pool may leave: nothing is queued, and nothing can be added.
    pub(crate) fn is_drained(&self) -> bool {
        // In this order: what was added before the gate was shut is seen.
        self.gate.is_shut() && self.queue.is_empty()
    }

    /// Whether a submission that sees idle workers could hand over more: nothing waits for them.
    #[inline]
    pub(crate) fn has_nothing_waiting(&self) -> bool {
        match &self.queue {
            Queue::Stealing(queue) => queue.has_no_injected() && !worker::has_own_children(),
            Queue::Locked(queue) => queue.is_empty(),
        }
    }

    fn is_idle(&self) -> bool {
        // In this order: a job that is added keeps a worker from sleeping.
        self.queue.is_empty() && self.idle.all_asleep()
    }

    /// Tells those who watch that all workers sleep, or have ended. Called after the fact; it costs a
    /// load if nobody watches.
    pub(crate) fn became_quiet(&self) {
        if self.watchers.load(Ordering::SeqCst) > 0 {
            drop(self.threads());
            self.quiet.notify_all();
        }
    }

    pub(crate) fn wait_idle(&self, deadline: Option<Instant>) -> bool {
        self.watch(deadline, Self::is_idle)
    }

    /// Waits until the pool is shut down and its workers have ended.
    pub(crate) fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        let is_closed = self.gate.is_closed();
        // The threads themselves can be waited for only without a deadline.
        if is_closed && deadline.is_none() {
            self.join_threads();
        }
        loop {
            if !self.watch(deadline, |pool| {
                pool.gate.is_closed() && pool.idle.live() == 0
            }) {
                return Err(JoinError::still_running(self.idle.live()));
            }
            self.join_threads();
            // Whoever was inside the gate may have started another.
            if self.idle.live() == 0 {
                return Ok(());
            }
        }
    }

    /// Waits for the threads of a closed pool.
    pub(crate) fn join_threads(&self) {
        // Whoever is inside may be starting one.
        while !self.gate.is_shut() {
            thread::yield_now();
        }
        loop {
            // A worker that starts another enters it here before it ends itself.
            let Some(handle) = self.threads().handles.pop() else {
                return;
            };
            // A worker does not panic: tasks, hooks and initializers are caught.
            let joined = handle.join();
            debug_assert!(joined.is_ok(), "a worker thread panicked");
        }
    }

    fn watch(&self, deadline: Option<Instant>, reached: impl Fn(&Self) -> bool) -> bool {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        let mut threads = self.threads();
        let is_reached = loop {
            if reached(self) {
                break true;
            }
            threads = match deadline {
                None => self
                    .quiet
                    .wait(threads)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break false;
                    }
                    let waited = self.quiet.wait_timeout(threads, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        };
        drop(threads);
        self.watchers.fetch_sub(1, Ordering::SeqCst);
        is_reached
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        stats.workers = self.idle.live();
        stats.queued = self.queue.len();
        if let Queue::Locked(queue) = &self.queue {
            // What a waiter has run, that waiter has counted.
            let mut pruned = Stats::default();
            queue.pruned().add_to(&mut pruned);
            stats.cancelled += pruned.cancelled;
        }
        let threads = self.threads();
        for counts in threads.counts.iter().flatten() {
            counts.add_to(&mut stats);
        }
        self.rest.add_to(&mut stats);
        stats
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Threads {
    fn free_index(&mut self) -> usize {
        self.counts
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                self.counts.push(None);
                self.counts.len() - 1
            })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("phase", &self.phase())
            .field("max_workers", &self.max_workers())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("thread_name", &self.thread_name)
            .field("stack_size", &self.stack_size)
            .field("keep_alive", &self.keep_alive)
            .field("on_full", &self.on_full)
            .finish_non_exhaustive()
    }
}
