//! Bytes that are passed on without being copied where that is possible.

use std::{
    cell::RefCell,
    fmt,
    ops::{Deref, Range},
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};

use crate::codec::bytes;

/// Immutable bytes, cheap to clone: for large arguments and results of tasks.
///
/// To serde it is a byte string. An executor that runs tasks elsewhere moves a large one with as few copies as
/// it can: a worker process reads an argument where its parent wrote it, and a result is in memory that is
/// used again. A `Vec<u8>` needs one copy more in each direction, into memory that is new, which costs
/// several times as much.
///
/// ```
/// use executor_core::Blob;
///
/// let blob = Blob::from(vec![1, 2, 3]);
/// assert_eq!(blob.len(), 3);
/// assert_eq!(&blob.clone()[1..], [2, 3]);
/// ```
///
/// A blob that was an argument of a task in a worker process keeps its place in memory that is shared with the
/// parent for as long as it exists; so a worker that keeps one for later should copy it, with `to_vec`.
#[derive(Clone)]
pub struct Blob {
    owner: Owner,
    range: Range<usize>,
}

/// Whatever has the bytes.
pub(crate) type Owner = Arc<dyn AsRef<[u8]> + Send + Sync>;

thread_local! {
    /// Who has the bytes that this thread decodes.
    static LENT: RefCell<Option<Owner>> = const { RefCell::new(None) };
}

/// A blob of fewer bytes does not keep an owner that has others.
const WORTH_KEEPING: usize = 16 * 1024;

/// Calls `decode`. Blobs that it decodes from bytes of `owner` keep that, and copy nothing.
///
/// For backends: whether there are such blobs, the count of `owner` tells.
pub fn lend<R>(owner: &Arc<dyn AsRef<[u8]> + Send + Sync>, decode: impl FnOnce() -> R) -> R {
    struct Ending(Option<Owner>);
    impl Drop for Ending {
        fn drop(&mut self) {
            LENT.set(self.0.take());
        }
    }
    let _ending = Ending(LENT.replace(Some(Arc::clone(owner))));
    decode()
}

impl Blob {
    /// These bytes, as a part of what was lent.
    fn of_lent(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < WORTH_KEEPING {
            return None;
        }
        LENT.with_borrow(|lent| {
            let owner = lent.as_ref()?;
            let all = (**owner).as_ref();
            // Bytes at the same address are the same bytes, whatever they were decoded from.
            let start = bytes.as_ptr().addr().checked_sub(all.as_ptr().addr())?;
            let range = start..start.checked_add(bytes.len())?;
            all.get(range.clone())?;
            Some(Self {
                owner: Arc::clone(owner),
                range,
            })
        })
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self {
            owner: Arc::new(bytes),
            range,
        }
    }
}

impl From<Box<[u8]>> for Blob {
    fn from(bytes: Box<[u8]>) -> Self {
        bytes.into_vec().into()
    }
}

impl From<&[u8]> for Blob {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<Blob> for Vec<u8> {
    fn from(blob: Blob) -> Self {
        blob.to_vec()
    }
}

impl Default for Blob {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Blob {}

impl fmt::Debug for Blob {
    /// Its length, and how it begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self[..self.len().min(8)];
        write!(f, "Blob({} bytes: {start:?}", self.len())?;
        f.write_str(if start.len() < self.len() {
            " ..)"
        } else {
            ")"
        })
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Blob, E> {
        Ok(Blob::of_lent(bytes).unwrap_or_else(|| bytes.into()))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(bytes.into())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Blob, A::Error> {
        bytes::from_seq(seq).map(Blob::from)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Blob, Owner, WORTH_KEEPING, lend};
    use crate::codec::{Codec, Part};

    const CODECS: [Codec; 2] = [Codec::Compact, Codec::MessagePack];

    fn encoded<T: serde::Serialize>(codec: Codec, value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec.encode(Part::Task, value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_length_comes_back() {
        for codec in CODECS {
            for len in [0, 1, 31, 254, 255, 256, 65_535, 65_536, 1 << 20] {
                let blob = Blob::from(vec![7; len]);
                let bytes = encoded(codec, &(1_u8, &blob, "x"));
                let (one, back, x) = codec
                    .decode::<(u8, Blob, String)>(Part::Task, &bytes)
                    .unwrap();
                assert_eq!((one, back, &*x), (1, blob, "x"), "{codec:?} {len}");
            }
        }
    }

    #[test]
    fn what_is_lent_is_kept_and_not_copied() {
        for codec in CODECS {
            let large = Blob::from(vec![5; WORTH_KEEPING]);
            let small = Blob::from(vec![6; WORTH_KEEPING - 1]);
            let owner: Owner = Arc::new(encoded(codec, &(&large, &small)));
            let all = (*owner).as_ref();
            let decode = || codec.decode::<(Blob, Blob)>(Part::Task, all).unwrap();
            let (kept, copied) = lend(&owner, decode);
            assert_eq!((&kept, &copied), (&large, &small));
            assert!(all.as_ptr_range().contains(&kept.as_ptr()), "in its place");
            assert!(!all.as_ptr_range().contains(&copied.as_ptr()), "small");
            assert_eq!(Arc::strong_count(&owner), 2);
            let (unlent, _) = decode();
            assert!(!all.as_ptr_range().contains(&unlent.as_ptr()), "over");
            drop(owner);
            assert_eq!(kept, large);
        }
    }

    #[test]
    fn other_bytes_than_those_that_are_lent_are_copied() {
        let blob = Blob::from(vec![5; WORTH_KEEPING]);
        let bytes = encoded(Codec::Compact, &blob);
        let owner: Owner = Arc::new(bytes.clone());
        let back = lend(&owner, || {
            Codec::Compact.decode::<Blob>(Part::Task, &bytes).unwrap()
        });
        assert_eq!(back, blob);
        assert_eq!(Arc::strong_count(&owner), 1);
    }
}
