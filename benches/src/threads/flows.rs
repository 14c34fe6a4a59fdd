//! Tasks that come from outside of the pool.

use std::{hint::black_box, sync::Barrier, thread};

use crate::measure::tally::Tally;
use crate::threads::peers::Subject;

/// Submits one task and waits for it.
pub(crate) fn round_trip<S: Subject>(pool: &S) {
    let x = black_box(20);
    black_box(S::take(pool.submit(move || x + 1)));
}

/// Submits all tasks, then takes all results, in the order of submission.
pub(crate) fn submit_then_take<S: Subject>(pool: &S, tasks: u64) {
    let handles: Vec<_> = (0..tasks).map(|i| pool.submit(move || i)).collect();
    let sum: u64 = handles.into_iter().map(S::take).sum();
    assert_eq!(sum, tasks * (tasks - 1) / 2, "{} lost a result", S::NAME);
}

/// Submits all tasks without a wish for results, and waits until they have run.
pub(crate) fn fire_and_forget<S: Subject>(pool: &S, tasks: u64) {
    let tally: &'static Tally = Tally::leak();
    for _ in 0..tasks {
        pool.fire(|| tally.count());
    }
    tally.wait_for(tasks);
}

/// As [`submit_then_take`], from several threads at once, each with its share of the tasks.
pub(crate) fn clients<S: Subject>(pool: &S, clients: u64, tasks_each: u64) {
    let barrier = Barrier::new(usize::try_from(clients).expect("a handful of clients"));
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                barrier.wait();
                submit_then_take(pool, tasks_each);
            });
        }
    });
}

/// Builds a pool, has it run one task, and ends it.
pub(crate) fn short_life<S: Subject>(workers: usize) {
    let pool = S::start(workers);
    round_trip(&pool);
    pool.stop();
}
