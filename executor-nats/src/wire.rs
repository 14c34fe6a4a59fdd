//! What travels: messages of a body, then a head, then the length of the head.
//!
//! The head is a MessagePack map, so that either side may know more fields than the other. It comes last, because the body is encoded
//! first, and need not be moved. Lengths are looked at before anything is decoded.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use executor_core::TaskError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a worker must know of a task, beside its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskHead<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) signature: u64,
    pub(crate) is_chunk: bool,
    #[serde(default)]
    pub(crate) label: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) timeout: Option<Duration>,
    /// Milliseconds since 1970: no worker may start it later.
    #[serde(default)]
    pub(crate) start_by: Option<u64>,
    /// The body is kept apart.
    #[serde(default)]
    pub(crate) blob: Option<BlobRef>,
}

/// How a task ended; its output is the body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResultHead {
    pub(crate) outcome: Outcome,
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) blob: Option<BlobRef>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Output,
    Failed(TaskError),
    /// A chunk whose worker died; the body is what it had done.
    Interrupted(TaskError),
    Cancelled,
}

/// A body that is in the object store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BlobRef {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// As the store writes it, `SHA-256=..`.
    pub(crate) digest: String,
}

/// What a tombstone asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Level {
    /// Nobody may start it.
    Cancel,
    Signal,
    Kill,
}

/// What a worker says of a task that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// It starts now, or has started before.
    Started,
    /// It has been told to stop.
    StopSeen,
}

/// A worker is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub(crate) worker: String,
    pub(crate) queue: String,
    pub(crate) slots: usize,
    pub(crate) running: usize,
    pub(crate) done: u64,
    /// It says good-bye.
    #[serde(default)]
    pub(crate) leaves: bool,
}

/// Longest head: texts of errors are in it.
const LONGEST_HEAD: usize = 512 << 10;

/// Puts the head behind the body.
pub(crate) fn seal<H: Serialize>(mut body: Vec<u8>, head: &H) -> Bytes {
    let start = body.len();
    rmp_serde::encode::write_named(&mut body, head).expect("a head can be encoded");
    let len = u32::try_from(body.len() - start).expect("a head is short");
    body.extend_from_slice(&len.to_le_bytes());
    body.into()
}

/// Takes a message apart.
pub(crate) fn open<H: DeserializeOwned>(message: &Bytes) -> Result<(H, Bytes), String> {
    let malformed = || format!("a message of {} bytes has no head", message.len());
    let (rest, len) = message.split_last_chunk::<4>().ok_or_else(malformed)?;
    let len = u32::from_le_bytes(*len) as usize;
    let start = rest.len().checked_sub(len).filter(|_| len <= LONGEST_HEAD);
    let start = start.ok_or_else(malformed)?;
    let head = rmp_serde::from_slice(&rest[start..])
        .map_err(|error| format!("the head of a message cannot be read: {error}"))?;
    Ok((head, message.slice(..start)))
}

/// A message without a body.
pub(crate) fn note<T: Serialize>(value: &T) -> Bytes {
    rmp_serde::to_vec_named(value)
        .expect("a note can be encoded")
        .into()
}

/// Reads such a message.
pub(crate) fn read_note<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    rmp_serde::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_apart_as_it_was_put_together() {
        let head = ResultHead {
            outcome: Outcome::Failed(TaskError::broken("so")),
            attempt: 2,
            blob: None,
        };
        let sealed = seal(vec![1, 2, 3], &head);
        let (opened, body) = open::<ResultHead>(&sealed).unwrap();
        assert_eq!(&body[..], [1, 2, 3]);
        assert_eq!(opened.attempt, 2);
        assert!(matches!(opened.outcome, Outcome::Failed(error) if error.is_broken()));
    }

    #[test]
    fn no_message_can_make_us_panic() {
        let good = seal(
            vec![7; 5],
            &ResultHead {
                outcome: Outcome::Output,
                attempt: 1,
                blob: None,
            },
        );
        for end in 0..good.len() {
            // Whatever a cut-off message ends with is taken for a length.
            let _any = open::<ResultHead>(&good.slice(..end));
        }
        assert!(open::<ResultHead>(&Bytes::from_static(&[255; 16])).is_err());
        assert!(open::<ResultHead>(&Bytes::new()).is_err());
    }
}
