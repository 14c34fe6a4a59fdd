use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::Switch;
use crate::{
    Admission, Capabilities, Executor, Home, Job, JoinError, LocalExecutor, Ran, Reason, Rejected,
    Shutdown, Stats, Unsupported,
};

/// Runs tasks only when it is told to, in an order that a test chooses.
///
/// A test that found a bad order with [`run_seeded`](Self::run_seeded) can replay it with the same
/// seed. A wait for a task that has not run runs it, so that no test hangs.
///
/// ```
/// use executor_core::{Future as _, LocalExecutorExt as _, testing::ManualExecutor};
///
/// let executor = ManualExecutor::new();
/// let future = executor.spawn(|| 6 * 7)?;
/// assert!(!future.is_done());
/// assert!(executor.run_one());
/// assert!(future.is_done());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ManualExecutor {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    switch: Switch,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: Vec<Job>,
    stats: Stats,
}

#[expect(
    clippy::must_use_candidate,
    reason = "they are called for what they run"
)]
impl ManualExecutor {
    /// An executor with an empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tasks are queued, cancelled ones included.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// Runs the oldest task. False if there is none.
    pub fn run_one(&self) -> bool {
        self.run_nth(0)
    }

    /// Runs the `n`th oldest task, from 0. False if there are not so many.
    pub fn run_nth(&self, n: usize) -> bool {
        self.shared.run_nth(n)
    }

    /// Runs tasks, oldest first, until none is queued; how many there were.
    pub fn run_all(&self) -> usize {
        self.shared.run_all()
    }

    /// Runs tasks until none is queued, each picked by a generator that `seed` starts; how many there
    /// were. The same seed picks the same order.
    pub fn run_seeded(&self, seed: u64) -> usize {
        let mut state = seed;
        let mut count = 0;
        loop {
            let queued = self.queued();
            if queued == 0 {
                return count;
            }
            // SplitMix64 (Steele, Lea, Flood, 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            count += usize::from(self.run_nth((z % queued as u64) as usize));
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_nth(&self, n: usize) -> bool {
        let job = {
            let mut queue = self.lock();
            if n >= queue.jobs.len() {
                return false;
            }
            queue.stats.begin();
            queue.jobs.remove(n)
        };
        let before = job.outcome();
        let ran = job.run();
        // What a waiter has run counts here, since there is nobody else to count it.
        let ran = before.map_or(ran, Ran::Here);
        self.lock().stats.end(ran);
        true
    }

    fn run_all(&self) -> usize {
        let mut count = 0;
        while self.run_nth(0) {
            count += 1;
        }
        count
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.run_all();
    }
}

impl Executor for ManualExecutor {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            background: false,
            ..Capabilities::local(1)
        }
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        let job = self.capabilities().admit(job)?;
        let mut queue = self.shared.lock();
        // Under the queue's lock, so that a shutdown that follows finds the job.
        if self.shared.switch.is_off() {
            return Err(Rejected::new(job, Reason::ShutDown));
        }
        job.bind(Home::anywhere());
        queue.jobs.push(job);
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.capabilities().check_shutdown(mode)?;
        let jobs = {
            let mut queue = self.shared.lock();
            self.shared.switch.turn_off(mode);
            if mode == Shutdown::Drain {
                Vec::new()
            } else {
                std::mem::take(&mut queue.jobs)
            }
        };
        for job in jobs {
            let cancelled = job.cancel();
            self.shared.lock().stats.cancelled += u64::from(cancelled);
        }
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        self.shared.switch.wait(deadline)?;
        self.shared.run_all();
        Ok(())
    }

    fn stats(&self) -> Stats {
        let queue = self.shared.lock();
        Stats {
            queued: queue.jobs.len(),
            ..queue.stats
        }
    }
}

impl LocalExecutor for ManualExecutor {
    fn wants_work(&self) -> bool {
        false
    }
}
