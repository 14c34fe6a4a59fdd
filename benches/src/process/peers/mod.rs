//! The pools that are compared.

mod ours;
mod procspawn;
pub(crate) mod python;
pub(crate) mod raw;

use std::collections::VecDeque;

pub(crate) use self::procspawn::Procspawn;
use crate::process::work::{Call, Value};

/// Calls a macro with arguments of its own, and then with all subjects of this program.
macro_rules! each_subject {
    ($macro:ident!($($arguments:tt)*)) => {
        $macro!(($($arguments)*) executor_process::ProcessPoolExecutor, $crate::process::peers::Procspawn,)
    };
}
pub(crate) use each_subject;

/// A pool of processes.
pub(crate) trait Subject: Sized {
    const NAME: &'static str;

    /// How many results may be outstanding.
    const WINDOW: usize;

    type Handle<T: Value>;

    fn start(workers: usize) -> Self;

    fn submit<C: Call>(&self, input: C::Input) -> Self::Handle<C::Output>;

    /// Waits for the result, or the reason why there is none.
    fn wait<T: Value>(handle: Self::Handle<T>) -> Result<T, String>;

    /// Ends the pool and its processes.
    fn stop(self);

    /// Waits for the result.
    fn take<T: Value>(handle: Self::Handle<T>) -> T {
        Self::wait(handle).expect("no task of the benchmarks fails")
    }

    /// Submits one task and waits for it.
    fn call<C: Call>(&self, input: C::Input) -> C::Output {
        Self::take(self.submit::<C>(input))
    }

    /// Submits all tasks, as many at once as the subject can bear, and takes all results in their order.
    fn call_all<C: Call>(
        &self,
        inputs: impl Iterator<Item = C::Input>,
        mut each: impl FnMut(C::Output),
    ) {
        let mut outstanding = VecDeque::with_capacity(inputs.size_hint().0.min(Self::WINDOW));
        for input in inputs {
            if outstanding.len() == Self::WINDOW
                && let Some(first) = outstanding.pop_front()
            {
                each(Self::take(first));
            }
            outstanding.push_back(self.submit::<C>(input));
        }
        for handle in outstanding {
            each(Self::take(handle));
        }
    }
}
