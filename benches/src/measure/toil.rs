//! Work of a known length.

use std::{
    hint::black_box,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{clock::nanoseconds, random::Random};
use crate::harness::workers;

/// What comes of `x` after so many steps.
///
/// They are counted, and nobody watches the clock: a task that spins until a time has passed makes progress
/// while its thread is preempted, and hides what too many awake threads cost.
pub(crate) fn chain(steps: u64, x: u64) -> u64 {
    (0..steps).fold(x, |x, _| step(x))
}

// A chain of dependent instructions, which no optimiser shortens and which takes the same time however
// busy the other threads of the core are.
fn step(x: u64) -> u64 {
    let x = x.wrapping_mul(6_364_136_223_846_793_005);
    x ^ (x >> 29)
}

/// The time of a step on this machine, undisturbed. Measured once in a process.
pub(crate) fn nanoseconds_per_step() -> f64 {
    static TIME: OnceLock<f64> = OnceLock::new();
    *TIME.get_or_init(|| {
        const STEPS: u64 = 100_000;
        let once = |_| {
            nanoseconds(|| {
                black_box(chain(STEPS, black_box(1)));
            })
        };
        // Whatever disturbs a measurement makes it longer.
        (0..50).map(once).fold(f64::INFINITY, f64::min) / STEPS as f64
    })
}

/// The lengths of uneven tasks, in steps: 1 to 100 us, most of them short, 6 us on average.
pub(crate) fn uneven(tasks: u64) -> Vec<u64> {
    let (mut random, step) = (Random::new(7), nanoseconds_per_step());
    (0..tasks)
        .map(|_| (random.uneven() * 1000.0 / step) as u64)
        .collect()
}

/// How long tasks of these lengths take on all workers, if nothing else takes any time. In nanoseconds, as is the unit of
/// the lengths.
pub(crate) fn ideal(lengths: &[u64], unit: f64) -> f64 {
    lengths.iter().sum::<u64>() as f64 * unit / workers() as f64
}

/// How long they take on as many threads that share a counter and nothing else: what the machine gives as it is now. In
/// nanoseconds.
pub(crate) fn without_queue(lengths: &[u64], work: fn(u64) -> u64) -> f64 {
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(&length) = lengths.get(next.fetch_add(1, Ordering::Relaxed)) {
            black_box(work(length));
        }
    };
    nanoseconds(|| {
        thread::scope(|scope| {
            for _ in 0..workers() {
                scope.spawn(run);
            }
        });
    })
}
