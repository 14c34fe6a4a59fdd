//! What the tasks do, as tasks of ours and as functions for the others.

use std::{
    fs, hint, process, thread,
    time::{Duration, Instant},
};

use executor_core::PortableTask;
use executor_macros::task;
use serde::{Serialize, de::DeserializeOwned};

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
pub(crate) fn noop(x: u64) -> u64 {
    x
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

#[task(crate = "executor_core")]
pub(crate) fn toil(iterations: u64) -> u64 {
    (0..iterations).fold(hint::black_box(1), |x: u64, _| step(x))
}

/// The item of the maps: so many steps.
#[task(crate = "executor_core")]
pub(crate) fn churn(item: u64, steps: u32) -> u64 {
    (0..steps).fold(item, |x: u64, _| step(x))
}

#[task(crate = "executor_core")]
pub(crate) fn nap(microseconds: u64) -> u64 {
    crate::measure::clock::pause(Duration::from_micros(microseconds));
    microseconds
}

#[task(crate = "executor_core")]
pub(crate) fn turn(bytes: Vec<u8>) -> Vec<u8> {
    bytes
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

/// The time of one iteration of `toil` and of one step of `churn`, undisturbed: the least of many
/// measurements.
pub(crate) fn nanoseconds_per_step() -> f64 {
    const STEPS: u64 = 100_000;
    let measure = |_| {
        let start = Instant::now();
        hint::black_box(toil(hint::black_box(STEPS)));
        start.elapsed()
    };
    let least = (0..100).map(measure).min().expect("a hundred measurements");
    least.as_nanos() as f64 / STEPS as f64
}

// A chain of dependent instructions, which no optimiser shortens.
fn step(x: u64) -> u64 {
    let x = x.wrapping_mul(6_364_136_223_846_793_005);
    x ^ (x >> 29)
}
