//! The way of the items of a chunk through bytes; figures are for an item.

use std::hint::black_box;

use executor_core::{ExecutorExt as _, Job, Registry, TaskError};

use crate::{
    calls::same,
    meter::Meter,
    remote::{encoded, run_call},
    shelf::Shelf,
};

/// Items of a chunk.
pub(crate) const ITEMS: u64 = 4096;

/// The items become bytes.
pub(crate) fn encode(meter: Meter) {
    let shelf = Shelf::remote();
    let (results, mut job) = submitted(&shelf);
    let mut sent = Vec::with_capacity(16 * ITEMS as usize);
    meter.count(|| {
        black_box(encoded(&mut job, &mut sent));
    });
    drop(results);
}

/// The worker's part: decoded, called, encoded.
pub(crate) fn run(meter: Meter) {
    let shelf = Shelf::remote();
    let (results, mut job) = submitted(&shelf);
    let mut sent = Vec::new();
    let mut output = Vec::with_capacity(16 * ITEMS as usize);
    let call = encoded(&mut job, &mut sent);
    let table = Registry::global().table();
    meter.count(|| run_call(&table, &call, &mut output));
    drop(results);
}

/// The results arrive, and the map gives them.
pub(crate) fn take(meter: Meter) {
    let shelf = Shelf::remote();
    let (results, mut job) = submitted(&shelf);
    let mut sent = Vec::new();
    let mut output = Vec::new();
    let table = Registry::global().table();
    run_call(&table, &encoded(&mut job, &mut sent), &mut output);
    let started = job.claim().expect("nobody else wants it");
    let output = output.into_boxed_slice();
    let taken = meter.count(|| {
        started.complete(output);
        results.inspect(|result| assert!(result.is_ok())).count()
    });
    assert_eq!(taken as u64, ITEMS);
}

fn submitted(shelf: &Shelf) -> (impl Iterator<Item = Result<u64, TaskError>>, Job) {
    let tasks = (0..ITEMS).map(|n| same::task(n << 20));
    let items = ITEMS as usize;
    let results = shelf.map(tasks).chunk(items).window(items).start();
    let job = shelf.take().pop().expect("one chunk was submitted");
    (results, job)
}
