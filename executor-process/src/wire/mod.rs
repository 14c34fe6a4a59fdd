//! What a pool and its workers say to one another.
//!
//! # Two transports
//!
//! | | shared memory (Linux) | portable |
//! |---|---|---|
//! | parent to worker | a pipe of frames | standard input |
//! | worker to parent | a pipe of frames, mirrored in a journal in shared memory | standard output |
//! | who may start a task | a word in shared memory for each task that was sent | whoever was sent it |
//! | tasks sent ahead | as many as take a millisecond or two | none |
//! | what is large | in shared memory, and a frame says where: see [`arena`] | in a frame |
//!
//! The frames are the same, and so is their order.
//!
//! # Frames
//!
//! A frame is a length (`u32`, little-endian, of what follows), a kind (`u8`) and a body: see [`frame`].
//!
//! | frame | direction | meaning |
//! |---|---|---|
//! | `Setup` | to worker | first: protocol version, index, limits, initializer |
//! | `Run` | to worker | run this task; numbered from 1 without gaps |
//! | `Stop` | to worker | portable only: the task of this number is asked to stop |
//! | `Hello` | to parent | first: protocol version, digest of the tasks |
//! | `Ready` | to parent | second: the initializer has run; tasks may come |
//! | `Failed` | to parent | instead of `Ready`: why this worker is of no use |
//! | `Started` | to parent | portable only: the task of this number is about to run |
//! | `StopSeen` | to parent | portable only: the task of this number can see that it was asked to stop |
//! | `Part` | to parent | results of some items of a chunk that is running |
//! | `Done` | to parent | the task's output (the rest of it, after parts) and how long it took |
//! | `Error` | to parent | the task's error, and how long it took |
//! | `PartShared`, `DoneShared` | to parent | shared memory only: as `Part` and `Done`, whose bytes are there |
//! | `Keeps` | to parent | shared memory only: the task that is about to be done has kept its arguments |
//! | `LetsGo` | to parent | shared memory only: the arguments of that task are not needed any more |
//!
//! The parent closes its pipe when the worker is to go: a worker at the end of its input exits.
//!
//! Nothing that a worker sends is trusted. Replies come in the order in which the tasks were
//! sent, each once; any other number, a length above the cap, an unknown kind or a body that is too short
//! ends that worker, which is replaced, and nobody else notices.
//!
//! # Who starts a task, and who takes it back (shared memory)
//!
//! For the task with number `n` there is a word, at `n` modulo their count, which holds `n` and one of three
//! states. The parent writes `OFFERED` before it sends the frame. The worker changes `OFFERED` to
//! `STARTED` before it touches the task; the parent changes `OFFERED` to `REVOKED` to take the task back. Both by
//! compare-and-swap, so exactly one of them wins, without a message, however slow or dead the other is. A
//! worker that finds anything else than its own `OFFERED` skips the frame. So tasks can be sent ahead, and
//! nevertheless be cancelled, or be given to another worker that has nothing to do.
//!
//! The words outlive the worker: after its death they say which task it had started. There is at most one
//! that was started and not answered, and only that one fails.
//!
//! # The journal (shared memory)
//!
//! Answers are collected before they are written, since a system call and a wake-up cost more than the
//! task. But what is collected in the worker's own memory dies with it. So they are collected in a ring
//! in shared memory, the journal, and written from there. Positions in the stream of all answers count
//! from 0 and never wrap:
//!
//! - `committed`: the stream is complete in front of this position.
//! - `reserved`: bytes in front of this position may be being written. The worker raises it first.
//! - `base`: what is in front of this position was not kept in the ring (a frame too large for it).
//! - `open`: a `Part` that is being collected begins at `committed`; so many of its bytes are complete.
//!
//! The parent reads the pipe and counts. Whatever is committed beyond that count it can get from the
//! ring, at any time, and skip it when it comes through the pipe. It copies first and then
//! looks at `reserved`: if that is more than a ring ahead, the copy may be torn, and the pipe will bring it.
//! It does so when a worker has died, and when a worker is busy for longer than was thought, so that no
//! answer waits for the next task's end.
//!
//! # Who polls (shared memory)
//!
//! A wake-up costs more than a short task. So the parent, after each write to the pipe of tasks, notes how many bytes it has
//! written in all (`sent`), and whether a core is free (`may poll`). A worker that has nothing to do looks at `sent` for a
//! moment, if it may, before it blocks in a read; a parent that waits for the only answer looks at `committed`. Both are hints:
//! whatever they say, who goes on reads the pipe, and blocks there if it is empty. Bytes are written before they are noted, and each side
//! counts what it has read itself.

#[cfg(target_os = "linux")]
pub(crate) mod arena;
pub(crate) mod frame;
pub(crate) mod inbox;
#[cfg(target_os = "linux")]
pub(crate) mod page;
#[cfg(target_os = "linux")]
pub(crate) mod results;

/// Raised when any of this changes.
pub(crate) const VERSION: u32 = 3;

/// The environment variable that makes a process a worker. Its value is the transport and the
/// parent's process id.
pub(crate) const WORKER_VARIABLE: &str = "CONCURRENT_FUTURES_WORKER";

/// The exit code of a process that was started as a worker and would not be one.
pub(crate) const NOT_A_WORKER: i32 = 113;

/// Payloads of this size and more do not go through the pipe, where there is shared memory.
pub(crate) const LARGE: usize = 16 * 1024;

/// No frame is longer: its length is a `u32`, and has to hold its header too.
pub(crate) const LONGEST_FRAME: usize = u32::MAX as usize - 1024;
