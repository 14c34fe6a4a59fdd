//! A million digests, in order. Each gives nanoseconds in all.

use executor_core::{ExecutorExt as _, LocalExecutorExt as _, TaskError};
use executor_macros::task;
use executor_rayon::RayonExecutor;
use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};
use sha2::{Digest as _, Sha256};

use super::started;
use crate::{
    harness::{Scale, workers},
    measure::maps::{in_halves, timed},
    threads::peers::rayon_pool,
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
    let pool = rayon_pool(workers());
    map(scale, |items| {
        // Only ranges of `usize` know their length.
        let items = usize::try_from(items).expect("a million or so");
        let hash = |item| hash(item as u64);
        pool.install(|| (0..items).into_par_iter().map(hash).collect())
    })
}

/// A thread for each of two halves: what the machine gives.
pub(super) fn by_scoped_threads(scale: Scale) -> f64 {
    map(scale, |items| {
        in_halves(items, |items| items.map(hash).collect())
    })
}

fn map(scale: Scale, map: impl FnMut(u64) -> Vec<u64>) -> f64 {
    timed(scale.of(1_000_000), scale.of(3), hash, map)
}
