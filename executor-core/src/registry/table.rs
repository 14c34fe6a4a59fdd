use std::{
    any::Any,
    fmt,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{Registration, Sink, is_same, slot};
use crate::{TaskError, TaskErrorKind};

/// How many answers are kept; a power of two.
const SLOTS: usize = 64;

/// The tasks that a registry knew at one moment, with a number for each: what stands for a name between
/// two processes.
///
/// Two tables with the same [`digest`](Self::digest) give every task the same number. Made by
/// [`Registry::table`](crate::Registry::table).
pub struct TaskTable {
    /// Sorted by name.
    tasks: Box<[Registration]>,
    digest: u64,
    /// The latest answers of `id`, which are checked before they are believed; so a stale one costs a
    /// search, and no more.
    found: [AtomicU32; SLOTS],
}

impl TaskTable {
    pub(super) fn new(mut tasks: Vec<Registration>) -> Self {
        tasks.sort_unstable_by_key(|task| task.name);
        Self {
            digest: digest(&tasks),
            tasks: tasks.into_boxed_slice(),
            found: [const { AtomicU32::new(0) }; SLOTS],
        }
    }

    /// The number of the task of this name. Takes a few nanoseconds for a name that it was asked before,
    /// if that is the same string in memory too.
    #[inline]
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u32> {
        // Relaxed: a hint, about tasks that never change.
        let id = self.found[slot(name, SLOTS)].load(Ordering::Relaxed);
        match self.tasks.get(id as usize) {
            Some(task) if is_same(task.name, name) => Some(id),
            _ => self.search(name),
        }
    }

    /// The name of the task with this number.
    #[must_use]
    pub fn name(&self, id: u32) -> Option<&'static str> {
        Some(self.tasks.get(id as usize)?.name)
    }

    /// How many tasks there are: one more than the largest number.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// As [`Registry::digest`](crate::Registry::digest), of these tasks.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Runs the task with this number, as [`Registry::run`](crate::Registry::run) does.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn run(
        &self,
        id: u32,
        is_chunk: bool,
        body: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), TaskError> {
        self.task(id)?.run(is_chunk, body, sink)
    }

    /// Runs the task with this number as the initializer of a worker: its output stays here, to be the
    /// worker's state.
    ///
    /// # Errors
    ///
    /// An unknown number, arguments that the codec refuses, or a panic; or
    /// [`Broken`](TaskErrorKind::Broken), with its text, where the task gave an error that has one.
    pub fn init(&self, id: u32, body: &[u8]) -> Result<Box<dyn Any>, TaskError> {
        (self.task(id)?.run_init)(body)
    }

    fn task(&self, id: u32) -> Result<&Registration, TaskError> {
        self.tasks
            .get(id as usize)
            .ok_or_else(|| TaskError::new(TaskErrorKind::UnknownTask(format!("number {id}"))))
    }

    #[cold]
    fn search(&self, name: &str) -> Option<u32> {
        let found = self.tasks.binary_search_by(|task| task.name.cmp(name));
        let id = u32::try_from(found.ok()?).ok()?;
        self.found[slot(name, SLOTS)].store(id, Ordering::Relaxed);
        Some(id)
    }
}

impl fmt::Debug for TaskTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskTable")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

/// Of sorted tasks. FNV-1a: stable over builds and platforms, which the standard hasher is not.
pub(super) fn digest(tasks: &[Registration]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for task in tasks {
        let (arguments, output) = task.codecs;
        let codecs = [arguments.tag(), output.tag()];
        let parts: [&[u8]; 5] = [
            task.name.as_bytes(),
            b"\0",
            task.signature.as_bytes(),
            &codecs,
            b"\n",
        ];
        for &byte in parts.into_iter().flatten() {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    digest
}
