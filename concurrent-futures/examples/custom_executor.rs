//! A new executor: worker threads that take jobs from a channel.
//!
//! To write one is to implement `Executor` and, because jobs run in this process, `LocalExecutor`:
//! under 60 lines. The traits then add closures, `#[task]` functions, `map`, scopes, `wait`, `.await`
//! and the rest. The test `custom_executor` holds this one to the conformance suite.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use concurrent_futures::{
    Admission, Capabilities, Executor, Home, Job, JoinError, LocalExecutor, Reason, Rejected,
    Shutdown, Stats, Unsupported,
    context::{Worker, is_worker_of},
    prelude::*,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

/// Worker threads that take jobs from a channel. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct ChannelExecutor(Arc<Pool>);

/// What the clones share. Workers do not hold it, so that it is dropped with the last clone.
#[derive(Debug)]
struct Pool {
    home: Home,
    workers: usize,
    /// `None` once a shutdown has begun; workers end when the queue is empty and has no sender.
    sender: Mutex<Option<Sender<Job>>>,
    queue: Receiver<Job>,
    /// Each worker has a sender of this channel, which so ends with the last worker.
    ended: Receiver<()>,
    stats: Arc<Mutex<Stats>>,
}

impl ChannelExecutor {
    pub(crate) fn new(workers: usize) -> Self {
        let (sender, queue) = unbounded::<Job>();
        let (alive, ended) = bounded::<()>(0);
        let (home, stats) = (Home::new(), Arc::new(Mutex::new(Stats::default())));
        for index in 0..workers {
            let (queue, stats, alive) = (queue.clone(), Arc::clone(&stats), alive.clone());
            lock(&stats).workers += 1;
            thread::spawn(move || {
                let worker = Worker::new(home, format!("channel-{index}"), index).enter();
                for job in queue {
                    lock(&stats).begin();
                    let ran = job.run();
                    lock(&stats).end(ran);
                }
                drop(worker);
                lock(&stats).workers -= 1;
                drop::<Sender<()>>(alive);
            });
        }
        let sender = Mutex::new(Some(sender));
        let pool = Pool {
            home,
            workers,
            sender,
            queue,
            ended,
            stats,
        };
        Self(Arc::new(pool))
    }
}

impl Executor for ChannelExecutor {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(self.0.workers)
    }

    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        let job = self.capabilities().admit(job)?;
        let sender = lock(&self.0.sender);
        let Some(sender) = &*sender else {
            return Err(Rejected::new(job, Reason::ShutDown));
        };
        job.bind(self.0.home); // so that workers can run it when they wait for it
        sender
            .send(job)
            .expect("this executor has a receiver itself");
        Ok(())
    }

    fn shutdown(&self, mode: Shutdown) -> Result<(), Unsupported> {
        self.capabilities().check_shutdown(mode)?;
        drop(lock(&self.0.sender).take());
        if mode == Shutdown::CancelPending {
            for job in self.0.queue.try_iter() {
                let cancelled = job.cancel(); // calls callbacks, so not under the lock
                lock(&self.0.stats).cancelled += u64::from(cancelled);
            }
        }
        Ok(())
    }

    fn join(&self, deadline: Option<Instant>) -> Result<(), JoinError> {
        if is_worker_of(self.0.home) {
            return Err(JoinError::would_deadlock());
        }
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match self.0.ended.recv_timeout(left.unwrap_or(Duration::MAX)) {
            Err(RecvTimeoutError::Timeout) => Err(JoinError::still_running(self.stats().workers)),
            _ => Ok(()),
        }
    }

    fn stats(&self) -> Stats {
        let mut stats = *lock(&self.0.stats);
        stats.queued = self.0.queue.len();
        stats
    }
}

impl LocalExecutor for ChannelExecutor {
    fn wants_work(&self) -> bool {
        self.0.queue.is_empty() && lock(&self.0.stats).running < self.0.workers
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(lock(&self.sender).take());
        if !is_worker_of(self.home) {
            let _ended = self.ended.recv();
        }
    }
}

/// No code of a user runs under these locks, so that nothing half done can be behind a poisoned one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let executor = ChannelExecutor::new(4);
    let squares: Result<Vec<u64>, _> = executor.map_fn(0..10, |x| x * x).collect();
    println!("squares: {:?}", squares?);

    let words = ["borrowed", "by", "closures"];
    let lengths = executor.scope(|scope| {
        let lengths: Vec<_> = words
            .iter()
            .map(|word| scope.spawn(|| word.len()))
            .collect();
        join_all(lengths)
    });
    for (word, length) in words.iter().zip(lengths) {
        println!("{word}: {}", length?);
    }
    println!("{:?}", executor.stats());
    Ok(())
}
