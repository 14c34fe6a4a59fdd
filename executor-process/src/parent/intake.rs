//! Where submissions go while the pool's thread is awake: they need not wait for what it does.

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};
use std::{collections::VecDeque, sync::PoisonError};

/// A queue in front of the pool's own, with a lock of its own that is never held for long. It may be
/// taken under the pool's lock, and not the other way round.
pub(crate) struct Intake<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    entries: VecDeque<T>,
    /// The pool's thread sleeps, and will not look here by itself.
    is_asleep: bool,
    is_closed: bool,
}

/// The answer to [`Intake::offer`].
pub(crate) enum Offer<T> {
    /// The pool's thread will come to it.
    Taken,
    /// The pool's thread sleeps: the caller sees to it.
    Asleep(T),
    /// Nothing is accepted any more.
    Closed(T),
}

impl<T> Intake<T> {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                entries: VecDeque::new(),
                is_asleep: false,
                is_closed: false,
            }),
        }
    }

    pub(crate) fn offer(&self, entry: T) -> Offer<T> {
        let mut inner = self.lock();
        if inner.is_closed {
            Offer::Closed(entry)
        } else if inner.is_asleep {
            Offer::Asleep(entry)
        } else {
            inner.entries.push_back(entry);
            Offer::Taken
        }
    }

    /// Moves all entries to the end of `queue`.
    pub(crate) fn drain_into(&self, queue: &mut VecDeque<T>) {
        let mut inner = self.lock();
        if queue.is_empty() {
            std::mem::swap(queue, &mut inner.entries);
        } else {
            queue.append(&mut inner.entries);
        }
    }

    /// Accepts nothing from now on.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// Says that the pool's thread is about to sleep. False if there is something for it here.
    #[must_use]
    pub(crate) fn fall_asleep(&self) -> bool {
        let mut inner = self.lock();
        inner.is_asleep = inner.entries.is_empty();
        inner.is_asleep
    }

    /// Says that the pool's thread is awake, or is being woken. True if it was asleep.
    pub(crate) fn wake_up(&self) -> bool {
        std::mem::replace(&mut self.lock().is_asleep, false)
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.lock().is_asleep
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    //! A pool reduced to what decides whether a task is forgotten: the intake, a queue under the pool's lock,
    //! one worker that answers each task, and the waker.

    use std::collections::VecDeque;

    use loom::{
        sync::{Arc, Condvar, Mutex},
        thread,
    };

    use super::{Intake, Offer};

    #[derive(Default)]
    struct State {
        queue: VecDeque<u32>,
        /// The worker has a task that it has not answered.
        is_busy: bool,
        done: u32,
    }

    struct Pool {
        intake: Intake<u32>,
        state: Mutex<State>,
        /// What the pool's thread waits for: a call of the waker, or an answer.
        signs: Mutex<u32>,
        signed: Condvar,
    }

    impl Pool {
        fn sign(&self) {
            *self.signs.lock().unwrap() += 1;
            self.signed.notify_one();
        }

        /// A worker that is sent a task answers it at once, which is a sign.
        fn send(&self, state: &mut State) {
            state.is_busy = true;
            self.sign();
        }

        fn submit(&self, task: u32) {
            match self.intake.offer(task) {
                Offer::Taken => {}
                Offer::Closed(_) => panic!("nobody closes it"),
                Offer::Asleep(task) => {
                    let mut state = self.state.lock().unwrap();
                    if state.queue.is_empty() && !state.is_busy {
                        self.send(&mut state);
                    } else {
                        state.queue.push_back(task);
                    }
                }
            }
        }

        /// The pool's thread, until so many tasks are done.
        fn serve(&self, tasks: u32) {
            loop {
                let mut state = self.state.lock().unwrap();
                self.intake.drain_into(&mut state.queue);
                let mut signs = self.signs.lock().unwrap();
                if state.is_busy && *signs > 0 {
                    *signs -= 1;
                    state.is_busy = false;
                    state.done += 1;
                }
                drop(signs);
                if state.done == tasks {
                    return;
                }
                if !state.is_busy && state.queue.pop_front().is_some() {
                    self.send(&mut state);
                    continue;
                }
                if !self.intake.fall_asleep() {
                    continue;
                }
                drop(state);
                let mut signs = self.signs.lock().unwrap();
                while *signs == 0 {
                    signs = self.signed.wait(signs).unwrap();
                }
                drop(signs);
                self.intake.wake_up();
            }
        }
    }

    #[test]
    fn no_submission_is_forgotten() {
        loom::model(|| {
            let pool = Arc::new(Pool {
                intake: Intake::new(),
                state: Mutex::default(),
                signs: Mutex::new(0),
                signed: Condvar::new(),
            });
            let submitter = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    pool.submit(1);
                    pool.submit(2);
                })
            };
            pool.serve(2);
            submitter.join().unwrap();
        });
    }
}
