//! The unbounded queue: a common injector, and for each worker two deques that the others steal from.
//!
//! A worker takes a batch from the injector into its *inbox*, oldest first. What its tasks submit
//! goes on its *stack*: it takes the newest itself, whose data is still in its cache, and others
//! take the oldest, which stands for the most work. (The usual order of fork-join pools: Blumofe,
//! Leiserson, 1999.)

use std::{
    cell::Cell,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use crossbeam_utils::CachePadded;
use executor_core::{Job, JobKey, Outcome};

/// How often a worker looks at the injector before its own stack, so that children that keep having
/// children do not starve what comes from outside.
const FAIRNESS: usize = 64;

/// The queue without a bound, whose workers steal from each other.
#[derive(Debug)]
pub struct Stealing {
    injector: Injector<Job>,
    deques: CachePadded<RwLock<Vec<Arc<Deques>>>>,
    /// Where the next thief begins.
    turn: CachePadded<AtomicUsize>,
}

/// The thieves' ends of a worker's deques.
#[derive(Debug)]
struct Deques {
    inbox: Stealer<Job>,
    stack: Stealer<Job>,
}

/// The worker's own ends of its deques; see [`Stealing::register`].
#[derive(Debug)]
pub struct Own {
    inbox: Worker<Job>,
    stack: Worker<Job>,
    deques: Arc<Deques>,
    tick: Cell<usize>,
    /// A batch has come from the injector, of which there is more in the inbox.
    has_batch: Cell<bool>,
}

impl Stealing {
    /// An empty queue, without workers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            injector: Injector::new(),
            deques: CachePadded::default(),
            turn: CachePadded::default(),
        }
    }

    /// Deques for a new worker.
    #[must_use = "the worker is to unregister them when it goes"]
    pub fn register(&self) -> Own {
        let (inbox, stack) = (Worker::new_fifo(), Worker::new_lifo());
        let deques = Arc::new(Deques {
            inbox: inbox.stealer(),
            stack: stack.stealer(),
        });
        let mut all = self.deques.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&deques));
        Own {
            inbox,
            stack,
            deques,
            tick: Cell::new(0),
            has_batch: Cell::new(false),
        }
    }

    /// The worker goes; what is in its deques goes to the injector.
    pub fn unregister(&self, own: &Own) {
        while let Some(job) = own.stack.pop().or_else(|| own.inbox.pop()) {
            self.injector.push(job);
        }
        let mut all = self.deques.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|deques| !Arc::ptr_eq(deques, &own.deques));
    }

    /// Adds a job that comes from outside.
    #[inline]
    pub fn push(&self, job: Job) {
        self.injector.push(job);
    }

    /// The next job from this worker's own deques, or from the injector.
    #[must_use = "a job that is dropped settles as lost"]
    #[inline]
    pub fn next(&self, own: &Own) -> Option<Job> {
        let tick = own.tick.get().wrapping_add(1);
        own.tick.set(tick);
        if tick.is_multiple_of(FAIRNESS)
            && let Some(job) = self.take_injected(own)
        {
            return Some(job);
        }
        own.stack
            .pop()
            .or_else(|| own.inbox.pop())
            .or_else(|| self.take_injected(own))
    }

    /// A job from another worker's deques; some more come with it.
    #[must_use = "a job that is dropped settles as lost"]
    pub fn steal(&self, own: &Own) -> Option<Job> {
        let all = self.deques.read().unwrap_or_else(PoisonError::into_inner);
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        for at in 0..all.len() {
            let victim = &all[(first + at) % all.len()];
            if Arc::ptr_eq(victim, &own.deques) {
                continue;
            }
            let job = until_settled(|| victim.inbox.steal_batch_and_pop(&own.inbox))
                .or_else(|| until_settled(|| victim.stack.steal()));
            if job.is_some() {
                return job;
            }
        }
        None
    }

    /// A job from anywhere, for a thread that is no worker.
    #[must_use = "a job that is dropped settles as lost"]
    pub fn take_any(&self) -> Option<Job> {
        if let Some(job) = until_settled(|| self.injector.steal()) {
            return Some(job);
        }
        let all = self.deques.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().find_map(|victim| {
            until_settled(|| victim.inbox.steal())
                .or_else(|| until_settled(|| victim.stack.steal()))
        })
    }

    /// Whether no job waits, in the injector or in any deque.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.injector.is_empty() && {
            let all = self.deques.read().unwrap_or_else(PoisonError::into_inner);
            all.iter()
                .all(|deques| deques.inbox.is_empty() && deques.stack.is_empty())
        }
    }

    /// Whether the injector is empty: what a fork looks at before it makes more.
    #[must_use]
    #[inline]
    pub fn has_no_injected(&self) -> bool {
        self.injector.is_empty()
    }

    /// How many jobs wait, in the injector and in all deques.
    #[must_use]
    pub fn len(&self) -> usize {
        let all = self.deques.read().unwrap_or_else(PoisonError::into_inner);
        let own: usize = all
            .iter()
            .map(|deques| deques.inbox.len() + deques.stack.len())
            .sum();
        self.injector.len() + own
    }

    #[inline]
    fn take_injected(&self, own: &Own) -> Option<Job> {
        let job = until_settled(|| self.injector.steal_batch_and_pop(&own.inbox));
        if job.is_some() && !own.inbox.is_empty() {
            own.has_batch.set(true);
        }
        job
    }
}

impl Default for Stealing {
    fn default() -> Self {
        Self::new()
    }
}

impl Own {
    /// Adds a job that the worker's own task submitted.
    #[inline]
    pub fn push(&self, job: Job) {
        self.stack.push(job);
    }

    /// Whether nothing that the worker's own tasks submitted waits here.
    #[must_use]
    #[inline]
    pub fn has_no_children(&self) -> bool {
        self.stack.is_empty()
    }

    /// Whether more has come with the last job than that job, once. While a batch moves from one queue to the other
    /// it is in none, and a worker that looks then finds nothing and may go to sleep: so others have to be told before
    /// the first job of it is run.
    #[inline]
    pub fn takes_batch(&self) -> bool {
        self.has_batch.replace(false)
    }

    /// The job with this key, if it is the newest of the stack. Shells above it are dropped.
    #[must_use = "a job that is dropped settles as lost"]
    pub fn reclaim(&self, key: JobKey) -> Option<Job> {
        self.reclaim_with(key, |_| ())
    }

    /// As [`reclaim`](Self::reclaim); `dropped` is told what had become of each shell, for backends that count a job
    /// when they come to its shell.
    #[must_use = "a job that is dropped settles as lost"]
    pub fn reclaim_with(&self, key: JobKey, mut dropped: impl FnMut(Outcome)) -> Option<Job> {
        while let Some(job) = self.stack.pop() {
            if job.key() == key {
                return Some(job);
            }
            let Some(outcome) = job.outcome() else {
                self.stack.push(job);
                return None;
            };
            dropped(outcome);
        }
        None
    }
}

/// Repeats a steal that lost a race.
#[inline]
fn until_settled(mut steal: impl FnMut() -> Steal<Job>) -> Option<Job> {
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
