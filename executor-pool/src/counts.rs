//! Counting what became of the jobs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use executor_core::{Outcome, Ran, Stats};

/// Counts of one worker, which alone [`count`](Self::count)s there; so plain loads and stores will do.
///
/// One more, for jobs that no worker ran, is written by [`count_shared`](Self::count_shared) only.
#[derive(Debug, Default)]
pub struct Counts {
    succeeded: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    busy: AtomicBool,
}

impl Counts {
    /// Counts a job, on the thread that owns these counts.
    #[inline]
    pub fn count(&self, ran: Ran) {
        if let Some(count) = self.of(ran) {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// Counts a job, on any thread.
    pub fn count_shared(&self, ran: Ran) {
        if let Some(count) = self.of(ran) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says whether the worker runs a job.
    #[inline]
    pub fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Adds these counts to `stats`.
    pub fn add_to(&self, stats: &mut Stats) {
        stats.succeeded += self.succeeded.load(Ordering::Relaxed);
        stats.failed += self.failed.load(Ordering::Relaxed);
        stats.cancelled += self.cancelled.load(Ordering::Relaxed);
        stats.running += usize::from(self.busy.load(Ordering::Relaxed));
    }

    /// Takes over the counts of a worker that has ended.
    pub fn absorb(&self, other: &Self) {
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

#[cfg(test)]
mod tests {
    use executor_core::{Outcome, Ran, Stats};

    use super::Counts;

    #[test]
    fn what_workers_and_others_counted_adds_up() {
        let (worker, rest) = (Counts::default(), Counts::default());
        worker.count(Ran::Here(Outcome::Succeeded));
        worker.count(Ran::Here(Outcome::Failed));
        worker.count(Ran::Elsewhere);
        worker.set_busy(true);
        rest.count_shared(Ran::Cancelled);
        let mut live = Stats::default();
        worker.add_to(&mut live);
        rest.add_to(&mut live);
        assert_eq!((live.succeeded, live.failed, live.cancelled), (1, 1, 1));
        assert_eq!(live.running, 1);

        rest.absorb(&worker);
        let mut ended = Stats::default();
        rest.add_to(&mut ended);
        assert_eq!((ended.succeeded, ended.failed, ended.cancelled), (1, 1, 1));
        assert_eq!(ended.running, 0);
    }
}
