//! Many values in one buffer, each for itself: the items of a chunk and their results.
//!
//! A frame is a header, and the bytes of a value or of an error. The header is one byte, the kind in its
//! two low bits and the length in the others; 63 there says that the length follows, in eight bytes.
//! So a value that cannot be decoded spoils none of its neighbours, and frames that are cut off at any
//! byte are whole up to the last whole one.

use super::{CodecError, Part};
use crate::TaskError;

const VALUE: u8 = 0;
const ERROR: u8 = 1;
const END: u8 = 2;

/// The length that says that the length follows.
const LONG: usize = 63;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// An encoded value.
    Value(&'a [u8]),
    /// A [`TaskError`] instead of one; see [`read_error`].
    Error(&'a [u8]),
    /// There are no more, and this is what is to be said about them.
    End(&'a [u8]),
}

/// Frames as they came: they may be anything, and end at whatever is not a whole frame.
#[derive(Debug)]
pub(crate) struct Frames<'a>(&'a [u8]);

/// Appends the value that `encode` appends. On an error the buffer is as it was; on a panic it has to be
/// cut back by the caller.
#[inline]
pub(crate) fn write_value(
    buffer: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = buffer.len();
    buffer.push(0);
    let encoded = encode(buffer);
    match encoded {
        Ok(()) => close(buffer, start, VALUE),
        Err(_) => buffer.truncate(start),
    }
    encoded
}

/// Appends an error.
#[cold]
pub(crate) fn write_error(buffer: &mut Vec<u8>, error: &TaskError) {
    let start = buffer.len();
    buffer.push(0);
    if let Err(error) = super::encode(Part::Output, error, buffer) {
        // What went wrong while it was told what went wrong. Should that fail too the frame is
        // empty, which its reader reports.
        let _empty = super::encode(Part::Output, &TaskError::from(error), buffer);
    }
    close(buffer, start, ERROR);
}

/// Appends the end.
pub(crate) fn write_end(buffer: &mut Vec<u8>, last_words: &[u8]) {
    let start = buffer.len();
    buffer.push(0);
    buffer.extend_from_slice(last_words);
    close(buffer, start, END);
}

/// The error that a worker, or whoever sent it the item, put in the place of a value.
#[cold]
pub(crate) fn read_error(body: &[u8]) -> TaskError {
    super::decode(Part::Output, body).unwrap_or_else(TaskError::from)
}

#[inline]
fn close(buffer: &mut Vec<u8>, start: usize, kind: u8) {
    let length = buffer.len() - start - 1;
    if length < LONG {
        buffer[start] = (length as u8) << 2 | kind;
    } else {
        lengthen(buffer, start, length, kind);
    }
}

#[cold]
fn lengthen(buffer: &mut Vec<u8>, start: usize, length: usize, kind: u8) {
    let value = start + 1;
    let prefix = (length as u64).to_le_bytes();
    buffer.extend_from_slice(&prefix);
    buffer.copy_within(value..value + length, value + prefix.len());
    buffer[value..value + prefix.len()].copy_from_slice(&prefix);
    buffer[start] = (LONG as u8) << 2 | kind;
}

impl<'a> Frames<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether every byte belonged to a frame that has been read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline]
    fn next(&mut self) -> Option<Frame<'a>> {
        let (&header, mut rest) = self.0.split_first()?;
        let mut length = usize::from(header >> 2);
        if length == LONG {
            let prefix;
            (prefix, rest) = rest.split_first_chunk()?;
            length = usize::try_from(u64::from_le_bytes(*prefix)).ok()?;
        }
        let (body, rest) = rest.split_at_checked(length)?;
        let frame = match header & 3 {
            VALUE => Frame::Value(body),
            ERROR => Frame::Error(body),
            END => Frame::End(body),
            _ => return None,
        };
        self.0 = rest;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Frames, read_error, write_end, write_error, write_value};
    use crate::TaskError;

    fn value(buffer: &mut Vec<u8>, bytes: &[u8]) {
        write_value(buffer, |buffer| {
            buffer.extend_from_slice(bytes);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn frames_of_every_length_come_back() {
        let mut buffer = b"before".to_vec();
        let values: Vec<Vec<u8>> = [0, 1, 62, 63, 64, 255, 70_000].map(|n| vec![7; n]).into();
        for bytes in &values {
            value(&mut buffer, bytes);
        }
        write_error(&mut buffer, &TaskError::broken("late"));
        write_end(&mut buffer, b"bye");
        let mut frames = Frames::new(&buffer[6..]);
        for bytes in &values {
            assert_eq!(frames.next(), Some(Frame::Value(bytes)));
        }
        let Some(Frame::Error(error)) = frames.next() else {
            panic!("an error was written");
        };
        assert!(read_error(error).is_broken());
        assert_eq!(frames.next(), Some(Frame::End(b"bye")));
        assert!(frames.is_empty() && frames.next().is_none());
    }

    #[test]
    fn frames_that_are_cut_are_whole_up_to_the_cut() {
        let mut buffer = Vec::new();
        let mut ends = Vec::new();
        for length in [3, 100, 0, 63] {
            value(&mut buffer, &vec![1; length]);
            ends.push(buffer.len());
        }
        for cut in 0..=buffer.len() {
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(Frames::new(&buffer[..cut]).count(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_no_frame() {
        let header = 63 << 2;
        for length in [1_u64, 1 << 40, u64::MAX] {
            let mut bytes = vec![header];
            bytes.extend_from_slice(&length.to_le_bytes());
            assert_eq!(Frames::new(&bytes).next(), None);
        }
        assert_eq!(Frames::new(&[3]).next(), None, "there is no fourth kind");
    }
}
