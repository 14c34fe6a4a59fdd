//! Submitting and awaiting. Each gives nanoseconds a task.

use std::{future::Future, hint::black_box, time::Duration};

use tokio::runtime::Runtime;

use super::places::Place;
use crate::{
    harness::{Scale, workers},
    measure::clock::{median, nanoseconds, pause},
    over_tokio::peers::Subject,
};

/// Submit and await.
pub(super) fn one_by_one<S: Subject, P: Place>(scale: Scale) -> f64 {
    let tasks = scale.of(1000);
    timed::<S, P, _>(scale, tasks, |subject| one_after_another(subject, tasks))
}

/// Submit many, await all.
pub(super) fn windows<S: Subject, P: Place, const WINDOW: u64>(scale: Scale) -> f64 {
    let windows = scale.of(10_000 / WINDOW);
    let tasks = windows * WINDOW;
    timed::<S, P, _>(scale, tasks, |subject| {
        window_after_window(subject, WINDOW, windows)
    })
}

/// Submit and await, after a millisecond without work.
pub(super) fn idle<S: Subject, P: Place>(scale: Scale) -> f64 {
    let (runtime, subject) = started::<S, P>();
    median(scale.of(100), || {
        pause(Duration::from_millis(1));
        nanoseconds(|| P::drive(&runtime, one_after_another(subject, 1)))
    })
}

fn timed<S: Subject, P: Place, F>(scale: Scale, tasks: u64, flow: impl Fn(&'static S) -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let (runtime, subject) = started::<S, P>();
    median(scale.of(10), || {
        nanoseconds(|| P::drive(&runtime, flow(subject))) / tasks as f64
    })
}

/// A runtime that has run a few tasks. The subject is never dropped, so that none pays for counting handles.
pub(super) fn started<S: Subject, P: Place>() -> (Runtime, &'static S) {
    let runtime = P::start();
    let subject = &*Box::leak(Box::new(S::start(runtime.handle(), workers())));
    P::drive(&runtime, window_after_window(subject, 1000, 10));
    (runtime, subject)
}

/// Submits so many tasks, and awaits each before the next.
pub(super) async fn one_after_another<S: Subject>(subject: &'static S, tasks: u64) {
    for x in 0..tasks {
        let result = subject.submit(black_box(x)).await;
        check(subject, x, result);
    }
}

/// Submits a window of tasks, and awaits them in the order of submission; so many times.
pub(super) async fn window_after_window<S: Subject>(
    subject: &'static S,
    window: u64,
    windows: u64,
) {
    let mut handles = Vec::with_capacity(usize::try_from(window).expect("fits"));
    for _ in 0..windows {
        handles.extend((0..window).map(|x| subject.submit(x)));
        for (x, handle) in (0..window).zip(handles.drain(..)) {
            check(subject, x, handle.await);
        }
    }
}

fn check<S: Subject>(_: &S, x: u64, result: Result<u64, S::Error>) {
    let result = result.expect("no task of the benchmarks fails");
    assert_eq!(result, x, "{} mixed up results", S::NAME);
}
