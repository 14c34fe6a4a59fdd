//! A submitter and a worker, each with a user of its own, that may lack what they need: whatever they do ends, and says how.

use std::{
    cell::RefCell,
    thread,
    time::{Duration, Instant},
};

use executor_core::{
    Executor as _, ExecutorExt as _, Future as _, PortableTask, Shutdown, TaskFuture,
};
use executor_nats::{Credentials, Isolation, NatsBuilder, NatsExecutor, Worker};

use super::{cluster::Bench, latch::Gate, raw::Raw, tasks::hold};

/// So long may take what is about to happen: longer than the 5 s after which a result is looked for that has not come.
pub(crate) const SOON: Duration = Duration::from_secs(9);

/// The users of the submitter and of the worker, in subjects too.
pub(crate) const SUBMITTER: &str = "submitter";
pub(crate) const WORKER: &str = "worker";

/// A submitter and a worker, in a namespace of their own.
pub(crate) struct Pair<'b> {
    pub(crate) bench: &'b Bench,
    pub(crate) name: String,
    executor: RefCell<Option<NatsExecutor>>,
    worker: RefCell<Option<Worker>>,
}

impl<'b> Pair<'b> {
    pub(crate) fn new(bench: &'b Bench, name: String) -> Self {
        Self {
            bench,
            name,
            executor: None.into(),
            worker: None.into(),
        }
    }

    pub(crate) fn builder(&self) -> NatsBuilder {
        let password = Credentials::Password(format!("{SUBMITTER}-{}", self.name), "secret".into());
        let builder = self.bench.builder().namespace(&self.name);
        builder.user(SUBMITTER).credentials(password)
    }

    pub(crate) fn executor(&self) -> Result<NatsExecutor, String> {
        let mut executor = self.executor.borrow_mut();
        if executor.is_none() {
            let made = self
                .builder()
                .give_up_after(Duration::from_secs(1))
                .connect();
            *executor = Some(made.map_err(|error| format!("{:?}: {error}", error.kind()))?);
        }
        Ok(executor.clone().unwrap())
    }

    pub(crate) fn work(&self) -> Result<(), String> {
        let mut worker = self.worker.borrow_mut();
        if worker.is_none() {
            let password =
                Credentials::Password(format!("{WORKER}-{}", self.name), "secret".into());
            let builder = Worker::builder()
                .url(self.bench.server.url())
                .namespace(&self.name);
            let builder = builder.user(WORKER).credentials(password);
            let made = builder.slots(2).isolation(Isolation::Threads).start();
            *worker = Some(made.map_err(|error| format!("{:?}: {error}", error.kind()))?);
        }
        Ok(())
    }

    pub(crate) fn submit<T: PortableTask>(&self, task: T) -> Result<TaskFuture<T::Output>, String> {
        self.executor()?
            .submit(task)
            .map_err(|error| error.to_string())
    }

    /// A task that runs until its gate is opened.
    pub(crate) fn hold(&self, name: &str) -> Result<(TaskFuture<u32>, Gate), String> {
        let gate = |what: &str| self.gate(name, what);
        let tally = self.bench.tally(&format!("{}-held", self.name));
        let future = self.submit(hold::task(tally, 1, gate("started"), gate("until")))?;
        is_soon("it has started", || {
            gate("started").is_open() || future.is_done()
        })?;
        Ok((future, gate("until")))
    }

    pub(crate) fn gate(&self, name: &str, what: &str) -> Gate {
        self.bench.gate(&format!("{}-{name}-{what}", self.name))
    }

    pub(crate) fn admin(&self) -> Raw {
        Raw::connect_as("admin", "secret", &self.bench.server.url())
    }

    /// The server has no task any more.
    pub(crate) fn is_done(&self) -> Result<(), String> {
        let raw = self.admin();
        is_soon("all is acknowledged", || raw.unfinished_of(&self.name) == 0)
    }

    /// The server has no argument any more.
    pub(crate) fn has_no_bodies(&self) -> Result<(), String> {
        let raw = self.admin();
        let chunks = format!("$O.{}-blobs.C.>", self.name);
        let stream = format!("OBJ_{}-blobs", self.name);
        is_soon("the argument is removed", || {
            raw.stored_in(&stream, &chunks) == 0
        })
    }
}

impl Drop for Pair<'_> {
    /// Ends what could not be ended for the lack of a right.
    fn drop(&mut self) {
        for name in ["held", "one", "two", "stop"] {
            self.gate(name, "until").open();
        }
        if let Some(executor) = self.executor.get_mut() {
            executor.shutdown(Shutdown::Kill).unwrap();
        }
    }
}

pub(crate) fn soon<T>(future: TaskFuture<T>) -> Result<T, String> {
    match future.result_timeout(SOON) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{:?}: {error}", error.kind())),
        Err(_) => Err(format!("nothing within {SOON:?}")),
    }
}

pub(crate) fn is_soon(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > SOON {
            return Err(format!("waited in vain until {what}"));
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    Ok(())
}
