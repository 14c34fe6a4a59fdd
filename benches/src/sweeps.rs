//! Workloads that are measured at many points: what the charts are drawn from. All backends are in each.

use std::{hint::black_box, time::Instant};

use executor_core::{Executor, ExecutorExt as _, Future as _};

#[cfg(unix)]
use crate::process::{self, peers::Procspawn};
use crate::{
    backends,
    harness::{
        Scale, workers,
        workload::{Chart, Kind, Unit, Workload},
    },
    measure::clock::nanoseconds,
    tasks::{noop, steps, toil},
    threads::peers::{Crossbeam, Rayon, Subject, TokioBlocking},
};

const NANOSECONDS: Unit = Unit::new(1.0, 1, " ns");
const MICROSECONDS: Unit = Unit::new(1e3, 2, " us");

pub(crate) fn all() -> Vec<Workload> {
    let lengths = [0, 100, 1_000, 10_000, 100_000, 1_000_000];
    let mut all = vec![latency()];
    all.extend(lengths.map(length));
    all.extend([1, 2, 4, 8].map(scaling));
    all
}

/// Single calls, each of them timed.
fn latency() -> Workload {
    let mut workload = Workload::new(
        "latency",
        "one no-op task, submitted and waited for: the median of single calls",
        MICROSECONDS,
    )
    .at(Chart::Latency, 0.0);
    for backend in backends() {
        workload = workload.distribution(backend.ours(), None, |scale| {
            let pool = started(backend.open(workers()));
            calls(scale, || take(pool.submit(noop::task(black_box(7)))))
        });
    }
    workload = workload
        .distribution(Crossbeam::NAME, None, calls_of::<Crossbeam>)
        .distribution(Rayon::NAME, None, calls_of::<Rayon>)
        .distribution(TokioBlocking::NAME, None, calls_of::<TokioBlocking>);
    #[cfg(unix)]
    {
        workload = workload
            .distribution("procspawn", None, |scale| {
                use process::peers::Subject as _;
                let pool = Procspawn::start(workers());
                let times = calls(scale, || pool.call::<process::work::Noop>(black_box(7)));
                pool.stop();
                times
            })
            .distribution("raw pipe", Some(Kind::Limit), |scale| {
                let mut echo = process::calls::started_raw();
                let times = calls(scale, || {
                    echo.round_trip();
                    7
                });
                echo.stop();
                times
            });
    }
    workload
}

fn calls_of<S: Subject>(scale: Scale) -> Vec<f64> {
    let pool = S::start(workers());
    calls(scale, || S::take(pool.submit(|| black_box(7))))
}

fn calls(scale: Scale, mut call: impl FnMut() -> u64) -> Vec<f64> {
    (0..100).for_each(|_| assert_eq!(call(), 7));
    let once = |_| {
        let start = Instant::now();
        black_box(call());
        start.elapsed().as_nanos() as f64
    };
    (0..scale.of(20_000)).map(once).collect()
}

/// Tasks of one length, submitted in one go.
fn length(nanoseconds: u64) -> Workload {
    let name = format!("length-{}", time(nanoseconds));
    let title = format!(
        "tasks of {} submitted, then all results taken; per task",
        time(nanoseconds)
    );
    let tasks = move |scale| many(nanoseconds, workers(), scale);
    all_do(Workload::new(name, title, NANOSECONDS), move |_| workers(), tasks, nanoseconds)
        // Zero has no place on a logarithmic axis.
        .at(Chart::Length, nanoseconds.max(10) as f64)
        .limit("a loop, no executor", move |scale| {
            let (tasks, steps) = (tasks(scale), steps(nanoseconds));
            nanoseconds_each(tasks, || {
                (0..tasks).for_each(|_| {
                    black_box(toil(black_box(steps)));
                });
            })
        })
}

/// Tasks of 10 us on so many workers.
fn scaling(of: usize) -> Workload {
    const LENGTH: u64 = 10_000;
    let name = format!("workers-{of}");
    let title = format!("tasks of 10 us on {of} workers; per task");
    let tasks = move |scale| many(LENGTH, 2, scale);
    all_do(
        Workload::new(name, title, NANOSECONDS),
        move |_| of,
        tasks,
        LENGTH,
    )
    .at(Chart::Workers, of as f64)
}

/// So many that they take a fifth of a second or so, but not so many that memory matters.
fn many(nanoseconds: u64, workers: usize, scale: Scale) -> u64 {
    let tasks = 200_000_000 * workers as u64 / (nanoseconds + 500);
    scale.of(tasks.min(100_000)).max(workers as u64 * 4)
}

/// All backends and some peers, on so many workers, run so many tasks of this length.
fn all_do(
    mut workload: Workload,
    workers: impl Fn(Scale) -> usize + Copy + 'static,
    tasks: impl Fn(Scale) -> u64 + Copy + 'static,
    length: u64,
) -> Workload {
    for backend in backends() {
        workload = workload.contender(backend.ours(), move |scale| {
            let pool = started(backend.open(workers(scale)));
            let (tasks, steps) = (tasks(scale), steps(length));
            nanoseconds_each(tasks, || {
                let submit = |_| pool.submit(toil::task(black_box(steps)));
                let futures: Vec<_> = (0..tasks).map(submit).collect();
                futures.into_iter().for_each(|future| {
                    black_box(take(future));
                });
            })
        });
    }
    let bare = move |submit_all: fn(usize, u64, u64) -> f64| {
        move |scale| submit_all(workers(scale), tasks(scale), steps(length))
    };
    workload = workload
        .contender(Crossbeam::NAME, bare(by_threads::<Crossbeam>))
        .contender(Rayon::NAME, bare(by_threads::<Rayon>))
        .contender(TokioBlocking::NAME, bare(by_threads::<TokioBlocking>));
    #[cfg(unix)]
    {
        workload = workload.contender("procspawn", move |scale| {
            use process::peers::Subject as _;
            // One of its tasks takes tens of microseconds: fewer say as much.
            let (tasks, steps) = (tasks(scale).min(5000), steps(length));
            let pool = Procspawn::start(workers(scale));
            pool.call::<process::work::Noop>(1);
            let all = || (0..tasks).map(|_| steps);
            let took = nanoseconds_each(tasks, || {
                pool.call_all::<process::work::Toil>(all(), |it| {
                    black_box(it);
                });
            });
            pool.stop();
            took
        });
    }
    workload
}

fn by_threads<S: Subject>(workers: usize, tasks: u64, steps: u64) -> f64 {
    let pool = S::start(workers);
    black_box(S::take(pool.submit(|| 1)));
    let took = nanoseconds_each(tasks, || {
        let steps = black_box(steps);
        let submit = |_| pool.submit(move || toil(steps));
        let handles: Vec<_> = (0..tasks).map(submit).collect();
        handles.into_iter().for_each(|handle| {
            black_box(S::take(handle));
        });
    });
    pool.stop();
    took
}

fn nanoseconds_each(tasks: u64, f: impl FnOnce()) -> f64 {
    nanoseconds(f) / tasks as f64
}

/// All its workers are there, and have run something.
fn started(pool: Box<dyn Executor>) -> Box<dyn Executor> {
    let futures: Vec<_> = (0..1000).map(|x| pool.submit(noop::task(x))).collect();
    futures.into_iter().for_each(|future| {
        take(future);
    });
    pool
}

fn take(
    future: Result<executor_core::TaskFuture<u64>, executor_core::SubmitError<impl Sized>>,
) -> u64 {
    let Ok(future) = future else {
        panic!("the pool is open, and its queue has no bound")
    };
    future.result().expect("no task of the benchmarks fails")
}

fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        1_000_000.. => format!("{}ms", nanoseconds / 1_000_000),
        1_000.. => format!("{}us", nanoseconds / 1_000),
        _ => format!("{nanoseconds}ns"),
    }
}
