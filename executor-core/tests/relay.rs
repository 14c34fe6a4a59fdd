//! Calls that come encoded from elsewhere and are handed on: what goes through, and what comes back.

mod support;

use std::time::{Duration, Instant};

use executor_core::{
    Admission, Call, Capabilities, Executor, ExecutorExt as _, Future as _, Job, JoinError, Reason,
    Registry, Rejected, Reply, Shutdown, StartedJob, Stats, Task as _, TaskErrorKind, TaskFuture,
    TaskOptions, Timeout, Unsupported, WorkerDeath,
    codec::{Codec, Part},
    context,
    testing::{InlineExecutor, ManualExecutor, RoundTripExecutor},
};
use executor_macros::task;

use support::keeps_all;

#[task(crate = "executor_core")]
fn half(x: u64) -> u64 {
    assert!(x.is_multiple_of(2), "{x} is odd");
    x / 2
}

#[task(crate = "executor_core")]
fn length(bytes: Vec<u8>) -> usize {
    bytes.len()
}

#[task(crate = "executor_core")]
async fn later(x: u64) -> u64 {
    x + 1
}

#[task(crate = "executor_core")]
fn who() -> (Option<String>, Option<String>, u32) {
    (context::task_name(), context::task_id(), context::attempt())
}

/// Does all that a submitter and a worker on two machines do, between two lines: encodes each job, hands the call on to
/// `E`, and settles the job with what comes back.
#[derive(Debug, Clone)]
struct Relaying<E> {
    inner: E,
    options: TaskOptions,
}

impl<E: Executor + Clone> Relaying<E> {
    fn over(inner: E) -> Self {
        let options = TaskOptions::new();
        Self { inner, options }
    }
}

impl<E: Executor + Clone> Executor for Relaying<E> {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(1);
        (capabilities.local, capabilities.background) = (false, false);
        capabilities
    }

    fn execute(&self, mut job: Job, _: Admission) -> Result<(), Rejected> {
        let mut buffer = Vec::new();
        let call = match job.encode(&mut buffer) {
            Some(Ok(call)) => Registry::global().call(call.name, call.is_chunk, call.body.to_vec()),
            other => panic!("it can be encoded: {other:?}"),
        };
        let call = call.expect("the task is known");
        let job = job.claim().expect("nobody else has it");
        match self.inner.relay(call, self.options.clone()) {
            Ok(future) => settle(job, future),
            Err(refused) => panic!("{refused}"),
        }
        Ok(())
    }

    keeps_all!();
}

fn settle(job: StartedJob, future: TaskFuture<Reply>) {
    let callbacks = match future.result() {
        Ok(Reply::Output(output)) => job.settle(Ok(output)),
        Ok(Reply::Interrupted { partial, error }) => job.interrupted(partial, error),
        Err(error) => job.settle(Err(error)),
    };
    assert!(callbacks.is_none());
}

fn call_of(x: u64) -> Call {
    let mut body = Vec::new();
    <half as executor_core::PortableTask>::ARGUMENTS
        .encode(Part::Task, &half::task(x), &mut body)
        .expect("numbers can be encoded");
    let name = <half as executor_core::PortableTask>::NAME;
    let call = Registry::global().call(name, false, body);
    call.expect("the task is known")
}

/// Executors that run the call as it is, and one that encodes it once more.
fn everywhere(test: impl Fn(&dyn Executor)) {
    test(&Relaying::over(InlineExecutor::new()));
    test(&Relaying::over(RoundTripExecutor::new()));
    test(&Relaying::over(Relaying::over(RoundTripExecutor::new())));
}

#[test]
fn values_errors_and_async_tasks_pass_through() {
    everywhere(|executor| {
        assert_eq!(executor.submit(half::task(8)).unwrap().result().unwrap(), 4);
        assert_eq!(
            executor.submit(later::task(8)).unwrap().result().unwrap(),
            9
        );
        let error = executor.submit(half::task(7)).unwrap().result();
        let error = error.expect_err("7 is odd");
        let report = error.panic_report().expect("it panicked");
        assert_eq!(report.message(), "7 is odd");
        assert!(report.location().is_some_and(|at| at.contains("relay.rs")));
    });
}

#[test]
fn long_arguments_pass_through() {
    everywhere(|executor| {
        let bytes = vec![7; 1 << 20];
        let future = executor.submit(length::task(bytes)).unwrap();
        assert_eq!(future.result().unwrap(), 1 << 20);
    });
}

#[test]
fn the_items_of_a_chunk_fail_alone() {
    let executor = Relaying::over(RoundTripExecutor::new());
    for chunk in [1, 4, 100] {
        let results: Vec<_> = executor.map((0..20).map(half::task)).chunk(chunk).collect();
        for (x, result) in (0..20).zip(results) {
            match result {
                Ok(value) => assert_eq!(2 * value, x),
                Err(error) => assert!(x % 2 == 1 && error.is_panicked(), "{x}: {error}"),
            }
        }
    }
}

#[test]
fn a_call_knows_its_name_its_identity_and_its_attempt() {
    let options = TaskOptions::new().with_id("s.7").with_attempt(3);
    for options in [options.clone(), options.with_name("mine")] {
        let named = options.name() == Some("mine");
        let executor = Relaying {
            inner: InlineExecutor::new(),
            options,
        };
        let (name, id, attempt) = executor.submit(who::task()).unwrap().result().unwrap();
        let own = <who as executor_core::PortableTask>::NAME;
        assert_eq!(name.as_deref(), Some(if named { "mine" } else { own }));
        assert_eq!((id.as_deref(), attempt), (Some("s.7"), 3));
    }
    let plain = InlineExecutor::new().submit(who::task()).unwrap();
    let (_, id, attempt) = plain.result().unwrap();
    assert_eq!(
        (id, attempt),
        (None, 1),
        "of a submission that says nothing"
    );
    assert_eq!(TaskOptions::new().with_attempt(0).attempt(), 1);
    assert_eq!(
        (context::task_id(), context::attempt()),
        (None, 1),
        "outside"
    );
}

#[test]
fn an_unknown_name_is_no_call_and_has_no_signature() {
    let registry = Registry::global();
    assert!(registry.call("no::such", false, Vec::new()).is_none());
    assert_eq!(registry.signature("no::such"), None);
    let [half, length] = ["half", "length"].map(|name| format!("relay::{name}"));
    let half = registry.signature(&half).expect("it is known");
    assert_ne!(Some(half), registry.signature(&length));
}

#[test]
fn bytes_that_make_no_sense_fail_the_call() {
    let name = <half as executor_core::PortableTask>::NAME;
    for is_chunk in [false, true] {
        let call = Registry::global().call(name, is_chunk, vec![0xc1; 3]);
        let future =
            InlineExecutor::new().relay(call.expect("the task is known"), TaskOptions::new());
        match future.unwrap().result() {
            Err(error) => assert!(!is_chunk && error.is_codec(), "{error}"),
            // Each item has its error.
            Ok(reply) => assert!(is_chunk, "{reply:?}"),
        }
    }
}

#[test]
fn a_refused_call_comes_back() {
    let executor = InlineExecutor::new();
    executor.shutdown(Shutdown::Drain).unwrap();
    let refused = executor.relay(call_of(6), TaskOptions::new());
    let (call, reason) = refused.expect_err("it is shut down").into_parts();
    assert!(matches!(reason, Reason::ShutDown));
    assert_eq!(call.name(), "relay::half");
    let Reply::Output(output) = call.run() else {
        panic!("a call that is run here is not interrupted");
    };
    let value: u64 = output.read(|bytes| Codec::Compact.decode(Part::Output, bytes).unwrap());
    assert_eq!(value, 3);
}

#[test]
fn a_call_can_be_cancelled_dropped_and_be_late() {
    let executor = ManualExecutor::new();
    let cancelled = executor.relay(call_of(6), TaskOptions::new()).unwrap();
    assert_eq!(cancelled.name(), "relay::half");
    assert!(cancelled.cancel());
    let late = TaskOptions::new().with_queue_timeout(Duration::from_nanos(1));
    let late = executor.relay(call_of(6), late).unwrap();
    drop(executor.relay(call_of(6), TaskOptions::new()).unwrap());
    executor.run_all();
    let error = late.result().expect_err("it was late");
    assert!(matches!(
        error.kind(),
        TaskErrorKind::TimedOut(Timeout::Queue)
    ));
    assert!(
        cancelled
            .result()
            .expect_err("it was cancelled")
            .is_cancelled()
    );
}

#[test]
fn an_interrupted_chunk_gives_back_what_it_has_not_begun() {
    /// Its worker dies in the third item of each chunk.
    #[derive(Debug, Clone)]
    struct Dying;

    impl Executor for Dying {
        fn capabilities(&self) -> Capabilities {
            Relaying::over(InlineExecutor::new()).capabilities()
        }

        fn execute(&self, mut job: Job, _: Admission) -> Result<(), Rejected> {
            let (mut buffer, mut output) = (Vec::new(), Items::default());
            let call = job.encode(&mut buffer).expect("it is pending");
            let call = call.expect("it can be encoded");
            Registry::global()
                .run(&call, &mut output)
                .expect("no item panics");
            let error = TaskErrorKind::WorkerDied(WorkerDeath::new("signal: 9 (SIGKILL)"));
            let job = job.claim().expect("nobody else has it");
            drop(job.interrupted(output.first_two(), executor_core::TaskError::new(error)));
            Ok(())
        }

        fn shutdown(&self, _: Shutdown) -> Result<(), Unsupported> {
            Ok(())
        }

        fn join(&self, _: Option<Instant>) -> Result<(), JoinError> {
            Ok(())
        }

        fn stats(&self) -> Stats {
            Stats::default()
        }
    }

    #[derive(Default)]
    struct Items {
        bytes: Vec<u8>,
        ends: Vec<usize>,
    }

    impl Items {
        fn first_two(mut self) -> Vec<u8> {
            let end = self.ends.get(1).copied();
            self.bytes.truncate(end.unwrap_or(self.bytes.len()));
            self.bytes
        }
    }

    impl executor_core::Sink for Items {
        fn buffer(&mut self) -> &mut Vec<u8> {
            &mut self.bytes
        }

        fn item_done(&mut self) {
            self.ends.push(self.bytes.len());
        }
    }

    let executor = Relaying::over(Dying);
    let tasks = (0..7).map(|x| half::task(2 * x));
    let results: Vec<_> = executor.map(tasks).chunk(7).collect();
    let died: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().is_err_and(|error| error.is_worker_died()))
        .collect();
    // Two are done and the third dies; then so it goes with the four that are left; and the last one alone is done.
    assert_eq!(died, [false, false, true, false, false, true, false]);
}
