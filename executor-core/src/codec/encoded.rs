use std::{ops::Range, sync::Arc};

use super::{Codec, CodecError, Part, bytes, shelf::LONG};
use crate::blob;

/// An encoded output, as a backend hands it over: the bytes, or where they are.
pub struct Encoded(Place);

// As large as a boxed slice: the length makes room for the other case, and each cell has one.
enum Place {
    Here(Box<[u8]>),
    Held(Box<Box<dyn Held>>),
}

const _: () = assert!(size_of::<Encoded>() == size_of::<Box<[u8]>>());

/// Encoded bytes that are still where their worker left them, and are copied when somebody wants them, by
/// the thread that does.
///
/// Their place is free again when this is dropped. The worker may change them at any time if it is
/// broken, and what it said of their length may be false: so they are copied once, and then looked at.
pub trait Held: Send {
    /// How many bytes there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes of this range to the end of `bytes`; what is beyond them is left out.
    fn append_to(&self, range: Range<usize>, bytes: &mut Vec<u8>);
}

impl Encoded {
    /// Bytes that are somewhere else.
    #[must_use]
    pub fn held(held: Box<dyn Held>) -> Self {
        Self(Place::Held(Box::new(held)))
    }

    /// All of the bytes.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Place::Here(bytes) => bytes.into_vec(),
            Place::Held(held) => copy(&**held, Vec::new()),
        }
    }

    /// The byte string that `codec` has encoded here, in a vector of its own.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn into_byte_string(mut self, codec: Codec) -> Result<Vec<u8>, CodecError> {
        let head = self.head();
        let Some(start) = codec.start_of_bytes(&head, self.len()) else {
            return self.read(|encoded| {
                let decoded = codec.decode::<ByteString>(Part::Output, encoded);
                decoded.map(|decoded| decoded.0)
            });
        };
        // Nothing is copied twice, and least of all into memory that is new.
        Ok(match &mut self.0 {
            Place::Here(here) => {
                let mut here = std::mem::take(here).into_vec();
                here.drain(..start);
                here
            }
            Place::Held(held) => {
                let mut copy = Vec::new();
                held.append_to(start..held.len(), &mut copy);
                copy
            }
        })
    }

    fn len(&self) -> usize {
        match &self.0 {
            Place::Here(bytes) => bytes.len(),
            Place::Held(held) => held.len(),
        }
    }

    /// The first bytes.
    fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD);
        match &self.0 {
            Place::Here(bytes) => head.extend_from_slice(&bytes[..bytes.len().min(HEAD)]),
            Place::Held(held) => held.append_to(0..HEAD, &mut head),
        }
        head
    }

    /// Has the bytes read. [`Blob`](crate::Blob)s that are decoded from them keep them, and copy nothing.
    pub fn read<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self.0 {
            Place::Here(bytes) if bytes.len() < LONG => read(&bytes),
            Place::Here(bytes) => {
                let bytes: blob::Owner = Arc::new(bytes);
                blob::lend(&bytes, || read((*bytes).as_ref()))
            }
            Place::Held(held) => read_copy(&**held, read),
        }
    }

    /// As [`read`](Self::read), of bytes that stay.
    pub(crate) fn peek<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        match &self.0 {
            Place::Here(bytes) => read(bytes),
            Place::Held(held) => read_copy(&***held, read),
        }
    }
}

impl From<Box<[u8]>> for Encoded {
    fn from(bytes: Box<[u8]>) -> Self {
        Self(Place::Here(bytes))
    }
}

impl From<Vec<u8>> for Encoded {
    fn from(bytes: Vec<u8>) -> Self {
        bytes.into_boxed_slice().into()
    }
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoded").field("len", &self.len()).finish()
    }
}

/// Bytes that come in another form than usual, or do not come.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct ByteString(#[serde(with = "bytes")] Vec<u8>);

/// A byte string begins with no more bytes than these, which say how long it is.
const HEAD: usize = 9;

fn copy(held: &dyn Held, mut bytes: Vec<u8>) -> Vec<u8> {
    held.append_to(0..held.len(), &mut bytes);
    bytes
}

fn read_copy<R>(held: &dyn Held, read: impl FnOnce(&[u8]) -> R) -> R {
    let bytes: blob::Owner = Arc::new(Recycled(copy(held, recycled::take(held.len()))));
    blob::lend(&bytes, || read((*bytes).as_ref()))
}

/// A buffer that is used again: the memory of a large one that is new costs more than the copy.
struct Recycled(Vec<u8>);

impl AsRef<[u8]> for Recycled {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Recycled {
    fn drop(&mut self) {
        recycled::give(std::mem::take(&mut self.0));
    }
}

/// Buffers that nobody uses at the moment.
mod recycled {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// How many bytes all of them may have.
    const MOST: usize = 80 << 20;

    static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

    /// A buffer, empty, with room for `len` bytes; the smallest that is not much larger, or a new one.
    pub(super) fn take(len: usize) -> Vec<u8> {
        let mut buffers = lock();
        let fitting = buffers.iter().enumerate();
        let fitting = fitting
            .filter(|(_, buffer)| (len..=len.saturating_mul(4)).contains(&buffer.capacity()))
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(place, _)| place);
        match fitting {
            Some(place) => buffers.swap_remove(place),
            None => Vec::new(),
        }
    }

    /// Keeps a buffer; the oldest make room for it.
    pub(super) fn give(mut buffer: Vec<u8>) {
        buffer.clear();
        let size = buffer.capacity();
        if size > MOST {
            return;
        }
        let mut buffers = lock();
        let mut surplus = Vec::new();
        let mut sum: usize = size + buffers.iter().map(Vec::capacity).sum::<usize>();
        while sum > MOST {
            let oldest = buffers.remove(0);
            sum -= oldest.capacity();
            surplus.push(oldest);
        }
        buffers.push(buffer);
        drop(buffers);
        // Without the lock: to give memory back takes a while.
        drop(surplus);
    }

    fn lock() -> MutexGuard<'static, Vec<Vec<u8>>> {
        BUFFERS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    mod tests {
        use super::{MOST, give, lock, take};

        #[test]
        fn a_buffer_comes_again_where_it_fits_and_all_are_bounded() {
            // A size that no other test has.
            let len = 1_234_567;
            give(Vec::with_capacity(len));
            assert!(take(5 * len).capacity() == 0 && take(len / 5).capacity() != len);
            for _ in 0..200 {
                give(Vec::with_capacity(len));
            }
            assert!(lock().iter().map(Vec::capacity).sum::<usize>() <= MOST);
            assert!((len..=4 * len).contains(&take(len).capacity()));
        }
    }
}
