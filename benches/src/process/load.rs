//! Tasks that keep all workers busy. What is measured is the ideal time, as a fraction of the time that
//! they took.

use std::{hint::black_box, time::Duration};

use super::started;
use crate::{
    harness::{Scale, workers},
    measure::{
        clock::nanoseconds,
        random::Random,
        toil::{self, nanoseconds_per_step},
    },
    process::{
        peers::Subject,
        work::{Call, Nap, Spin, Toil},
    },
};

/// Workers for tasks that sleep: more than there are processors.
const SLEEPERS: usize = 8;

/// Tasks of 20 us.
pub(super) fn even<S: Subject>(scale: Scale) -> f64 {
    run::<S, Spin>(&even_lengths(scale), 1.0)
}

/// The same by bare threads.
pub(super) fn even_limit(scale: Scale) -> f64 {
    without_queue::<Spin>(&even_lengths(scale), 1.0)
}

/// Tasks of 1 to 100 us, as many of each length.
pub(super) fn uneven<S: Subject>(scale: Scale) -> f64 {
    run::<S, Spin>(&uneven_lengths(scale), 1.0)
}

/// The same by bare threads.
pub(super) fn uneven_limit(scale: Scale) -> f64 {
    without_queue::<Spin>(&uneven_lengths(scale), 1.0)
}

/// Tasks of 1 to 100 us that do not watch the clock, most of them near to 1 us.
pub(super) fn toil<S: Subject>(scale: Scale) -> f64 {
    run::<S, Toil>(&toil::uneven(scale.of(20_000)), nanoseconds_per_step())
}

/// The same by bare threads.
pub(super) fn toil_limit(scale: Scale) -> f64 {
    without_queue::<Toil>(&toil::uneven(scale.of(20_000)), nanoseconds_per_step())
}

/// Sleeps of 1 to 100 ms. The ideal is what they take if each begins, in their order, as soon as a worker
/// is free.
pub(super) fn naps<S: Subject>(scale: Scale) -> f64 {
    let mut random = Random::new(7);
    // In microseconds; as many from 1 to 10 ms as from 10 to 100.
    let lengths: Vec<u64> = (0..scale.of(400))
        .map(|_| (1000.0 * 100_f64.powf(random.fraction())) as u64)
        .collect();
    let ideal = Duration::from_micros(greedy(&lengths, SLEEPERS));
    let pool = started::<S>(SLEEPERS);
    let took = nanoseconds(|| pool.call_all::<Nap>(lengths.into_iter(), |_| {}));
    pool.stop();
    ideal.as_nanos() as f64 / took
}

/// In nanoseconds.
fn even_lengths(scale: Scale) -> Vec<u64> {
    (0..scale.of(20_000)).map(|_| 20_000).collect()
}

/// In nanoseconds.
fn uneven_lengths(scale: Scale) -> Vec<u64> {
    let mut random = Random::new(7);
    (0..scale.of(20_000))
        .map(|_| (1000.0 + 99_000.0 * random.fraction()) as u64)
        .collect()
}

fn run<S: Subject, C: Call<Input = u64>>(lengths: &[u64], unit: f64) -> f64 {
    let pool = started::<S>(workers());
    let run = || {
        pool.call_all::<C>(lengths.iter().copied(), |output| {
            black_box(output);
        });
    };
    let took = nanoseconds(run);
    pool.stop();
    toil::ideal(lengths, unit) / took
}

/// The same work without a pool.
fn without_queue<C: Call<Input = u64, Output = u64>>(lengths: &[u64], unit: f64) -> f64 {
    toil::ideal(lengths, unit) / toil::without_queue(lengths, C::function)
}

/// How long the tasks take, if each is given to the worker that is free first.
fn greedy(lengths: &[u64], workers: usize) -> u64 {
    let mut free_at = vec![0; workers];
    for length in lengths {
        let first = free_at.iter_mut().min().expect("there are workers");
        *first += length;
    }
    free_at.into_iter().max().unwrap_or(0)
}
