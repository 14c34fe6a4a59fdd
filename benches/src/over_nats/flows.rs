//! Submitting and taking, beside requests of the bare client.

use executor_core::{ExecutorExt as _, Future as _};

use super::programs::{Cluster, Requests};
use crate::{
    harness::Scale,
    measure::clock::{median, middle, nanoseconds},
    tasks::noop,
};

/// Medians of what was done in turns, in nanoseconds.
pub(super) struct Turns {
    pub(super) task: f64,
    pub(super) request: f64,
}

impl Turns {
    pub(super) fn ratio(&self) -> f64 {
        self.task / self.request
    }
}

/// A task, a request, a task, a request: how long either takes changes with where the system puts the processes, and so
/// either meets the same.
pub(super) fn turns(isolation: &str, scale: Scale) -> Turns {
    let cluster = started(isolation);
    let requests = Requests::start();
    let mut request = Vec::new();
    let task = median(scale.of(2000), || {
        let task = nanoseconds(|| call(&cluster, 7));
        request.push(nanoseconds(|| requests.one()));
        task
    });
    let request = middle(request);
    Turns { task, request }
}

/// Submit all, take all: tasks a second.
pub(super) fn burst(isolation: &str, scale: Scale) -> f64 {
    let cluster = started(isolation);
    let tasks = scale.of(10_000);
    per_second(tasks, || submit_then_take(&cluster, tasks))
}

/// As many bare requests at once: requests a second.
pub(super) fn burst_of_requests(scale: Scale) -> f64 {
    let requests = Requests::start();
    let times = scale.of(10_000);
    requests.many(100);
    per_second(times, || requests.many(times))
}

/// Items a second.
pub(super) fn map(isolation: &str, scale: Scale) -> f64 {
    let cluster = started(isolation);
    let items = scale.of(1_000_000);
    let run = || {
        let mut next = 0;
        for result in cluster.executor().map((0..items).map(noop::task)) {
            let result = result.expect("no task of the benchmarks fails");
            assert_eq!(result, next, "a result at another's place");
            next += 1;
        }
        assert_eq!(next, items, "a map lost a result");
    };
    run();
    per_second(items, run)
}

/// A worker that has run a few tasks, one by one and at once: in each of its children, where it has some.
fn started(isolation: &str) -> Cluster {
    let cluster = Cluster::start(isolation);
    (0..200).for_each(|x| call(&cluster, x));
    submit_then_take(&cluster, 1000);
    cluster
}

fn call(cluster: &Cluster, x: u64) {
    let future = cluster.executor().submit(noop::task(x));
    let result = future.expect("the executor is open").result();
    assert_eq!(result.expect("no task of the benchmarks fails"), x);
}

fn submit_then_take(cluster: &Cluster, tasks: u64) {
    let submit = |x| cluster.executor().submit(noop::task(x));
    let futures: Result<Vec<_>, _> = (0..tasks).map(submit).collect();
    for (x, future) in (0..tasks).zip(futures.expect("the executor is open")) {
        let result = future.result().expect("no task of the benchmarks fails");
        assert_eq!(result, x, "another task's result");
    }
}

/// The median of a few runs.
fn per_second(times: u64, mut run: impl FnMut()) -> f64 {
    times as f64 / (median(3, || nanoseconds(&mut run)) * 1e-9)
}
