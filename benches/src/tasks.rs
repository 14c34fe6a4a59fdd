//! The tasks that every backend can run: used by the sweeps and by the criterion benchmarks.

use std::{
    hint::black_box,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use executor_macros::task;

/// Gives back what it is given.
#[task(crate = "executor_core")]
#[must_use]
pub fn noop(x: u64) -> u64 {
    x
}

/// So many steps of a chain that no optimiser shortens. They are counted, and nobody watches the clock: a task that
/// spins until a time has passed makes progress while it is preempted, and hides what a busy executor costs.
#[task(crate = "executor_core")]
#[must_use]
pub fn toil(steps: u64) -> u64 {
    (0..steps).fold(black_box(1), |x: u64, _| {
        let x = x.wrapping_mul(6_364_136_223_846_793_005);
        x ^ (x >> 29)
    })
}

/// Sleeps for so many microseconds.
#[task(crate = "executor_core")]
#[must_use]
pub fn nap(microseconds: u64) -> u64 {
    let end = Instant::now() + Duration::from_micros(microseconds);
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        // Nobody unparks this thread for good; a stale wake-up only starts the loop again.
        thread::park_timeout(left);
    }
    microseconds
}

/// Gives back the bytes that it is given.
#[task(crate = "executor_core")]
#[must_use]
pub fn turn(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

/// How many steps of [`toil()`] take about so many nanoseconds on this machine, undisturbed. Measured once in a process.
#[must_use]
pub fn steps(nanoseconds: u64) -> u64 {
    static PER_STEP: OnceLock<f64> = OnceLock::new();
    let per_step = *PER_STEP.get_or_init(|| {
        const STEPS: u64 = 100_000;
        let once = |_| {
            let start = Instant::now();
            black_box(toil(black_box(STEPS)));
            start.elapsed().as_nanos() as f64
        };
        // Whatever disturbs a measurement makes it longer.
        (0..50).map(once).fold(f64::INFINITY, f64::min) / STEPS as f64
    });
    (nanoseconds as f64 / per_step) as u64
}
