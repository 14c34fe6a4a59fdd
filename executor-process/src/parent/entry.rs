//! A task on its way to a worker.

use std::time::{Duration, Instant};

use executor_core::{Job, JobKey};

#[cfg(target_os = "linux")]
use crate::wire::arena::Block;
use crate::wire::{
    LARGE,
    frame::{Label, Payload},
};

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
    /// In memory that is shared with the workers.
    #[cfg(target_os = "linux")]
    Shared(Block),
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

    /// What the task can ask about its submission.
    pub(crate) fn label(&self) -> Label<'_> {
        let Some(options) = self.job.options() else {
            return Label {
                earlier_attempts: self.attempts,
                ..Label::default()
            };
        };
        Label {
            name: options.name(),
            id: options.id(),
            earlier_attempts: (options.attempt() - 1).saturating_add(self.attempts),
        }
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
    /// Takes what is in the buffer, which is empty then.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Self {
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

    /// Nothing.
    pub(crate) const fn empty() -> Self {
        Self::Short(0, [0; SHORT])
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        match self.payload() {
            Payload::Here(bytes) => bytes.len(),
            Payload::Shared { len, .. } => len as usize,
        }
    }

    /// What is sent of it.
    pub(crate) fn payload(&self) -> Payload<'_> {
        match self {
            Self::Short(len, bytes) => Payload::Here(&bytes[..usize::from(*len)]),
            Self::Long(bytes) => Payload::Here(bytes),
            #[cfg(target_os = "linux")]
            Self::Shared(block) => Payload::Shared {
                offset: block.offset() as u64,
                len: block.len() as u64,
            },
        }
    }
}
