use executor_core::{ExecutorExt, Future as _, TaskFuture};
use executor_process::ProcessPoolExecutor;

use super::Subject;
use crate::process::work::{Call, Value};

impl Subject for ProcessPoolExecutor {
    const NAME: &'static str = "ours";
    const WINDOW: usize = usize::MAX;
    type Handle<T: Value> = TaskFuture<T>;

    fn start(workers: usize) -> Self {
        Self::new(workers).expect("the pool can be built")
    }

    fn submit<C: Call>(&self, input: C::Input) -> TaskFuture<C::Output> {
        ExecutorExt::submit(self, C::task(input)).expect("the pool is open and knows the task")
    }

    fn wait<T: Value>(handle: TaskFuture<T>) -> Result<T, String> {
        handle.result().map_err(|error| error.to_string())
    }

    fn stop(self) {
        drop(self);
    }
}
