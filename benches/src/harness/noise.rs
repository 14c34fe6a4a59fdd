//! How noisy the machine was.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{processor::Used, rounds::Outcomes};

/// What is known about the noise of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noise {
    /// The calibration loop before the first table and after the last.
    pub(crate) before: Calibration,
    pub(crate) after: Calibration,
    /// Which part of the machine's time went to other guests of its host; `None` where nobody says.
    pub(crate) stolen: Option<f64>,
    /// The load of the last minute when it began, and when it ended.
    pub(crate) load: [Option<f64>; 2],
    /// So many samples were taken while others used more than 5 percent of the machine.
    pub(crate) disturbed: usize,
    pub(crate) samples: usize,
    #[serde(skip)]
    used: Option<Used>,
}

/// A loop of a fixed number of instructions, timed some times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calibration {
    /// The shortest, in nanoseconds: how fast the processor is.
    pub(crate) least: f64,
    /// The median over the shortest, less 1: how much it is disturbed.
    pub(crate) jitter: f64,
}

impl Noise {
    pub(super) fn begin() -> Self {
        let before = Calibration::now(50);
        Self {
            before,
            after: before,
            stolen: None,
            load: [load(), None],
            disturbed: 0,
            samples: 0,
            used: Used::now(),
        }
    }

    pub(super) fn count(&mut self, outcomes: &Outcomes<'_>) {
        self.disturbed += outcomes.disturbed();
        self.samples += outcomes.samples();
    }

    pub(super) fn end(mut self) -> Self {
        self.after = Calibration::now(50);
        self.load[1] = load();
        if let (Some(before), Some(after)) = (self.used, Used::now()) {
            self.stolen = Some(after.stolen_since(before));
        }
        self
    }

    /// By how much the processor's own speed changed, as a fraction.
    pub(crate) fn drift(&self) -> f64 {
        drift(self.before, self.after)
    }

    /// In a sentence: what to think of the figures.
    pub(crate) fn sentence(&self) -> String {
        let stolen = self.stolen.map_or_else(
            || "steal time is not known".to_owned(),
            |part| format!("{:.1} % stolen by the host", part * 100.0),
        );
        let load = self.load.map(|load| match load {
            Some(load) => format!("{load:.1}"),
            None => "?".to_owned(),
        });
        format!(
            "the calibration loop took {:.2} ms before and {:.2} ms after ({:.1} % drift), its median was {:.1} % and {:.1} % \
             above its best; {stolen}; load {} then {}; others used the machine during {} of {} samples",
            self.before.least / 1e6,
            self.after.least / 1e6,
            self.drift() * 100.0,
            self.before.jitter * 100.0,
            self.after.jitter * 100.0,
            load[0],
            load[1],
            self.disturbed,
            self.samples,
        )
    }

    /// In a word.
    pub(crate) fn word(&self) -> &'static str {
        let disturbed = self.disturbed as f64 / self.samples.max(1) as f64;
        let jitter = self.before.jitter.max(self.after.jitter);
        let stolen = self.stolen.unwrap_or(0.0);
        if disturbed > 0.5 || jitter > 0.2 || stolen > 0.05 || self.drift() > 0.1 {
            "noisy: trust only ratios that are far from 1"
        } else if disturbed > 0.15 || jitter > 0.05 || stolen > 0.01 || self.drift() > 0.03 {
            "not quite quiet"
        } else {
            "quiet"
        }
    }
}

impl Calibration {
    pub(super) fn now(times: u32) -> Self {
        const STEPS: u64 = 500_000;
        let once = || {
            let start = Instant::now();
            black_box((0..STEPS).fold(black_box(1_u64), |x, _| {
                let x = x.wrapping_mul(6_364_136_223_846_793_005);
                x ^ (x >> 29)
            }));
            start.elapsed()
        };
        let mut times: Vec<Duration> = (0..times).map(|_| once()).collect();
        times.sort();
        let nanoseconds = |index: usize| times[index].as_nanos() as f64;
        let least = nanoseconds(0);
        Self {
            least,
            jitter: nanoseconds(times.len() / 2) / least - 1.0,
        }
    }
}

pub(super) fn drift(before: Calibration, after: Calibration) -> f64 {
    (after.least / before.least).ln().abs()
}

fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
