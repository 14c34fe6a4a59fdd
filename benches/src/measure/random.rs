//! Numbers that are the same in every run.

/// A linear congruential generator: the same numbers in every run and for each subject.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // Knuth's MMIX constants; the low bits are poor, the high ones are not.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// The length of an uneven task, in microseconds: 1 to 100, most of them short, 6 on average.
    pub(crate) fn uneven(&mut self) -> f64 {
        1.0 + 99.0 * self.fraction().powi(18)
    }

    /// From 0 to almost 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        const STEPS: u64 = 1 << 20;
        self.below(STEPS) as f64 / STEPS as f64
    }
}
