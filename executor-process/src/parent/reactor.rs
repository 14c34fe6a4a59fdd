//! The pool's own thread: starts workers, waits for all of them at once, and does what is due.
//!
//! It says so before it sleeps, and only if nothing was submitted since it last looked. So a submission that
//! finds it awake leaves the sending to it, and one that finds it asleep knows that nobody will look at the
//! queue unless a worker answers.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use executor_core::spin::{self, AwakeWorker};

#[cfg(target_os = "linux")]
use super::link::shared::{SharedLink, Source, source_of};
use super::{
    Shared,
    effects::Effects,
    link::{
        Link,
        portable::{Bell, PortableLink},
    },
    state::State,
    worker::Worker,
};
#[cfg(target_os = "linux")]
use crate::os::linux::{Event, EventFd, Interest, Poller};
use crate::wire::{
    VERSION,
    frame::{self, Setup},
};

/// What the thread waits at.
pub(crate) enum Reactor {
    #[cfg(target_os = "linux")]
    Shared {
        poller: Arc<Poller>,
        waker: EventFd,
    },
    Portable(Arc<Bell>),
}

/// The token of the waker, which no worker has.
#[cfg(target_os = "linux")]
const WAKER: u64 = u64::MAX;

impl Reactor {
    #[cfg(target_os = "linux")]
    pub(crate) fn new(is_portable: bool) -> io::Result<Self> {
        if is_portable {
            return Ok(Self::Portable(Arc::default()));
        }
        let (poller, waker) = (Poller::new()?, EventFd::new()?);
        poller.add(waker.fd(), WAKER, Interest::Read)?;
        Ok(Self::Shared {
            poller: Arc::new(poller),
            waker,
        })
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(_is_portable: bool) -> io::Result<Self> {
        Ok(Self::Portable(Arc::default()))
    }

    /// Has the pool's thread look at everything.
    pub(crate) fn wake(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared { waker, .. } => waker.notify(),
            Self::Portable(bell) => bell.wake(),
        }
    }

    fn spawn(&self, shared: &Shared, index: usize) -> io::Result<Link> {
        let command = shared.command();
        match self {
            #[cfg(target_os = "linux")]
            Self::Shared { poller, .. } => {
                let arguments = shared.arguments.file()?;
                SharedLink::spawn(command, index, poller, arguments).map(Link::Shared)
            }
            Self::Portable(bell) => PortableLink::spawn(command, index, bell).map(Link::Portable),
        }
    }
}

/// What has happened while the thread slept.
struct Events {
    #[cfg(target_os = "linux")]
    polled: Vec<Event>,
    rung: Vec<usize>,
}

/// The thread: until the pool has ended.
pub(crate) fn run(shared: &Arc<Shared>) {
    if catch_unwind(AssertUnwindSafe(|| serve(shared))).is_err() {
        // A fault of this library. Whoever waits must not wait for ever.
        let mut effects = Effects::default();
        let mut state = shared.state();
        state.collapse(&mut effects);
        effects.carry_out(shared, state);
        shared.end();
    }
}

fn serve(shared: &Arc<Shared>) {
    let mut events = Events {
        #[cfg(target_os = "linux")]
        polled: Vec::with_capacity(64),
        rung: Vec::new(),
    };
    let mut effects = Effects::default();
    let _awake = AwakeWorker::new();
    loop {
        let mut state = shared.state();
        let now = Instant::now();
        state.take_in();
        heed(&mut state, &mut events, now, &mut effects);
        state.tick(now, &mut effects);
        state.top_up(now, &mut effects);
        let start = state.places_to_start(now);
        if state.is_over() {
            effects.carry_out(shared, state);
            return shared.end();
        }
        if effects.is_empty() && start.is_empty() {
            if !shared.intake.fall_asleep() {
                continue;
            }
            let timeout = state
                .next_deadline(now)
                .map(|at| at.saturating_duration_since(now));
            drop(state);
            spin::asleep(|| wait(shared, &mut events, timeout));
            shared.intake.wake_up();
            continue;
        }
        effects.carry_out(shared, state);
        for index in start {
            start_worker(shared, index, &mut effects);
        }
    }
}

fn wait(shared: &Shared, events: &mut Events, timeout: Option<Duration>) {
    match &shared.reactor {
        #[cfg(target_os = "linux")]
        Reactor::Shared { poller, waker, .. } => {
            // A clock that is a little late wakes up for nothing once; one that is early would spin.
            let timeout = timeout.map(|timeout| timeout + Duration::from_micros(50));
            if let Err(error) = poller.wait(&mut events.polled, timeout) {
                debug_assert!(false, "an epoll of our own can be waited for: {error}");
            }
            if events.polled.iter().any(|event| event.token == WAKER) {
                waker.clear();
            }
        }
        Reactor::Portable(bell) => events.rung = bell.wait(timeout),
    }
}

/// Reads what the workers have sent that gave a sign.
fn heed(state: &mut State, events: &mut Events, now: Instant, effects: &mut Effects) {
    for index in events.rung.drain(..) {
        state.read_stderr(index, effects);
        state.heed_end(index, now, effects);
        state.read_from(index, now, effects);
    }
    #[cfg(target_os = "linux")]
    for event in events.polled.drain(..) {
        if event.token == WAKER {
            continue;
        }
        let (index, source) = source_of(event.token);
        match source {
            // The event may be older than the driver.
            Source::Replies if state.is_driven(index) => {}
            Source::Replies => state.read_from(index, now, effects),
            Source::Tasks => state.flush(index),
            Source::Stderr => state.read_stderr(index, effects),
            Source::Ended => state.heed_end(index, now, effects),
        }
    }
}

fn start_worker(shared: &Arc<Shared>, index: usize, effects: &mut Effects) {
    // Without the lock: it takes as long as a hundred tasks.
    let link = shared.reactor.spawn(shared, index);
    let mut state = shared.state();
    state.starting -= 1;
    let now = Instant::now();
    match link {
        Ok(link) => state.welcome(index, link, now),
        Err(error) => {
            let program = shared.settings.program.describe();
            let cause = format!("the program {program} could not be started: {error}");
            state.heed_failed_start(&cause, now, effects);
            effects.carry_out(shared, state);
        }
    }
}

impl State {
    /// Ends everything at once: nobody is there any more to serve workers.
    fn collapse(&mut self, effects: &mut Effects) {
        let cause =
            String::from("the pool's own thread panicked, which is a fault of this library");
        self.break_down(cause, effects);
        for mut worker in self.workers.drain(..).flatten() {
            worker.kill();
            // Jobs that are dropped settle as lost.
            drop(worker);
        }
    }

    /// Where workers are to be started now; they count as being started from now on.
    fn places_to_start(&mut self, now: Instant) -> Vec<usize> {
        let mut places = Vec::new();
        if self.not_before.is_some_and(|then| now < then) {
            return places;
        }
        while self.wants_worker() {
            let free = (0..self.workers.len())
                .find(|index| self.workers[*index].is_none() && !places.contains(index));
            let index = free.unwrap_or_else(|| {
                self.workers.push(None);
                self.workers.len() - 1
            });
            places.push(index);
            self.starting += 1;
        }
        places
    }

    /// A process was started for this place.
    fn welcome(&mut self, index: usize, mut link: Link, now: Instant) {
        let settings = Arc::clone(&self.settings);
        let setup = Setup {
            version: VERSION,
            index,
            name: format!("{}-{index}", settings.name),
            initializer: settings.initializer.clone(),
            memory_limit: settings.memory_limit,
            max_message: settings.max_frame,
            reports_memory: settings.max_resident.is_some(),
        };
        frame::setup(&setup, link.outgoing());
        let id = self.next_id;
        self.next_id += 1;
        let by = now + settings.boot_timeout;
        let mut worker = Worker::new(id, link, by, settings.max_frame, self.table.digest());
        worker.retires_after = settings.max_tasks.map(|most| jittered(most, id));
        super::schedule::flush(&mut worker);
        self.workers[index] = Some(worker);
    }

    #[cfg(target_os = "linux")]
    fn flush(&mut self, index: usize) {
        if let Some(worker) = self.workers.get_mut(index).and_then(Option::as_mut) {
            super::schedule::flush(worker);
        }
    }
}

/// A little less than `most`, different for each worker: so that they do not all leave at once.
fn jittered(most: u64, id: u64) -> u64 {
    // Fibonacci hashing: neighbouring ids come out far from one another.
    let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    most - (most / 8) * spread / (1 << 32)
}
