//! What a task costs beside time, for any pool of threads.

use std::{
    hint::black_box,
    sync::{Arc, Barrier},
};

use crate::{harness::workers, measure::allocator, threads::peers::Subject};

/// Bytes asked of the allocator for each task that waits in the queue, without the caller's list of
/// handles.
pub(crate) fn bytes<S: Subject>(pool: &S, tasks: u64) -> f64 {
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
    let mut handles = Vec::with_capacity(usize::try_from(tasks).expect("fits"));
    let allocated = allocator::count(|| handles.extend((0..tasks).map(|i| pool.submit(move || i))));
    end.wait();
    for handle in handles {
        black_box(S::take(handle));
    }
    allocated.live_bytes as f64 / tasks as f64
}

/// Allocations for each task, from its submission until its result is taken. More than a whole
/// number by what the queue needs for its blocks.
pub(crate) fn allocations<S: Subject>(pool: &S, tasks: u64) -> f64 {
    let mut handles = Vec::with_capacity(usize::try_from(tasks).expect("fits"));
    let allocated = allocator::count(|| {
        handles.extend((0..tasks).map(|i| pool.submit(move || i)));
        for handle in handles.drain(..) {
            black_box(S::take(handle));
        }
    });
    allocated.calls as f64 / tasks as f64
}
