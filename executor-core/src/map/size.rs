//! How many items make a chunk.

use std::time::Duration;

/// How long a chunk should run: long enough that handing it over (under a microsecond in this
/// process, some more to another) is nothing beside it, short enough to be shared out evenly.
const TARGET_NANOS: f64 = 1e6;

/// As [`TARGET_NANOS`], where a chunk goes to another process: its answer wakes the thread that reads it and then the
/// one that waits for it, and each wake-up takes ten microseconds or more from a worker where there is no core to spare.
const TARGET_NANOS_ELSEWHERE: f64 = 2e6;

/// How fast chunks may grow: what is known of the last ones may be wrong for the next.
const GROWTH: usize = 8;

/// No chunk is larger, however cheap its items are: its results should fit into a core's cache, and
/// into memory that the allocator has at hand (fresh pages cost more than cheap items).
const MAX: usize = 1 << 12;

/// As [`MAX`], where a chunk goes to another process: encoded items are small, and each chunk costs some
/// wake-ups.
const MAX_ELSEWHERE: usize = 1 << 15;

/// A chunk for another process is not made shorter than this at the end: it would take longer to hand it
/// over than to run it.
const WORTH_SENDING_NANOS: f64 = 5e4;

/// Learns from each chunk how large the next should be. Starts with single items, so that slow
/// ones are never merged.
#[derive(Debug)]
pub(super) struct Sizer {
    fixed: Option<usize>,
    /// Nanoseconds an item, as far as known.
    cost: Option<f64>,
    /// The largest chunk so far.
    last: usize,
    is_local: bool,
}

impl Sizer {
    /// For an executor of this process, or for one elsewhere.
    pub(super) const fn new(is_local: bool) -> Self {
        Self {
            fixed: None,
            cost: None,
            last: 1,
            is_local,
        }
    }

    /// Chunks of this size, whatever they cost.
    pub(super) const fn fix(&mut self, size: usize) {
        self.fixed = Some(size);
    }

    pub(super) const fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// The next size, with at most `remaining` items to come, for `workers`.
    pub(super) fn next(&self, remaining: Option<usize>, workers: usize) -> usize {
        if let Some(size) = self.fixed {
            return size;
        }
        let Some(cost) = self.cost else { return 1 };
        // The end is shared out: half of an even share, so that nobody is left with a large rest.
        let cost = cost.max(0.5);
        let (max, least, target) = if self.is_local {
            (MAX, 1, TARGET_NANOS)
        } else {
            let least = (WORTH_SENDING_NANOS / cost) as usize;
            (MAX_ELSEWHERE, least, TARGET_NANOS_ELSEWHERE)
        };
        let share = remaining.map_or(max, |remaining| remaining.div_ceil(2 * workers));
        let target = (target / cost) as usize;
        let size = target.min(self.last.saturating_mul(GROWTH)).clamp(1, max);
        size.min(share.max(least.max(1)))
    }

    /// A chunk of `items` has been made.
    pub(super) fn made(&mut self, items: usize) {
        self.last = self.last.max(items);
    }

    /// A chunk of `items` took `elapsed`.
    pub(super) fn learn(&mut self, items: usize, elapsed: Duration) {
        if items == 0 {
            return;
        }
        let cost = elapsed.as_nanos() as f64 / items as f64;
        // Slower than thought is believed at once, faster by halves.
        self.cost = Some(match self.cost {
            Some(old) if cost < old => f64::midpoint(old, cost),
            _ => cost,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Sizer;
    use std::time::Duration;

    #[test]
    fn starts_with_single_items_and_grows_to_chunks_of_a_millisecond() {
        let mut sizer = Sizer::new(true);
        assert_eq!(sizer.next(None, 2), 1);
        let mut sizes = Vec::new();
        let mut size = 1;
        for _ in 0..12 {
            sizer.learn(size, Duration::from_nanos(500 * size as u64));
            size = sizer.next(None, 2);
            sizer.made(size);
            sizes.push(size);
        }
        assert_eq!(&sizes[..4], [8, 64, 512, 2000]);
        assert_eq!(sizes.last(), Some(&2000));
    }

    #[test]
    fn slow_items_stay_single() {
        let mut sizer = Sizer::new(true);
        sizer.learn(1, Duration::from_millis(3));
        assert_eq!(sizer.next(None, 2), 1);
    }

    #[test]
    fn what_goes_elsewhere_is_not_shared_out_to_the_last() {
        let mut sizer = Sizer::new(false);
        sizer.learn(1, Duration::from_nanos(100));
        sizer.made(4096);
        assert_eq!(sizer.next(Some(400), 4), 500, "as many as there are");
        assert_eq!(sizer.next(Some(40_000), 4), 5000);
    }

    #[test]
    fn one_slow_chunk_is_believed_at_once() {
        let mut sizer = Sizer::new(true);
        sizer.learn(1, Duration::from_nanos(100));
        sizer.made(4096);
        assert_eq!(sizer.next(None, 2), 4096);
        sizer.learn(10, Duration::from_millis(20));
        assert_eq!(sizer.next(None, 2), 1);
    }

    #[test]
    fn the_end_is_shared_out() {
        let mut sizer = Sizer::new(true);
        sizer.learn(1, Duration::from_nanos(100));
        sizer.made(4096);
        assert_eq!(sizer.next(Some(80), 4), 10);
        assert_eq!(sizer.next(Some(1), 4), 1);
        assert_eq!(sizer.next(Some(0), 4), 1);
    }
}
