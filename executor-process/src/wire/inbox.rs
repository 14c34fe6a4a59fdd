//! Bytes that have come and are not yet a whole frame.

use std::ops::Range;

use super::frame::{self, Violation};

/// How much is read at once, at the least.
const READ: usize = 64 * 1024;

/// A buffer that is filled at its end and emptied at its start, a frame at a time.
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    filled: Range<usize>,
    cap: usize,
}

impl Inbox {
    /// A buffer for frames of at most `cap` bytes.
    pub(crate) const fn new(cap: usize) -> Self {
        Self {
            bytes: Vec::new(),
            filled: 0..0,
            cap,
        }
    }

    /// The most that a frame may have.
    pub(crate) const fn cap(&self) -> usize {
        self.cap
    }

    /// Room for more bytes; [`filled`](Self::filled) says how many came.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.filled.is_empty() {
            self.filled = 0..0;
            // What one large frame needed is not kept.
            if self.bytes.len() > 16 * READ {
                self.bytes = Vec::new();
            }
        }
        if self.bytes.len() - self.filled.end < READ {
            if self.filled.start > 0 {
                self.bytes.copy_within(self.filled.clone(), 0);
                self.filled = 0..self.filled.len();
            }
            // A frame that has begun should fit as a whole, but its length is only a claim: it makes room for
            // no more than what has come already again.
            let wanted = frame::wanted(&self.bytes[self.filled.clone()]).unwrap_or(0);
            let room = self.filled.end + READ;
            let room = room.max(wanted.min(2 * self.filled.end));
            if self.bytes.len() < room {
                self.bytes.resize(room, 0);
            }
        }
        &mut self.bytes[self.filled.end..]
    }

    /// `count` bytes were put into the room.
    pub(crate) const fn filled(&mut self, count: usize) {
        self.filled.end += count;
    }

    /// Removes the first `count` of the last `of` bytes: they have come before, on another way.
    pub(crate) fn skip(&mut self, count: usize, of: usize) {
        let start = self.filled.end - of;
        self.bytes
            .copy_within(start + count..self.filled.end, start);
        self.filled.end -= count;
    }

    /// The next frame: its kind, and where its body is. It is removed, and its body stays readable until
    /// the next call of [`room`](Self::room).
    pub(crate) fn next(&mut self) -> Result<Option<(u8, Range<usize>)>, Violation> {
        let Some((len, kind, body)) = frame::first(&self.bytes[self.filled.clone()], self.cap)?
        else {
            return Ok(None);
        };
        let end = self.filled.start + len;
        let body = end - body.len()..end;
        self.filled.start = end;
        Ok(Some((kind, body)))
    }

    /// The body of a frame that [`next`](Self::next) has found.
    pub(crate) fn body(&self, body: Range<usize>) -> &[u8] {
        &self.bytes[body]
    }

    /// Whether there is no byte of a further frame.
    pub(crate) fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }
}
