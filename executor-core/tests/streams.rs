//! Maps and `as_completed` as streams.

#![cfg(feature = "stream")]

mod support;

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use executor_core::{
    Admission, AsCompleted, Capabilities, Executor, ExecutorExt as _, Future as _, Job,
    LocalExecutor, LocalExecutorExt as _, Ran, Rejected, Shutdown, TaskErrorKind, Timeout,
    as_completed, block_on,
    testing::{InlineExecutor, ManualExecutor},
};
use futures_core::Stream;

use support::keeps_all;

mod tasks {
    use executor_macros::task;

    #[task(crate = "executor_core")]
    pub(crate) fn double(x: u64) -> u64 {
        assert_ne!(x, 13, "thirteen");
        2 * x
    }

    #[task(crate = "executor_core")]
    pub(crate) async fn double_later(x: u64) -> u64 {
        std::future::ready(double(x)).await
    }
}

use tasks::{double, double_later};

/// Keeps jobs until they are asked for.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<VecDeque<Job>>>);

impl Shelf {
    fn run_one(&self) -> bool {
        let job = self.0.lock().expect("no panic under it").pop_front();
        job.is_some_and(|job| matches!(job.run(), Ran::Here(_)))
    }
}

impl Executor for Shelf {
    fn capabilities(&self) -> Capabilities {
        Capabilities::local(1)
    }

    fn execute(&self, job: Job, _: Admission) -> Result<(), Rejected> {
        self.0.lock().expect("no panic under it").push_back(job);
        Ok(())
    }

    keeps_all!();
}

impl LocalExecutor for Shelf {
    fn wants_work(&self) -> bool {
        false
    }
}

/// The next item of a stream.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Polls once, with a waker that does nothing.
fn poll<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_map_is_a_stream_in_order() {
    let executor = InlineExecutor::new();
    let sum = block_on(async {
        let mut map = executor.map((0..1000).map(double::task));
        assert_eq!(Stream::size_hint(&map), (1000, Some(1000)));
        let mut expected = 0;
        while let Some(value) = next(&mut map).await {
            if expected == 13 {
                assert!(value.unwrap_err().is_panicked());
            } else {
                assert_eq!(value.unwrap(), 2 * expected);
            }
            expected += 1;
        }
        expected
    });
    assert_eq!(sum, 1000);
}

#[test]
fn a_map_of_async_tasks_is_one_too() {
    let executor = InlineExecutor::new();
    let doubled = block_on(async {
        let mut map = executor
            .map([1, 2, 13, 3].map(double_later::task))
            .unordered();
        let mut doubled = Vec::new();
        while let Some(value) = next(&mut map).await {
            doubled.push(value.ok());
        }
        doubled.sort_unstable();
        doubled
    });
    assert_eq!(doubled, [None, Some(2), Some(4), Some(6)]);
}

#[test]
fn nothing_blocks_while_nothing_is_done() {
    let executor = Shelf::default();
    let mut map = executor.map_fn([1, 2, 3], |x: u64| x + 1);
    assert!(poll(&mut map).is_pending());
    assert!(poll(&mut map).is_pending());
    while executor.run_one() {}
    assert!(matches!(poll(&mut map), Poll::Ready(Some(Ok(2)))));
    while executor.run_one() {}
    assert!(matches!(poll(&mut map), Poll::Ready(Some(Ok(3)))));
    while executor.run_one() {}
    assert!(matches!(poll(&mut map), Poll::Ready(Some(Ok(4)))));
    assert!(matches!(poll(&mut map), Poll::Ready(None)));
}

#[test]
fn a_stream_can_go_on_as_an_iterator() {
    let executor = InlineExecutor::new();
    let mut map = executor.map((0..10).map(double::task));
    assert!(matches!(poll(&mut map), Poll::Ready(Some(Ok(0)))));
    let rest: Vec<u64> = map.by_ref().map(Result::unwrap).collect();
    assert_eq!(rest, (1..10).map(|x| 2 * x).collect::<Vec<_>>());
}

#[test]
fn what_is_not_accepted_is_an_error_for_each_item() {
    let executor = InlineExecutor::new();
    executor.shutdown(Shutdown::Drain).unwrap();
    let mut map = executor.map((0..3).map(double::task));
    for _ in 0..3 {
        let Poll::Ready(Some(Err(error))) = poll(&mut map) else {
            panic!("an error for each item");
        };
        assert!(
            matches!(error.kind(), TaskErrorKind::Rejected(_)),
            "{error}"
        );
    }
    assert!(matches!(poll(&mut map), Poll::Ready(None)));
}

#[test]
fn a_deadline_that_has_passed_makes_a_look_of_a_wait() {
    let executor = ManualExecutor::new();
    let ran = Arc::new(AtomicBool::new(false));
    let inside = Arc::clone(&ran);
    let mut map = executor
        .map_fn([1, 2], move |_: u64| inside.store(true, Ordering::Relaxed))
        .timeout(Duration::ZERO);
    for _ in 0..2 {
        let error = map.next().expect("an error for each item").unwrap_err();
        assert!(matches!(
            error.kind(),
            TaskErrorKind::TimedOut(Timeout::Wait)
        ));
    }
    assert!(map.next().is_none());
    assert!(
        !ran.load(Ordering::Relaxed),
        "a wait would have run the items on this thread"
    );
}

#[test]
fn a_deadline_that_has_passed_is_noticed_in_a_poll() {
    let executor = Shelf::default();
    let mut map = executor.map_fn([1, 2], |x: u64| x).timeout(Duration::ZERO);
    for _ in 0..2 {
        let Poll::Ready(Some(Err(error))) = poll(&mut map) else {
            panic!("an error for each item");
        };
        assert!(matches!(
            error.kind(),
            TaskErrorKind::TimedOut(Timeout::Wait)
        ));
    }
    assert!(matches!(poll(&mut map), Poll::Ready(None)));

    let pending = executor.spawn(|| 1).unwrap();
    let mut completed = as_completed([pending]).timeout(Duration::ZERO);
    assert!(matches!(poll(&mut completed), Poll::Ready(None)));
    assert_eq!(completed.remaining().len(), 1);
}

#[test]
fn as_completed_is_a_stream_and_accepts_additions() {
    let executor = Shelf::default();
    let mut completed = AsCompleted::new();
    assert!(matches!(poll(&mut completed), Poll::Ready(None)));
    for x in 0..3 {
        completed.push(executor.spawn(move || x).unwrap());
    }
    assert!(poll(&mut completed).is_pending());
    assert!(executor.run_one());
    let Poll::Ready(Some(first)) = poll(&mut completed) else {
        panic!("one is done");
    };
    completed.push(executor.spawn(|| 3).unwrap());
    while executor.run_one() {}
    let mut values = vec![first.result().unwrap()];
    block_on(async {
        while let Some(future) = next(&mut completed).await {
            values.push(future.await.unwrap());
        }
    });
    values.sort_unstable();
    assert_eq!(values, [0, 1, 2, 3]);
}

#[test]
fn the_last_poll_s_waker_is_woken() {
    struct Flag(AtomicUsize);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let executor = Shelf::default();
    let mut completed = as_completed([executor.spawn(|| 1).unwrap()]);
    let mut map = executor.map_fn([1], |x: u64| x);
    let flags = [(); 2].map(|()| Arc::new(Flag(AtomicUsize::new(0))));
    for flag in &flags {
        let waker = Waker::from(Arc::clone(flag));
        let mut context = Context::from_waker(&waker);
        let polled = Pin::new(&mut completed).poll_next(&mut context);
        assert!(polled.is_pending());
        assert!(Pin::new(&mut map).poll_next(&mut context).is_pending());
    }
    while executor.run_one() {}
    let woken = flags.map(|flag| flag.0.load(Ordering::SeqCst));
    assert_eq!(woken, [0, 2]);
    assert!(matches!(poll(&mut map), Poll::Ready(Some(Ok(1)))));
    assert!(matches!(poll(&mut map), Poll::Ready(None)));
}
