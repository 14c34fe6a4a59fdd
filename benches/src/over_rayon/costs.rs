//! What a task costs beside time.

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
};

use executor_rayon::RayonExecutor;

use super::{
    WINDOW,
    calls::{round_trip, submit_then_take},
    started,
};
use crate::{
    harness::{Scale, workers},
    measure::{allocator, sleeps},
    threads::peers::{Rayon, Subject},
};

/// Allocations for each task, from its submission until its result is taken. More than a whole number by what
/// the queue needs for its blocks.
pub(super) fn allocations<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let tasks = scale.of(100_000);
    let mut handles = Vec::with_capacity(usize::try_from(tasks).expect("fits"));
    let allocated = allocator::count(|| {
        handles.extend((0..tasks).map(|i| pool.submit(move || i)));
        for handle in handles.drain(..) {
            black_box(S::take(handle));
        }
    });
    allocated.calls as f64 / tasks as f64
}

/// How many more ours are.
pub(super) fn extra_allocations(scale: Scale) -> f64 {
    allocations::<RayonExecutor>(scale) - allocations::<Rayon>(scale)
}

/// Bytes asked of the allocator for each task that waits, without the caller's list of handles.
pub(super) fn bytes<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let end = Arc::new(Barrier::new(workers() + 1));
    // One after the other, so that no worker takes both and starts only one.
    for _ in 0..workers() {
        let start = Arc::new(Barrier::new(2));
        let (start_there, end) = (Arc::clone(&start), Arc::clone(&end));
        pool.fire(move || {
            start_there.wait();
            end.wait();
        });
        start.wait();
    }
    let tasks = scale.of(100_000);
    let mut handles = Vec::with_capacity(usize::try_from(tasks).expect("fits"));
    let allocated = allocator::count(|| handles.extend((0..tasks).map(|i| pool.submit(move || i))));
    end.wait();
    for handle in handles {
        black_box(S::take(handle));
    }
    allocated.live_bytes as f64 / tasks as f64
}

/// How often a thread goes to sleep, for each task that is waited for.
pub(super) fn sleeps_of_calls<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let calls = scale.of(5000);
    let run = || (0..calls).for_each(|x| round_trip(&pool, x, |x| x));
    sleeps::count(run) / calls as f64
}

/// The same for tasks whose results are taken once all are submitted.
pub(super) fn sleeps_of_windows<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let windows = scale.of(50);
    let run = || (0..windows).for_each(|_| submit_then_take(&pool, WINDOW, |x| x));
    sleeps::count(run) / (windows * WINDOW) as f64
}
