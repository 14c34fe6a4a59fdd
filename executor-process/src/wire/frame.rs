//! Frames as bytes.

use executor_core::codec::{self, Part};
use serde::{Deserialize, Serialize};

const HEADER: usize = 4;

/// The first frame to a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) version: u32,
    pub(crate) index: usize,
    pub(crate) name: String,
    /// The initializer: its task and its encoded arguments.
    pub(crate) initializer: Option<(u32, Vec<u8>)>,
    pub(crate) memory_limit: Option<u64>,
    /// The longest output that the parent takes.
    pub(crate) max_message: usize,
    /// Whether the worker notes how much memory it uses.
    pub(crate) reports_memory: bool,
}

/// A task as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub(crate) seq: u64,
    pub(crate) task: u32,
    pub(crate) is_chunk: bool,
    pub(crate) label: Label<'a>,
    pub(crate) body: Payload<'a>,
}

/// What the task can ask about its submission. Most have nothing to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Label<'a> {
    /// The name of the submission, if it has one of its own.
    pub(crate) name: Option<&'a str>,
    /// Its identity, if it has one.
    pub(crate) id: Option<&'a str>,
    /// How often it was tried before.
    pub(crate) earlier_attempts: u32,
}

/// The encoded arguments of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    Here(&'a [u8]),
    /// In the arena of the pool's arguments.
    Shared {
        offset: u64,
        len: u64,
    },
}

/// Where a result is in the arena of a worker's results: what the worker says of it, and may be false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// What a worker hears.
#[derive(Debug)]
pub(crate) enum ToWorker<'a> {
    Setup(Setup),
    Run(Run<'a>),
    Stop(u64),
}

/// What a worker says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromWorker<'a> {
    Hello {
        version: u32,
        digest: u64,
    },
    Ready,
    Failed(&'a str),
    Started(u64),
    StopSeen(u64),
    Part {
        seq: u64,
        bytes: &'a [u8],
    },
    Done {
        seq: u64,
        nanos: u64,
        body: &'a [u8],
    },
    Error {
        seq: u64,
        nanos: u64,
        body: &'a [u8],
    },
    /// As `Part`, of results that are in the arena.
    PartShared {
        seq: u64,
        place: Place,
    },
    /// As `Done`, of an output that is in the arena.
    DoneShared {
        seq: u64,
        nanos: u64,
        place: Place,
    },
    /// The task of this number, which is about to be done, has left a reference to its arguments.
    Keeps(u64),
    /// There is no such reference any more.
    LetsGo(u64),
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

mod kind {
    pub(super) const SETUP: u8 = 1;
    pub(super) const RUN: u8 = 2;
    pub(super) const RUN_CHUNK: u8 = 3;
    pub(super) const STOP: u8 = 5;
    /// Added to the kind of a `Run` that has a label.
    pub(super) const LABELLED: u8 = 4;
    /// Added to the kind of a `Run` whose body is in the arena.
    pub(super) const SHARED: u8 = 8;
    /// What may be added to the kind of a `Run`.
    pub(super) const ADDED: u8 = LABELLED + SHARED;
    pub(super) const HELLO: u8 = 17;
    pub(super) const READY: u8 = 18;
    pub(super) const FAILED: u8 = 19;
    pub(super) const STARTED: u8 = 20;
    pub(super) const PART: u8 = 21;
    pub(super) const DONE: u8 = 22;
    pub(super) const ERROR: u8 = 23;
    pub(super) const STOP_SEEN: u8 = 24;
    pub(super) const PART_SHARED: u8 = 25;
    pub(super) const DONE_SHARED: u8 = 26;
    pub(super) const KEEPS: u8 = 27;
    pub(super) const LETS_GO: u8 = 28;
}

/// The bytes in front of a part's results.
const PART_HEADER: usize = HEADER + 1 + 8;

/// A frame: its length with the header, its kind and its body.
type Found<'a> = (usize, u8, &'a [u8]);

/// The first whole frame in `bytes`.
pub(crate) fn first(bytes: &[u8], cap: usize) -> Result<Option<Found<'_>>, Violation> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(*header) as usize;
    if len == 0 || len > cap {
        return Err(Violation(format!(
            "a frame claims to have {len} bytes, and 1 to {cap} are allowed"
        )));
    }
    match rest.get(..len).and_then(<[u8]>::split_first) {
        Some((&kind, body)) => Ok(Some((HEADER + len, kind, body))),
        None => Ok(None),
    }
}

/// How many bytes the frame that begins with `bytes` has in all, if that can be said.
pub(crate) fn wanted(bytes: &[u8]) -> Option<usize> {
    let (header, _) = bytes.split_first_chunk::<HEADER>()?;
    Some(HEADER + u32::from_le_bytes(*header) as usize)
}

impl<'a> Run<'a> {
    /// Appends the frame.
    pub(crate) fn write(&self, buffer: &mut Vec<u8>) {
        let is_labelled = self.label != Label::default();
        let kind = match self.is_chunk {
            true => kind::RUN_CHUNK,
            false => kind::RUN,
        };
        let kind = match is_labelled {
            true => kind + kind::LABELLED,
            false => kind,
        };
        let kind = match self.body {
            Payload::Here(_) => kind,
            Payload::Shared { .. } => kind + kind::SHARED,
        };
        frame(buffer, kind, |buffer| {
            buffer.extend_from_slice(&self.seq.to_le_bytes());
            buffer.extend_from_slice(&self.task.to_le_bytes());
            if is_labelled {
                self.label.write(buffer);
            }
            match self.body {
                Payload::Here(bytes) => buffer.extend_from_slice(bytes),
                Payload::Shared { offset, len } => {
                    buffer.extend_from_slice(&offset.to_le_bytes());
                    buffer.extend_from_slice(&len.to_le_bytes());
                }
            }
        });
    }

    fn read(kind: u8, mut body: &'a [u8]) -> Result<Self, Violation> {
        let seq = u64::from_le_bytes(take(&mut body)?);
        let task = u32::from_le_bytes(take(&mut body)?);
        let label = match kind & kind::LABELLED {
            0 => Label::default(),
            _ => Label::read(&mut body)?,
        };
        let body = if kind & kind::SHARED != 0 {
            Payload::Shared {
                offset: u64::from_le_bytes(take(&mut body)?),
                len: u64::from_le_bytes(take(&mut body)?),
            }
        } else {
            Payload::Here(body)
        };
        Ok(Self {
            seq,
            task,
            is_chunk: kind & !kind::ADDED == kind::RUN_CHUNK,
            label,
            body,
        })
    }
}

impl<'a> Label<'a> {
    fn write(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.earlier_attempts.to_le_bytes());
        for text in [self.name, self.id] {
            // No text is as long as that: the frame would not be.
            let len = text.map_or(NO_TEXT, |text| text.len() as u32);
            buffer.extend_from_slice(&len.to_le_bytes());
            buffer.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
    }

    fn read(body: &mut &'a [u8]) -> Result<Self, Violation> {
        let earlier_attempts = u32::from_le_bytes(take(body)?);
        let mut next = || {
            let len = u32::from_le_bytes(take(body)?);
            if len == NO_TEXT {
                return Ok(None);
            }
            let (bytes, rest) = body.split_at_checked(len as usize).ok_or_else(too_short)?;
            *body = rest;
            text(bytes).map(Some)
        };
        Ok(Self {
            name: next()?,
            id: next()?,
            earlier_attempts,
        })
    }
}

/// In the place of the length of a text that is not there.
const NO_TEXT: u32 = u32::MAX;

impl<'a> ToWorker<'a> {
    pub(crate) fn read(kind: u8, mut body: &'a [u8]) -> Result<Self, Violation> {
        match kind {
            kind::STOP => Ok(Self::Stop(u64::from_le_bytes(take(&mut body)?))),
            kind::SETUP => codec::decode(Part::Task, body)
                .map(Self::Setup)
                .map_err(|error| Violation(error.to_string())),
            _ if matches!(kind & !kind::ADDED, kind::RUN | kind::RUN_CHUNK) => {
                Run::read(kind, body).map(Self::Run)
            }
            _ => Err(unknown(kind)),
        }
    }
}

pub(crate) fn setup(setup: &Setup, buffer: &mut Vec<u8>) {
    frame(buffer, kind::SETUP, |buffer| {
        codec::encode(Part::Task, setup, buffer).expect("numbers and texts can be encoded");
    });
}

pub(crate) fn stop(seq: u64, buffer: &mut Vec<u8>) {
    frame(buffer, kind::STOP, |buffer| {
        buffer.extend_from_slice(&seq.to_le_bytes());
    });
}

impl<'a> FromWorker<'a> {
    pub(crate) fn read(kind: u8, mut body: &'a [u8]) -> Result<Self, Violation> {
        let body = &mut body;
        let message = match kind {
            kind::HELLO => Self::Hello {
                version: u32::from_le_bytes(take(body)?),
                digest: u64::from_le_bytes(take(body)?),
            },
            kind::READY => Self::Ready,
            kind::FAILED => Self::Failed(text(std::mem::take(body))?),
            kind::STARTED => Self::Started(u64::from_le_bytes(take(body)?)),
            kind::STOP_SEEN => Self::StopSeen(u64::from_le_bytes(take(body)?)),
            kind::PART => Self::Part {
                seq: u64::from_le_bytes(take(body)?),
                bytes: std::mem::take(body),
            },
            kind::DONE => Self::Done {
                seq: u64::from_le_bytes(take(body)?),
                nanos: u64::from_le_bytes(take(body)?),
                body: std::mem::take(body),
            },
            kind::ERROR => Self::Error {
                seq: u64::from_le_bytes(take(body)?),
                nanos: u64::from_le_bytes(take(body)?),
                body: std::mem::take(body),
            },
            kind::PART_SHARED => Self::PartShared {
                seq: u64::from_le_bytes(take(body)?),
                place: Place::read(body)?,
            },
            kind::DONE_SHARED => Self::DoneShared {
                seq: u64::from_le_bytes(take(body)?),
                nanos: u64::from_le_bytes(take(body)?),
                place: Place::read(body)?,
            },
            kind::KEEPS => Self::Keeps(u64::from_le_bytes(take(body)?)),
            kind::LETS_GO => Self::LetsGo(u64::from_le_bytes(take(body)?)),
            _ => return Err(unknown(kind)),
        };
        if body.is_empty() {
            Ok(message)
        } else {
            Err(Violation(format!(
                "a frame of kind {kind} is longer than it should be"
            )))
        }
    }

    pub(crate) fn write(&self, buffer: &mut Vec<u8>) {
        match *self {
            Self::Hello { version, digest } => frame(buffer, kind::HELLO, |buffer| {
                buffer.extend_from_slice(&version.to_le_bytes());
                buffer.extend_from_slice(&digest.to_le_bytes());
            }),
            Self::Ready => frame(buffer, kind::READY, |_| {}),
            Self::Failed(text) => frame(buffer, kind::FAILED, |buffer| {
                buffer.extend_from_slice(text.as_bytes());
            }),
            Self::Started(seq) => frame(buffer, kind::STARTED, |buffer| {
                buffer.extend_from_slice(&seq.to_le_bytes());
            }),
            Self::StopSeen(seq) => frame(buffer, kind::STOP_SEEN, |buffer| {
                buffer.extend_from_slice(&seq.to_le_bytes());
            }),
            Self::Part { seq, bytes } => {
                buffer.extend_from_slice(&part_header(seq, bytes.len()));
                buffer.extend_from_slice(bytes);
            }
            Self::Done { seq, nanos, body } => {
                answer(buffer, kind::DONE, seq, nanos, body);
            }
            Self::Error { seq, nanos, body } => {
                answer(buffer, kind::ERROR, seq, nanos, body);
            }
            Self::PartShared { seq, place } => frame(buffer, kind::PART_SHARED, |buffer| {
                buffer.extend_from_slice(&seq.to_le_bytes());
                place.write(buffer);
            }),
            Self::DoneShared { seq, nanos, place } => frame(buffer, kind::DONE_SHARED, |buffer| {
                buffer.extend_from_slice(&seq.to_le_bytes());
                buffer.extend_from_slice(&nanos.to_le_bytes());
                place.write(buffer);
            }),
            Self::Keeps(seq) => frame(buffer, kind::KEEPS, |buffer| {
                buffer.extend_from_slice(&seq.to_le_bytes());
            }),
            Self::LetsGo(seq) => frame(buffer, kind::LETS_GO, |buffer| {
                buffer.extend_from_slice(&seq.to_le_bytes());
            }),
        }
    }
}

impl Place {
    fn read(body: &mut &[u8]) -> Result<Self, Violation> {
        Ok(Self {
            slot: u32::from_le_bytes(take(body)?),
            offset: u64::from_le_bytes(take(body)?),
            len: u64::from_le_bytes(take(body)?),
        })
    }

    fn write(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.slot.to_le_bytes());
        buffer.extend_from_slice(&self.offset.to_le_bytes());
        buffer.extend_from_slice(&self.len.to_le_bytes());
    }
}

/// The bytes in front of `len` bytes of results.
fn part_header(seq: u64, len: usize) -> [u8; PART_HEADER] {
    let mut header = [0; PART_HEADER];
    header[..4].copy_from_slice(&((PART_HEADER - HEADER + len) as u32).to_le_bytes());
    header[4] = kind::PART;
    header[5..].copy_from_slice(&seq.to_le_bytes());
    header
}

fn answer(buffer: &mut Vec<u8>, kind: u8, seq: u64, nanos: u64, body: &[u8]) {
    frame(buffer, kind, |buffer| {
        buffer.extend_from_slice(&seq.to_le_bytes());
        buffer.extend_from_slice(&nanos.to_le_bytes());
        buffer.extend_from_slice(body);
    });
}

#[inline]
fn frame(buffer: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0, 0, 0, 0, kind]);
    body(buffer);
    let len = (buffer.len() - start - HEADER) as u32;
    buffer[start..start + HEADER].copy_from_slice(&len.to_le_bytes());
}

fn take<const N: usize>(body: &mut &[u8]) -> Result<[u8; N], Violation> {
    let (head, tail) = body.split_first_chunk::<N>().ok_or_else(too_short)?;
    *body = tail;
    Ok(*head)
}

fn text(bytes: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(bytes).map_err(|_| Violation(String::from("a text is not UTF-8")))
}

fn too_short() -> Violation {
    Violation(String::from("a frame is too short"))
}

fn unknown(kind: u8) -> Violation {
    Violation(format!("there is no frame of kind {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let messages = [
            FromWorker::Hello {
                version: 7,
                digest: u64::MAX,
            },
            FromWorker::Ready,
            FromWorker::Failed("no"),
            FromWorker::Started(3),
            FromWorker::StopSeen(3),
            FromWorker::Part {
                seq: 4,
                bytes: b"part",
            },
            FromWorker::Done {
                seq: 5,
                nanos: 6,
                body: b"",
            },
            FromWorker::Error {
                seq: 7,
                nanos: 8,
                body: b"error",
            },
            FromWorker::PartShared {
                seq: 9,
                place: Place {
                    slot: 1,
                    offset: 2,
                    len: 3,
                },
            },
            FromWorker::DoneShared {
                seq: 9,
                nanos: 10,
                place: Place {
                    slot: u32::MAX,
                    offset: u64::MAX,
                    len: 0,
                },
            },
            FromWorker::Keeps(11),
            FromWorker::LetsGo(12),
        ];
        let mut buffer = Vec::new();
        for message in &messages {
            message.write(&mut buffer);
        }
        let mut rest = &buffer[..];
        for message in &messages {
            let (len, kind, body) = first(rest, 1000).unwrap().unwrap();
            assert_eq!(&FromWorker::read(kind, body).unwrap(), message);
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        for run in [
            Run {
                seq: 1,
                task: 2,
                is_chunk: false,
                label: Label::default(),
                body: Payload::Here(b"body"),
            },
            Run {
                seq: 1,
                task: 2,
                is_chunk: true,
                label: Label::default(),
                body: Payload::Here(b""),
            },
            Run {
                seq: 1,
                task: 2,
                is_chunk: false,
                label: Label {
                    name: Some("näme"),
                    id: None,
                    earlier_attempts: 0,
                },
                body: Payload::Here(b"x"),
            },
            Run {
                seq: 1,
                task: 2,
                is_chunk: false,
                label: Label {
                    name: None,
                    id: Some("7.3"),
                    earlier_attempts: 2,
                },
                body: Payload::Shared { offset: 3, len: 4 },
            },
            Run {
                seq: 1,
                task: 2,
                is_chunk: true,
                label: Label {
                    name: Some(""),
                    id: Some("7.3"),
                    earlier_attempts: 0,
                },
                body: Payload::Shared {
                    offset: u64::MAX,
                    len: 4,
                },
            },
        ] {
            let mut buffer = Vec::new();
            run.write(&mut buffer);
            let (len, kind, body) = first(&buffer, 1000).unwrap().unwrap();
            assert_eq!(len, buffer.len());
            assert!(matches!(ToWorker::read(kind, body), Ok(ToWorker::Run(read)) if read == run));
        }
    }

    #[test]
    fn a_frame_that_is_not_whole_is_waited_for() {
        let mut buffer = Vec::new();
        FromWorker::Started(9).write(&mut buffer);
        for cut in 0..buffer.len() {
            assert_eq!(first(&buffer[..cut], 1000), Ok(None));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert!(first(&[0; 5], 1000).is_err(), "no kind");
        assert!(first(&[0xff; 5], 1 << 30).is_err(), "4 GiB");
        assert!(FromWorker::read(99, b"").is_err(), "unknown");
        assert!(FromWorker::read(kind::DONE, b"1234567").is_err(), "short");
        assert!(FromWorker::read(kind::READY, b"1").is_err(), "long");
        assert!(FromWorker::read(kind::FAILED, b"\xff").is_err(), "no text");
    }
}
