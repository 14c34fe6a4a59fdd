//! A million digests, in order. Each gives nanoseconds in all.

use std::{hint::black_box, ops::Range, thread};

use executor_core::{ExecutorExt as _, LocalExecutorExt as _, TaskError};
use executor_macros::task;
use executor_rayon::RayonExecutor;
use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};
use sha2::{Digest as _, Sha256};

use super::started;
use crate::{
    harness::{Scale, workers},
    measure::clock::{median, nanoseconds},
};

/// What is done for each item: SHA-256 of 64 bytes, which makes two blocks with the padding.
fn hash(item: u64) -> u64 {
    let mut message = [0; 64];
    for word in message.chunks_exact_mut(8) {
        word.copy_from_slice(&item.to_le_bytes());
    }
    let digest = Sha256::digest(message);
    digest
        .iter()
        .take(8)
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The same as a task.
#[task(crate = "executor_core")]
fn hash_task(item: u64) -> u64 {
    hash(item)
}

/// `map` over `#[task]` values.
pub(super) fn by_tasks(scale: Scale) -> f64 {
    let pool: RayonExecutor = started();
    map(scale, |items| {
        pool.map((0..items).map(hash_task::task))
            .collect::<Result<_, TaskError>>()
            .expect("no task of the benchmarks fails")
    })
}

/// `map_fn`.
pub(super) fn by_closure(scale: Scale) -> f64 {
    let pool: RayonExecutor = started();
    map(scale, |items| {
        pool.map_fn(0..items, hash)
            .collect::<Result<_, TaskError>>()
            .expect("no task of the benchmarks fails")
    })
}

/// Rayon's indexed `collect`.
pub(super) fn by_rayon(scale: Scale) -> f64 {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(workers());
    let pool = builder.build().expect("threads can be started");
    map(scale, |items| {
        // Only ranges of `usize` know their length.
        let items = usize::try_from(items).expect("a million or so");
        let hash = |item| hash(item as u64);
        pool.install(|| (0..items).into_par_iter().map(hash).collect())
    })
}

/// A thread for each of two halves: what the machine gives.
pub(super) fn by_scoped_threads(scale: Scale) -> f64 {
    let hash_all = |items: Range<u64>| items.map(hash).collect::<Vec<_>>();
    map(scale, |items| {
        thread::scope(|scope| {
            let second = scope.spawn(|| hash_all(items / 2..items));
            let mut results = hash_all(0..items / 2);
            results.append(&mut second.join().expect("hashing does not panic"));
            results
        })
    })
}

fn map(scale: Scale, map: impl Fn(u64) -> Vec<u64>) -> f64 {
    let items = scale.of(1_000_000);
    let results = map(items);
    for item in [0, items / 2, items - 1] {
        let index = usize::try_from(item).expect("an index");
        assert_eq!(results[index], hash(item), "a result at another's place");
    }
    median(scale.of(3), || nanoseconds(|| drop(black_box(map(items)))))
}
