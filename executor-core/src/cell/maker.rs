//! How a portable task gets its cell: that of a call, or that of a future. `#[task]` knows which, and says so in
//! methods of `PortableTask` that nobody else calls.

use std::{fmt, future::Future};

use super::{BlockOn, CellRef, Options, Submission};
use crate::{
    PortableTask, Task,
    map::{RunTask, chunk::Chunk},
};

/// Makes the cell of one task.
#[doc(hidden)]
pub struct Maker {
    options: Options,
}

/// Many tasks in one job.
#[doc(hidden)]
pub struct ChunkOf<T>(Chunk<RunTask, T>);

/// The cell of a task.
#[doc(hidden)]
pub struct NewCell<T: PortableTask>(Submission<T>);

/// The cell of many tasks.
#[doc(hidden)]
pub struct NewChunkCell<T: PortableTask>(Submission<Chunk<RunTask, T>>);

impl<T: PortableTask> Submission<T> {
    /// A submission for any executor.
    #[inline]
    pub(crate) fn portable(task: T, options: Options) -> Self {
        task.into_cell(Maker { options }).0
    }
}

impl<T: PortableTask> Submission<Chunk<RunTask, T>> {
    /// A submission of many tasks of one name, for any executor.
    pub(crate) fn portable_chunk(chunk: Chunk<RunTask, T>) -> Self {
        T::chunk_into_cell(ChunkOf(chunk), Maker { options: None }).0
    }
}

impl Maker {
    /// The cell of a task that is run by a call.
    #[inline]
    pub fn of_call<T: PortableTask>(self, task: T) -> NewCell<T> {
        // SAFETY: a new cell, whose task is a `T`.
        NewCell(unsafe { Submission::of_cell(CellRef::portable(task, self.options)) })
    }

    /// The cell of a task that `start` makes a future of; `block_on` drives it where no runtime does.
    pub fn of_future<T, M, F>(self, task: T, start: M, block_on: BlockOn) -> NewCell<T>
    where
        T: PortableTask,
        M: FnOnce(T) -> F + Send + 'static,
        F: Future<Output = T::Output> + Send + 'static,
    {
        let cell = CellRef::portable_asynchronous(task, start, block_on, self.options);
        // SAFETY: a new cell, whose task is a `T`.
        NewCell(unsafe { Submission::of_cell(cell) })
    }

    /// The cell of many tasks that are run by calls.
    #[must_use]
    pub fn chunk_of_calls<T: PortableTask>(self, chunk: ChunkOf<T>) -> NewChunkCell<T> {
        // SAFETY: a new cell, whose task is the chunk.
        NewChunkCell(unsafe { Submission::of_cell(CellRef::portable_chunk(chunk.0)) })
    }

    /// The cell of many tasks that `start` makes futures of, one after the other.
    pub fn chunk_of_futures<T, M, F>(
        self,
        chunk: ChunkOf<T>,
        start: M,
        block_on: BlockOn,
    ) -> NewChunkCell<T>
    where
        T: PortableTask,
        M: Fn(T) -> F + Copy + Send + Sync + 'static,
        F: Future<Output = T::Output> + Send + 'static,
    {
        let start = move |chunk: Chunk<RunTask, T>| chunk.run_as_futures(start);
        let cell = CellRef::portable_asynchronous_chunk(chunk.0, start, block_on);
        // SAFETY: a new cell, whose task is the chunk.
        NewChunkCell(unsafe { Submission::of_cell(cell) })
    }
}

impl<T: Task<Output: 'static> + 'static> Submission<T> {
    /// A submission of a future, for an executor of this process.
    pub(crate) fn local_future<M, F>(task: T, start: M, options: Options) -> Self
    where
        M: FnOnce(T) -> F + Send + 'static,
        F: Future<Output = T::Output> + Send + 'static,
    {
        // SAFETY: a new cell, whose task is a `T`.
        unsafe { Self::of_cell(CellRef::asynchronous(task, start, options)) }
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ChunkOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkOf").finish_non_exhaustive()
    }
}

impl<T: PortableTask> fmt::Debug for NewCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCell").finish_non_exhaustive()
    }
}

impl<T: PortableTask> fmt::Debug for NewChunkCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewChunkCell").finish_non_exhaustive()
    }
}
