use std::future::ready;

use executor_core::{ExecutorExt as _, LocalExecutorExt as _, TaskError, TaskFuture};
use executor_macros::task;
use executor_tokio::TokioExecutor;
use tokio::runtime::Handle;

use super::Subject;

#[task(crate = "executor_core")]
fn call(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core")]
async fn future(x: u64) -> u64 {
    x
}

/// A subject that differs from the others only in how it submits.
macro_rules! ours {
    ($($(#[$doc:meta])* $subject:ident, $name:literal: |$executor:ident, $x:ident| $submit:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $subject(TokioExecutor);

            impl Subject for $subject {
                const NAME: &'static str = $name;

                type Handle = TaskFuture<u64>;
                type Error = TaskError;

                fn start(runtime: &Handle, workers: usize) -> Self {
                    let builder = TokioExecutor::builder().handle(runtime.clone());
                    let executor = builder.max_workers(workers).build();
                    Self(executor.expect("there is at least one worker"))
                }

                fn submit(&self, $x: u64) -> TaskFuture<u64> {
                    let Self($executor) = self;
                    $submit.expect("the executor is open, and there is room")
                }
            }
        )*
    };
}

ours! {
    /// `spawn` of a closure.
    OursSpawn, "ours spawn": |executor, x| executor.spawn(move || x);
    /// `submit` of a `#[task]` function.
    OursSubmit, "ours submit": |executor, x| executor.submit(call::task(x));
    /// `spawn_future` of a future that is ready at its first poll.
    OursSpawnFuture, "ours spawn_future": |executor, x| executor.spawn_future(ready(x));
    /// `submit` of an `async` `#[task]` function.
    OursSubmitAsync, "ours submit": |executor, x| executor.submit(future::task(x));
}
