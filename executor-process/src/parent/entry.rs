//! A task on its way to a worker.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use executor_core::{Job, JobKey, TaskError};

use crate::wire::LARGE;

/// A job with its encoded task: all that is needed to send it, and to send it again.
pub(crate) struct Entry {
    pub(crate) job: Job,
    pub(crate) task: u32,
    pub(crate) is_chunk: bool,
    pub(crate) body: Body,
    /// How many workers have died of it.
    pub(crate) attempts: u32,
}

/// An entry that was sent to a worker and not answered.
pub(crate) struct Flight {
    pub(crate) seq: u64,
    pub(crate) entry: Entry,
    /// How long it is thought to take, in nanoseconds.
    pub(crate) expected: u64,
    /// Whether the worker has said that it started it, where it says so by a message.
    pub(crate) started: Option<Instant>,
}

/// An encoded task. Most are short, and need no allocation.
pub(crate) enum Body {
    Short(u8, [u8; SHORT]),
    Long(Vec<u8>),
}

const SHORT: usize = 38;

impl Entry {
    /// Where its costs are noted.
    pub(crate) fn kind(&self) -> usize {
        kind(self.task, self.is_chunk)
    }

    pub(crate) fn key(&self) -> JobKey {
        self.job.key()
    }

    /// The longest that it may run.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.job.options()?.timeout()
    }

    /// Whether it has been queued for longer than it may.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.job.start_by().is_some_and(|start_by| now >= start_by)
    }
}

/// Chunks have other costs than single tasks.
pub(crate) fn kind(task: u32, is_chunk: bool) -> usize {
    2 * task as usize + usize::from(is_chunk)
}

impl Body {
    fn take(buffer: &mut Vec<u8>) -> Self {
        let len = buffer.len();
        if len <= SHORT {
            let mut bytes = [0; SHORT];
            bytes[..len].copy_from_slice(buffer);
            buffer.clear();
            Self::Short(len as u8, bytes)
        } else if len < LARGE {
            // The buffer has grown to what such tasks need, and is kept.
            let body = buffer.to_vec();
            buffer.clear();
            Self::Long(body)
        } else {
            Self::Long(std::mem::take(buffer))
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }
}

/// Encodes a job's task on this thread: it runs the user's code. `None` if the job is settled.
pub(crate) fn encode(job: &mut Job) -> Option<Result<(bool, Body), TaskError>> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // Out of its place while the user's code runs, which may submit a task itself.
    let mut buffer = BUFFER.take();
    let encoded = job
        .encode(&mut buffer)
        .map(|call| call.map(|call| call.is_chunk));
    let encoded = encoded.map(|call| call.map(|is_chunk| (is_chunk, Body::take(&mut buffer))));
    buffer.clear();
    BUFFER.set(buffer);
    encoded
}
