//! std's pipes, with threads that wait at them.

use std::{
    io::{self, Read, Write},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::Readable;
use crate::{
    os,
    wire::{WORKER_VARIABLE, frame, inbox::Inbox},
};

/// How long the end of a dead worker's errors is waited for: a process that it has started may hold
/// its standard error open.
const STDERR_GRACE: Duration = Duration::from_millis(100);

/// What the threads of all workers of a pool tell the pool's own thread: whose connection to look at.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Default)]
struct Rung {
    by: Vec<usize>,
    woken: bool,
}

impl Bell {
    pub(crate) fn ring(&self, index: usize) {
        lock(&self.rung).by.push(index);
        self.changed.notify_one();
    }

    /// Wakes the pool's thread for no worker's sake.
    pub(crate) fn wake(&self) {
        lock(&self.rung).woken = true;
        self.changed.notify_one();
    }

    /// Waits until somebody rings, `timeout` at the most; who did, each once.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Vec<usize> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut rung = lock(&self.rung);
        while rung.by.is_empty() && !rung.woken {
            rung = match deadline {
                None => self
                    .changed
                    .wait(rung)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.changed.wait_timeout(rung, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        rung.woken = false;
        let mut by = std::mem::take(&mut rung.by);
        by.sort_unstable();
        by.dedup();
        by
    }
}

pub(crate) struct PortableLink {
    pid: u32,
    child: Arc<Mutex<Child>>,
    /// To the thread that writes; `None` once the input is closed.
    writer: Option<Sender<Vec<u8>>>,
    received: Arc<Mutex<Received>>,
    pub(crate) outgoing: Vec<u8>,
}

/// What the threads have read.
#[derive(Default)]
struct Received {
    replies: Vec<u8>,
    stderr: Vec<u8>,
    closed: bool,
    ended: Option<String>,
}

impl PortableLink {
    pub(crate) fn spawn(mut command: Command, index: usize, bell: &Arc<Bell>) -> io::Result<Self> {
        os::lead_group(&mut command);
        let mut child = command
            .env(WORKER_VARIABLE, format!("portable:{}", std::process::id()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pid = child.id();
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let received = Arc::<Mutex<Received>>::default();
        let (writer, frames) = channel();
        let link = Self {
            pid,
            child: Arc::clone(&child),
            writer: Some(writer),
            received: Arc::clone(&received),
            outgoing: Vec::new(),
        };
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            return Err(io::Error::other(
                "a child without the pipes that were asked for",
            ));
        };
        let threads = Threads {
            child,
            received,
            bell: Arc::clone(bell),
            index,
        };
        if let Err(error) = threads.start(frames, stdin, stdout, stderr) {
            link.kill();
            lock(&link.child).wait()?;
            return Err(error);
        }
        Ok(link)
    }

    pub(super) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn request_stop(&mut self, seq: u64) {
        frame::stop(seq, &mut self.outgoing);
        // An error would be that of a dead worker.
        let flushed = self.flush();
        debug_assert!(flushed.is_ok(), "handing bytes to a thread does not fail");
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.outgoing);
        if let Some(writer) = &self.writer
            && !bytes.is_empty()
            && writer.send(bytes).is_err()
        {
            // The thread has ended, since the worker has.
            self.writer = None;
        }
        Ok(())
    }

    pub(super) fn read(&mut self, inbox: &mut Inbox) -> io::Result<Readable> {
        let mut received = lock(&self.received);
        let mut rest = &received.replies[..];
        while !rest.is_empty() {
            let room = inbox.room();
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            inbox.filled(count);
            rest = &rest[count..];
        }
        received.replies.clear();
        Ok(if received.closed {
            Readable::Closed
        } else {
            Readable::Drained
        })
    }

    pub(super) fn read_stderr(&mut self, bytes: &mut Vec<u8>) {
        bytes.append(&mut lock(&self.received).stderr);
    }

    pub(super) fn close(&mut self) {
        self.outgoing.clear();
        // The thread drops the pipe when it finds nothing more to write.
        self.writer = None;
    }

    pub(super) fn terminate(&self) -> bool {
        // While it has not been reaped its number is its own.
        let received = lock(&self.received);
        received.ended.is_none() && !received.closed && os::terminate_group(self.pid)
    }

    pub(super) fn kill(&self) {
        let received = lock(&self.received);
        if received.ended.is_none() && !os::kill_group(self.pid) {
            // No groups here, or none left. An error says that it has ended.
            let _has_ended = lock(&self.child).kill();
        }
    }

    pub(super) fn reap(&mut self) -> io::Result<Option<String>> {
        Ok(lock(&self.received).ended.clone())
    }
}

struct Threads {
    child: Arc<Mutex<Child>>,
    received: Arc<Mutex<Received>>,
    bell: Arc<Bell>,
    index: usize,
}

impl Threads {
    fn start(
        self,
        frames: Receiver<Vec<u8>>,
        stdin: ChildStdin,
        stdout: ChildStdout,
        stderr: ChildStderr,
    ) -> io::Result<()> {
        let (errors_end, errors_ended) = channel::<()>();
        let received = Arc::clone(&self.received);
        let bell = Arc::clone(&self.bell);
        let index = self.index;
        spawn("worker-writer", move || write_all(stdin, &frames))?;
        spawn("worker-errors", move || {
            copy(stderr, &bell, index, |bytes| {
                lock(&received).stderr.extend_from_slice(bytes);
            });
            drop(errors_end);
        })?;
        spawn("worker-reader", move || {
            self.read_replies(stdout, &errors_ended)
        })
    }

    /// Reads until the worker closes its output, which it does by ending; and sees to it that it ends.
    fn read_replies(self, stdout: ChildStdout, errors_ended: &Receiver<()>) {
        copy(stdout, &self.bell, self.index, |bytes| {
            lock(&self.received).replies.extend_from_slice(bytes);
        });
        // Without an output it is of no use, if it should live.
        let waited = {
            let mut child = lock(&self.child);
            // With whatever it has started: until it is reaped its number is its own.
            os::kill_group(child.id());
            child.kill().and_then(|()| child.wait())
        };
        let status = match waited {
            Ok(status) => status.to_string(),
            Err(error) => format!("ended, and its status cannot be had: {error}"),
        };
        // For what it wrote to standard error in its last moment.
        let _in_time = errors_ended.recv_timeout(STDERR_GRACE);
        let mut received = lock(&self.received);
        received.closed = true;
        received.ended = Some(status);
        drop(received);
        self.bell.ring(self.index);
    }
}

fn write_all(mut stdin: ChildStdin, frames: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = frames.recv() {
        if stdin.write_all(&bytes).is_err() {
            // The worker is dead, and the thread that reads from it finds out how.
            return;
        }
    }
}

fn copy(mut from: impl Read, bell: &Bell, index: usize, mut to: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                to(&buffer[..count]);
                bell.ring(index);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // As good as closed.
            Err(_) => return,
        }
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(String::from(name))
        .spawn(body)
        .map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
