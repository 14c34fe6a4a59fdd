use std::thread::{self, JoinHandle};

use async_task::{Runnable, Task};
use crossbeam_channel::{Sender, unbounded};

use super::Subject;

/// A pool written by hand of `async_task` and a crossbeam channel: one allocation a task.
pub(crate) struct AsyncTask {
    sender: Option<Sender<Runnable>>,
    workers: Vec<JoinHandle<()>>,
}

impl Subject for AsyncTask {
    const NAME: &'static str = "async-task + crossbeam";

    type Handle<R: Send + 'static> = Task<R>;

    fn start(workers: usize) -> Self {
        let (sender, receiver) = unbounded::<Runnable>();
        let worker = || {
            let receiver = receiver.clone();
            thread::spawn(move || {
                for runnable in receiver {
                    runnable.run();
                }
            })
        };
        Self {
            sender: Some(sender),
            workers: (0..workers).map(|_| worker()).collect(),
        }
    }

    fn submit<R, F>(&self, task: F) -> Task<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let sender = self.sender.clone().expect("the pool is open");
        let schedule = move |runnable| sender.send(runnable).expect("the workers are there");
        let (runnable, task) = async_task::spawn(async move { task() }, schedule);
        runnable.schedule();
        task
    }

    fn take<R: Send + 'static>(handle: Task<R>) -> R {
        futures::executor::block_on(handle)
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.submit(task).detach();
    }
}

impl Drop for AsyncTask {
    fn drop(&mut self) {
        self.sender = None;
        for worker in self.workers.drain(..) {
            worker.join().expect("no task of the benchmarks panics");
        }
    }
}
