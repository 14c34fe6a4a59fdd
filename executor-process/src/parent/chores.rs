//! The thread that runs the user's code on the pool's behalf: callbacks, and whatever else must not be
//! run where workers are served.
//!
//! It is started by the first chore. A callback that waits for its own pool would keep the next ones from
//! being called, so such a wait is refused.

use std::{
    fmt,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
};

use executor_core::{Callbacks, Home, Job, StartedJob, TaskError, context};

use crate::WorkerStderr;

pub(crate) enum Chore {
    Callbacks(Callbacks),
    Cancel(Job),
    Interrupted {
        job: StartedJob,
        partial: Vec<u8>,
        error: TaskError,
    },
    Stderr(Vec<u8>),
}

/// The way to that thread.
pub(crate) struct Chores {
    home: Home,
    stderr: WorkerStderr,
    thread: Mutex<Option<(Sender<Chore>, JoinHandle<()>)>>,
}

impl Chores {
    pub(crate) const fn new(home: Home, stderr: WorkerStderr) -> Self {
        Self {
            home,
            stderr,
            thread: Mutex::new(None),
        }
    }

    /// Has the thread do a chore; where there can be no thread, does it here.
    pub(crate) fn add(&self, chore: Chore) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = self.start();
        }
        match &*thread {
            Some((sender, _)) => {
                if let Err(unsent) = sender.send(chore) {
                    drop(thread);
                    do_chore(unsent.0, &self.stderr);
                }
            }
            None => {
                drop(thread);
                do_chore(chore, &self.stderr);
            }
        }
    }

    fn start(&self) -> Option<(Sender<Chore>, JoinHandle<()>)> {
        let (sender, chores) = channel();
        let (home, stderr) = (self.home, self.stderr.clone());
        let thread = thread::Builder::new()
            .name(String::from("process-pool-callbacks"))
            .spawn(move || {
                context::call_callbacks_for(home);
                for chore in chores {
                    do_chore(chore, &stderr);
                }
            });
        Some((sender, thread.ok()?))
    }

    /// Ends the thread once it has done what there is, and waits for that, unless it is the caller.
    pub(crate) fn finish(&self) {
        let thread = {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            thread.take()
        };
        if let Some((sender, thread)) = thread {
            drop(sender);
            if !context::calls_callbacks_for(self.home) {
                let joined = thread.join();
                debug_assert!(joined.is_ok(), "chores catch panics");
            }
        }
    }
}

impl fmt::Debug for Chores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chores").finish_non_exhaustive()
    }
}

fn do_chore(chore: Chore, stderr: &WorkerStderr) {
    match chore {
        Chore::Callbacks(callbacks) => callbacks.call(),
        Chore::Cancel(job) => {
            job.cancel();
        }
        Chore::Interrupted {
            job,
            partial,
            error,
        } => {
            if let Some(callbacks) = job.interrupted(partial, error) {
                callbacks.call();
            }
        }
        Chore::Stderr(bytes) => match stderr {
            WorkerStderr::Inherit => {
                // There is nobody to tell that standard error cannot be written.
                let _unheard = io::stderr().write_all(&bytes);
            }
            WorkerStderr::Discard => {}
            WorkerStderr::Capture(sink) => {
                if catch_unwind(AssertUnwindSafe(|| sink(&bytes))).is_err() {
                    // The panic hook has reported it; the chores go on.
                }
            }
        },
    }
}
