//! A queue under one lock: with a bound, or with a strict order.

use std::{
    collections::{BinaryHeap, VecDeque},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use executor_core::{Job, Reason, Rejected};

use crate::QueueOrder;

#[derive(Debug)]
pub(crate) struct Locked {
    /// The most items; `usize::MAX` for no bound.
    bound: usize,
    has_priorities: bool,
    state: Mutex<State>,
    not_full: Condvar,
    /// A copy of the number of items, to be read without the lock.
    len: AtomicUsize,
}

/// What a push does when the queue is full.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WhenFull {
    Refuse,
    Wait,
    WaitUntil {
        deadline: Instant,
        timeout: Duration,
    },
}

#[derive(Debug)]
struct State {
    items: Items,
    closed: bool,
    /// How many pushes wait for room.
    waiting: usize,
}

#[derive(Debug)]
enum Items {
    Fifo(VecDeque<Job>),
    Lifo(Vec<Job>),
    Priority { heap: BinaryHeap<Ranked>, next: u64 },
}

/// A job in a heap: the highest priority first, and of those the oldest.
#[derive(Debug)]
struct Ranked {
    priority: i32,
    number: u64,
    job: Job,
}

impl Locked {
    pub(crate) fn new(order: QueueOrder, bound: Option<usize>) -> Self {
        let items = match order {
            QueueOrder::Fifo => Items::Fifo(VecDeque::new()),
            QueueOrder::Lifo => Items::Lifo(Vec::new()),
            QueueOrder::Priority => Items::Priority {
                heap: BinaryHeap::new(),
                next: 0,
            },
        };
        Self {
            bound: bound.unwrap_or(usize::MAX),
            has_priorities: order == QueueOrder::Priority,
            state: Mutex::new(State {
                items,
                closed: false,
                waiting: 0,
            }),
            not_full: Condvar::new(),
            len: AtomicUsize::new(0),
        }
    }

    pub(crate) fn push(&self, job: Job, when_full: WhenFull) -> Result<(), Rejected> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Err(Rejected::new(job, Reason::ShutDown));
            }
            if state.items.len() >= self.bound {
                // Cancelled jobs are only shells: they take nobody's room.
                state.items.prune();
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

    pub(crate) fn pop(&self) -> Option<Job> {
        if self.is_empty() {
            return None;
        }
        let mut state = self.lock();
        let job = state.items.pop()?;
        self.publish(&state);
        if state.waiting > 0 {
            drop(state);
            self.not_full.notify_one();
        }
        Some(job)
    }

    /// Refuses all pushes from now on, those included that wait for room.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.not_full.notify_all();
    }

    pub(crate) const fn bound(&self) -> Option<usize> {
        if self.bound == usize::MAX {
            None
        } else {
            Some(self.bound)
        }
    }

    pub(crate) const fn has_priorities(&self) -> bool {
        self.has_priorities
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    fn publish(&self, state: &State) {
        self.len.store(state.items.len(), Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Items {
    fn len(&self) -> usize {
        match self {
            Self::Fifo(items) => items.len(),
            Self::Lifo(items) => items.len(),
            Self::Priority { heap, .. } => heap.len(),
        }
    }

    fn push(&mut self, job: Job) {
        match self {
            Self::Fifo(items) => items.push_back(job),
            Self::Lifo(items) => items.push(job),
            Self::Priority { heap, next } => {
                let priority = job
                    .options()
                    .map_or(0, executor_core::TaskOptions::priority);
                heap.push(Ranked {
                    priority,
                    number: *next,
                    job,
                });
                *next += 1;
            }
        }
    }

    fn pop(&mut self) -> Option<Job> {
        match self {
            Self::Fifo(items) => items.pop_front(),
            Self::Lifo(items) => items.pop(),
            Self::Priority { heap, .. } => heap.pop().map(|ranked| ranked.job),
        }
    }

    fn prune(&mut self) {
        match self {
            Self::Fifo(items) => items.retain(|job| !job.is_settled()),
            Self::Lifo(items) => items.retain(|job| !job.is_settled()),
            Self::Priority { heap, .. } => heap.retain(|ranked| !ranked.job.is_settled()),
        }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_priority = self.priority.cmp(&other.priority);
        by_priority.then_with(|| other.number.cmp(&self.number))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}
