//! A worker process: reads tasks, runs them one after another on its main thread, and answers.

mod boot;
mod host;
mod portable;
#[cfg(target_os = "linux")]
mod shared;

use std::{io, sync::Arc, time::Instant};

use executor_core::{
    Home, Registry, Sink, TaskError, TaskTable,
    codec::{self, CodecError, Part, Shelf},
    context,
};

pub(crate) use self::boot::{is_unheeded_worker, main, refuse};
use self::host::Host;
use crate::wire::{
    VERSION,
    frame::{FromWorker, Payload, Run, Setup, ToWorker, Violation},
};

/// Answers that are older than this are sent, whatever else there is to do.
const HOLD_BACK_NANOS: u64 = 1_000_000;

/// Where a worker's frames come from.
trait Input {
    /// The next frame; `None` at the end. Calls `idle` before it waits.
    fn next(&mut self, idle: &mut dyn FnMut() -> io::Result<()>)
    -> io::Result<Option<(u8, &[u8])>>;
}

/// Where a worker's answers go.
trait Output {
    /// The time, in nanoseconds of a clock that never goes back.
    fn now(&self) -> u64;

    /// A task is about to run. False if it must not.
    fn start(&mut self, seq: u64, now: u64) -> io::Result<bool>;

    /// The arguments that the parent has left in shared memory.
    fn shared_arguments(&self, offset: u64, len: u64) -> io::Result<Shared>;

    /// Where long pieces of the output of the task that runs may be put.
    fn shelf(&mut self) -> Option<&'static dyn Shelf> {
        None
    }

    /// How long the output is: this one, or what was put onto the shelf.
    fn length(&self, body: &[u8]) -> usize {
        body.len()
    }

    /// The task is done, with this output, or what was put onto the shelf.
    fn done(&mut self, seq: u64, nanos: u64, body: &[u8], now: u64) -> io::Result<()> {
        self.send(&FromWorker::Done { seq, nanos, body }, now)
    }

    /// Some items of a chunk are done.
    fn part(&mut self, seq: u64, results: &[u8]) -> io::Result<()>;

    /// Sends a frame, now or later.
    fn send(&mut self, frame: &FromWorker<'_>, now: u64) -> io::Result<()>;

    /// Since when an answer has been held back.
    fn held_since(&self) -> Option<u64>;

    /// Sends what was held back.
    fn flush(&mut self) -> io::Result<()>;

    /// Notes how much memory this process uses.
    fn note_memory(&mut self) -> io::Result<()>;
}

/// Bytes in shared memory, which a task can keep.
type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A worker at work.
struct Worker<O> {
    output: O,
    table: Arc<TaskTable>,
    host: &'static Host,
    /// What each task took of late, in nanoseconds; 0 where it is not known. Twice as long as the table:
    /// chunks are apart.
    costs: Vec<u64>,
    result: Vec<u8>,
    /// What tasks have kept of their arguments.
    kept: Vec<(u64, Shared)>,
    /// The time at the end of the last task, if nothing was waited for since: to look at the clock is as
    /// dear as a short task.
    clock: Option<u64>,
    reports_memory: bool,
    max_message: usize,
}

/// Serves until the input ends. An error is one of the connection: nobody is there to be told.
fn serve(
    input: &mut impl Input,
    mut output: impl Output,
    stop_requested: Box<dyn Fn(u64) -> bool + Send + Sync>,
) -> io::Result<()> {
    let table = Arc::new(Registry::global().table());
    let hello = FromWorker::Hello {
        version: VERSION,
        digest: table.digest(),
    };
    // Not flushed: it goes with what follows the setup, which the parent has sent already.
    output.send(&hello, 0)?;
    let setup = match next(input, &mut || Ok(()))? {
        Some(ToWorker::Setup(setup)) => setup,
        Some(_) => return Err(io::Error::other("the parent did not begin with a setup")),
        None => return Ok(()),
    };
    let state = match prepare(&setup, &table) {
        Ok(state) => state,
        Err(why) => {
            output.send(&FromWorker::Failed(&why), 0)?;
            return output.flush();
        }
    };
    let mut context = context::Worker::new(Home::new(), setup.name, setup.index);
    if let Some(state) = state {
        context = context.state(state);
    }
    let _entered = context.enter();
    let host = Host::install(Arc::clone(&table), stop_requested);
    output.send(&FromWorker::Ready, 0)?;
    output.flush()?;
    let mut worker = Worker {
        costs: vec![0; 2 * table.len()],
        output,
        table,
        host,
        result: Vec::new(),
        kept: Vec::new(),
        clock: None,
        reports_memory: setup.reports_memory,
        max_message: setup.max_message,
    };
    loop {
        let Worker { output, clock, .. } = &mut worker;
        let mut idle = || {
            *clock = None;
            output.flush()
        };
        match next(input, &mut idle)? {
            Some(ToWorker::Run(run)) => worker.run(&run)?,
            // Whoever reads the input has heeded it.
            Some(ToWorker::Stop(_)) => {}
            Some(ToWorker::Setup(_)) => return Err(io::Error::other("a second setup")),
            None => return worker.output.flush(),
        }
    }
}

impl<O: Output> Worker<O> {
    /// Says which arguments the parent may not use again yet, and which it may from now on.
    fn let_go(&mut self, seq: u64, lent: Option<Shared>, now: u64) -> io::Result<()> {
        let is_kept = |shared: &mut Shared| Arc::get_mut(shared).is_none();
        for (seq, _) in self.kept.extract_if(.., |(_, shared)| !is_kept(shared)) {
            self.output.send(&FromWorker::LetsGo(seq), now)?;
        }
        if let Some(mut shared) = lent
            && is_kept(&mut shared)
        {
            self.output.send(&FromWorker::Keeps(seq), now)?;
            self.kept.push((seq, shared));
        }
        Ok(())
    }

    fn run(&mut self, run: &Run<'_>) -> io::Result<()> {
        let kind = 2 * run.task as usize + usize::from(run.is_chunk);
        let cost = self.costs.get(kind).copied().unwrap_or(0);
        // Answers do not wait behind a task that is slow, or may be.
        if self.output.held_since().is_some() && (cost == 0 || cost > HOLD_BACK_NANOS) {
            self.output.flush()?;
        }
        let start = self.clock.unwrap_or_else(|| self.output.now());
        if !self.output.start(run.seq, start)? {
            return Ok(());
        }
        let lent = match run.body {
            Payload::Here(_) => None,
            Payload::Shared { offset, len } => Some(self.output.shared_arguments(offset, len)?),
        };
        self.host.begin(run);
        self.result.clear();
        let mut sink = Collect {
            buffer: &mut self.result,
            output: &mut self.output,
            seq: run.seq,
            failed: None,
        };
        let table = &self.table;
        let mut call = |body: &[u8]| table.run(run.task, run.is_chunk, body, &mut sink);
        let ended = match (&lent, run.body) {
            (Some(lent), _) => executor_core::lend(lent, || call((**lent).as_ref())),
            (None, Payload::Here(body)) => call(body),
            (None, Payload::Shared { .. }) => call(&[]),
        };
        if let Some(error) = sink.failed {
            return Err(error);
        }
        self.host.end();
        let end = self.output.now();
        self.clock = Some(end);
        let nanos = end.saturating_sub(start);
        self.let_go(run.seq, lent, end)?;
        let ended = ended.and_then(|()| self.check_length(run));
        match ended {
            Ok(()) => self.output.done(run.seq, nanos, &self.result, end)?,
            Err(error) => {
                let body = encode_error(&error);
                let failed = FromWorker::Error {
                    seq: run.seq,
                    nanos,
                    body: &body,
                };
                self.output.send(&failed, end)?;
            }
        }
        // What one large output needed is not kept.
        if self.result.capacity() > RESULT {
            self.result = Vec::new();
        }
        if let Some(cost) = self.costs.get_mut(kind) {
            *cost = u64::midpoint(*cost, nanos).max(1);
        }
        if self.reports_memory {
            self.output.note_memory()?;
        }
        match self.output.held_since() {
            Some(since) if end.saturating_sub(since) > HOLD_BACK_NANOS => self.output.flush(),
            _ => Ok(()),
        }
    }
}

/// So much of the buffer for results is kept.
const RESULT: usize = 8 << 20;

impl<O: Output> Worker<O> {
    /// The parent would take a longer output for a breach of the protocol.
    fn check_length(&self, run: &Run<'_>) -> Result<(), TaskError> {
        let (len, most) = (self.output.length(&self.result), self.max_message);
        if run.is_chunk || len <= most {
            return Ok(());
        }
        let name = self.table.name(run.task).unwrap_or("unknown");
        Err(CodecError::too_long(Part::Output, name, len, most).into())
    }
}

/// The output of one task.
struct Collect<'a, O> {
    buffer: &'a mut Vec<u8>,
    output: &'a mut O,
    seq: u64,
    failed: Option<io::Error>,
}

impl<O: Output> Sink for Collect<'_, O> {
    fn buffer(&mut self) -> &mut Vec<u8> {
        self.buffer
    }

    fn shelf(&mut self) -> Option<&'static dyn Shelf> {
        self.output.shelf()
    }

    fn item_done(&mut self) {
        if let Err(error) = self.output.part(self.seq, self.buffer) {
            self.failed.get_or_insert(error);
        }
        self.buffer.clear();
    }
}

/// Does what the setup asks; what the initializer left for the tasks, or why this worker is of no use.
fn prepare(setup: &Setup, table: &TaskTable) -> Result<Option<Box<dyn std::any::Any>>, String> {
    if setup.version != VERSION {
        return Err(format!(
            "the parent speaks version {} of the protocol, and this program version {VERSION}",
            setup.version
        ));
    }
    if let Some(bytes) = setup.memory_limit {
        limit_memory(bytes)?;
    }
    let Some((task, body)) = &setup.initializer else {
        return Ok(None);
    };
    table
        .init(*task, body)
        .map(Some)
        .map_err(|error| format!("the initializer failed: {error}"))
}

#[cfg(target_os = "linux")]
fn limit_memory(bytes: u64) -> Result<(), String> {
    crate::os::linux::limit_memory(bytes)
        .map_err(|error| format!("the memory limit of {bytes} bytes could not be set: {error}"))
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_bytes: u64) -> Result<(), String> {
    Err(String::from(
        "memory limits are not supported on this system",
    ))
}

fn next<'i>(
    input: &'i mut impl Input,
    idle: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Option<ToWorker<'i>>> {
    let Some((kind, body)) = input.next(idle)? else {
        return Ok(None);
    };
    ToWorker::read(kind, body)
        .map(Some)
        .map_err(io::Error::from)
}

fn encode_error(error: &TaskError) -> Vec<u8> {
    let mut body = Vec::new();
    codec::encode(Part::Output, error, &mut body).expect("errors are made of texts and numbers");
    body
}

impl From<Violation> for io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(io::ErrorKind::InvalidData, violation.0)
    }
}

/// A clock for a process that shares none with its parent.
fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
