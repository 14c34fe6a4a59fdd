//! The one place that knows how values become bytes: [`Codec`], and which types may use which.
//!
//! Two forms, because none is both safe for every type and fast. [`Codec::MessagePack`] writes the names
//! of fields, so that every serde attribute survives the trip (`flatten`, `untagged`, `tag`,
//! `skip_serializing_if`, `default`). [`Codec::Compact`] writes values by position, which cannot do some
//! of them, at a fraction of the time. `#[task]` takes the second where the types alone say that
//! nothing can be lost: numbers, strings, tuples and the standard collections of these.
//!
//! Whatever is decoded may come from a worker that is broken, so it is not trusted: a length is never
//! believed before that many bytes are there.

pub mod bytes;
mod compact;
mod encoded;
pub(crate) mod frame;
mod large;
pub(crate) mod plain;
pub(crate) mod shelf;

use std::{fmt, io};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

pub(crate) use self::shelf::encode_with;
pub use self::{
    encoded::{Encoded, Held},
    large::{LARGE_BUFFER, PrepareBuffer, prepare_large_buffers},
    shelf::Shelf,
};

/// How the values of a task become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// MessagePack with named fields: for every type that has serde's traits.
    MessagePack,
    /// Values by position, without names: smaller, and several times as fast.
    ///
    /// Some serde attributes need names: `flatten`, `untagged`, `tag`, and `skip_serializing_if` where it
    /// leaves a named field out. Values of types that have them are refused. So are values that nest
    /// deeper than 128 levels, when they are decoded. Fields of tuples cannot be left out, and variants
    /// of an enum only if they are the last.
    Compact,
}

/// An argument or an output that could not be encoded or decoded. One pointer wide, since every result
/// that could be one is moved about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecError(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Details {
    what: Part,
    direction: Direction,
    type_name: String,
    reason: String,
}

/// Which side of a call a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Part {
    /// The task with its arguments.
    Task,
    /// Its output.
    Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Direction {
    Decode,
    Encode,
}

impl Codec {
    /// The fastest codec that loses nothing of values whose types are plain, or are not.
    #[doc(hidden)]
    #[must_use]
    pub const fn of_plain(is_plain: bool) -> Self {
        if is_plain {
            Self::Compact
        } else {
            Self::MessagePack
        }
    }

    /// Where a byte string begins that fills all of `len` bytes, the first of which are `head`; `None` if
    /// something else does.
    pub(crate) fn start_of_bytes(self, head: &[u8], len: usize) -> Option<usize> {
        let (size, start) = match self {
            Self::Compact => compact::length_of(head)?,
            // What MessagePack calls bin 8, 16 and 32.
            Self::MessagePack => match *head {
                [0xc4, a, ..] => (u64::from(a), 2),
                [0xc5, a, b, ..] => (u64::from(u16::from_be_bytes([a, b])), 3),
                [0xc6, a, b, c, d, ..] => (u64::from(u32::from_be_bytes([a, b, c, d])), 5),
                _ => return None,
            },
        };
        let fills = len
            .checked_sub(start)
            .is_some_and(|rest| rest as u64 == size);
        fills.then_some(start)
    }

    /// What stands for it in the digest of a registry.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::MessagePack => b'm',
            Self::Compact => b'c',
        }
    }

    /// Encodes `value` onto the end of `buffer`; on an error the buffer is as it was.
    ///
    /// # Errors
    ///
    /// When the value's `Serialize` implementation fails.
    #[inline]
    pub fn encode<T: Serialize + ?Sized>(
        self,
        what: Part,
        value: &T,
        buffer: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let start = buffer.len();
        let encoded = match self {
            Self::MessagePack => {
                let mut serializer = rmp_serde::Serializer::new(Append(buffer)).with_struct_map();
                let encoded = value.serialize(&mut serializer);
                encoded.map_err(|error| CodecError::new::<T>(what, Direction::Encode, &error))
            }
            Self::Compact => compact::write(value, buffer)
                .map_err(|error| CodecError::new::<T>(what, Direction::Encode, &error)),
        };
        if encoded.is_err() {
            buffer.truncate(start);
        }
        encoded
    }

    /// Decodes a value that fills all of `bytes`.
    ///
    /// # Errors
    ///
    /// When the bytes are not a value of this type, or when some are left over.
    #[inline]
    pub fn decode<T: DeserializeOwned>(self, what: Part, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::MessagePack => decode_named(what, bytes),
            Self::Compact => compact::read(bytes)
                .map_err(|error| CodecError::new::<T>(what, Direction::Decode, &error)),
        }
    }
}

/// Encodes `value` in the form that loses nothing of any type, [`Codec::MessagePack`].
///
/// # Errors
///
/// When the value's `Serialize` implementation fails.
pub fn encode<T: Serialize + ?Sized>(
    what: Part,
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<(), CodecError> {
    Codec::MessagePack.encode(what, value, buffer)
}

/// Decodes what [`encode`] wrote, where it fills all of `bytes`.
///
/// # Errors
///
/// When the bytes are not a value of this type, or when some are left over.
pub fn decode<T: DeserializeOwned>(what: Part, bytes: &[u8]) -> Result<T, CodecError> {
    Codec::MessagePack.decode(what, bytes)
}

fn decode_named<T: DeserializeOwned>(what: Part, bytes: &[u8]) -> Result<T, CodecError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer)
        .map_err(|error| CodecError::new::<T>(what, Direction::Decode, &error))?;
    // The deserializer does not say where it is; that it finds no further value says it is at the end.
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => {
            let reason = format!("{} bytes are more than one value", bytes.len());
            Err(CodecError::new::<T>(what, Direction::Decode, &reason))
        }
    }
}

/// Puts bytes onto the end of an encoding: into its buffer, or onto its shelf if they are many.
#[inline]
pub(crate) fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.len() < shelf::LONG || !shelf::put(buffer, bytes) {
        buffer.extend_from_slice(bytes);
    }
}

/// The end of a buffer.
struct Append<'a>(&'a mut Vec<u8>);

impl io::Write for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        append(self.0, bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CodecError {
    #[cold]
    fn new<T: ?Sized>(what: Part, direction: Direction, reason: &dyn fmt::Display) -> Self {
        Self(Box::new(Details {
            what,
            direction,
            type_name: std::any::type_name::<T>().to_owned(),
            reason: reason.to_string(),
        }))
    }

    pub(crate) fn decoding<T: ?Sized>(what: Part, reason: &dyn fmt::Display) -> Self {
        Self::new::<T>(what, Direction::Decode, reason)
    }

    /// The error of a task or an output whose encoded form has `bytes` bytes, where no more than `most`
    /// are allowed.
    #[must_use]
    pub fn too_long(what: Part, task: &str, bytes: usize, most: usize) -> Self {
        Self(Box::new(Details {
            what,
            direction: Direction::Encode,
            type_name: task.to_owned(),
            reason: format!("it has {bytes} bytes, and {most} are allowed (see `max_message`)"),
        }))
    }

    /// Whether it is the output that failed, and so the task that ran.
    #[must_use]
    pub const fn is_of_output(&self) -> bool {
        matches!(self.0.what, Part::Output)
    }

    /// Whether encoding failed, and not decoding.
    #[must_use]
    pub const fn is_encode(&self) -> bool {
        matches!(self.0.direction, Direction::Encode)
    }

    /// The type of the value.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.0.type_name
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.0.direction {
            Direction::Decode => "decoded",
            Direction::Encode => "encoded",
        };
        let what = match self.0.what {
            Part::Task => "argument",
            Part::Output => "output",
        };
        let Details {
            type_name, reason, ..
        } = &*self.0;
        write!(
            f,
            "the {what} of type `{type_name}` could not be {direction}: {reason}"
        )
    }
}

impl std::error::Error for CodecError {}
