//! Many tasks of very different lengths.

use std::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::measure::random::Random;
use crate::threads::peers::Subject;

/// Tasks of 1 to 100 us, most of them short: 6 us on average.
///
/// A task counts iterations, and does not watch the clock: a task that spins until a time has passed
/// makes progress while its thread is preempted, and hides what a pool that has too many threads
/// awake costs.
pub(crate) struct Uneven {
    iterations: Vec<u64>,
    nanoseconds_per_iteration: f64,
}

impl Uneven {
    pub(crate) fn new(tasks: usize) -> Self {
        let nanoseconds_per_iteration = calibrate();
        let mut random = Random::new(7);
        let iterations = (0..tasks)
            .map(|_| (random.uneven() * 1000.0 / nanoseconds_per_iteration) as u64)
            .collect();
        Self {
            iterations,
            nanoseconds_per_iteration,
        }
    }

    /// How long the tasks take on this many cores, if nothing else takes any time.
    pub(crate) fn ideal(&self, workers: u32) -> Duration {
        let iterations: u64 = self.iterations.iter().sum();
        let nanoseconds = iterations as f64 * self.nanoseconds_per_iteration;
        Duration::from_nanos(nanoseconds as u64) / workers
    }

    /// Submits all tasks, then takes all results.
    pub(crate) fn run<S: Subject>(&self, pool: &S) {
        let submit = |&iterations| pool.submit(move || spin(iterations));
        let handles: Vec<_> = self.iterations.iter().map(submit).collect();
        for handle in handles {
            black_box(S::take(handle));
        }
    }

    /// Does the same work by as many threads that share a counter and nothing else: what can be
    /// reached on the machine as it is now.
    pub(crate) fn run_without_queue(&self, workers: usize) {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(&iterations) = self.iterations.get(next.fetch_add(1, Ordering::Relaxed))
            {
                black_box(spin(iterations));
            }
        };
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
    }
}

fn spin(iterations: u64) -> u64 {
    (0..iterations).fold(black_box(1), |x: u64, _| step(x))
}

// A chain of dependent instructions, which no optimiser shortens and which takes the same time however
// busy the other threads of the core are.
fn step(x: u64) -> u64 {
    let x = x.wrapping_mul(6_364_136_223_846_793_005);
    x ^ (x >> 29)
}

/// The time of one iteration, undisturbed: the least of many measurements.
fn calibrate() -> f64 {
    const ITERATIONS: u64 = 100_000;
    let measure = |_| {
        let start = Instant::now();
        black_box(spin(ITERATIONS));
        start.elapsed()
    };
    let least = (0..100).map(measure).min().expect("a hundred measurements");
    least.as_nanos() as f64 / ITERATIONS as f64
}
