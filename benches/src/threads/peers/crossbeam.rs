use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, unbounded};

use super::Subject;

/// The pool that one writes by hand: boxed closures in a crossbeam channel, with a `oneshot` for the
/// result.
pub(crate) struct Crossbeam {
    sender: Option<Sender<Box<dyn FnOnce() + Send>>>,
    workers: Vec<JoinHandle<()>>,
}

impl Subject for Crossbeam {
    const NAME: &'static str = "crossbeam by hand";

    type Handle<R: Send + 'static> = oneshot::Receiver<R>;

    fn start(workers: usize) -> Self {
        let (sender, receiver) = unbounded::<Box<dyn FnOnce() + Send>>();
        let worker = || {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.iter().for_each(|task| task()))
        };
        Self {
            sender: Some(sender),
            workers: (0..workers).map(|_| worker()).collect(),
        }
    }

    fn submit<R, F>(&self, task: F) -> oneshot::Receiver<R>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.fire(move || drop(sender.send(task())));
        receiver
    }

    fn take<R: Send + 'static>(handle: oneshot::Receiver<R>) -> R {
        handle.recv().expect("every task sends its result")
    }

    fn fire<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        let sender = self.sender.as_ref().expect("the pool is open");
        sender.send(Box::new(task)).expect("the workers are there");
    }
}

impl Drop for Crossbeam {
    fn drop(&mut self) {
        self.sender = None;
        for worker in self.workers.drain(..) {
            worker.join().expect("no task of the benchmarks panics");
        }
    }
}
