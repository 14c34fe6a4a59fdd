//! One worker, as its pool sees it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use executor_core::{
    JobKey, TaskError,
    codec::{self, Encoded, Part},
};

use super::{
    entry::{Body, Entry, Flight},
    flights::Flights,
    link::{Link, Readable},
};
use crate::wire::{
    VERSION,
    frame::{FromWorker, Run, Violation},
    inbox::Inbox,
};

/// How much of a worker's standard error is kept for the report of its death.
const TAIL: usize = 8 * 1024;

pub(crate) struct Worker {
    /// Different for each worker that the pool ever had.
    pub(crate) id: u64,
    pub(crate) link: Link,
    pub(crate) stage: Stage,
    /// It was ready at some time: its end is no failed start.
    pub(crate) has_been_ready: bool,
    /// Sent and not answered, oldest first. What was taken back is not among them.
    pub(crate) flights: Flights,
    /// How long the flights are thought to take, in nanoseconds.
    pub(crate) load: u64,
    /// Results of the chunk that is running.
    pub(crate) partial: Vec<u8>,
    /// Tasks that it has answered.
    pub(crate) served: u64,
    /// It leaves after so many.
    pub(crate) retires_after: Option<u64>,
    pub(crate) idle_since: Instant,
    /// The oldest task has taken longer than was thought, so nothing is sent ahead behind it.
    pub(crate) is_stuck: bool,
    /// When the last answer came.
    pub(crate) last_answer: Instant,
    /// What becomes of the task that it is being ended for.
    pub(crate) fate: Option<(u64, TaskError)>,
    /// Why it was ended, if it broke the protocol.
    pub(crate) fault: Option<String>,
    /// Wakes the waiter that reads its answers, if one does.
    #[cfg(target_os = "linux")]
    pub(crate) driver: Option<std::sync::Arc<super::drive::Interrupt>>,
    /// The pool's thread watches for its answers. If not, a waiter does, or has done so a moment ago.
    pub(crate) is_watched: bool,
    /// The last task that it has told to stop, where it says so.
    pub(crate) stop_seen: u64,
    /// It has closed its side of the connection: it is ending, or of no use.
    pub(crate) is_closed: bool,
    /// The end of its standard error.
    pub(crate) tail: VecDeque<u8>,
    /// The answered task that has kept its arguments, while its answer is being read.
    keeps: Option<u64>,
    /// What tasks have kept, for as long as they do.
    kept: Vec<(u64, Body)>,
    inbox: Inbox,
    next_seq: u64,
    /// What the worker's tasks must come to.
    digest: u64,
}

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Started, and not heard of as ready until `by`.
    Booting { said_hello: bool, by: Instant },
    /// Takes tasks.
    Ready,
    /// Answers what it has, and then leaves; its replacement is being booted.
    Retiring,
    /// Was told that nothing more will come; it is killed if it has not gone by then.
    Leaving { by: Instant },
    /// Was asked to end, or killed; it is killed then.
    Ending { kill_at: Option<Instant> },
}

/// What a frame of a worker means to the pool.
pub(crate) enum Answer {
    /// The worker takes tasks from now on.
    Ready,
    /// It is of no use.
    Failed(String),
    /// It has told its task to stop.
    StopSeen,
    /// A task is done.
    Done {
        flight: Flight,
        nanos: u64,
        result: Result<Encoded, TaskError>,
    },
}

impl Worker {
    pub(crate) fn new(
        id: u64,
        link: Link,
        boot_by: Instant,
        max_frame: usize,
        digest: u64,
    ) -> Self {
        let now = Instant::now();
        Self {
            id,
            link,
            stage: Stage::Booting {
                said_hello: false,
                by: boot_by,
            },
            has_been_ready: false,
            flights: Flights::default(),
            load: 0,
            partial: Vec::new(),
            served: 0,
            retires_after: None,
            idle_since: now,
            is_stuck: false,
            last_answer: now,
            fate: None,
            fault: None,
            #[cfg(target_os = "linux")]
            driver: None,
            is_watched: true,
            stop_seen: 0,
            is_closed: false,
            tail: VecDeque::new(),
            keeps: None,
            kept: Vec::new(),
            // Parts of a chunk are sent together, however short each item must be.
            inbox: Inbox::new(max_frame.max(LONGEST_PART)),
            next_seq: 1,
            digest,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Whether it takes tasks and has none.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_ready() && self.flights.is_empty()
    }

    /// Whether the worker can keep one more task apart from those that it has not looked at. It may have
    /// many of those, and no flights, if all of them were taken back.
    pub(crate) fn can_be_sent_more(&self) -> bool {
        self.link.has_room(self.next_seq)
    }

    /// Whether one more task can be sent that is thought to take `cost` nanoseconds, 0 for unknown.
    pub(crate) fn has_room(&self, cost: u64) -> bool {
        if !self.is_ready()
            || !self.can_be_sent_more()
            || self
                .retires_after
                .is_some_and(|most| self.served + self.flights.len() as u64 >= most)
        {
            return false;
        }
        let ahead = self.flights.len();
        if ahead == 0 {
            return true;
        }
        if self.is_stuck || ahead >= self.link.most_ahead() {
            return false;
        }
        // As many as are answered soon. One may wait behind another in any case, unless it is
        // a long one: it can be taken back if need be.
        let soon = cost != 0 && self.load.saturating_add(cost) <= AHEAD_NANOS;
        soon || (ahead < 2 && cost <= LONG_NANOS)
    }

    /// Whether a task that is thought to take `cost` nanoseconds is done here as soon as by a worker that has to be
    /// woken, behind what this one has to do.
    pub(crate) fn is_as_quick(&self, cost: u64) -> bool {
        // Of what is unknown there are two at the most, see `has_room`.
        let is_known = cost != 0
            && self
                .flights
                .iter()
                .take(2)
                .all(|flight| flight.expected > 0);
        let Some(first) = self.flights.front().filter(|_| is_known) else {
            return false;
        };
        self.load.saturating_add(cost) <= WORTH_WAKING
            && self.link.running_for(first).is_none_or(|ran| ran <= LATE)
    }

    /// Puts a task into the pipe's buffer.
    pub(crate) fn send(&mut self, entry: Entry, expected: u64) {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.link.offer(seq);
        let run = Run {
            seq,
            task: entry.task,
            is_chunk: entry.is_chunk,
            label: entry.label(),
            body: entry.body.payload(),
        };
        run.write(self.link.outgoing());
        if self.flights.is_empty() {
            self.last_answer = Instant::now();
        }
        self.load += expected;
        self.flights.push_back(Flight {
            seq,
            entry,
            expected,
            started: None,
        });
    }

    /// Takes back the task at this place of the flights, if the worker has not started it.
    pub(crate) fn take_back(&mut self, place: usize) -> Option<Entry> {
        let flight = self.flights.get(place)?;
        if !self.link.revoke(flight.seq) {
            return None;
        }
        let flight = self.flights.remove(place)?;
        self.load -= flight.expected;
        #[cfg(target_os = "linux")]
        if let Some(driver) = &self.driver {
            driver.notify();
        }
        Some(flight.entry)
    }

    /// Where in the flights this job is.
    pub(crate) fn place_of(&self, key: JobKey) -> Option<usize> {
        self.flights
            .iter()
            .position(|flight| flight.entry.key() == key)
    }

    /// Whether the worker has this task for good.
    pub(crate) fn has_started(&self, place: usize) -> bool {
        self.flights
            .get(place)
            .is_some_and(|flight| self.link.most_ahead() == 1 || self.link.has_started(flight))
    }

    /// Has the pool's thread watch for answers, unless a waiter does, or has it leave that to waiters.
    pub(crate) fn watch(&mut self, watch: bool) {
        #[cfg(target_os = "linux")]
        {
            let Link::Shared(link) = &self.link else {
                return;
            };
            if watch == self.is_watched || self.is_closed || (watch && self.driver.is_some()) {
                return;
            }
            self.is_watched = watch;
            if let Err(error) = link.watch_replies(watch) {
                self.fault = Some(format!("its answers cannot be watched: {error}"));
                self.kill();
            }
        }
        #[cfg(not(target_os = "linux"))]
        {
            self.is_watched = watch;
        }
    }

    /// Reads what has come, and hands each answer on. An error is a breach of the protocol.
    pub(crate) fn read(
        &mut self,
        mut answer: impl FnMut(&mut Self, Answer),
    ) -> Result<(), Violation> {
        loop {
            let readable = self
                .link
                .read(&mut self.inbox)
                .map_err(|error| Violation(format!("its answers cannot be read: {error}")))?;
            self.take_frames(&mut answer)?;
            match readable {
                Readable::More => {}
                Readable::Drained => return Ok(()),
                Readable::Closed => {
                    // Usually it is ending, and then this changes nothing.
                    self.is_closed = true;
                    self.link.kill();
                    return Ok(());
                }
            }
        }
    }

    /// As [`read`](Self::read), of what the worker holds back.
    pub(crate) fn pull(
        &mut self,
        mut answer: impl FnMut(&mut Self, Answer),
    ) -> Result<(), Violation> {
        self.link.pull(&mut self.inbox);
        self.take_frames(&mut answer)
    }

    fn take_frames(&mut self, answer: &mut impl FnMut(&mut Self, Answer)) -> Result<(), Violation> {
        while let Some((kind, body)) = self.inbox.next()? {
            if let Some(read) = self.heed(kind, body)? {
                answer(self, read);
            }
        }
        Ok(())
    }

    fn heed(
        &mut self,
        kind: u8,
        body: std::ops::Range<usize>,
    ) -> Result<Option<Answer>, Violation> {
        let frame = FromWorker::read(kind, self.inbox.body(body))?;
        if let Stage::Booting { said_hello, by } = self.stage {
            let answer = match frame {
                FromWorker::Hello { version, digest } if !said_hello => {
                    if version != VERSION {
                        return Ok(Some(Answer::Failed(format!(
                            "the worker speaks version {version} of the protocol, and this program \
                             version {VERSION}"
                        ))));
                    }
                    if digest != self.digest {
                        return Ok(Some(Answer::Failed(String::from(
                            "the worker's program has other tasks than this one, or others by the \
                             same names: build both from the same sources, and register tasks before \
                             `init`",
                        ))));
                    }
                    self.stage = Stage::Booting {
                        said_hello: true,
                        by,
                    };
                    return Ok(None);
                }
                FromWorker::Ready if said_hello => Answer::Ready,
                FromWorker::Failed(why) if said_hello => Answer::Failed(why.to_owned()),
                frame => return Err(out_of_turn(&frame)),
            };
            return Ok(Some(answer));
        }
        let (seq, nanos, result) = match frame {
            FromWorker::Started(seq) => {
                let flight = oldest(&mut self.flights, seq)?;
                flight.started = Some(Instant::now());
                return Ok(None);
            }
            FromWorker::StopSeen(seq) => {
                self.stop_seen = seq;
                return Ok(Some(Answer::StopSeen));
            }
            FromWorker::Part { seq, bytes } => {
                if !oldest(&mut self.flights, seq)?.entry.is_chunk {
                    return Err(Violation(format!("task {seq} is no chunk, and has parts")));
                }
                // As a rule there is one part, and then the little that is left.
                self.partial.reserve_exact(bytes.len() + 64);
                self.partial.extend_from_slice(bytes);
                return Ok(None);
            }
            FromWorker::PartShared { seq, place } => {
                if !oldest(&mut self.flights, seq)?.entry.is_chunk {
                    return Err(Violation(format!("task {seq} is no chunk, and has parts")));
                }
                let part = self.link.hold(place, self.inbox.cap())?;
                self.partial.reserve_exact(part.len() + 64);
                part.append_to(0..usize::MAX, &mut self.partial);
                return Ok(None);
            }
            FromWorker::Keeps(seq) => {
                oldest(&mut self.flights, seq)?;
                self.keeps = Some(seq);
                return Ok(None);
            }
            FromWorker::LetsGo(seq) => {
                let Some(place) = self.kept.iter().position(|&(kept, _)| kept == seq) else {
                    return Err(Violation(format!("task {seq} has kept no arguments")));
                };
                self.kept.swap_remove(place);
                return Ok(None);
            }
            FromWorker::DoneShared { seq, nanos, place } => {
                // Whoever takes the output copies it: not under the pool's lock.
                let held = self.link.hold(place, self.inbox.cap())?;
                let output = if self.partial.is_empty() {
                    Encoded::held(held)
                } else {
                    held.append_to(0..usize::MAX, &mut self.partial);
                    Encoded::from(std::mem::take(&mut self.partial))
                };
                (seq, nanos, Ok(output))
            }
            FromWorker::Done { seq, nanos, body } => {
                let output = if self.partial.is_empty() {
                    Encoded::from(Box::<[u8]>::from(body))
                } else {
                    self.partial.extend_from_slice(body);
                    Encoded::from(std::mem::take(&mut self.partial))
                };
                (seq, nanos, Ok(output))
            }
            FromWorker::Error { seq, nanos, body } => {
                self.partial.clear();
                let error = codec::decode::<TaskError>(Part::Output, body);
                (seq, nanos, Err(error.unwrap_or_else(TaskError::from)))
            }
            frame => return Err(out_of_turn(&frame)),
        };
        oldest(&mut self.flights, seq)?;
        let Some(mut flight) = self.flights.pop_front() else {
            return Ok(None);
        };
        if self.keeps.take() == Some(seq) {
            let body = std::mem::replace(&mut flight.entry.body, Body::empty());
            self.kept.push((seq, body));
        }
        self.load -= flight.expected;
        self.served += 1;
        self.is_stuck = false;
        Ok(Some(Answer::Done {
            flight,
            nanos,
            result,
        }))
    }

    /// Adds to the end of its standard error.
    pub(crate) fn note_stderr(&mut self, bytes: &[u8]) {
        let newest = &bytes[bytes.len().saturating_sub(TAIL)..];
        self.tail.extend(newest);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    /// The end of its standard error, as text.
    pub(crate) fn tail_text(&mut self) -> String {
        String::from_utf8_lossy(self.tail.make_contiguous()).into_owned()
    }

    /// Asks it to end, and has it killed after `grace` if it has not.
    pub(crate) fn end(&mut self, now: Instant, grace: Duration) {
        if matches!(self.stage, Stage::Ending { .. }) {
            return;
        }
        if grace.is_zero() || !self.link.terminate() {
            return self.kill();
        }
        self.stage = Stage::Ending {
            kill_at: now.checked_add(grace),
        };
    }

    pub(crate) fn kill(&mut self) {
        self.link.kill();
        self.stage = Stage::Ending { kill_at: None };
    }

    /// Tells it that nothing more will come.
    pub(crate) fn leave(&mut self, by: Instant) {
        self.link.close();
        self.stage = Stage::Leaving { by };
    }
}

/// No worker sends more items of a chunk in one frame.
const LONGEST_PART: usize = 1 << 20;

/// To wake a worker takes the time of so many nanoseconds of work, of which its parent spends a part.
const WORTH_WAKING: u64 = 20_000;

/// A task of which a worker should have had several done by now.
const LATE: Duration = Duration::from_micros(40);

/// How long what is sent ahead may take together.
const AHEAD_NANOS: u64 = 2_500_000;

/// Nothing is sent ahead that is thought to take longer.
pub(crate) const LONG_NANOS: u64 = 2_500_000;

/// The flight that an answer must be about: answers come in order.
fn oldest(flights: &mut Flights, seq: u64) -> Result<&mut Flight, Violation> {
    match flights.front_mut() {
        Some(flight) if flight.seq == seq => Ok(flight),
        Some(flight) => Err(Violation(format!(
            "it answers task {seq}, and the answer to task {} is due",
            flight.seq
        ))),
        None => Err(Violation(format!("it answers task {seq}, and has none"))),
    }
}

fn out_of_turn(frame: &FromWorker<'_>) -> Violation {
    let name = match frame {
        FromWorker::Hello { .. } => "hello",
        FromWorker::Ready => "ready",
        FromWorker::Failed(_) => "failed",
        FromWorker::Started(_) => "started",
        FromWorker::StopSeen(_) => "stop seen",
        FromWorker::Part { .. } => "part",
        FromWorker::Done { .. } => "done",
        FromWorker::Error { .. } => "error",
        FromWorker::PartShared { .. } => "part in shared memory",
        FromWorker::DoneShared { .. } => "done in shared memory",
        FromWorker::Keeps(_) => "keeps",
        FromWorker::LetsGo(_) => "lets go",
    };
    Violation(format!("a frame `{name}` came out of turn"))
}
