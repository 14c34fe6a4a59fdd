//! The one place that knows how values become bytes: MessagePack with named fields.
//!
//! Named fields, because every serde attribute must survive the trip (`flatten`, `untagged`,
//! `tag`, `skip_serializing_if`, `default`): positional formats lose some of them.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

/// An argument or an output that could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecError {
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

/// Encodes `value` onto the end of `buffer`; on an error the buffer is as it was.
///
/// # Errors
///
/// When the value's `Serialize` implementation fails.
pub fn encode<T: Serialize + ?Sized>(
    what: Part,
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let start = buffer.len();
    let mut serializer = rmp_serde::Serializer::new(&mut *buffer).with_struct_map();
    value.serialize(&mut serializer).map_err(|error| {
        buffer.truncate(start);
        CodecError::new::<T>(what, Direction::Encode, &error)
    })
}

/// Decodes a value that fills all of `bytes`.
///
/// # Errors
///
/// When the bytes are not a value of this type, or when some are left over.
pub fn decode<T: DeserializeOwned>(what: Part, bytes: &[u8]) -> Result<T, CodecError> {
    decode_borrowed(what, bytes)
}

/// As [`decode`], for a value that refers to the bytes.
pub(crate) fn decode_borrowed<'de, T: Deserialize<'de>>(
    what: Part,
    bytes: &'de [u8],
) -> Result<T, CodecError> {
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

impl CodecError {
    fn new<T: ?Sized>(what: Part, direction: Direction, reason: &dyn fmt::Display) -> Self {
        Self {
            what,
            direction,
            type_name: std::any::type_name::<T>().to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn decoding<T: ?Sized>(what: Part, reason: &dyn fmt::Display) -> Self {
        Self::new::<T>(what, Direction::Decode, reason)
    }

    /// Whether it is the output that failed, and so the task that ran.
    #[must_use]
    pub const fn is_of_output(&self) -> bool {
        matches!(self.what, Part::Output)
    }

    /// Whether encoding failed, and not decoding.
    #[must_use]
    pub const fn is_encode(&self) -> bool {
        matches!(self.direction, Direction::Encode)
    }

    /// The type of the value.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::Decode => "decoded",
            Direction::Encode => "encoded",
        };
        let what = match self.what {
            Part::Task => "argument",
            Part::Output => "output",
        };
        let Self {
            type_name, reason, ..
        } = self;
        write!(
            f,
            "the {what} of type `{type_name}` could not be {direction}: {reason}"
        )
    }
}

impl std::error::Error for CodecError {}

/// Serde functions for fields that hold bytes: as one byte string, not as a sequence of numbers
/// (which costs 30 times a copy). `#[task]` uses them for `Vec<u8>` and `&[u8]`.
pub mod bytes {
    use std::fmt;

    use serde::{
        Deserializer, Serializer,
        de::{Error, SeqAccess, Visitor},
    };

    /// Writes `bytes` as a byte string.
    ///
    /// # Errors
    ///
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads a byte string, or a sequence of numbers.
    ///
    /// # Errors
    ///
    /// When there is something else.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
            // The length is the sender's claim: reserve little on trust.
            let mut bytes = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(4096));
            while let Some(byte) = seq.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}
