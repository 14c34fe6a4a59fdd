//! Long pieces of an encoding that do not go through its buffer.
//!
//! A string or a vector of bytes is copied into the buffer, and from there to wherever the encoding goes.
//! For a long one the second copy costs as much as the first, and a buffer that grows for it costs more
//! than both. So a backend can offer a [`Shelf`], to which both codecs hand long pieces directly, with
//! everything in front of them. The encoding is what was put onto the shelf, and then the rest of the
//! buffer.

use std::{cell::Cell, ptr};

/// Pieces of this length and more are offered to the shelf.
pub(super) const LONG: usize = 64 * 1024;

/// A place for long pieces of an encoding.
///
/// It is only ever called on the thread that encodes, within the call that it was given to.
pub trait Shelf {
    /// Takes `front` and then `long`, which follow on what it has. False if there is no room: then it has
    /// what it had before.
    fn put(&self, front: &[u8], long: &[u8]) -> bool;

    /// Takes the rest of an encoding of which it has something. False if there is no room: then nothing
    /// of the encoding is here any more.
    fn finish(&self, rest: &[u8]) -> bool;
}

/// An encoding that has a shelf. Cheap to note: most encodings have no long pieces.
#[derive(Clone, Copy)]
struct Open {
    shelf: &'static dyn Shelf,
    /// The address of the buffer: there may be others, of encodings within the encoding.
    buffer: usize,
    /// What of the buffer is on the shelf.
    put: usize,
    is_used: bool,
}

thread_local! {
    static OPEN: Cell<Option<Open>> = const { Cell::new(None) };
}

/// Ends the use of a shelf, also on a panic.
struct Use(Option<Open>);

impl Drop for Use {
    fn drop(&mut self) {
        OPEN.set(self.0);
    }
}

/// Has `encode` append to `buffer`, or put onto the shelf: all of the encoding is here or there. It is called
/// once more if the shelf has no room for the end.
pub(crate) fn encode_with<E>(
    shelf: Option<&'static dyn Shelf>,
    buffer: &mut Vec<u8>,
    mut encode: impl FnMut(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let Some(shelf) = shelf else {
        return encode(buffer);
    };
    let start = buffer.len();
    let open = Open {
        shelf,
        buffer: ptr::from_ref(buffer).addr(),
        put: start,
        is_used: false,
    };
    let ending = Use(OPEN.replace(Some(open)));
    let encoded = encode(buffer);
    let put = OPEN.get().filter(|open| open.is_used).map(|open| open.put);
    drop(ending);
    encoded?;
    let Some(put) = put else { return Ok(()) };
    let has_all = shelf.finish(&buffer[put..]);
    buffer.truncate(start);
    if has_all {
        return Ok(());
    }
    encode(buffer)
}

/// Puts `long` onto the shelf of this buffer's encoding, if it has one. False if it has to go into the
/// buffer.
#[cold]
pub(super) fn put(buffer: &Vec<u8>, long: &[u8]) -> bool {
    let Some(open) = OPEN.get() else { return false };
    if open.buffer != ptr::from_ref(buffer).addr() || !open.shelf.put(&buffer[open.put..], long) {
        return false;
    }
    OPEN.set(Some(Open {
        put: buffer.len(),
        is_used: true,
        ..open
    }));
    true
}
