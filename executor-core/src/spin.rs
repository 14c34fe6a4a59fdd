//! Waiting a moment before sleeping, but only while a core has nothing else to do.
//!
//! Waking a thread that sleeps on another core costs 5 us to the waker and 20 to 40 us until it runs
//! (measured on a virtual machine; less on bare metal); seeing a change in a polled cache line costs
//! 0.1 us. So a waiter polls for about as long as one wake-up takes. It polls with `sched_yield`,
//! never with a pause instruction alone, so that on a shared core whoever has work goes first. And it
//! polls only while fewer threads are awake here than there are cores: a thread that spins on a full
//! machine takes the core from the very work that it waits for. Worker processes that are busy count like
//! threads, since they need a core as well.
//!
//! What other programs do is not counted anywhere, but it shows: a yield on a core that somebody else wants
//! lasts as long as the scheduler's slice, milliseconds. Whoever sees that stops polling, and nobody here polls
//! for a while; a sleeper, in contrast, gets the core as soon as it is woken.

use std::{
    cell::Cell,
    hint,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Workers that are not asleep, of all executors of this process, threads in [`until`], and
/// [`TakenCore`]s.
static AWAKE: AtomicUsize = AtomicUsize::new(0);

/// How long to poll: about one wake-up.
const BUDGET: Duration = Duration::from_micros(50);

/// How often a waiter yields where no core is free. If it has this one to itself nevertheless, that
/// is over in no time, and it sleeps.
const YIELDS: u32 = 8;

/// A yield that takes longer gave the core to somebody for good. A task of a worker that shares it may be that
/// long as well, and then one wake-up more does not matter.
const LONG_YIELD: Duration = Duration::from_millis(1);

/// For so long nobody polls after a long yield: what the next one may cost should be little beside it.
const CROWDED: Duration = Duration::from_millis(50);

/// Until when nobody polls, in nanoseconds by [`clock`]; 0 for a machine that was never found crowded.
static CROWDED_UNTIL: AtomicU64 = AtomicU64::new(0);

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
        Self {
            not_send: std::marker::PhantomData,
        }
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

/// A core that work of this process needs elsewhere: in a worker process that is busy. While it exists,
/// waiters know that a core is taken.
#[derive(Debug)]
#[non_exhaustive]
pub struct TakenCore;

impl TakenCore {
    /// Counts one core as taken.
    #[must_use]
    pub fn new() -> Self {
        AWAKE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Default for TakenCore {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TakenCore {
    fn drop(&mut self) {
        AWAKE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether one thread more may poll, beside all that are counted as awake: for who decides that for another process.
pub fn has_free_core() -> bool {
    AWAKE.load(Ordering::Relaxed) < cores() && !is_crowded()
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

/// Polls `ready` for a moment, if a core is free for that. True as soon as it is. For workers that look
/// for work, and for whoever waits for another process.
///
/// It looks only once for each time that it yields: looking takes the queue's cache lines away from
/// whoever is adding to it.
pub fn until(mut ready: impl FnMut() -> bool) -> bool {
    match begin() {
        Some(_spinning) => poll(1, &mut ready),
        None => ready(),
    }
}

/// Waits a moment for `ready`. True if it is. For threads that wait for a result, before they ask to be
/// woken.
///
/// If a core is free, this polls. If none is, it yields a few times: that lets the workers on this core
/// run, until they have nothing to do or their time is up, and by then there may be many results. Whoever
/// settles them need not wake this thread, which would only take the core from the next task.
pub(crate) fn moment(mut ready: impl FnMut() -> bool) -> bool {
    if let Some(_spinning) = begin() {
        // The waiter's line is written once: looking at it costs nobody anything.
        return poll(8, &mut ready);
    }
    if !cfg!(loom) && !COUNTED.get() {
        for _ in 0..YIELDS {
            let took = time_yield();
            if ready() {
                return true;
            }
            // Its workers run on this core, and should: but not for several slices.
            if took >= LONG_YIELD {
                break;
            }
        }
    }
    ready()
}

/// A thread that polls, counted as awake.
struct Spinning {
    adds: usize,
}

/// Counts this thread as awake, if a core is free for it.
fn begin() -> Option<Spinning> {
    if cfg!(loom) || is_crowded() {
        return None;
    }
    if COUNTED.get() {
        // It only looks: the line is everybody's, and to write it takes it from all others.
        return (AWAKE.load(Ordering::Relaxed) <= cores()).then_some(Spinning { adds: 0 });
    }
    let spinning = Spinning { adds: 1 };
    let others = AWAKE.fetch_add(1, Ordering::Relaxed);
    (others < cores()).then_some(spinning)
}

impl Drop for Spinning {
    fn drop(&mut self) {
        if self.adds > 0 {
            AWAKE.fetch_sub(self.adds, Ordering::Relaxed);
        }
    }
}

/// Looks `times` between two yields.
fn poll(times: u32, ready: &mut impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        for _ in 0..8 {
            for _ in 0..times {
                if ready() {
                    return true;
                }
                hint::spin_loop();
            }
            if time_yield() >= LONG_YIELD {
                let until = clock() + nanos(CROWDED);
                CROWDED_UNTIL.store(until, Ordering::Relaxed);
                return ready();
            }
        }
        if start.elapsed() > BUDGET || AWAKE.load(Ordering::Relaxed) > cores() {
            return ready();
        }
    }
}

/// Yields; how long that took.
fn time_yield() -> Duration {
    let start = Instant::now();
    thread::yield_now();
    start.elapsed()
}

fn is_crowded() -> bool {
    let until = CROWDED_UNTIL.load(Ordering::Relaxed);
    until != 0 && clock() < until
}

/// Nanoseconds since some time in the life of this process.
fn clock() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    nanos(START.get_or_init(Instant::now).elapsed())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::{CROWDED_UNTIL, clock, has_free_core, is_crowded, until};

    #[test]
    fn nobody_polls_on_a_crowded_machine_and_it_is_not_crowded_for_ever() {
        CROWDED_UNTIL.store(u64::MAX, Ordering::Relaxed);
        let mut looks = 0;
        let seen = until(|| {
            looks += 1;
            false
        });
        assert!(is_crowded() && !seen);
        assert_eq!(looks, 1, "it looks, and does not wait");
        assert!(!has_free_core());
        CROWDED_UNTIL.store(clock().max(1), Ordering::Relaxed);
        while clock() <= CROWDED_UNTIL.load(Ordering::Relaxed) {}
        assert!(!is_crowded());
    }
}
