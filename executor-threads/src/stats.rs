//! Counting what became of the jobs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use executor_core::{Outcome, Ran, Stats};

/// Counts of one worker, which alone writes them; so plain loads and stores will do.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    succeeded: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    busy: AtomicBool,
}

impl Counts {
    /// Counts a job, on the thread that owns these counts.
    #[inline]
    pub(crate) fn count(&self, ran: Ran) {
        if let Some(count) = self.of(ran) {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Counts a job, on any thread.
    pub(crate) fn count_shared(&self, ran: Ran) {
        if let Some(count) = self.of(ran) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.succeeded += self.succeeded.load(Ordering::Relaxed);
        stats.failed += self.failed.load(Ordering::Relaxed);
        stats.cancelled += self.cancelled.load(Ordering::Relaxed);
        stats.running += usize::from(self.busy.load(Ordering::Relaxed));
    }

    /// Takes over the counts of a worker that has ended.
    pub(crate) fn absorb(&self, other: &Self) {
        let pairs = [
            (&self.succeeded, &other.succeeded),
            (&self.failed, &other.failed),
            (&self.cancelled, &other.cancelled),
        ];
        for (mine, theirs) in pairs {
            mine.fetch_add(theirs.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    #[inline]
    fn of(&self, ran: Ran) -> Option<&AtomicU64> {
        match ran {
            Ran::Here(Outcome::Succeeded) => Some(&self.succeeded),
            Ran::Here(Outcome::Failed) => Some(&self.failed),
            Ran::Here(Outcome::Cancelled) | Ran::Cancelled => Some(&self.cancelled),
            // Whoever ran it counts it.
            Ran::Elsewhere => None,
        }
    }
}
