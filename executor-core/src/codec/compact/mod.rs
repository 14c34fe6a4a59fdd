//! [`Codec::Compact`](super::Codec::Compact): values by position, numbers as they are in memory.
//!
//! - A number has as many bytes as its type, the lowest first; `bool` has one, `char` four.
//! - A length, or the number of an enum's variant, is a byte below 255, or that and eight more.
//! - Text and bytes: the length, and they follow. A sequence or map: the length, and its elements.
//! - A tuple or struct: its elements. Without any, and for `()`: a byte 0.
//! - `None` is 0; `Some` is 1, and the value follows.
//!
//! So every value takes a byte at least, and a length that is more than the bytes that are left is
//! false. Serde attributes that need names (`flatten`, `untagged`, `tag`) ask the format what comes next,
//! and are refused, and so are named fields that are left out.

mod read;
mod write;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize, de, ser};

use self::{read::Reader, write::Writer};

/// The lengths from here on take nine bytes.
const LONG: u8 = 255;

/// Why a value could not be encoded or decoded.
#[derive(Debug)]
pub(super) struct Problem(Cow<'static, str>);

/// Appends the encoded value.
#[inline]
pub(super) fn write<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<(), Problem> {
    value.serialize(&mut Writer::new(buffer))
}

/// Reads a value that fills all of `bytes`.
#[inline]
pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Problem> {
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(&mut reader)?;
    reader.finish(value)
}

/// The length that `bytes` begin with, and how many bytes it takes.
pub(super) fn length_of(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes.split_first()? {
        (&LONG, rest) => Some((u64::from_le_bytes(*rest.first_chunk()?), 9)),
        (&short, _) => Some((u64::from(short), 1)),
    }
}

#[cold]
const fn problem(text: &'static str) -> Problem {
    Problem(Cow::Borrowed(text))
}

impl ser::Error for Problem {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(reason.to_string().into())
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self(reason.to_string().into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}
