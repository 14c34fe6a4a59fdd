//! The thread that calls callbacks, and the user's drops: a wait in one of them must not keep results from being read.

use std::{
    sync::{
        Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
};

use executor_core::{Callbacks, Home, Job, TaskError, context};

/// What the thread does.
pub(super) enum Chore {
    Call(Callbacks),
    /// Its callbacks are called as it is cancelled.
    Cancel(Job),
    /// The same as it fails.
    Fail(Job, TaskError),
}

impl Chore {
    fn run(self) {
        match self {
            Self::Call(callbacks) => callbacks.call(),
            Self::Cancel(job) => {
                job.cancel();
            }
            Self::Fail(job, error) => {
                let _cancelled = job.fail(error);
            }
        }
    }
}

/// The way to that thread, which the first callback starts.
pub(super) struct Caller {
    home: Home,
    thread: Mutex<Option<(Sender<Chore>, JoinHandle<()>)>>,
}

impl Caller {
    pub(super) const fn new(home: Home) -> Self {
        Self {
            home,
            thread: Mutex::new(None),
        }
    }

    /// Has callbacks called; here, where there can be no thread.
    pub(super) fn call(&self, chore: Chore) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = self.start();
        }
        let unsent = match &*thread {
            Some((sender, _)) => sender.send(chore).err().map(|unsent| unsent.0),
            None => Some(chore),
        };
        drop(thread);
        if let Some(chore) = unsent {
            chore.run();
        }
    }

    fn start(&self) -> Option<(Sender<Chore>, JoinHandle<()>)> {
        let (sender, calls) = channel::<Chore>();
        let home = self.home;
        let thread = thread::Builder::new()
            .name("nats-callbacks".into())
            .spawn(move || {
                context::call_callbacks_for(home);
                calls.into_iter().for_each(Chore::run);
            });
        Some((sender, thread.ok()?))
    }

    /// Ends the thread once all are called, and waits for it, unless it is the caller.
    pub(super) fn finish(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((sender, thread)) = thread {
            drop(sender);
            if !context::calls_callbacks_for(self.home) {
                let joined = thread.join();
                debug_assert!(joined.is_ok(), "callbacks catch panics");
            }
        }
    }
}
