//! Gates and tallies that are files: the same for the trial and for its workers.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::guard::eventually;

/// Opens once; clones are the same gate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gate(PathBuf);

impl Gate {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn open(&self) {
        let pid = std::process::id().to_string();
        // It is there as a whole or not at all.
        let new = self.0.with_extension(format!("new{pid}"));
        fs::write(&new, pid).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Waits until it is open; the process that has opened it.
    #[track_caller]
    pub(crate) fn opener(&self) -> u32 {
        self.wait();
        fs::read_to_string(&self.0).unwrap().parse().unwrap()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.exists()
    }

    #[track_caller]
    pub(crate) fn wait(&self) {
        eventually(&format!("{} is open", self.0.display()), || self.is_open());
    }
}

/// Counts what happened, by number; clones are the same tally.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tally(PathBuf);

impl Tally {
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Notes this number once more.
    pub(crate) fn bump(&self, number: u64) {
        let file = OpenOptions::new().create(true).append(true).open(&self.0);
        // One write, which other processes do not get between.
        file.unwrap().write_all(&number.to_le_bytes()).unwrap();
    }

    /// All that was noted, in order.
    pub(crate) fn all(&self) -> Vec<u64> {
        let bytes = fs::read(&self.0).unwrap_or_default();
        let (numbers, rest) = bytes.as_chunks::<8>();
        assert!(rest.is_empty(), "half a number in the tally");
        numbers.iter().copied().map(u64::from_le_bytes).collect()
    }

    /// How often this number was noted.
    pub(crate) fn count(&self, number: u64) -> usize {
        self.all().iter().filter(|noted| **noted == number).count()
    }
}
