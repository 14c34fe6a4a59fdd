//! A worker's connection through its standard input and output.
//!
//! A thread of its own reads the input, so that a running task can be asked to stop, and so
//! that the end of the parent, which is the end of the input, is noticed while a task runs.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

use super::{Input, Output, Shared, nanos_since};
use crate::wire::{
    frame::{FromWorker, ToWorker},
    inbox::Inbox,
};

/// Serves over these two, which nobody else uses.
pub(super) fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let output = Arc::new(Mutex::new(output));
    let (sender, frames) = channel();
    let stop = Arc::new(AtomicU64::new(0));
    let is_busy = Arc::new(AtomicBool::new(false));
    let reader = Reader {
        input,
        inbox: Inbox::new(u32::MAX as usize),
        frames: sender,
        output: Arc::clone(&output),
        stop: Arc::clone(&stop),
        is_busy: Arc::clone(&is_busy),
    };
    thread::Builder::new()
        .name(String::from("worker-input"))
        .spawn(move || reader.run())?;
    let mut input = Frames {
        frames,
        current: (0, Vec::new()),
        is_busy,
    };
    let output = Answers {
        output,
        frame: Vec::new(),
        epoch: Instant::now(),
    };
    super::serve(
        &mut input,
        output,
        Box::new(move |seq| stop.load(Ordering::Acquire) == seq),
    )
}

struct Reader<R, W> {
    input: R,
    inbox: Inbox,
    frames: Sender<(u8, Vec<u8>)>,
    output: Arc<Mutex<W>>,
    stop: Arc<AtomicU64>,
    is_busy: Arc<AtomicBool>,
}

impl<R: Read, W: Write> Reader<R, W> {
    fn run(mut self) {
        let ended = self.read_all();
        // Nobody will take a result any more. An idle worker finds the end of the frames and exits
        // in good order.
        if self.is_busy.load(Ordering::SeqCst) {
            super::boot::exit(i32::from(ended.is_err()));
        }
    }

    fn read_all(&mut self) -> io::Result<()> {
        loop {
            while let Some((kind, body)) = self.inbox.next()? {
                let body = self.inbox.body(body);
                if let ToWorker::Stop(seq) = ToWorker::read(kind, body)? {
                    self.stop.store(seq, Ordering::Release);
                    let mut seen = Vec::new();
                    FromWorker::StopSeen(seq).write(&mut seen);
                    write_whole(&self.output, &seen)?;
                } else if self.frames.send((kind, body.to_vec())).is_err() {
                    return Ok(());
                }
            }
            match self.input.read(self.inbox.room()) {
                Ok(0) => return Ok(()),
                Ok(count) => self.inbox.filled(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

struct Frames {
    frames: Receiver<(u8, Vec<u8>)>,
    current: (u8, Vec<u8>),
    is_busy: Arc<AtomicBool>,
}

impl Input for Frames {
    fn next(
        &mut self,
        idle: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<Option<(u8, &[u8])>> {
        idle()?;
        self.is_busy.store(false, Ordering::SeqCst);
        let Ok(frame) = self.frames.recv() else {
            return Ok(None);
        };
        self.is_busy.store(true, Ordering::SeqCst);
        self.current = frame;
        Ok(Some((self.current.0, &self.current.1)))
    }
}

/// Writes each answer at once: what is written survives this process.
struct Answers<W> {
    output: Arc<Mutex<W>>,
    frame: Vec<u8>,
    epoch: Instant,
}

impl<W: Write> Output for Answers<W> {
    fn now(&self) -> u64 {
        nanos_since(self.epoch)
    }

    fn start(&mut self, seq: u64, now: u64) -> io::Result<bool> {
        self.send(&FromWorker::Started(seq), now)?;
        Ok(true)
    }

    fn shared_arguments(&self, offset: u64, len: u64) -> io::Result<Shared> {
        Err(io::Error::other(format!(
            "there is no shared memory that could have {len} bytes at {offset}"
        )))
    }

    fn part(&mut self, seq: u64, results: &[u8]) -> io::Result<()> {
        let part = FromWorker::Part {
            seq,
            bytes: results,
        };
        self.send(&part, 0)
    }

    fn send(&mut self, frame: &FromWorker<'_>, _now: u64) -> io::Result<()> {
        self.frame.clear();
        frame.write(&mut self.frame);
        write_whole(&self.output, &self.frame)
    }

    fn held_since(&self) -> Option<u64> {
        None
    }

    fn flush(&mut self) -> io::Result<()> {
        // Each frame was.
        Ok(())
    }

    fn note_memory(&mut self) -> io::Result<()> {
        // The parent does not ask for it where nothing is shared.
        Ok(())
    }
}

/// Writes a frame, and nobody else writes meanwhile.
fn write_whole(output: &Mutex<impl Write>, frame: &[u8]) -> io::Result<()> {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.write_all(frame)?;
    output.flush()
}
