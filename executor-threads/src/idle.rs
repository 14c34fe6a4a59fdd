//! Who sleeps, who searches, and whom to wake.
//!
//! # The states of a worker
//!
//! A live worker is *busy*, *searching* or *sleeping*; one word counts the live, the searching and the
//! sleeping. A worker starts searching. It becomes busy when it finds a job, searches again when it has
//! no more, and sleeps when it has searched for a while. Only a notifier turns a sleeper into a
//! searcher; a sleeper can also withdraw, by the same step, if nobody has taken its place yet.
//!
//! # Whom to wake
//!
//! Waking is what costs (5 us to the waker), so whoever adds a job wakes nobody if a worker is
//! searching: that one will find it. If it then finds another job first, it was perhaps the last
//! searcher; so the last one that stops searching looks whether there is more, and wakes the next. One
//! at a time: each that is woken wakes another if there is need.
//!
//! # No wake-up is lost
//!
//! Adding: put the job into the queue; fence; read the word. Ceasing to look (to sleep, to work, or to
//! leave): change the word; fence; look into the queue. The fences are sequentially consistent, so one
//! of the two sees the other: either the adder sees that nobody searches, and wakes a sleeper; or
//! the worker sees the job. `loom_idle` below checks it.
//!
//! # The list
//!
//! `sleepers` has an unparker for each sleeper, under a lock. A worker enters itself and changes the word
//! under the lock. A notifier takes one from the word first, and then some entry from the list;
//! so the list has as many entries as the word counts, and one more for each notifier on its
//! way. A sleeper that withdraws takes one from the word, under the lock, or finds that there is none
//! left: then a notifier is on its way to its entry, and it waits for that.

use std::{sync::PoisonError, time::Duration};

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Mutex, Ordering, Parker, Unparker, fence};

/// As many as a field of the word can count, less a margin.
pub(crate) const MAX_WORKERS: usize = 32_000;

const LIVE: u64 = 1;
const SLEEPING: u64 = 1 << 16;
const SEARCHING: u64 = 1 << 32;

#[derive(Debug)]
pub(crate) struct Idle {
    /// On a line of its own, as it changes with every search.
    word: CachePadded<AtomicU64>,
    sleepers: Mutex<Vec<(usize, Unparker)>>,
}

/// What a notifier has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Nothing: somebody searches, or nobody can.
    Nobody,
    /// Nothing: a sleeper has been woken.
    Woken,
    /// Start a worker; it is counted, as searching.
    Start,
}

/// Why a sleep ended. The worker is searching again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    Woken,
    TimedOut,
}

#[derive(Clone, Copy)]
struct Word(u64);

impl Idle {
    pub(crate) fn new() -> Self {
        Self {
            word: CachePadded::new(AtomicU64::new(0)),
            sleepers: Mutex::new(Vec::new()),
        }
    }

    /// Called after a job was added: sees to it that somebody will find it. `max` is how many workers
    /// there may be.
    #[inline]
    pub(crate) fn notify(&self, max: usize) -> Wake {
        fence(Ordering::SeqCst);
        self.notify_fenced(max)
    }

    /// As [`notify`](Self::notify), where the last thing that adding did was an atomic read-modify-write.
    #[inline]
    pub(crate) fn notify_after_rmw(&self, max: usize) -> Wake {
        // On x86 that is a full fence itself, and another one would cost as much as all the rest.
        #[cfg(not(all(target_arch = "x86_64", not(loom))))]
        fence(Ordering::SeqCst);
        #[cfg(all(target_arch = "x86_64", not(loom)))]
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        self.notify_fenced(max)
    }

    #[inline]
    fn notify_fenced(&self, max: usize) -> Wake {
        let word = self.load();
        if word.searching() > 0 || (word.sleeping() == 0 && word.live() >= max) {
            return Wake::Nobody;
        }
        self.wake_one(max)
    }

    #[cold]
    fn wake_one(&self, max: usize) -> Wake {
        let mut word = self.load();
        loop {
            let (change, wake) = if word.searching() > 0 {
                return Wake::Nobody;
            } else if word.sleeping() > 0 {
                (SEARCHING.wrapping_sub(SLEEPING), Wake::Woken)
            } else if word.live() < max {
                (SEARCHING + LIVE, Wake::Start)
            } else {
                return Wake::Nobody;
            };
            match self.change(word, change) {
                Ok(()) if wake == Wake::Woken => {
                    self.unpark_one();
                    return wake;
                }
                Ok(()) => return wake,
                Err(seen) => word = seen,
            }
        }
    }

    /// Wakes all sleepers, because more has changed than the queue.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        let mut word = self.load();
        while word.sleeping() > 0 {
            match self.change(word, SEARCHING.wrapping_sub(SLEEPING)) {
                Ok(()) => {
                    self.unpark_one();
                    word = self.load();
                }
                Err(seen) => word = seen,
            }
        }
    }

    /// A worker has run out of jobs.
    pub(crate) fn start_search(&self) {
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
    }

    /// A searching worker has found a job. True if it was the last that searched: then it looks
    /// whether there are more, and notifies.
    #[must_use]
    pub(crate) fn stop_search(&self) -> bool {
        let was = Word(self.word.fetch_sub(SEARCHING, Ordering::SeqCst));
        fence(Ordering::SeqCst);
        was.searching() == 1
    }

    /// A searching worker sleeps until it is woken, or for as long as `timeout`; or not at all, unless
    /// `may_sleep` says, once everybody can see that it is asleep, that there is nothing to do.
    pub(crate) fn sleep(
        &self,
        id: usize,
        parker: &Parker,
        timeout: Option<Duration>,
        may_sleep: impl FnOnce() -> bool,
    ) -> Slept {
        {
            let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
            sleepers.push((id, parker.unparker()));
            self.word
                .fetch_add(SLEEPING.wrapping_sub(SEARCHING), Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        if !may_sleep() && self.withdraw(id) {
            return Slept::Woken;
        }
        let mut timeout = timeout;
        loop {
            parker.park(timeout);
            if !self.is_listed(id) {
                return Slept::Woken;
            }
            // The timeout, or a token left over from before.
            if timeout.take().is_some() && self.withdraw(id) {
                return Slept::TimedOut;
            }
            // A notifier is on its way.
        }
    }

    /// A searching worker leaves, if more than `keep` are live. True if it may; then it looks once
    /// more whether there is a job, and notifies.
    #[must_use]
    pub(crate) fn leave(&self, keep: usize) -> bool {
        let mut word = self.load();
        loop {
            if word.live() <= keep {
                return false;
            }
            match self.change(word, 0_u64.wrapping_sub(LIVE + SEARCHING)) {
                Ok(()) => {
                    fence(Ordering::SeqCst);
                    return true;
                }
                Err(seen) => word = seen,
            }
        }
    }

    /// How many workers there are, busy or not.
    pub(crate) fn live(&self) -> usize {
        Word(self.word.load(Ordering::SeqCst)).live()
    }

    /// Whether all workers sleep.
    pub(crate) fn all_asleep(&self) -> bool {
        let word = Word(self.word.load(Ordering::SeqCst));
        word.live() == word.sleeping()
    }

    /// Whether a worker has nothing to do, or could be started.
    #[inline]
    pub(crate) fn has_idle(&self, max: usize) -> bool {
        let word = self.load();
        word.searching() + word.sleeping() > 0 || word.live() < max
    }

    fn withdraw(&self, id: usize) -> bool {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = sleepers.iter().position(|(other, _)| *other == id) else {
            return false;
        };
        let mut word = self.load();
        loop {
            if word.sleeping() == 0 {
                return false;
            }
            match self.change(word, SEARCHING.wrapping_sub(SLEEPING)) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        sleepers.remove(at);
        true
    }

    fn is_listed(&self, id: usize) -> bool {
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.iter().any(|(other, _)| *other == id)
    }

    /// Wakes the sleeper that went to sleep last, whose cache is the warmest.
    fn unpark_one(&self) {
        let sleeper = self
            .sleepers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        if let Some((_, unparker)) = sleeper {
            unparker.unpark();
        }
    }

    #[inline]
    fn load(&self) -> Word {
        Word(self.word.load(Ordering::Relaxed))
    }

    fn change(&self, word: Word, change: u64) -> Result<(), Word> {
        let next = word.0.wrapping_add(change);
        self.word
            .compare_exchange_weak(word.0, next, Ordering::SeqCst, Ordering::Relaxed)
            .map(|_| ())
            .map_err(Word)
    }
}

impl Word {
    const fn live(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    const fn sleeping(self) -> usize {
        (self.0 >> 16 & 0xffff) as usize
    }

    const fn searching(self) -> usize {
        (self.0 >> 32 & 0xffff) as usize
    }
}

/// Models of sleeping and waking: whatever the interleaving, every job is found. Loom reports a
/// lost wake-up as a deadlock.
#[cfg(all(test, loom))]
mod loom_idle {
    use std::{sync::Arc, time::Duration};

    use loom::{
        sync::{Condvar, Mutex},
        thread,
    };

    use super::{Idle, Slept, Wake};
    use crate::sync::Parker;

    struct Pool {
        idle: Idle,
        queue: Mutex<Vec<u32>>,
        done: Mutex<u32>,
        jobs: u32,
        max: usize,
        threads: Mutex<Vec<thread::JoinHandle<()>>>,
        /// Whether each job waits until all are running.
        meet: bool,
        running: (Mutex<u32>, Condvar),
    }

    impl Pool {
        fn new(jobs: u32, max: usize, meet: bool) -> Arc<Self> {
            let (queue, done) = (Mutex::new(Vec::new()), Mutex::new(0));
            let threads = Mutex::new(Vec::new());
            let running = (Mutex::new(0), Condvar::new());
            Arc::new(Self {
                idle: Idle::new(),
                queue,
                done,
                jobs,
                max,
                threads,
                meet,
                running,
            })
        }

        fn push(self: &Arc<Self>) {
            self.queue.lock().unwrap().push(1);
            self.start(self.idle.notify_after_rmw(self.max));
        }

        fn notify(self: &Arc<Self>) {
            self.start(self.idle.notify(self.max));
        }

        fn start(self: &Arc<Self>, wake: Wake) {
            if wake == Wake::Start {
                let pool = Arc::clone(self);
                let mut threads = self.threads.lock().unwrap();
                let id = threads.len();
                threads.push(thread::spawn(move || pool.work(id, None)));
            }
        }

        fn run(&self) {
            let mut running = self.running.0.lock().unwrap();
            *running += 1;
            self.running.1.notify_all();
            while self.meet && *running < self.jobs {
                running = self.running.1.wait(running).unwrap();
            }
        }

        fn is_over(&self) -> bool {
            *self.done.lock().unwrap() == self.jobs
        }

        /// A worker without the poll before the sleep, until all jobs are done, or until it has slept
        /// for as long as `timeout`.
        fn work(self: &Arc<Self>, id: usize, timeout: Option<Duration>) {
            let parker = Parker::default();
            loop {
                let job = self.queue.lock().unwrap().pop();
                if job.is_some() {
                    if self.idle.stop_search() && !self.queue.lock().unwrap().is_empty() {
                        self.notify();
                    }
                    self.run();
                    let is_over = {
                        let mut done = self.done.lock().unwrap();
                        *done += 1;
                        *done == self.jobs
                    };
                    self.idle.start_search();
                    if is_over {
                        self.idle.wake_all();
                    }
                    continue;
                }
                if self.is_over() {
                    assert!(self.idle.leave(0));
                    return;
                }
                let slept = self.idle.sleep(id, &parker, timeout, || {
                    self.queue.lock().unwrap().is_empty() && !self.is_over()
                });
                if slept == Slept::TimedOut && self.idle.leave(0) {
                    // Whoever added a job may have counted on this worker.
                    if !self.queue.lock().unwrap().is_empty() {
                        self.notify();
                    }
                    return;
                }
            }
        }

        fn finish(&self) {
            loop {
                let Some(worker) = self.threads.lock().unwrap().pop() else {
                    break;
                };
                worker.join().unwrap();
            }
            assert_eq!(*self.done.lock().unwrap(), self.jobs);
            assert_eq!(self.idle.live(), 0);
        }
    }

    fn model(f: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = builder.preemption_bound.or(Some(3));
        builder.check(f);
    }

    #[test]
    fn one_worker_finds_what_two_pushes_add() {
        model(|| {
            let pool = Pool::new(2, 1, false);
            pool.push();
            pool.push();
            pool.finish();
        });
    }

    #[test]
    fn two_workers_find_what_is_added_while_they_go_to_sleep() {
        model(|| {
            let pool = Pool::new(2, 2, false);
            pool.push();
            pool.push();
            pool.finish();
        });
    }

    #[test]
    fn two_jobs_that_need_one_another_both_run() {
        model(|| {
            let pool = Pool::new(2, 2, true);
            pool.push();
            pool.push();
            pool.finish();
        });
    }

    #[test]
    fn a_worker_that_retires_leaves_no_job_behind() {
        model(|| {
            let pool = Pool::new(1, 1, false);
            assert_eq!(pool.idle.notify(1), Wake::Start);
            let retiring = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || pool.work(9, Some(Duration::ZERO)))
            };
            pool.push();
            retiring.join().unwrap();
            pool.finish();
        });
    }
}
