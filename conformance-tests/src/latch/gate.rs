//! Gates: what waits goes on once one is open.

use std::{
    fs::File,
    future::poll_fn,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{LOOK, Site, look_until};
use crate::guard::{self, Progress};

/// A gate that opens once; clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    name: Arc<str>,
    site: Site<Door>,
    /// The trial that made the gate.
    trial: Option<Progress>,
}

/// A gate in the memory of this process.
#[derive(Default)]
struct Door {
    leaf: Mutex<Leaf>,
    opened: Condvar,
}

#[derive(Default)]
struct Leaf {
    is_open: bool,
    /// Those who wait without blocking.
    wakers: Vec<Waker>,
}

impl Gate {
    /// A gate of this process.
    pub(crate) fn new(name: &str) -> Self {
        Self::at(name, Site::memory())
    }

    /// A gate that opens when this file comes to exist.
    pub(crate) fn file(name: &str, path: PathBuf) -> Self {
        Self::at(name, Site::File(path.into()))
    }

    fn at(name: &str, site: Site<Door>) -> Self {
        Self {
            name: name.into(),
            site,
            trial: Progress::current(),
        }
    }

    pub(crate) fn open(&self) {
        match &self.site {
            Site::Memory(door) => {
                let wakers = {
                    let mut leaf = door.leaf();
                    leaf.is_open = true;
                    std::mem::take(&mut leaf.wakers)
                };
                door.opened.notify_all();
                wakers.into_iter().for_each(Waker::wake);
            }
            // Once the trial is over there is no directory, and nobody who waits.
            Site::File(path) => match File::create(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    panic!("gate `{}` cannot be opened: {error}", self.name)
                }
                _ => {}
            },
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        match &self.site {
            Site::Memory(door) => door.leaf().is_open,
            Site::File(path) => path.exists(),
        }
    }

    /// Waits until the gate is open.
    ///
    /// # Panics
    ///
    /// If it stays closed: a trial has failed then, and its tasks must not hang for ever.
    #[track_caller]
    pub(crate) fn wait(&self) {
        guard::step(&self.name);
        if !self.opens_within(guard::limit()) {
            self.never_opened();
        }
    }

    /// As [`wait`](Self::wait), for async tasks. A gate of this process stays closed for as long as nobody opens
    /// it: whoever lets a task sleep there has to see to that.
    pub(crate) async fn opened(&self) {
        let start = Instant::now();
        poll_fn(|context| self.poll_opened(context, start)).await;
    }

    fn poll_opened(&self, context: &Context<'_>, start: Instant) -> Poll<()> {
        match &self.site {
            Site::Memory(door) => {
                let mut leaf = door.leaf();
                if leaf.is_open {
                    return Poll::Ready(());
                }
                let waker = context.waker();
                if !leaf.wakers.iter().any(|known| known.will_wake(waker)) {
                    leaf.wakers.push(waker.clone());
                }
                Poll::Pending
            }
            // Nobody wakes who waits for a file: it looks again, as all who wait for one do.
            Site::File(path) if !path.exists() => {
                if is_gone(path) || start.elapsed() >= guard::limit() {
                    self.never_opened();
                }
                thread::park_timeout(LOOK);
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Site::File(_) => Poll::Ready(()),
        }
    }

    #[track_caller]
    fn never_opened(&self) -> ! {
        let complaint = format!("gate `{}` was never opened", self.name);
        if let Some(trial) = &self.trial {
            trial.complain(complaint.clone());
        }
        panic!("{complaint}");
    }

    pub(crate) fn opens_within(&self, limit: Duration) -> bool {
        match &self.site {
            Site::Memory(door) => {
                let closed = |leaf: &mut Leaf| !leaf.is_open;
                let waited = door.opened.wait_timeout_while(door.leaf(), limit, closed);
                waited.unwrap_or_else(PoisonError::into_inner).0.is_open
            }
            Site::File(path) => {
                look_until(limit, || path.exists() || is_gone(path)) && path.exists()
            }
        }
    }
}

impl Door {
    fn leaf(&self) -> MutexGuard<'_, Leaf> {
        self.leaf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the trial of a file is over: a worker that outlives its trial must not wait for what cannot come
/// any more.
fn is_gone(path: &Path) -> bool {
    path.parent().is_some_and(|directory| !directory.exists())
}

impl Serialize for Gate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.name, &self.site).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Gate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, site) = <(String, _)>::deserialize(deserializer)?;
        Ok(Self::at(&name, site))
    }
}
