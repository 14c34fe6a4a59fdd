//! What parent and worker say to each other, and what the worker does.
//!
//! A frame is a byte that says what it is, the length of its body, and the body.

use std::{
    io::{self, Read},
    process::{Child, ChildStdin},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use conformance_tests::initialize;
use executor_core::{
    EncodedCall, Home, Registry, Sink, Task as _, TaskError,
    codec::{self, Part},
    context::{self, TaskHost, Worker},
};

/// Makes a process a worker.
pub(crate) const VARIABLE: &str = "CONFORMANCE_CHILD";

// To the worker.
const INITIALIZE: u8 = b'i';
const CALL: u8 = b'c';
const SIGNAL: u8 = b's';
// And back.
const READY: u8 = b'r';
const FAILED: u8 = b'f';
const STARTED: u8 = b't';
const PART: u8 = b'p';
const DONE: u8 = b'd';
const ERROR: u8 = b'e';
const SEEN: u8 = b'n';

/// A task on its way.
#[derive(Debug)]
pub(crate) struct Call {
    name: String,
    is_chunk: bool,
    body: Vec<u8>,
    pub(crate) label: String,
}

impl Call {
    pub(crate) fn of(call: EncodedCall<'_>) -> Self {
        Self {
            name: call.name.to_owned(),
            is_chunk: call.is_chunk,
            body: call.body.to_owned(),
            label: String::new(),
        }
    }
}

/// How a parent speaks to its worker, and ends it.
pub(crate) struct Link {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) seen: Arc<Seen>,
}

/// How many signals the worker has said that it has seen.
#[derive(Default)]
pub(crate) struct Seen {
    count: Mutex<u64>,
    changed: Condvar,
}

impl Seen {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits for one more than `before`; not for ever, since a task that is over tells nobody.
    fn wait(&self, before: u64) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Duration::from_secs(1);
        let waited = self
            .changed
            .wait_timeout_while(count, limit, |count| *count == before);
        drop(waited);
    }
}

impl Link {
    pub(crate) fn initialize(&mut self, initializer: Option<&initialize>) -> io::Result<()> {
        let mut body = Vec::new();
        encode(&initializer, &mut body);
        self.send(INITIALIZE, &body)
    }

    pub(crate) fn call(&mut self, call: &Call) -> io::Result<()> {
        let mut body = Vec::new();
        encode(
            &(&call.name, call.is_chunk, &call.body, &call.label),
            &mut body,
        );
        self.send(CALL, &body)
    }

    /// Returns when the task can see it.
    pub(crate) fn signal(&mut self) -> io::Result<()> {
        let seen = Arc::clone(&self.seen);
        let before = *seen.count.lock().unwrap_or_else(PoisonError::into_inner);
        self.send(SIGNAL, &[])?;
        seen.wait(before);
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        // It may be dead already.
        drop(self.child.kill());
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let input = self.input.as_mut();
        write_frame(input.ok_or(io::ErrorKind::BrokenPipe)?, kind, body)
    }
}

/// What the worker says to its initializer; an error says that it has died.
pub(crate) fn answer_to_initialize(output: &mut impl Read) -> io::Result<Result<(), String>> {
    match read_frame(output)? {
        (READY, _) => Ok(Ok(())),
        (_, cause) => Ok(Err(String::from_utf8_lossy(&cause).into_owned())),
    }
}

/// What the worker says to a call; an error says that it has died.
pub(crate) fn answer(
    output: &mut impl Read,
    seen: &Seen,
    started: &mut bool,
    partial: &mut Vec<u8>,
) -> io::Result<Result<Vec<u8>, TaskError>> {
    loop {
        match read_frame(output)? {
            (STARTED, _) => *started = true,
            (SEEN, _) => seen.add(),
            (PART, mut body) => partial.append(&mut body),
            (DONE, mut body) => {
                partial.append(&mut body);
                return Ok(Ok(std::mem::take(partial)));
            }
            (_, body) => return Ok(Err(decode(&body))),
        }
    }
}

/// The last of what a worker writes to its standard error.
pub(crate) fn tail(stderr: &mut impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        let surplus = kept.len().saturating_sub(8192);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Serves, if this process is a worker; then it does not return.
pub(crate) fn serve_if_worker() {
    let Ok(value) = std::env::var(VARIABLE) else {
        return;
    };
    let (index, lingers) = value.split_once(':').expect("the parent says both");
    let index = index.parse().expect("the parent gives a number");
    let lingers = lingers == "true";
    let (sender, calls) = mpsc::channel();
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok((kind, body)) = read_frame(&mut input) {
            if kind == SIGNAL {
                HOST.stop.store(true, Ordering::SeqCst);
                // If the parent is gone, this process is about to end.
                drop(write_frame(&mut io::stdout(), SEEN, &[]));
            } else if sender.send((kind, body)).is_err() {
                break;
            }
        }
        let gone = Instant::now();
        while lingers && gone.elapsed() < Duration::from_secs(8) {
            thread::park_timeout(Duration::from_secs(1));
        }
        exit();
    });
    context::host_tasks(&HOST);
    // No answer can be sent to a parent that is gone.
    drop(serve(index, &calls));
    if lingers {
        thread::park_timeout(Duration::from_secs(8));
    }
    exit();
}

fn serve(index: usize, calls: &mpsc::Receiver<(u8, Vec<u8>)>) -> io::Result<()> {
    let mut output = io::stdout();
    let Ok((_, body)) = calls.recv() else {
        return Ok(());
    };
    let mut worker = Worker::new(Home::new(), format!("child-{index}"), index);
    if let Some(initializer) = decode::<Option<initialize>>(&body) {
        let made = std::panic::catch_unwind(|| initializer.run());
        let made = made.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<&str>().copied();
            Err(text
                .map(str::to_owned)
                .or_else(|| payload.downcast_ref().cloned())
                .unwrap_or_default())
        });
        match made {
            Ok(state) => worker = worker.state(Box::new(state)),
            Err(cause) => return write_frame(&mut output, FAILED, cause.as_bytes()),
        }
    }
    let _worker = worker.enter();
    write_frame(&mut output, READY, &[])?;
    while let Ok((_, body)) = calls.recv() {
        let (name, is_chunk, body, label): (String, bool, Vec<u8>, String) = decode(&body);
        HOST.stop.store(false, Ordering::SeqCst);
        *HOST.name() = Some(label);
        write_frame(&mut output, STARTED, &[])?;
        let call = EncodedCall {
            name: &name,
            is_chunk,
            body: &body,
        };
        let mut parts = Parts(Vec::new());
        match Registry::global().run(&call, &mut parts) {
            Ok(()) => write_frame(&mut output, DONE, &parts.0)?,
            Err(error) => {
                let mut body = Vec::new();
                encode(&error, &mut body);
                write_frame(&mut output, ERROR, &body)?;
            }
        }
        *HOST.name() = None;
    }
    Ok(())
}

/// Sends what is done of a chunk on.
struct Parts(Vec<u8>);

impl Sink for Parts {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    fn item_done(&mut self) {
        // If the parent is gone, this process is about to end.
        drop(write_frame(&mut io::stdout(), PART, &self.0));
        self.0.clear();
    }
}

/// The task that this process runs.
struct Host {
    stop: AtomicBool,
    name: Mutex<Option<String>>,
}

static HOST: Host = Host {
    stop: AtomicBool::new(false),
    name: Mutex::new(None),
};

impl Host {
    fn name(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskHost for Host {
    fn task_name(&self) -> Option<String> {
        self.name().clone()
    }

    fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a worker is a process of its own: its end is an exit"
)]
fn exit() -> ! {
    std::process::exit(0)
}

fn write_frame(output: &mut impl io::Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut frame = vec![kind];
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(body);
    output.write_all(&frame)?;
    output.flush()
}

fn read_frame(input: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let mut body = vec![0; length as usize];
    input.read_exact(&mut body)?;
    Ok((head[0], body))
}

fn encode<T: serde::Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) {
    codec::encode(Part::Task, value, buffer).expect("what a frame holds can be encoded");
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> T {
    codec::decode(Part::Task, bytes).expect("what a frame holds can be decoded")
}
