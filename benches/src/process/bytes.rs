//! Large arguments and results.

use std::hint::black_box;

use procspawn::serde::Shmem;

use super::{MANY, MIB, started};
use crate::measure::clock::{median, nanoseconds};
use crate::harness::workers;
use crate::{
    process::peers::{Procspawn, Subject, raw::Echo},
    harness::Scale,
    process::work::Turn,
};

/// A vector of a mebibyte there and back: nanoseconds.
pub(super) fn one_mebibyte<S: Subject>(scale: Scale) -> f64 {
    there_and_back::<MIB, S>(scale)
}

/// A vector of 64 mebibytes there and back: nanoseconds.
pub(super) fn many_mebibytes<S: Subject>(scale: Scale) -> f64 {
    there_and_back::<MANY, S>(scale)
}

fn there_and_back<const SIZE: usize, S: Subject>(scale: Scale) -> f64 {
    let pool = started::<S>(workers());
    let mut bytes = message(SIZE, scale);
    let size = bytes.len();
    let sample = median(times(SIZE), || {
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
pub(super) fn by_shmem<const SIZE: usize>(scale: Scale) -> f64 {
    let pool = started::<Procspawn>(workers());
    let bytes = message(SIZE, scale);
    let sample = median(times(SIZE), || {
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
pub(super) fn raw<const SIZE: usize>(scale: Scale) -> f64 {
    let mut echo = Echo::start(message(SIZE, scale).len());
    echo.round_trip();
    let sample = median(times(SIZE), || nanoseconds(|| echo.round_trip()));
    echo.stop();
    sample
}

fn message(size: usize, scale: Scale) -> Vec<u8> {
    let size = match scale {
        Scale::Full | Scale::Quick => size,
        Scale::Tiny => size / 1000,
    };
    vec![7; size]
}

/// How often it is measured.
const fn times(size: usize) -> u64 {
    if size > MIB { 7 } else { 100 }
}

fn check(bytes: &[u8], size: usize) {
    assert_eq!(black_box(bytes).len(), size);
    assert_eq!((bytes[0], bytes[size - 1]), (7, 7));
}
