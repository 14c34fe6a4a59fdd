//! What the tasks do, as tasks of ours and as functions for the others.

use std::{
    fs, hint, process, thread,
    time::{Duration, Instant},
};

use executor_core::PortableTask;
use executor_macros::task;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    measure::toil::chain,
    tasks::{nap, noop, toil, turn},
};

/// What can be sent by all subjects.
pub(crate) trait Value: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {}

/// A function of one argument that every subject can call in another process.
pub(crate) trait Call {
    type Input: Value;
    type Output: Value;
    type Task: PortableTask<Output = Self::Output>;

    fn task(input: Self::Input) -> Self::Task;

    fn function(input: Self::Input) -> Self::Output;
}

macro_rules! calls {
    ($($(#[$doc:meta])* $call:ident: $function:ident($input:ty) -> $output:ty;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $call;

            impl Call for $call {
                type Input = $input;
                type Output = $output;
                type Task = $function;

                fn task(input: $input) -> $function {
                    $function::task(input)
                }

                fn function(input: $input) -> $output {
                    $function(input)
                }
            }
        )*
    };
}

calls! {
    Noop: noop(u64) -> u64;
    /// Nanoseconds, by the clock.
    Spin: spin(u64) -> u64;
    /// Iterations, whatever time they take.
    Toil: toil(u64) -> u64;
    /// Microseconds without the processor.
    Nap: nap(u64) -> u64;
    Turn: turn(Vec<u8>) -> Vec<u8>;
    WorkerId: worker_id(()) -> u32;
    Hang: hang(String) -> ();
}

#[task(crate = "executor_core")]
pub(crate) fn spin(nanoseconds: u64) -> u64 {
    let length = Duration::from_nanos(nanoseconds);
    let start = Instant::now();
    while start.elapsed() < length {
        hint::spin_loop();
    }
    nanoseconds
}

/// The item of the maps: so many steps.
#[task(crate = "executor_core")]
pub(crate) fn churn(item: u64, steps: u32) -> u64 {
    chain(steps.into(), item)
}

#[task(crate = "executor_core")]
pub(crate) fn worker_id(nothing: ()) -> u32 {
    let () = nothing;
    process::id()
}

/// Makes a file of this name, so that others see that the task runs, and goes on until it is killed.
#[task(crate = "executor_core")]
pub(crate) fn hang(path: String) {
    fs::write(path, "").expect("the directory for temporary files is writable");
    loop {
        thread::park();
    }
}
