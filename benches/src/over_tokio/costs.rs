//! What a task costs beside time.

use std::sync::{Arc, Barrier};

use super::{
    flows::{one_after_another, started, window_after_window},
    places::{Current, Outside, Place},
};
use crate::{
    harness::{Scale, workers},
    measure::{allocator, switches::sleeps},
    over_tokio::peers::Subject,
};

const WINDOW: u64 = 1000;

/// Allocations for each task, from its submission until its result is there. More than a whole number by the
/// growth of queues.
pub(super) fn allocations<S: Subject>(scale: Scale) -> f64 {
    let (runtime, subject) = started::<S, Outside>();
    let windows = scale.of(100);
    let run = || Outside::drive(&runtime, window_after_window(subject, WINDOW, windows));
    allocator::count(run).calls as f64 / (windows * WINDOW) as f64
}

/// How many more ours are.
pub(super) fn extra_allocations<Ours: Subject, Bare: Subject>(scale: Scale) -> f64 {
    allocations::<Ours>(scale) - allocations::<Bare>(scale)
}

/// Bytes asked of the allocator for each task that waits, without the caller's list of handles.
pub(super) fn bytes<S: Subject>(scale: Scale) -> f64 {
    let (runtime, subject) = started::<S, Current>();
    let (start, end) = (both(), both());
    for _ in 0..workers() {
        let (start, end) = (Arc::clone(&start), Arc::clone(&end));
        // This takes the place of a call, and whoever lends the threads has none to lend.
        runtime.spawn_blocking(move || {
            start.wait();
            end.wait();
        });
    }
    start.wait();
    let tasks = scale.of(1000);
    let mut handles = Vec::with_capacity(usize::try_from(tasks).expect("fits"));
    let entered = runtime.enter();
    let allocated = allocator::count(|| handles.extend((0..tasks).map(|x| subject.submit(x))));
    drop(entered);
    end.wait();
    runtime.block_on(async {
        for handle in handles {
            handle.await.expect("no task of the benchmarks fails");
        }
    });
    allocated.live_bytes as f64 / tasks as f64
}

/// Where all blocking threads meet this one.
fn both() -> Arc<Barrier> {
    Arc::new(Barrier::new(workers() + 1))
}

/// How often a thread goes to sleep, for each task that is awaited alone.
pub(super) fn sleeps_one_by_one<S: Subject, P: Place>(scale: Scale) -> f64 {
    let (runtime, subject) = started::<S, P>();
    let tasks = scale.of(5000);
    let run = || P::drive(&runtime, one_after_another(subject, tasks));
    sleeps(run) / tasks as f64
}

/// The same for tasks that are awaited once all of a window are submitted.
pub(super) fn sleeps_of_windows<S: Subject, P: Place, const WINDOW: u64>(scale: Scale) -> f64 {
    let (runtime, subject) = started::<S, P>();
    let windows = scale.of(50);
    let run = || P::drive(&runtime, window_after_window(subject, WINDOW, windows));
    sleeps(run) / (windows * WINDOW) as f64
}
