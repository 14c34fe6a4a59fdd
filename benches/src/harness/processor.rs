//! What the operating system says about how busy the machine is. Only Linux says so much;
//! elsewhere there is no answer, and samples are taken as they come.

use std::fs;

/// The processor time used so far, in clock ticks (10 ms).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    machine: u64,
    available: u64,
    /// By other guests of the host.
    stolen: u64,
    /// By the children of this process that have ended.
    children: u64,
}

impl Used {
    pub(super) fn now() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<u64> = numbers(stat.lines().next()?);
        // user nice system idle iowait irq softirq steal; the rest is contained in these.
        let available: u64 = fields.iter().take(8).sum();
        let idle = fields.get(3)? + fields.get(4)?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        // After the program's name in brackets: state, then numbers; children's user and system time
        // are the 16th and 17th field of the line, which makes them the 13th and 14th number.
        let own = numbers(own.rsplit_once(')')?.1);
        let children = own.get(12)? + own.get(13)?;
        Some(Self {
            machine: available - idle,
            available,
            stolen: fields.get(7).copied().unwrap_or(0),
            children,
        })
    }

    /// Which part of the machine was used by others since then.
    pub(super) fn by_others_since(self, before: Self) -> f64 {
        let children = self.children - before.children;
        let others = (self.machine - before.machine).saturating_sub(children);
        others as f64 / (self.available - before.available).max(1) as f64
    }

    /// Which part of the machine the host gave to others since then.
    pub(super) fn stolen_since(self, before: Self) -> f64 {
        (self.stolen - before.stolen) as f64 / (self.available - before.available).max(1) as f64
    }
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_ascii_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect()
}
