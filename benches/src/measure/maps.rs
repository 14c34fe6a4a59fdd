//! Maps over numbers.

use std::{hint::black_box, ops::Range, thread};

use super::clock::{median, nanoseconds};

/// What a map over so many items takes, in nanoseconds: the median of so many, after one whose results are looked at.
pub(crate) fn timed(
    items: u64,
    times: u64,
    of: impl Fn(u64) -> u64,
    mut map: impl FnMut(u64) -> Vec<u64>,
) -> f64 {
    let results = map(items);
    for item in [0, items / 2, items - 1] {
        let index = usize::try_from(item).expect("an index");
        assert_eq!(results[index], of(item), "a result at another's place");
    }
    drop(results);
    median(times, || nanoseconds(|| drop(black_box(map(items)))))
}

/// By a thread of the standard library for each of two halves: what the machine gives.
pub(crate) fn in_halves(items: u64, each: impl Fn(Range<u64>) -> Vec<u64> + Sync) -> Vec<u64> {
    let each = &each;
    thread::scope(|scope| {
        let second = scope.spawn(move || each(items / 2..items));
        let mut results = each(0..items / 2);
        results.append(&mut second.join().expect("the work does not panic"));
        results
    })
}
