//! Tasks that come from a thread which is no worker.

use std::{hint::black_box, time::Duration};

use super::{WINDOW, started};
use crate::{
    harness::Scale,
    measure::{
        clock::{median, nanoseconds, pause},
        toil::chain,
    },
    tasks::steps,
    threads::peers::Subject,
};

/// Submit and wait: nanoseconds a task.
pub(super) fn noop<S: Subject>(scale: Scale) -> f64 {
    one_by_one::<S>(scale, |x| x)
}

/// The same with some work.
pub(super) fn microsecond<S: Subject>(scale: Scale) -> f64 {
    let steps = steps(1000);
    one_by_one::<S>(scale, move |x| chain(steps, x))
}

/// Submit and wait, after a millisecond without work: nanoseconds.
pub(super) fn idle<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    median(scale.of(100), || {
        pause(Duration::from_millis(1));
        nanoseconds(|| round_trip(&pool, 7, |x| x))
    })
}

/// Submit many, take all: nanoseconds a task.
pub(super) fn window_of_noops<S: Subject>(scale: Scale) -> f64 {
    by_windows::<S>(scale, |x| x)
}

/// The same with some work.
pub(super) fn window_of_microseconds<S: Subject>(scale: Scale) -> f64 {
    let steps = steps(1000);
    by_windows::<S>(scale, move |x| chain(steps, x))
}

fn one_by_one<S: Subject>(scale: Scale, task: impl Fn(u64) -> u64 + Copy + Send + 'static) -> f64 {
    let pool = started::<S>();
    let calls = scale.of(500);
    median(scale.of(10), || {
        nanoseconds(|| (0..calls).for_each(|x| round_trip(&pool, x, task))) / calls as f64
    })
}

fn by_windows<S: Subject>(scale: Scale, task: impl Fn(u64) -> u64 + Copy + Send + 'static) -> f64 {
    let pool = started::<S>();
    let windows = scale.of(10);
    median(scale.of(10), || {
        let run = || (0..windows).for_each(|_| submit_then_take(&pool, WINDOW, task));
        nanoseconds(run) / (windows * WINDOW) as f64
    })
}

/// Submits one task and waits for it.
pub(super) fn round_trip<S: Subject>(
    pool: &S,
    x: u64,
    task: impl FnOnce(u64) -> u64 + Send + 'static,
) {
    let x = black_box(x);
    black_box(S::take(pool.submit(move || task(x))));
}

/// Submits so many tasks, takes all results in the order of submission, and checks that none of them is
/// another task's.
pub(super) fn submit_then_take<S: Subject>(
    pool: &S,
    tasks: u64,
    task: impl Fn(u64) -> u64 + Copy + Send + 'static,
) {
    let submit = |x| pool.submit(move || (x, task(x)));
    let handles: Vec<_> = (0..tasks).map(submit).collect();
    for (x, handle) in handles.into_iter().enumerate() {
        let (of, result) = S::take(handle);
        assert_eq!(of, x as u64, "{} mixed up results", S::NAME);
        black_box(result);
    }
}
