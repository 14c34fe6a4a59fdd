//! A million tiny items, in order.

use std::ops::Range;

use executor_core::{
    ExecutorExt as _, LocalExecutorExt as _, PortableTask, Task, TaskError,
    codec::{self, CodecError, Part},
};
use executor_threads::ThreadPoolExecutor;
use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};

/// So that an item takes 14 ns in a loop, where the processor overlaps it with its neighbours.
const ROUNDS: u32 = 17;

/// About 14 ns of work.
pub(crate) fn hash(item: u64) -> u64 {
    (0..ROUNDS).fold(item ^ 0x9e37_79b9_7f4a_7c15, |x: u64, _| {
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x ^ (x >> 32)
    })
}

/// `map` of portable tasks.
pub(crate) fn by_tasks(pool: &ThreadPoolExecutor, items: u64) -> Vec<u64> {
    let tasks = (0..items).map(Hash);
    pool.map(tasks)
        .collect::<Result<_, TaskError>>()
        .expect("no task of the benchmarks fails")
}

/// `map_fn`.
pub(crate) fn by_closure(pool: &ThreadPoolExecutor, items: u64) -> Vec<u64> {
    let results = pool.map_fn(0..items, hash);
    results
        .collect::<Result<_, TaskError>>()
        .expect("no task of the benchmarks fails")
}

/// rayon's indexed `collect`.
pub(crate) fn by_rayon(pool: &rayon::ThreadPool, items: u64) -> Vec<u64> {
    let items = usize::try_from(items).expect("a million or so");
    pool.install(|| {
        (0..items)
            .into_par_iter()
            .map(|item| hash(item as u64))
            .collect()
    })
}

/// In a loop.
pub(crate) fn hash_all(items: Range<u64>) -> Vec<u64> {
    items.map(hash).collect()
}

/// The hash of an item, as a portable task.
#[derive(Serialize, Deserialize)]
struct Hash(u64);

impl Task for Hash {
    type Output = u64;

    fn run(self) -> u64 {
        hash(self.0)
    }
}

impl PortableTask for Hash {
    const NAME: &'static str = "benches::hash";
    const SIGNATURE: &'static str = "u64 -> u64";

    fn encode_output(output: &u64, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
        codec::encode(Part::Output, output, buffer)
    }

    fn decode_output(bytes: &[u8]) -> Result<u64, CodecError> {
        codec::decode(Part::Output, bytes)
    }
}
