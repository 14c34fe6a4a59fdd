//! Work that takes about as long as it is told.

use std::hint::black_box;

use super::clock;

/// So many iterations.
///
/// They are counted, and nobody watches the clock: a task that spins until a time has passed makes progress
/// while its thread is preempted, and hides what too many awake threads cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Toil(u64);

impl Toil {
    /// About so many nanoseconds of work on this machine, undisturbed.
    pub(crate) fn of(nanoseconds: f64) -> Self {
        const ITERATIONS: u64 = 20_000;
        let measure = |_| {
            clock::nanoseconds(|| {
                black_box(Self(ITERATIONS).run(1));
            })
        };
        // Whatever disturbs a measurement makes it longer.
        let least = (0..100).map(measure).fold(f64::INFINITY, f64::min);
        Self((nanoseconds * ITERATIONS as f64 / least) as u64)
    }

    /// Toils. What comes of it depends on `x`, and is not zero unless that is.
    pub(crate) fn run(self, x: u64) -> u64 {
        (0..self.0).fold(black_box(x), |x, _| step(x))
    }
}

// A chain of dependent instructions, which no optimiser shortens and which takes the same time however
// busy the other threads of the core are.
fn step(x: u64) -> u64 {
    let x = x.wrapping_mul(6_364_136_223_846_793_005);
    x ^ (x >> 29)
}
