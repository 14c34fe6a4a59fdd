//! What trials synchronise with, so that none has to sleep: gates, meetings, counters, notes, tokens.
//!
//! Each lives either in the memory of this process or in a file of the trial's own directory. The
//! latter can be sent to a worker that is another process, where it is the same gate; it works by
//! looking, every millisecond at the most, which any platform can.

mod gate;

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

pub(crate) use self::gate::Gate;
use crate::guard;

/// Where a latch lives.
enum Site<M> {
    Memory(Arc<M>),
    File(Arc<Path>),
}

/// A place where several tasks have to be at the same time.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Meeting {
    size: usize,
    here: Tally,
    all: Gate,
}

impl Meeting {
    /// A meeting of tasks of this process.
    pub(crate) fn of(size: usize) -> Self {
        Self::at(size, Tally::new(), Gate::new("a meeting of tasks"))
    }

    pub(crate) const fn at(size: usize, here: Tally, all: Gate) -> Self {
        Self { size, here, all }
    }

    /// Waits until as many are here as the meeting needs.
    #[track_caller]
    pub(crate) fn arrive(&self) {
        self.here.bump();
        // Whoever comes last sees them all; who else sees them does no harm.
        if self.here.get() >= self.size {
            self.all.open();
        }
        self.all.wait();
    }
}

/// Counts; clones are the same counter.
#[derive(Clone)]
pub(crate) struct Tally(Site<AtomicUsize>);

impl Tally {
    /// A counter of this process.
    pub(crate) fn new() -> Self {
        Self(Site::memory())
    }

    /// A counter that is the length of this file.
    pub(crate) fn file(path: PathBuf) -> Self {
        Self(Site::File(path.into()))
    }

    /// Adds one.
    pub(crate) fn bump(&self) {
        match &self.0 {
            Site::Memory(count) => {
                count.fetch_add(1, Ordering::SeqCst);
            }
            Site::File(path) => append(path, b"1"),
        }
    }

    /// Adds one; what there was before. For counters of this process.
    pub(crate) fn add(&self) -> usize {
        self.memory().fetch_add(1, Ordering::SeqCst)
    }

    /// Takes one away; what there was before. For counters of this process.
    pub(crate) fn subtract(&self) -> usize {
        self.memory().fetch_sub(1, Ordering::SeqCst)
    }

    pub(crate) fn get(&self) -> usize {
        match &self.0 {
            Site::Memory(count) => count.load(Ordering::SeqCst),
            Site::File(path) => read(path).len(),
        }
    }

    /// A value that is counted as long as it lives. For counters of this process.
    pub(crate) fn token(&self) -> Token {
        self.bump();
        Token(self.clone())
    }

    fn memory(&self) -> &AtomicUsize {
        match &self.0 {
            Site::Memory(count) => count,
            Site::File(path) => panic!("{} only ever grows, by `bump`", path.display()),
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

/// A value whose life a [`Tally`] counts.
pub(crate) struct Token(Tally);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.subtract();
    }
}

/// Numbers in the order in which they were noted; clones are the same list.
#[derive(Clone)]
pub(crate) struct Notes(Site<Mutex<Vec<u32>>>);

impl Notes {
    /// A list of this process.
    pub(crate) fn new() -> Self {
        Self(Site::memory())
    }

    /// A list in this file.
    pub(crate) fn file(path: PathBuf) -> Self {
        Self(Site::File(path.into()))
    }

    pub(crate) fn note(&self, number: u32) {
        match &self.0 {
            Site::Memory(list) => {
                let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
                list.push(number);
            }
            Site::File(path) => append(path, &number.to_le_bytes()),
        }
    }

    pub(crate) fn read(&self) -> Vec<u32> {
        match &self.0 {
            Site::Memory(list) => list.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Site::File(path) => {
                let bytes = read(path);
                let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes);
                bytes
                    .chunks(4)
                    .map(|bytes| number(bytes).expect("each note is of four bytes"))
                    .collect()
            }
        }
    }

    /// What was noted, sorted.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut numbers = self.read();
        numbers.sort_unstable();
        numbers
    }
}

/// Waits for a condition that has no latch: that another thread is blocked, that a figure has come up.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    guard::step(what);
    assert!(
        look_until(guard::limit(), condition),
        "never came to be: {what}"
    );
}

/// How long it takes until who waits for a file looks again.
const LOOK: Duration = Duration::from_millis(1);

/// Looks until the condition holds or the limit has passed: often at first, then each millisecond.
fn look_until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    while !condition() {
        if start.elapsed() >= limit {
            return false;
        }
        thread::park_timeout(pause);
        pause = (2 * pause).min(LOOK);
    }
    true
}

/// Writes at the end of a file, in one piece.
pub(crate) fn append(path: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    if let Err(error) = written {
        panic!("{} cannot be written: {error}", path.display());
    }
}

fn read(path: &Path) -> Vec<u8> {
    match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{} cannot be read: {error}", path.display()),
    }
}

impl<M: Default> Site<M> {
    fn memory() -> Self {
        Self::Memory(Arc::default())
    }
}

impl<M> Clone for Site<M> {
    fn clone(&self) -> Self {
        match self {
            Self::Memory(memory) => Self::Memory(Arc::clone(memory)),
            Self::File(path) => Self::File(Arc::clone(path)),
        }
    }
}

impl<M> Serialize for Site<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Memory(_) => Err(S::Error::custom("this latch cannot leave its process")),
            Self::File(path) => path.serialize(serializer),
        }
    }
}

impl<'de, M> Deserialize<'de> for Site<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PathBuf::deserialize(deserializer).map(|path| Self::File(path.into()))
    }
}

macro_rules! travels_as_its_site {
    ($latch:ident) => {
        impl Serialize for $latch {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $latch {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Deserialize::deserialize(deserializer).map(Self)
            }
        }
    };
}

travels_as_its_site!(Tally);
travels_as_its_site!(Notes);
