//! Medians, how far to trust them, and verdicts.

use serde::{Deserialize, Serialize};

/// The quantiles that a distribution is drawn by.
pub(crate) const QUANTILES: [f64; 15] = [
    0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999,
];

/// The samples of one subject, sorted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Samples(Vec<f64>);

/// How two figures relate, and whether that is more than noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    /// Whether the noise could not have made the difference.
    pub(crate) is_clear: bool,
}

/// Whether a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// The noise covers the difference.
    TooNoisy,
    /// One of the two has no figure, or the figures do not count.
    Open,
}

impl Samples {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, sample: f64) {
        let place = self.0.partition_point(|it| it.total_cmp(&sample).is_lt());
        self.0.insert(place, sample);
    }

    pub(crate) fn as_slice(&self) -> &[f64] {
        &self.0
    }

    /// Not a number, if there are none.
    pub(crate) fn median(&self) -> f64 {
        quantile(&self.0, 0.5)
    }

    /// The quartiles' distance, as a fraction of the median.
    pub(crate) fn spread(&self) -> f64 {
        (quantile(&self.0, 0.75) - quantile(&self.0, 0.25)) / self.median()
    }

    /// How far the median may be off, as a fraction of it: about 95 of 100 times it is less (McGill, Tukey and
    /// Larsen's notch). A single sample says nothing about that.
    pub(crate) fn uncertainty(&self) -> f64 {
        match self.0.len() {
            0 | 1 => f64::INFINITY,
            // Three samples have found only a part of the range.
            few @ 2..=4 => 1.57 * self.range() / (few as f64).sqrt(),
            many => 1.57 * self.spread() / (many as f64).sqrt(),
        }
    }

    fn range(&self) -> f64 {
        (quantile(&self.0, 1.0) - quantile(&self.0, 0.0)) / self.median()
    }
}

impl Ratio {
    /// `a` over `b`, on a machine whose own speed changed by a factor of e^`drift` meanwhile.
    pub(crate) fn of(a: &Samples, b: &Samples, drift: f64) -> Self {
        let value = a.median() / b.median();
        Self {
            value,
            is_clear: value.ln().abs() > noise([a.uncertainty(), b.uncertainty(), drift]),
        }
    }
}

impl Verdict {
    /// Whether `value` is on the good side of `limit`, if it may be off by these fractions of it.
    pub(crate) fn of(value: f64, limit: f64, more_is_better: bool, parts: [f64; 3]) -> Self {
        if value.is_nan() || limit.is_nan() {
            return Self::Open;
        }
        let (is_met, distance) = if more_is_better {
            (value >= limit, (value / limit).ln().abs())
        } else {
            (value <= limit, (value / limit).ln().abs())
        };
        // Counts do not vary: what is exactly at the limit has met it.
        let noise = noise(parts);
        if noise > 0.0 && distance <= noise {
            Self::TooNoisy
        } else if is_met {
            Self::Met
        } else {
            Self::Missed
        }
    }
}

/// The value below which this fraction of the sorted numbers lies, between two of them if need be.
pub(crate) fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = last as f64 * fraction;
    let (below, above) = (place.floor(), place.ceil());
    let (low, high) = (sorted[below as usize], sorted[above as usize]);
    (high - low).mul_add(place - below, low)
}

/// Independent errors add up by their squares. One that is not a number (of a median of 0) is none.
fn noise(parts: [f64; 3]) -> f64 {
    let squares = parts.map(|part| if part.is_nan() { 0.0 } else { part * part });
    squares.iter().sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::{Ratio, Samples, Verdict, quantile};

    fn samples(numbers: &[f64]) -> Samples {
        let mut samples = Samples::default();
        numbers.iter().for_each(|&number| samples.add(number));
        samples
    }

    #[test]
    fn quantiles_lie_between_the_numbers() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 1.0), 3.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn samples_are_sorted_in_whatever_order_they_come() {
        assert_eq!(samples(&[3.0, 1.0, 2.0]).as_slice(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_difference_within_the_noise_is_not_clear() {
        let (a, b) = (samples(&[9.0, 10.0, 12.0]), samples(&[9.5, 11.0, 12.5]));
        assert!(!Ratio::of(&a, &b, 0.0).is_clear);
    }

    #[test]
    fn a_difference_beyond_the_noise_is_clear_unless_the_machine_drifted_as_far() {
        let a = samples(&[10.0, 10.1, 10.2, 10.1, 10.0]);
        let b = samples(&[15.0, 15.1, 15.2, 15.1, 15.0]);
        assert!(Ratio::of(&a, &b, 0.05).is_clear);
        assert!(!Ratio::of(&a, &b, 0.6).is_clear);
    }

    #[test]
    fn one_sample_is_no_verdict() {
        let (a, b) = (samples(&[1.0]), samples(&[100.0, 100.0, 100.0]));
        assert!(!Ratio::of(&a, &b, 0.0).is_clear);
        let parts = [a.uncertainty(), 0.0, 0.0];
        assert_eq!(Verdict::of(1.0, 50.0, false, parts), Verdict::TooNoisy);
    }

    #[test]
    fn verdicts_know_which_side_is_good_and_what_is_too_close() {
        let quiet = [0.01, 0.0, 0.0];
        assert_eq!(Verdict::of(0.8, 1.0, false, quiet), Verdict::Met);
        assert_eq!(Verdict::of(1.2, 1.0, false, quiet), Verdict::Missed);
        assert_eq!(Verdict::of(0.8, 0.9, true, quiet), Verdict::Missed);
        assert_eq!(Verdict::of(0.95, 0.9, true, quiet), Verdict::Met);
        let noisy = [0.3, 0.0, 0.0];
        assert_eq!(Verdict::of(0.8, 1.0, false, noisy), Verdict::TooNoisy);
        assert_eq!(Verdict::of(f64::NAN, 1.0, false, quiet), Verdict::Open);
    }

    #[test]
    fn a_count_at_its_limit_has_met_it() {
        assert_eq!(Verdict::of(1.0, 1.0, false, [0.0; 3]), Verdict::Met);
        assert_eq!(Verdict::of(0.0, 0.0, false, [0.0; 3]), Verdict::Met);
    }
}
