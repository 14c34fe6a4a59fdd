//! Large arguments and results.

use std::hint::black_box;

use executor_process::ProcessPoolExecutor;
use procspawn::serde::Shmem;

use super::{MIB, started};
use crate::harness::workers;
use crate::measure::clock::{median, nanoseconds};
use crate::{
    harness::{
        Scale,
        workload::{Chart, Unit, Workload},
    },
    process::peers::{Procspawn, Subject, raw::Echo},
    process::work::Turn,
};

/// A vector of so many bytes there and back: nanoseconds.
pub(super) fn workload(
    name: &'static str,
    title: &'static str,
    unit: Unit,
    size: usize,
) -> Workload {
    Workload::new(name, title, unit)
        .at(Chart::Payload, size as f64)
        .contender("ours", move |scale| {
            there_and_back::<ProcessPoolExecutor>(size, scale)
        })
        .contender("procspawn", move |scale| {
            there_and_back::<Procspawn>(size, scale)
        })
        .contender("procspawn Shmem", move |scale| by_shmem(size, scale))
        .limit("raw pipe", move |scale| by_pipe(size, scale))
        .limit("two copies in memory", move |scale| by_copy(size, scale))
}

fn there_and_back<S: Subject>(size: usize, scale: Scale) -> f64 {
    let pool = started::<S>(workers());
    let mut bytes = message(size, scale);
    let size = bytes.len();
    let sample = median(times(size, scale), || {
        let sent = std::mem::take(&mut bytes);
        let took = nanoseconds(|| bytes = pool.call::<Turn>(sent));
        check(&bytes, size);
        took
    });
    pool.stop();
    sample
}

/// The same in memory that is shared with the worker, which makes shared memory for its answer: from
/// a slice here to a slice here, in nanoseconds.
fn by_shmem(size: usize, scale: Scale) -> f64 {
    let pool = started::<Procspawn>(workers());
    let bytes = message(size, scale);
    let sample = median(times(size, scale), || {
        let mut answer = None;
        let took = nanoseconds(|| {
            let turn = |it: Shmem| Shmem::from_bytes(it.as_bytes());
            answer = Some(pool.apply(Shmem::from_bytes(&bytes), turn));
        });
        check(answer.expect("it was called").as_bytes(), bytes.len());
        took
    });
    pool.stop();
    sample
}

/// The same by a pipe for each direction: nanoseconds.
fn by_pipe(size: usize, scale: Scale) -> f64 {
    let mut echo = Echo::start(message(size, scale).len());
    echo.round_trip();
    let sample = median(times(size, scale), || nanoseconds(|| echo.round_trip()));
    echo.stop();
    sample
}

/// The same without another process: copied once there and once back, between pages that are there.
fn by_copy(size: usize, scale: Scale) -> f64 {
    let mut here = message(size, scale);
    let mut there = here.clone();
    // Far too short to be timed alone, if it is small.
    let copies = (MIB / here.len()).max(1);
    let sample = median(times(size, scale), || {
        let copy = || {
            for _ in 0..copies {
                there.copy_from_slice(black_box(&here));
                here.copy_from_slice(black_box(&there));
            }
        };
        nanoseconds(copy) / copies as f64
    });
    check(&here, there.len());
    sample
}

fn message(size: usize, scale: Scale) -> Vec<u8> {
    let size = match scale {
        Scale::Full | Scale::Quick => size,
        Scale::Tiny => (size / 1000).max(1),
    };
    vec![7; size]
}

/// How often it is measured.
fn times(size: usize, scale: Scale) -> u64 {
    if size > MIB { 7 } else { scale.of(300) }
}

fn check(bytes: &[u8], size: usize) {
    assert_eq!(black_box(bytes).len(), size);
    assert_eq!((bytes[0], bytes[size - 1]), (7, 7));
}
