//! Where the arguments of tasks are encoded, and where large ones are kept.

use std::cell::RefCell;
#[cfg(target_os = "linux")]
use std::{io, os::fd::OwnedFd, sync::Arc};

use executor_core::{Job, TaskError};

use super::entry::Body;
#[cfg(target_os = "linux")]
use crate::wire::{
    LARGE,
    arena::{Arena, ArenaShelf, Filling},
};

/// So much of a thread's buffer is kept.
const BUFFER: usize = 8 << 20;

/// The arena of a pool, where its workers read large arguments; with the portable transport there is none.
///
/// What goes there does so when it is submitted, whichever worker it will be for. It leaves when the
/// task is answered: to send it again takes no copy.
pub(crate) struct Arguments {
    #[cfg(target_os = "linux")]
    arena: Option<(OwnedFd, Arc<Arena>)>,
}

#[cfg(target_os = "linux")]
impl Arguments {
    pub(crate) fn new(is_portable: bool) -> io::Result<Self> {
        let arena = if is_portable {
            None
        } else {
            Some(Arena::create()?)
        };
        Ok(Self { arena })
    }

    /// The arena's file, for a worker.
    pub(crate) fn file(&self) -> io::Result<OwnedFd> {
        match &self.arena {
            Some((file, _)) => file.try_clone(),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Encodes a job's task on this thread: it runs the user's code. `None` if the job is settled.
    pub(crate) fn encode(&self, job: &mut Job) -> Option<Result<(bool, Body), TaskError>> {
        let Some((_, arena)) = &self.arena else {
            return encode_inline(job);
        };
        let filling = Filling::of(arena);
        with_buffer(|buffer| {
            let encoded = job.encode_onto(Some(&ArenaShelf), buffer)?;
            let encoded = encoded.map(|call| {
                let block = match call.body.len() {
                    0 => filling.take(),
                    len if len >= LARGE => arena.block_of(call.body),
                    _ => None,
                };
                (call.is_chunk, block)
            });
            Some(encoded.map(|(is_chunk, block)| {
                let body = block.map_or_else(|| Body::take(buffer), Body::Shared);
                (is_chunk, body)
            }))
        })
    }
}

#[cfg(not(target_os = "linux"))]
impl Arguments {
    pub(crate) fn new(_is_portable: bool) -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Encodes a job's task on this thread: it runs the user's code. `None` if the job is settled.
    pub(crate) fn encode(&self, job: &mut Job) -> Option<Result<(bool, Body), TaskError>> {
        encode_inline(job)
    }
}

fn encode_inline(job: &mut Job) -> Option<Result<(bool, Body), TaskError>> {
    with_buffer(|buffer| {
        let encoded = job.encode(buffer)?.map(|call| call.is_chunk);
        Some(encoded.map(|is_chunk| (is_chunk, Body::take(buffer))))
    })
}

fn with_buffer<R>(encode: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    thread_local! {
        static OWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // Out of its place while the user's code runs, which may submit a task itself.
    let mut buffer = OWN.take();
    let encoded = encode(&mut buffer);
    buffer.clear();
    buffer.shrink_to(BUFFER);
    OWN.set(buffer);
    encoded
}
