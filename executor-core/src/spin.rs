//! Waiting a moment before sleeping, but only while a core has nothing else to do.
//!
//! Waking a thread that sleeps on another core costs 5 us to the waker and 20 to 40 us until it runs
//! (measured on a virtual machine; less on bare metal); seeing a change in a polled cache line costs
//! 0.1 us. So a waiter polls for about as long as one wake-up takes. It polls with `sched_yield`,
//! never with a pause instruction alone, so that on a shared core whoever has work goes first. And it
//! polls only while fewer threads are awake here than there are cores: a thread that spins on a full
//! machine takes the core from the very work that it waits for.

use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Workers that are not asleep, of all executors of this process, and threads in [`until`].
static AWAKE: AtomicUsize = AtomicUsize::new(0);

/// How long to poll: about one wake-up.
const BUDGET: Duration = Duration::from_micros(50);

thread_local! {
    /// Whether this thread is in [`AWAKE`] as a worker.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// A worker thread of some executor, counted as awake until it says otherwise. While it exists,
/// waiters know that a core is taken.
#[derive(Debug)]
pub struct AwakeWorker {
    // Tied to its thread by the thread-local above.
    not_send: std::marker::PhantomData<*const ()>,
}

impl AwakeWorker {
    /// Counts the current thread as an awake worker.
    #[must_use]
    pub fn new() -> Self {
        count_in();
        Self { not_send: std::marker::PhantomData }
    }
}

impl Default for AwakeWorker {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for AwakeWorker {
    fn drop(&mut self) {
        count_out();
    }
}

/// Runs `sleep`, during which this thread uses no core.
pub fn asleep<R>(sleep: impl FnOnce() -> R) -> R {
    if !COUNTED.get() {
        return sleep();
    }
    count_out();
    let result = sleep();
    count_in();
    result
}

/// Polls `ready` for a moment, if a core is free for that. True as soon as it is.
pub fn until(mut ready: impl FnMut() -> bool) -> bool {
    if cfg!(loom) {
        return ready();
    }
    let counted = COUNTED.get();
    let others = AWAKE.fetch_add(usize::from(!counted), Ordering::Relaxed);
    let allowed = others + usize::from(!counted) <= cores();
    let result = ready() || (allowed && poll(&mut ready));
    AWAKE.fetch_sub(usize::from(!counted), Ordering::Relaxed);
    result
}

fn poll(ready: &mut impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..16 {
            thread::yield_now();
            if ready() {
                return true;
            }
        }
        if start.elapsed() > BUDGET || AWAKE.load(Ordering::Relaxed) > cores() {
            return false;
        }
    }
}

fn count_in() {
    COUNTED.set(true);
    AWAKE.fetch_add(1, Ordering::Relaxed);
}

fn count_out() {
    COUNTED.set(false);
    AWAKE.fetch_sub(1, Ordering::Relaxed);
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
