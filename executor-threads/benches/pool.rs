//! The workloads of `ratios` under criterion, at moderate sizes: for work on one thing, with
//! criterion's statistics and its comparison with the last run.
//!
//! `cargo bench -p executor-threads --bench pool -- t2/ours`

mod common;
mod peers;

use std::{hint::black_box, time::Duration};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use executor_threads::ThreadPoolExecutor;

use self::{
    common::{flows, forks, maps, uneven::Uneven},
    peers::{Subject, each_subject},
};

const WORKERS: usize = 2;

/// Benches a function once for each subject, under its name.
macro_rules! bench {
    (($function:ident, $group:expr) $($subject:ty,)*) => {
        $($function::<$subject>($group);)*
    };
}

fn round_trips(criterion: &mut Criterion) {
    fn warm<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let pool = S::start(WORKERS);
        group.bench_function(S::NAME, |bencher| bencher.iter(|| flows::round_trip(&pool)));
        pool.stop();
    }
    each_subject!(bench!(warm, &mut group(criterion, "t1 submit and wait", 1)));
}

fn batches(criterion: &mut Criterion) {
    const TASKS: u64 = 10_000;

    fn taken<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let pool = S::start(WORKERS);
        group.bench_function(S::NAME, |bencher| {
            bencher.iter(|| flows::submit_then_take(&pool, TASKS));
        });
        pool.stop();
    }
    fn forgotten<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let pool = S::start(WORKERS);
        group.bench_function(S::NAME, |bencher| {
            bencher.iter(|| flows::fire_and_forget(&pool, TASKS));
        });
        pool.stop();
    }
    fn clients<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let pool = S::start(WORKERS);
        group.bench_function(S::NAME, |bencher| {
            bencher.iter(|| flows::clients(&pool, 4, TASKS / 4));
        });
        pool.stop();
    }
    each_subject!(bench!(
        taken,
        &mut group(criterion, "t2 submit all then take all", TASKS)
    ));
    each_subject!(bench!(
        forgotten,
        &mut group(criterion, "t3 fire and forget", TASKS)
    ));
    each_subject!(bench!(
        clients,
        &mut group(criterion, "t4 four clients", TASKS)
    ));
}

fn forking(criterion: &mut Criterion) {
    const N: u64 = 20;
    const FORKS: u64 = 10_945;
    const TASKS: u64 = 20_000;

    for workers in [1, 2] {
        let name = format!("t5a fibonacci with {workers} workers");
        let mut group = group(criterion, &name, FORKS);
        let ours = leaked::<ThreadPoolExecutor>(workers);
        let rayon = rayon_pool(workers);
        group.bench_function("ours join", |bencher| {
            bencher.iter(|| forks::fibonacci_by_join(ours, N));
        });
        group.bench_function("ours spawn", |bencher| {
            bencher.iter(|| forks::fibonacci_by_spawn(ours, N));
        });
        group.bench_function("rayon::join", |bencher| {
            bencher.iter(|| forks::fibonacci_by_rayon(&rayon, N));
        });
    }

    fn tree<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let pool = leaked::<S>(WORKERS);
        group.bench_function(S::NAME, |bencher| bencher.iter(|| forks::tree(pool, TASKS)));
    }
    each_subject!(bench!(
        tree,
        &mut group(criterion, "t5b tree of spawns", TASKS)
    ));
}

fn mapping(criterion: &mut Criterion) {
    const ITEMS: u64 = 100_000;

    let mut group = group(criterion, "t6 map", ITEMS);
    let ours = ThreadPoolExecutor::start(WORKERS);
    let rayon = rayon_pool(WORKERS);
    group.bench_function("ours map", |bencher| {
        bencher.iter(|| maps::by_tasks(&ours, ITEMS))
    });
    group.bench_function("ours map_fn", |bencher| {
        bencher.iter(|| maps::by_closure(&ours, ITEMS))
    });
    group.bench_function("rayon par_iter", |bencher| {
        bencher.iter(|| maps::by_rayon(&rayon, ITEMS))
    });
    group.bench_function("std scoped threads", |bencher| {
        bencher.iter(|| maps::by_scoped_threads(ITEMS));
    });
    group.bench_function("serial", |bencher| {
        bencher.iter(|| maps::serially(black_box(ITEMS)))
    });
}

fn unevenness(criterion: &mut Criterion) {
    const TASKS: usize = 1000;

    fn uneven<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let pool = S::start(WORKERS);
        let work = Uneven::new(TASKS);
        let name = format!("{} (ideal {:.1?})", S::NAME, work.ideal(2));
        group.bench_function(name, |bencher| bencher.iter(|| work.run(&pool)));
        pool.stop();
    }
    let mut group = group(criterion, "t7 uneven tasks", TASKS as u64);
    each_subject!(bench!(uneven, &mut group));
    let work = Uneven::new(TASKS);
    group.bench_function("two threads, no queue", |bencher| {
        bencher.iter(|| work.run_without_queue(WORKERS));
    });
}

fn lives(criterion: &mut Criterion) {
    fn life<S: Subject>(group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function(S::NAME, |bencher| {
            bencher.iter(|| flows::short_life::<S>(WORKERS))
        });
    }
    each_subject!(bench!(
        life,
        &mut group(criterion, "t8 pool built, one task, dropped", 1)
    ));
}

fn group<'c>(criterion: &'c mut Criterion, name: &str, tasks: u64) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(tasks));
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group
}

fn leaked<S: Subject>(workers: usize) -> &'static S {
    Box::leak(Box::new(S::start(workers)))
}

fn rayon_pool(workers: usize) -> rayon::ThreadPool {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(workers);
    builder.build().expect("threads can be started")
}

criterion_group!(
    benches,
    round_trips,
    batches,
    forking,
    mapping,
    unevenness,
    lives
);
criterion_main!(benches);
