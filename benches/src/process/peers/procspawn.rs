//! The pool of the crate `procspawn`.

use std::{sync::mpsc, thread};

use procspawn::{
    JoinHandle, Pool,
    serde::{Shmem, with_ipc_mode},
};

use super::Subject;
use crate::process::work::{Call, Value};

/// Each outstanding task holds four file descriptors, of which a process has 1024 as a rule.
const WINDOW: usize = 200;

pub(crate) struct Procspawn(Pool);

impl Procspawn {
    /// Maps by hand: one task for so many items.
    ///
    /// Another thread takes the results, since a worker whose result nobody takes does nothing else, and who
    /// submits a long argument waits for a worker that reads it.
    pub(crate) fn map<P: Value + Copy>(
        &self,
        items: u64,
        chunk: u64,
        parameter: P,
        function: fn((P, Vec<u64>)) -> Vec<u64>,
    ) -> Vec<u64> {
        let (sender, handles) = mpsc::sync_channel(WINDOW);
        thread::scope(|scope| {
            let results = scope.spawn(move || {
                let mut results = Vec::new();
                for handle in handles {
                    results.extend(Self::take::<Vec<u64>>(handle));
                }
                results
            });
            for start in (0..items).step_by(usize::try_from(chunk).expect("some thousands")) {
                let inputs: Vec<u64> = (start..items.min(start + chunk)).collect();
                let handle = self.0.spawn((parameter, inputs), function);
                sender.send(handle).expect("the other thread takes all");
            }
            drop(sender);
            results.join().expect("no task of the benchmarks fails")
        })
    }

    /// Calls a function with shared memory, and waits for what it gives.
    pub(crate) fn apply(&self, argument: Shmem, function: fn(Shmem) -> Shmem) -> Shmem {
        // Without the mode the pool encodes the argument as bytes, and the worker refuses them.
        Self::take(with_ipc_mode(|| self.0.spawn(argument, function)))
    }
}

impl Subject for Procspawn {
    const NAME: &'static str = "procspawn";
    const WINDOW: usize = WINDOW;
    type Handle<T: Value> = JoinHandle<T>;

    fn start(workers: usize) -> Self {
        Self(Pool::new(workers).expect("processes can be started"))
    }

    fn submit<C: Call>(&self, input: C::Input) -> JoinHandle<C::Output> {
        self.0.spawn(input, C::function)
    }

    fn wait<T: Value>(handle: JoinHandle<T>) -> Result<T, String> {
        handle.join().map_err(|error| error.to_string())
    }

    fn stop(self) {
        self.0.shutdown();
    }
}
