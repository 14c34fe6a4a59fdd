//! Calls that came encoded from elsewhere, on their way to a worker.

use std::fmt;

use super::{Registration, Run};
use crate::{Task, TaskError, codec::Encoded};

/// A call that came encoded from another process: a task of which only the name and the bytes are known here.
///
/// Made by [`Registry::call`](crate::Registry::call), and handed to an executor by
/// [`relay`](crate::ExecutorExt::relay).
pub struct Call {
    name: &'static str,
    run: Run,
    is_chunk: bool,
    pub(crate) body: Vec<u8>,
}

/// What came of a [`Call`] that has not failed as a whole.
#[derive(Debug)]
pub enum Reply {
    /// Its encoded output: [`StartedJob::settle`](crate::StartedJob::settle) takes it, in the process that it came from.
    Output(Encoded),
    /// It was a chunk, and the worker died in it:
    /// [`StartedJob::interrupted`](crate::StartedJob::interrupted) takes both.
    Interrupted {
        /// The encoded output of the items before that.
        partial: Vec<u8>,
        /// How it died.
        error: TaskError,
    },
}

impl Call {
    pub(super) const fn new(registration: Registration, is_chunk: bool, body: Vec<u8>) -> Self {
        Self {
            name: registration.name,
            run: registration.run_of(is_chunk),
            is_chunk,
            body,
        }
    }

    /// The registered name of the task.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it is a chunk of many tasks of that name.
    #[must_use]
    pub const fn is_chunk(&self) -> bool {
        self.is_chunk
    }

    /// Runs it here.
    pub(crate) fn answer(self) -> Result<Reply, TaskError> {
        let mut output = Vec::new();
        (self.run)(&self.body, &mut output)?;
        Ok(Reply::Output(output.into()))
    }
}

impl Task for Call {
    type Output = Reply;

    /// # Panics
    ///
    /// If the task fails, with its own panic or else with the text of the error. A future of the call has
    /// the error itself.
    fn run(self) -> Reply {
        self.answer().unwrap_or_else(|error| error.resume())
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("name", &self.name())
            .field("is_chunk", &self.is_chunk)
            .field("len", &self.body.len())
            .finish()
    }
}
