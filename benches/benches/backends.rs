//! Every backend through one harness, under criterion: for work on one thing, with its statistics and its comparison
//! with the last run. `compare` is for the comparison with others.
//!
//! `cargo bench -p benches --bench backends -- call/threads`. With `-- --test` everything runs once, at tiny sizes.

use std::{
    env,
    hint::black_box,
    process,
    sync::{Barrier, OnceLock},
    thread,
    time::{Duration, Instant},
};

use benches::{
    Backend, Counting, backends, count,
    tasks::{nap, noop, steps, toil, turn},
};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use executor_core::{Executor, ExecutorExt as _, Future as _, PortableTask, TaskFuture};
use executor_macros::task;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WORKERS: usize = 2;

fn main() {
    benches::init();
    for line in benches::left_out() {
        eprintln!("{line}");
    }
    let is_test = env::args().any(|argument| argument == "--test");
    let scale = Scale { is_test };
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    calls(&mut criterion);
    bursts(&mut criterion, scale);
    clients(&mut criterion, scale);
    nested(&mut criterion, scale);
    maps(&mut criterion, scale);
    payloads(&mut criterion, scale);
    starts(&mut criterion);
    recoveries(&mut criterion);
    costs(scale);
    criterion.final_summary();
}

/// How large everything is.
#[derive(Clone, Copy)]
struct Scale {
    is_test: bool,
}

impl Scale {
    fn of(self, full: u64) -> u64 {
        if self.is_test { full / 1000 + 2 } else { full }
    }
}

/// Benches a function once for each backend, on a pool that runs.
fn each(
    criterion: &mut Criterion,
    name: &str,
    throughput: Throughput,
    mut bench: impl FnMut(&mut BenchmarkGroup<'_, WallTime>, &Backend, Box<dyn Executor>),
) {
    let mut group = criterion.benchmark_group(name);
    group.throughput(throughput);
    for backend in backends() {
        let pool = backend.open(WORKERS);
        burst(&pool, 100, noop::task);
        bench(&mut group, backend, pool);
    }
    group.finish();
}

fn calls(criterion: &mut Criterion) {
    let one = Throughput::Elements(1);
    each(criterion, "call", one.clone(), |group, backend, pool| {
        group.bench_function(backend.name, |bencher| {
            bencher.iter(|| take(pool.submit(noop::task(black_box(1)))));
        });
    });
    each(
        criterion,
        "call after 1 ms of idleness",
        one,
        |group, backend, pool| {
            group.bench_function(backend.name, |bencher| {
                bencher.iter_custom(|times| {
                    let once = |_| {
                        black_box(nap(1000));
                        let start = Instant::now();
                        take(pool.submit(noop::task(black_box(1))));
                        start.elapsed()
                    };
                    (0..times).map(once).sum()
                });
            });
        },
    );
}

fn bursts(criterion: &mut Criterion, scale: Scale) {
    let tasks = scale.of(10_000);
    let all = Throughput::Elements(tasks);
    each(
        criterion,
        "submit all, take all",
        all,
        |group, backend, pool| {
            group.bench_function(backend.name, |bencher| {
                bencher.iter(|| burst(&pool, tasks, noop::task));
            });
        },
    );
}

fn clients(criterion: &mut Criterion, scale: Scale) {
    let tasks = scale.of(8000);
    for clients in [1, 2, 4, 8] {
        let name = format!("{clients} clients submit all, take all");
        each(
            criterion,
            &name,
            Throughput::Elements(tasks),
            |group, backend, pool| {
                group.bench_function(backend.name, |bencher| {
                    bencher.iter(|| together(&pool, clients, tasks / clients));
                });
            },
        );
    }
}

fn together(pool: &impl Executor, clients: u64, tasks: u64) {
    let barrier = Barrier::new(usize::try_from(clients).expect("a handful"));
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                barrier.wait();
                burst(pool, tasks, noop::task);
            });
        }
    });
}

/// The pools of `fibonacci`, which are never dropped: a portable task cannot hold one, so it has its number.
static POOLS: OnceLock<Vec<Box<dyn Executor>>> = OnceLock::new();

/// A task that submits tasks and waits for them, which needs a pool in the same process.
#[task(crate = "executor_core")]
fn fibonacci(pool: usize, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let pools = POOLS.get().expect("they were opened before");
    let b = pools[pool].submit(fibonacci::task(pool, n - 2));
    let a = fibonacci(pool, n - 1);
    a + take(b)
}

fn nested(criterion: &mut Criterion, scale: Scale) {
    let (n, forks) = if scale.is_test { (5, 7) } else { (16, 1596) };
    let mut group = criterion.benchmark_group("nested: fib by submit and result");
    group.throughput(Throughput::Elements(forks));
    let local = || backends().filter(|backend| !backend.is_remote);
    let pools = POOLS.get_or_init(|| local().map(|backend| backend.open(WORKERS)).collect());
    for (number, backend) in local().enumerate() {
        group.bench_function(backend.name, |bencher| {
            bencher.iter(|| take(pools[number].submit(fibonacci::task(number, n))));
        });
    }
    group.finish();
}

fn maps(criterion: &mut Criterion, scale: Scale) {
    let of = |group: &mut BenchmarkGroup<'_, WallTime>, backend: &Backend, run: &dyn Fn()| {
        group.bench_function(backend.name, |bencher| bencher.iter(run));
    };
    let items = scale.of(100_000);
    each(
        criterion,
        "map of no-ops",
        Throughput::Elements(items),
        |group, backend, pool| {
            of(group, backend, &|| map(&pool, (0..items).map(noop::task)));
        },
    );
    let (items, length) = (scale.of(100_000), steps(77));
    each(
        criterion,
        "map of 77 ns",
        Throughput::Elements(items),
        |group, backend, pool| {
            of(group, backend, &|| {
                map(&pool, (0..items).map(|_| toil::task(length)))
            });
        },
    );
    let (items, length) = (scale.of(5000), steps(10_000));
    each(
        criterion,
        "map of 10 us",
        Throughput::Elements(items),
        |group, backend, pool| {
            of(group, backend, &|| {
                map(&pool, (0..items).map(|_| toil::task(length)))
            });
        },
    );
    let (items, unit) = (scale.of(2000), steps(1000));
    each(
        criterion,
        "map of 1 to 100 us",
        Throughput::Elements(items),
        |group, backend, pool| {
            // Most are short: the cube of an even spread.
            let length = |item: u64| 1 + 99 * (item * 7919 % 101).pow(3) / 1_000_000;
            of(group, backend, &|| {
                map(
                    &pool,
                    (0..items).map(|item| toil::task(unit * length(item))),
                );
            });
        },
    );
    let items = if scale.is_test { 2 } else { 20 };
    each(
        criterion,
        "map of sleeps of 1 to 100 ms",
        Throughput::Elements(items),
        |group, backend, pool| {
            let length = |item: u64| 1000 + (item * 7919 % 101).pow(3) / 10;
            of(group, backend, &|| {
                map(&pool, (0..items).map(|item| nap::task(length(item))))
            });
        },
    );
}

fn payloads(criterion: &mut Criterion, scale: Scale) {
    let sizes: &[usize] = if scale.is_test {
        &[64, 64 << 10]
    } else {
        &[64, 1 << 10, 64 << 10, 1 << 20, 64 << 20]
    };
    for &size in sizes {
        let name = format!("{size} bytes there and back");
        each(
            criterion,
            &name,
            Throughput::Bytes(2 * size as u64),
            |group, backend, pool| {
                group.bench_function(backend.name, |bencher| {
                    let mut bytes = vec![7; size];
                    bencher.iter(|| {
                        let there = std::mem::take(&mut bytes);
                        bytes = take(pool.submit(turn::task(there)));
                    });
                    assert_eq!(bytes.len(), size);
                });
            },
        );
    }
}

fn starts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool built, one task, dropped");
    for backend in backends() {
        group.bench_function(backend.name, |bencher| {
            bencher.iter(|| take(backend.open(WORKERS).submit(noop::task(1))));
        });
    }
    group.finish();
}

/// Ends its process, as a fault in a C library would.
#[task(crate = "executor_core")]
fn fall() {
    process::abort();
}

/// From the death of the only worker to the next result.
fn recoveries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recovery after a worker's death");
    for backend in backends().filter(|backend| backend.is_remote) {
        let pool = backend.open(1);
        burst(&pool, 10, noop::task);
        group.bench_function(backend.name, |bencher| {
            bencher.iter(|| {
                let victim = pool.submit(fall::task()).expect("the pool is open");
                assert!(victim.result().is_err(), "a dead worker has no result");
                take(pool.submit(noop::task(1)))
            });
        });
    }
    group.finish();
}

/// What criterion has no words for: allocations of this process for each task, and bytes for each that waits.
fn costs(scale: Scale) {
    let tasks = scale.of(100_000);
    for backend in backends() {
        let pool = backend.open(WORKERS);
        burst(&pool, 1000, noop::task);
        let calls = count(|| burst(&pool, tasks, noop::task)).calls;
        // Workers that sleep meanwhile, so that everything else waits.
        let busy: Vec<_> = (0..WORKERS)
            .map(|_| pool.submit(nap::task(50_000)))
            .collect();
        let waiting = tasks.min(10_000);
        let mut futures = Vec::with_capacity(usize::try_from(waiting).expect("fits"));
        let allocated = count(|| futures.extend((0..waiting).map(|x| pool.submit(noop::task(x)))));
        println!(
            "costs/{:<8} {:.2} allocations a task, {:.0} bytes for each that waits",
            backend.name,
            calls as f64 / tasks as f64,
            allocated.live_bytes as f64 / waiting as f64
        );
        busy.into_iter().for_each(|future| {
            take(future);
        });
        futures.into_iter().for_each(|future| {
            take(future);
        });
    }
}

/// Submits so many tasks, and takes all results.
fn burst<T: PortableTask>(pool: &impl Executor, tasks: u64, task: fn(u64) -> T) {
    let futures: Vec<_> = (0..tasks).map(|x| pool.submit(task(x))).collect();
    futures.into_iter().for_each(|future| {
        black_box(take(future));
    });
}

fn map<T: PortableTask<Output = u64>>(pool: &impl Executor, tasks: impl Iterator<Item = T> + Send) {
    for result in pool.map(tasks) {
        black_box(result.expect("no task of the benchmarks fails"));
    }
}

fn take<T, E>(future: Result<TaskFuture<T>, E>) -> T {
    let Ok(future) = future else {
        panic!("the pool is open, and its queue has no bound")
    };
    future.result().expect("no task of the benchmarks fails")
}
