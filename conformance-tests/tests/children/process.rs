//! The parent's side of a worker: its process, and what it says.

use std::{
    io,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use conformance_tests::initialize;
use executor_core::{TaskError, WorkerDeath};

use super::{
    Defect,
    worker::{self, Call, Link, Seen},
};

/// The parent's side of a worker.
pub(crate) struct Process {
    pub(crate) link: Arc<Mutex<Link>>,
    output: ChildStdout,
    seen: Arc<Seen>,
    /// Collects the end of what it writes to its standard error.
    errors: JoinHandle<String>,
}

impl Process {
    pub(crate) fn start(
        index: usize,
        initializer: Option<&initialize>,
        defect: Defect,
    ) -> Result<Self, String> {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        let lingers = defect == Defect::Outlives;
        let mut child = command
            .env(worker::VARIABLE, format!("{index}:{lingers}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("no worker can be started: {error}"))?;
        let output = child.stdout.take().expect("its output is piped");
        let mut stderr = child.stderr.take().expect("its standard error is piped");
        let errors = thread::spawn(move || worker::tail(&mut stderr));
        let input: ChildStdin = child.stdin.take().expect("its input is piped");
        let seen = Arc::<Seen>::default();
        let mut process = Self {
            link: Arc::new(Mutex::new(Link {
                child,
                input: Some(input),
                seen: Arc::clone(&seen),
            })),
            output,
            seen,
            errors,
        };
        match process.initialize(initializer) {
            Ok(Ok(())) => Ok(process),
            Ok(Err(cause)) => Err(format!("the initializer failed: {cause}")),
            Err(_) => {
                let death = process.bury();
                Err(format!("a worker died at its start: {death}"))
            }
        }
    }

    fn initialize(&mut self, initializer: Option<&initialize>) -> io::Result<Result<(), String>> {
        self.link().initialize(initializer)?;
        worker::answer_to_initialize(&mut self.output)
    }

    /// Runs a call; an error says that the worker has died, `started` whether it had begun, and
    /// `partial` how far it was.
    pub(crate) fn call(
        &mut self,
        call: &Call,
        started: &mut bool,
        partial: &mut Vec<u8>,
    ) -> io::Result<Result<Vec<u8>, TaskError>> {
        self.link().call(call)?;
        worker::answer(&mut self.output, &self.seen, started, partial)
    }

    pub(crate) fn has_died(&mut self) -> bool {
        !matches!(self.link().child.try_wait(), Ok(None))
    }

    /// Waits for a worker that has died.
    pub(crate) fn bury(self) -> WorkerDeath {
        let mut link = self.link();
        link.kill();
        let status = link.child.wait();
        let mut death = WorkerDeath::new(
            status.map_or_else(|error| error.to_string(), |status| status.to_string()),
        );
        death.pid = Some(link.child.id());
        drop(link);
        death.stderr_tail = self.errors.join().unwrap_or_default();
        death
    }

    /// Has an idle worker end.
    pub(crate) fn end(self) {
        let mut link = self.link();
        link.input = None;
        drop(link.child.wait());
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
