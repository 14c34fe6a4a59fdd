//! The measurements: each takes one sample of one subject, in a process of its own.

use std::{hint::black_box, num::NonZero, thread, time::Duration};

use executor_threads::ThreadPoolExecutor;

use crate::{
    harness::{Scale, workers},
    measure::{
        clock::{median, nanoseconds, pause},
        maps::{in_halves, timed},
        switches,
        toil::{self, nanoseconds_per_step},
    },
    tasks,
    threads::{
        costs, flows,
        forks::{self, per_fork},
        maps,
        peers::{Subject, rayon_pool},
    },
};

/// Submit and wait, warm: nanoseconds a task.
pub(super) fn warm<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let calls = scale.of(1000);
    median(scale.of(20), || {
        nanoseconds(|| (0..calls).for_each(|_| flows::round_trip(&pool))) / calls as f64
    })
}

/// Submit and wait, after a millisecond without work: nanoseconds.
pub(super) fn idle<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    median(scale.of(300), || {
        pause(Duration::from_millis(1));
        nanoseconds(|| flows::round_trip(&pool))
    })
}

/// Submit all, take all: nanoseconds a task.
pub(super) fn batch<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let tasks = scale.of(1_000_000);
    nanoseconds(|| flows::submit_then_take(&pool, tasks)) / tasks as f64
}

/// Fire and forget: nanoseconds a task.
pub(super) fn forgotten<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let tasks = scale.of(1_000_000);
    nanoseconds(|| flows::fire_and_forget(&pool, tasks)) / tasks as f64
}

/// Four clients at once: nanoseconds a task.
pub(super) fn four_clients<S: Subject>(scale: Scale) -> f64 {
    clients::<S>(4, scale)
}

/// So many clients at once: nanoseconds a task.
pub(super) fn clients<S: Subject>(clients: u64, scale: Scale) -> f64 {
    let pool = started::<S>();
    let tasks = scale.of(1_000_000) / clients;
    nanoseconds(|| flows::clients(&pool, clients, tasks)) / (clients * tasks) as f64
}

/// `join` of ours: nanoseconds a fork.
pub(super) fn join<const N: usize>(scale: Scale) -> f64 {
    let pool = leaked::<ThreadPoolExecutor>(N);
    per_fork(scale, |n| forks::fibonacci_by_join(pool, n))
}

/// `spawn` and `result` of ours: nanoseconds a fork.
pub(super) fn spawn<const N: usize>(scale: Scale) -> f64 {
    let pool = leaked::<ThreadPoolExecutor>(N);
    per_fork(scale, |n| forks::fibonacci_by_spawn(pool, n))
}

/// `rayon::join`: nanoseconds a fork.
pub(super) fn rayon_join<const N: usize>(scale: Scale) -> f64 {
    let pool = rayon_pool(N);
    per_fork(scale, |n| forks::fibonacci_by_rayon(&pool, n))
}

/// The `join` of chili: nanoseconds a fork.
pub(super) fn chili_join<const N: usize>(scale: Scale) -> f64 {
    // The caller works too.
    let others = NonZero::new(N - 1).unwrap_or(NonZero::<usize>::MIN);
    let pool = chili::ThreadPool::with_config(chili::Config {
        thread_count: Some(others),
        ..chili::Config::default()
    });
    per_fork(scale, |n| forks::fibonacci_by_chili(&pool, n))
}

/// The same additions by one thread: nanoseconds a fork.
pub(super) fn serial_fibonacci(scale: Scale) -> f64 {
    per_fork(scale, forks::fibonacci_serially)
}

/// One thread started and joined: nanoseconds.
pub(super) fn one_thread(scale: Scale) -> f64 {
    median(scale.of(200), || {
        nanoseconds(|| {
            let thread = thread::spawn(|| black_box(20) + 1);
            black_box(thread.join().expect("it does not panic"));
        })
    })
}

/// A tree of spawns: nanoseconds a task.
pub(super) fn tree<S: Subject>(scale: Scale) -> f64 {
    let pool = leaked::<S>(workers());
    let tasks = scale.of(200_000);
    median(scale.of(5), || {
        nanoseconds(|| forks::tree(pool, tasks)) / tasks as f64
    })
}

/// A map over portable tasks: nanoseconds in all.
pub(super) fn map_tasks(scale: Scale) -> f64 {
    let pool = started::<ThreadPoolExecutor>();
    map(scale, |items| maps::by_tasks(&pool, items))
}

/// A map with a closure: nanoseconds in all.
pub(super) fn map_closure(scale: Scale) -> f64 {
    let pool = started::<ThreadPoolExecutor>();
    map(scale, |items| maps::by_closure(&pool, items))
}

/// A map by rayon: nanoseconds in all.
pub(super) fn map_rayon(scale: Scale) -> f64 {
    let pool = rayon_pool(workers());
    map(scale, |items| maps::by_rayon(&pool, items))
}

/// A map by scoped threads: nanoseconds in all.
pub(super) fn map_scoped(scale: Scale) -> f64 {
    map(scale, |items| in_halves(items, maps::hash_all))
}

/// A map by this thread: nanoseconds in all.
pub(super) fn map_serial(scale: Scale) -> f64 {
    map(scale, |items| maps::hash_all(0..items))
}

/// Uneven tasks: the ideal time as a fraction of the time that they took.
pub(super) fn uneven<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    let lengths = toil::uneven(scale.of(20_000));
    let run = || {
        let submit = |&steps| pool.submit(move || tasks::toil(steps));
        let handles: Vec<_> = lengths.iter().map(submit).collect();
        for handle in handles {
            black_box(S::take(handle));
        }
    };
    toil::ideal(&lengths, nanoseconds_per_step()) / nanoseconds(run)
}

/// The same by two bare threads: what the machine gives.
pub(super) fn uneven_limit(scale: Scale) -> f64 {
    let lengths = toil::uneven(scale.of(20_000));
    toil::ideal(&lengths, nanoseconds_per_step()) / toil::without_queue(&lengths, tasks::toil)
}

/// A pool built, used once and ended: nanoseconds.
pub(super) fn short_life<S: Subject>(scale: Scale) -> f64 {
    median(scale.of(200), || {
        nanoseconds(|| flows::short_life::<S>(workers()))
    })
}

/// Bytes for each task that waits.
pub(super) fn bytes<S: Subject>(scale: Scale) -> f64 {
    costs::bytes(&started::<S>(), scale.of(1_000_000))
}

/// Allocations for each task.
pub(super) fn allocations<S: Subject>(scale: Scale) -> f64 {
    costs::allocations(&started::<S>(), scale.of(100_000))
}

/// Context switches of the pool's threads in a second without work. Not a number where the system
/// does not say.
pub(super) fn idle_switches<S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>();
    pause(Duration::from_millis(scale.of(200)));
    let before = switches::all_of_others();
    pause(Duration::from_millis(scale.of(1000)));
    let after = switches::all_of_others();
    pool.stop();
    match (before, after) {
        (Ok(before), Ok(after)) => (after - before) as f64,
        _ => f64::NAN,
    }
}

/// A pool that has all its threads, and has run a few tasks.
fn started<S: Subject>() -> S {
    let pool = S::start(workers());
    flows::submit_then_take(&pool, 10_000);
    pool
}

fn leaked<S: Subject>(workers: usize) -> &'static S {
    let pool = Box::leak(Box::new(S::start(workers)));
    flows::submit_then_take(pool, 10_000);
    pool
}

fn map(scale: Scale, map: impl FnMut(u64) -> Vec<u64>) -> f64 {
    timed(scale.of(1_000_000), scale.of(9), maps::hash, map)
}
