//! Serde functions for fields that hold bytes: as one byte string, not as a sequence of numbers (which
//! costs 30 times a copy). `#[task]` uses them for `Vec<u8>` and `&[u8]`.

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
        Ok(super::large::copy(bytes))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Vec<u8>, A::Error> {
        from_seq(seq)
    }
}

/// Bytes that come as a sequence of numbers.
pub(crate) fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<u8>, A::Error> {
    // The length is the sender's claim: reserve little on trust.
    let mut bytes = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(4096));
    while let Some(byte) = seq.next_element()? {
        bytes.push(byte);
    }
    Ok(bytes)
}
