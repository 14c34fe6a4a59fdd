//! What a task costs in memory, counted by the allocator.
//!
//! One test, so that nobody else allocates in this process while it counts.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use executor_core::{Future as _, LocalExecutorExt as _};
use executor_threads::ThreadPoolExecutor;

const WORKERS: usize = 2;
const TASKS: u64 = 10_000;

/// An allocation larger than this is no task's: a cell is smaller, and a block of the queue, which serves
/// 63 jobs, is larger.
const LARGEST_CELL: usize = 512;

/// What a task may cost while it waits, its part of the queue included.
const BYTES_A_TASK: i64 = 160;

/// The queue allocates a block for every 63 jobs, and a worker's deque doubles now and then.
const TASKS_A_BLOCK: u64 = 32;

/// What may be allocated once, whenever it is first needed: a worker's thread-locals, the list of sleepers,
/// the waker of a thread that waits. A thousandth of what a second allocation a task would be.
const ONCE: u64 = 16;

#[test]
fn a_task_is_one_allocation_of_at_most_160_bytes() {
    let pool = ThreadPoolExecutor::new(WORKERS).unwrap();
    // Starts both workers.
    occupy(&pool).wait();
    submit_and_take(&pool);

    let taken = count(|| submit_and_take(&pool));
    taken.assert_one_a_task("whose results are taken");

    let forgotten = count(|| {
        for i in 0..TASKS {
            drop(pool.spawn(move || i).unwrap());
        }
        assert!(pool.wait_idle(None));
    });
    forgotten.assert_one_a_task("whose futures are dropped");

    let end = occupy(&pool);
    let mut futures = Vec::with_capacity(TASKS as usize);
    let waiting = count(|| futures.extend((0..TASKS).map(|i| pool.spawn(move || i).unwrap())));
    waiting.assert_one_a_task("in the queue");
    let bytes = waiting.live_bytes / TASKS as i64;
    assert!(
        bytes <= BYTES_A_TASK,
        "{bytes} bytes for each task in the queue"
    );

    end.wait();
    for (i, future) in (0..).zip(futures) {
        assert_eq!(future.result().unwrap(), i);
    }
}

fn submit_and_take(pool: &ThreadPoolExecutor) {
    let mut sum = 0;
    // No collection of futures, which would be allocations of the test.
    for i in 0..TASKS {
        let future = pool.spawn(move || i).expect("the pool is open");
        sum += future.result().expect("the task returns");
    }
    assert_eq!(sum, TASKS * (TASKS - 1) / 2);
}

/// Has every worker wait at the barrier that is returned.
fn occupy(pool: &ThreadPoolExecutor) -> Arc<Barrier> {
    let end = Arc::new(Barrier::new(WORKERS + 1));
    // One after the other, so that no worker gets both and starts only one.
    for _ in 0..WORKERS {
        let start = Arc::new(Barrier::new(2));
        let (start_there, end_there) = (Arc::clone(&start), Arc::clone(&end));
        let blocked = pool.spawn(move || {
            start_there.wait();
            end_there.wait();
        });
        drop(blocked.expect("the pool is open"));
        start.wait();
    }
    end
}

#[derive(Debug)]
struct Counted {
    /// Allocations that may be a task's.
    small: u64,
    /// The others: the queue's.
    large: u64,
    /// Allocated and not freed.
    live_bytes: i64,
}

impl Counted {
    fn assert_one_a_task(&self, which: &str) {
        let expected = TASKS..=TASKS + ONCE;
        assert!(
            expected.contains(&self.small),
            "{} allocations for {TASKS} tasks {which}",
            self.small
        );
        let blocks = TASKS / TASKS_A_BLOCK;
        assert!(
            self.large <= blocks,
            "{} blocks for {TASKS} tasks {which}",
            self.large
        );
    }
}

/// Counts what all threads allocate while `f` runs.
fn count(f: impl FnOnce()) -> Counted {
    SMALL.store(0, Ordering::SeqCst);
    LARGE.store(0, Ordering::SeqCst);
    LIVE_BYTES.store(0, Ordering::SeqCst);
    COUNTING.store(true, Ordering::SeqCst);
    f();
    COUNTING.store(false, Ordering::SeqCst);
    Counted {
        small: SMALL.load(Ordering::SeqCst),
        large: LARGE.load(Ordering::SeqCst),
        live_bytes: LIVE_BYTES.load(Ordering::SeqCst),
    }
}

static COUNTING: AtomicBool = AtomicBool::new(false);
static SMALL: AtomicU64 = AtomicU64::new(0);
static LARGE: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, which counts while `COUNTING` is set.
struct Counting;

impl Counting {
    fn allocated(size: usize) {
        if COUNTING.load(Ordering::Relaxed) {
            let counter = if size <= LARGEST_CELL { &SMALL } else { &LARGE };
            counter.fetch_add(1, Ordering::Relaxed);
            LIVE_BYTES.fetch_add(size as i64, Ordering::Relaxed);
        }
    }

    fn freed(size: usize) {
        if COUNTING.load(Ordering::Relaxed) {
            LIVE_BYTES.fetch_sub(size as i64, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call goes to `System` with the arguments that came, and the counting allocates nothing.
// What is not overridden is made of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::allocated(layout.size());
        // SAFETY: passed on from the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        Self::freed(layout.size());
        // SAFETY: passed on from the caller.
        unsafe { System.dealloc(place, layout) }
    }
}
