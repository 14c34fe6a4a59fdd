//! Maps over many items.

use std::hint::black_box;

use executor_core::{ExecutorExt as _, PortableTask, TaskError};
use executor_process::ProcessPoolExecutor;

use super::started;
use crate::{
    harness::{Scale, workers},
    measure::{
        clock::{median, nanoseconds},
        maps::{in_halves, timed},
        toil::nanoseconds_per_step,
    },
    process::{
        peers::{Procspawn, Subject as _},
        work,
    },
    tasks,
};

/// Items of 77 ns: the ideal time as a fraction of the time that they took.
pub(super) fn churn(scale: Scale) -> f64 {
    let work = Churn::new(scale);
    let pool = started::<ProcessPoolExecutor>(workers());
    let steps = work.steps;
    let tasks = || (0..work.items).map(move |item| work::churn::task(item, steps));
    let sample = work.efficiency(scale, || map(&pool, tasks()));
    pool.stop();
    sample
}

/// The same in chunks of the best size.
pub(super) fn churn_by_procspawn(scale: Scale) -> f64 {
    let work = Churn::new(scale);
    let pool = started::<Procspawn>(workers());
    let each = |(steps, items): (u32, Vec<u64>)| churn_all(items, steps);
    let best = [1000, 10_000, 50_000]
        .map(|chunk| work.efficiency(scale, || pool.map(work.items, chunk, work.steps, each)))
        .into_iter()
        .fold(0.0, f64::max);
    pool.stop();
    best
}

/// The same by a bare thread for each half.
pub(super) fn churn_limit(scale: Scale) -> f64 {
    let work = Churn::new(scale);
    work.efficiency(scale, || {
        in_halves(work.items, |items| churn_all(items, work.steps))
    })
}

/// Items of 10 us: the ideal time as a fraction of the time that they took.
pub(super) fn spin(scale: Scale) -> f64 {
    let items = scale.of(20_000);
    let pool = started::<ProcessPoolExecutor>(workers());
    let tasks = || (0..items).map(|_| work::spin::task(SPIN));
    let took = median(scale.of(5), || nanoseconds(|| drop(map(&pool, tasks()))));
    pool.stop();
    spin_ideal(items) / took
}

/// The same in chunks of the best size.
pub(super) fn spin_by_procspawn(scale: Scale) -> f64 {
    let items = scale.of(20_000);
    let pool = started::<Procspawn>(workers());
    let best = best_chunk(&[20, 100, 500], |chunk| {
        drop(pool.map(items, chunk, SPIN, |(length, items)| {
            spin_all(items, length)
        }));
    });
    pool.stop();
    spin_ideal(items) / best
}

/// The same by a bare thread for each half.
pub(super) fn spin_limit(scale: Scale) -> f64 {
    let items = scale.of(20_000);
    let run = || drop(in_halves(items, |items| spin_all(items, SPIN)));
    spin_ideal(items) / median(scale.of(5), || nanoseconds(run))
}

/// Items that are given back: nanoseconds in all.
pub(super) fn noop(scale: Scale) -> f64 {
    let items = scale.of(1_000_000);
    let pool = started::<ProcessPoolExecutor>(workers());
    let tasks = || (0..items).map(tasks::noop::task);
    drop(map(&pool, tasks()));
    let took = median(scale.of(5), || nanoseconds(|| drop(map(&pool, tasks()))));
    pool.stop();
    took
}

/// The same in chunks of the best size.
pub(super) fn noop_by_procspawn(scale: Scale) -> f64 {
    let items = scale.of(1_000_000);
    let pool = started::<Procspawn>(workers());
    let best = best_chunk(&[1000, 10_000, 50_000, 200_000], |chunk| {
        let each = |((), items): ((), Vec<u64>)| items.into_iter().map(tasks::noop).collect();
        drop(pool.map(items, chunk, (), each));
    });
    pool.stop();
    best
}

/// The length of an item of `spin`, in nanoseconds.
const SPIN: u64 = 10_000;

/// Items whose work is a number of steps, and how long they take on one thread.
struct Churn {
    items: u64,
    steps: u32,
    serial: f64,
}

impl Churn {
    fn new(scale: Scale) -> Self {
        const NANOSECONDS: f64 = 77.0;
        let items = scale.of(1_000_000);
        // A processor overlaps an item with its neighbours: what a loop of them takes is what counts.
        let serial = |steps| {
            let run = || {
                black_box(churn_all(0..items, steps));
            };
            (0..3).map(|_| nanoseconds(run)).fold(f64::MAX, f64::min)
        };
        let guess = (NANOSECONDS / nanoseconds_per_step()).round();
        let is = serial(guess as u32) / items as f64;
        let steps = (guess * NANOSECONDS / is).round() as u32;
        Self {
            items,
            steps,
            serial: serial(steps),
        }
    }

    /// The ideal time as a fraction of the time that a map took, which has to be right.
    fn efficiency(&self, scale: Scale, map: impl Fn() -> Vec<u64>) -> f64 {
        let of = |item| work::churn(item, self.steps);
        let took = timed(self.items, scale.of(5), of, |_| map());
        self.serial / workers() as f64 / took
    }
}

fn map<T>(pool: &ProcessPoolExecutor, tasks: impl Iterator<Item = T>) -> Vec<u64>
where
    T: PortableTask<Output = u64>,
{
    pool.map(tasks)
        .collect::<Result<_, TaskError>>()
        .expect("no task of the benchmarks fails")
}

fn churn_all(items: impl IntoIterator<Item = u64>, steps: u32) -> Vec<u64> {
    let items = items.into_iter();
    items.map(|item| work::churn(item, steps)).collect()
}

fn spin_all(items: impl IntoIterator<Item = u64>, length: u64) -> Vec<u64> {
    items.into_iter().map(|_| work::spin(length)).collect()
}

/// What it takes with the best of these chunk sizes, each tried three times.
fn best_chunk(chunks: &[u64], run: impl Fn(u64)) -> f64 {
    chunks
        .iter()
        .map(|&chunk| median(3, || nanoseconds(|| run(chunk))))
        .fold(f64::MAX, f64::min)
}

fn spin_ideal(items: u64) -> f64 {
    (items * SPIN) as f64 / workers() as f64
}
