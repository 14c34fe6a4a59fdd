//! How many runners there are: one word, and every way that it changes.
//!
//! # The promise
//!
//! While a job is queued, there is a runner that will look at the queue after it was put there.
//!
//! A runner is *live* from the moment that a thread is asked for; it is *searching* then, and whenever it has
//! found the queue empty. Whoever puts a job into the queue looks at this word afterwards: if a runner is
//! searching, that one will look; if all that there may be are live, the last of them that becomes idle will;
//! else a new one is asked for. A searching runner that finds a job asks for another one if there is more, so
//! that one submission after the other wakes one runner after the other and not all of them each time. A
//! runner that leaves takes itself off this word first, and then looks at the queue a last time.
//!
//! All of it is sequentially consistent: either whoever adds a job sees that the searching runner has
//! left, or that runner's last look sees the job.

use crate::sync::{AtomicUsize, Ordering};

const SEARCHING: usize = 1;
const LIVE: usize = 1 << (usize::BITS / 2);

/// The numbers of live and of searching runners.
#[derive(Debug)]
pub(super) struct Head(AtomicUsize);

impl Head {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts a new runner as live and searching, if one is needed and there may be one more.
    #[inline]
    pub(super) fn ask(&self, limit: usize) -> bool {
        self.add_if(|word| searching(word) == 0 && live(word) < limit)
    }

    /// Counts a new runner as live and searching, if there may be one more.
    pub(super) fn join(&self, limit: usize) -> bool {
        self.add_if(|word| live(word) < limit)
    }

    fn add_if(&self, may: impl Fn(usize) -> bool) -> bool {
        let mut word = self.0.load(Ordering::SeqCst);
        while may(word) {
            let next = word + LIVE + SEARCHING;
            match self
                .0
                .compare_exchange_weak(word, next, Ordering::SeqCst, Ordering::SeqCst)
            {
                Ok(_) => return true,
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// A searching runner has found a job. True if it was the only one that searched.
    pub(super) fn found(&self) -> bool {
        searching(self.0.fetch_sub(SEARCHING, Ordering::SeqCst)) == 1
    }

    /// A runner has found nothing any more, and searches.
    pub(super) fn search(&self) {
        self.0.fetch_add(SEARCHING, Ordering::SeqCst);
    }

    /// A searching runner leaves. It looks at the queue once more afterwards.
    pub(super) fn leave(&self) {
        self.0.fetch_sub(LIVE + SEARCHING, Ordering::SeqCst);
    }

    #[inline]
    pub(super) fn live(&self) -> usize {
        live(self.0.load(Ordering::SeqCst))
    }
}

const fn live(word: usize) -> usize {
    word / LIVE
}

const fn searching(word: usize) -> usize {
    word % LIVE
}

/// A model of the promise.
#[cfg(all(test, loom))]
mod loom_head {
    use std::sync::Arc;

    use loom::thread;

    use super::{AtomicUsize, Head, Ordering};

    /// A queue of which only the length matters.
    struct Pool {
        head: Head,
        queue: AtomicUsize,
        done: AtomicUsize,
        limit: usize,
    }

    impl Pool {
        fn submit(self: &Arc<Self>) -> Vec<thread::JoinHandle<()>> {
            self.queue.fetch_add(1, Ordering::SeqCst);
            self.ask()
        }

        fn ask(self: &Arc<Self>) -> Vec<thread::JoinHandle<()>> {
            if !self.head.ask(self.limit) {
                return Vec::new();
            }
            let pool = Arc::clone(self);
            vec![thread::spawn(move || {
                for thread in pool.run() {
                    thread.join().unwrap();
                }
            })]
        }

        fn pop(&self) -> bool {
            let mut len = self.queue.load(Ordering::SeqCst);
            while len > 0 {
                match self
                    .queue
                    .compare_exchange(len, len - 1, Ordering::SeqCst, Ordering::SeqCst)
                {
                    Ok(_) => return true,
                    Err(seen) => len = seen,
                }
            }
            false
        }

        fn run(self: &Arc<Self>) -> Vec<thread::JoinHandle<()>> {
            let mut asked = Vec::new();
            loop {
                if self.pop() {
                    if self.head.found() && self.queue.load(Ordering::SeqCst) > 0 {
                        asked.extend(self.ask());
                    }
                    self.done.fetch_add(1, Ordering::SeqCst);
                    while self.pop() {
                        self.done.fetch_add(1, Ordering::SeqCst);
                    }
                    self.head.search();
                    continue;
                }
                self.head.leave();
                if self.queue.load(Ordering::SeqCst) > 0 && self.head.ask(self.limit) {
                    continue;
                }
                return asked;
            }
        }
    }

    fn check(limit: usize) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(2));
        builder.check(move || {
            let pool = Arc::new(Pool {
                head: Head::new(),
                queue: AtomicUsize::new(0),
                done: AtomicUsize::new(0),
                limit,
            });
            let other = Arc::clone(&pool);
            let submitter = thread::spawn(move || other.submit());
            let mut threads = pool.submit();
            threads.extend(submitter.join().unwrap());
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(pool.done.load(Ordering::SeqCst), 2, "a job was left behind");
            assert_eq!(pool.head.live(), 0);
        });
    }

    #[test]
    fn no_job_is_left_behind_by_one_runner() {
        check(1);
    }

    #[test]
    fn no_job_is_left_behind_by_two_runners() {
        check(2);
    }
}
