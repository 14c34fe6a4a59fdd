//! What is in a queue under a lock, in its order.

use std::collections::{BinaryHeap, VecDeque};

use executor_core::{Job, Outcome};

use crate::QueueOrder;

/// Jobs, and which of them is next.
#[derive(Debug)]
pub(super) enum Items {
    Fifo(VecDeque<Job>),
    Lifo(Vec<Job>),
    Priority { heap: BinaryHeap<Ranked>, next: u64 },
}

/// A job in a heap: the highest priority first, and of those the oldest.
#[derive(Debug)]
pub(super) struct Ranked {
    priority: i32,
    number: u64,
    job: Job,
}

impl Items {
    pub(super) fn new(order: QueueOrder) -> Self {
        match order {
            QueueOrder::Fifo => Self::Fifo(VecDeque::new()),
            QueueOrder::Lifo => Self::Lifo(Vec::new()),
            QueueOrder::Priority => Self::Priority {
                heap: BinaryHeap::new(),
                next: 0,
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Fifo(items) => items.len(),
            Self::Lifo(items) => items.len(),
            Self::Priority { heap, .. } => heap.len(),
        }
    }

    pub(super) fn push(&mut self, job: Job) {
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

    pub(super) fn pop(&mut self) -> Option<Job> {
        match self {
            Self::Fifo(items) => items.pop_front(),
            Self::Lifo(items) => items.pop(),
            Self::Priority { heap, .. } => heap.pop().map(|ranked| ranked.job),
        }
    }

    /// Drops the shells of jobs that are settled, and says what became of each.
    pub(super) fn prune(&mut self, mut dropped: impl FnMut(Outcome)) {
        let mut is_live = |job: &Job| {
            let outcome = job.outcome();
            outcome.into_iter().for_each(&mut dropped);
            outcome.is_none()
        };
        match self {
            Self::Fifo(items) => items.retain(is_live),
            Self::Lifo(items) => items.retain(is_live),
            Self::Priority { heap, .. } => heap.retain(|ranked| is_live(&ranked.job)),
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
