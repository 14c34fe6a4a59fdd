//! What the tasks of a trial do, step by step, as a value: the same on a thread and in another process.

use std::{
    process::{Command, Stdio},
    thread,
};

use executor_core::context::{self, Stopped};
use executor_macros::task;
use serde::{Deserialize, Serialize};

use crate::{
    block_on::yields,
    guard::pass,
    latch::{Gate, Meeting, Notes, Tally, eventually},
    planned,
    subject::WorkerState,
};

/// Does what the script says, and gives its number.
#[task(crate = "executor_core")]
pub(crate) fn perform(script: Script) -> u64 {
    script.perform()
}

/// The same as a future.
#[task(crate = "executor_core")]
pub(crate) async fn perform_async(script: Script) -> u64 {
    script.perform_async().await
}

/// Runs until it is asked to stop.
#[task(crate = "executor_core")]
pub(crate) fn check_loop(started: Gate) -> Result<(), Stopped> {
    started.open();
    loop {
        context::check()?;
        thread::yield_now();
    }
}

/// Where it runs, told by all of a meeting.
#[task(crate = "executor_core")]
pub(crate) fn facts(meeting: Option<Meeting>) -> Facts {
    if let Some(meeting) = meeting {
        meeting.arrive();
    }
    Facts {
        pid: std::process::id(),
        worker: context::worker_name(),
        index: context::worker_index(),
        task: context::task_name(),
        state: context::with_worker_state(|state: &WorkerState| state.0),
        other_state: context::with_worker_state(|state: &String| state.len() as u64),
    }
}

/// What a task knows of where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) pid: u32,
    pub(crate) worker: Option<String>,
    pub(crate) index: Option<usize>,
    pub(crate) task: Option<String>,
    pub(crate) state: Option<u64>,
    /// The state as another type than it has.
    pub(crate) other_state: Option<u64>,
}

/// What a task does: its steps in order, and then it gives a number.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Script {
    steps: Vec<Step>,
    gives: u64,
}

#[derive(Clone, Serialize, Deserialize)]
enum Step {
    Open(Gate),
    Wait(Gate),
    Meet(Meeting),
    Bump(Tally),
    Note(Notes, u32),
    Pass(std::time::Duration),
    Yield(u32),
    Await(Gate),
    UntilStopped,
    SawStop,
    Print(String),
    Panic,
    Crash(Crash),
}

/// How a task brings its process down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crash {
    Abort,
    Exit(i32),
    /// A segmentation fault, sent by another process.
    Fault,
    /// A kill signal, sent by another process.
    Kill,
    Overflow,
}

/// A script that does nothing and gives 0.
pub(crate) fn script() -> Script {
    Script::default()
}

impl Script {
    /// Opens the gate.
    pub(crate) fn open(self, gate: &Gate) -> Self {
        self.then(Step::Open(gate.clone()))
    }

    /// Waits for the gate.
    pub(crate) fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    /// Waits for the others.
    pub(crate) fn meet(self, meeting: &Meeting) -> Self {
        self.then(Step::Meet(meeting.clone()))
    }

    /// Adds one.
    pub(crate) fn bump(self, tally: &Tally) -> Self {
        self.then(Step::Bump(tally.clone()))
    }

    /// Notes a number.
    pub(crate) fn note(self, notes: &Notes, number: u32) -> Self {
        self.then(Step::Note(notes.clone(), number))
    }

    /// Lets time pass, whoever asks it to stop.
    pub(crate) fn pass(self, duration: std::time::Duration) -> Self {
        self.then(Step::Pass(duration))
    }

    /// Gives the other tasks of its runtime this many turns.
    pub(crate) fn yields(self, times: u32) -> Self {
        self.then(Step::Yield(times))
    }

    /// Waits for the gate without blocking its thread.
    pub(crate) fn awaits(self, gate: &Gate) -> Self {
        self.then(Step::Await(gate.clone()))
    }

    /// Waits until it is asked to stop.
    pub(crate) fn until_stopped(self) -> Self {
        self.then(Step::UntilStopped)
    }

    /// Gives 1 if it has been asked to stop by then, and 0 else.
    pub(crate) fn saw_stop(self) -> Self {
        self.then(Step::SawStop)
    }

    /// Prints a line to its standard error.
    pub(crate) fn print(self, line: impl Into<String>) -> Self {
        self.then(Step::Print(line.into()))
    }

    /// Panics, as planned.
    pub(crate) fn panic(self) -> Self {
        self.then(Step::Panic)
    }

    /// Brings its process down.
    pub(crate) fn crash(self, crash: Crash) -> Self {
        self.then(Step::Crash(crash))
    }

    /// Gives this number.
    pub(crate) const fn gives(mut self, number: u64) -> Self {
        self.gives = number;
        self
    }

    /// The task that does it.
    pub(crate) fn task(self) -> perform {
        perform::task(self)
    }

    /// The task that does it as a future.
    pub(crate) fn async_task(self) -> perform_async {
        perform_async::task(self)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn perform(self) -> u64 {
        let mut gives = self.gives;
        for step in self.steps {
            step.act(&mut gives);
        }
        gives
    }

    async fn perform_async(self) -> u64 {
        let mut gives = self.gives;
        for step in self.steps {
            match step {
                Step::Yield(times) => yields(times).await,
                Step::Await(gate) => gate.opened().await,
                step => step.act(&mut gives),
            }
        }
        gives
    }
}

impl Step {
    fn act(self, gives: &mut u64) {
        match self {
            Self::Open(gate) => gate.open(),
            Self::Wait(gate) | Self::Await(gate) => gate.wait(),
            Self::Meet(meeting) => meeting.arrive(),
            Self::Bump(tally) => tally.bump(),
            Self::Note(notes, number) => notes.note(number),
            Self::Pass(duration) => pass(duration),
            Self::Yield(times) => (0..times).for_each(|_| thread::yield_now()),
            Self::UntilStopped => eventually("the signal", context::stop_requested),
            Self::SawStop => *gives = u64::from(context::stop_requested()),
            Self::Print(line) => eprintln!("{line}"),
            Self::Panic => planned::boom(),
            Self::Crash(crash) => crash.happen(),
        }
    }
}

impl Crash {
    /// Ends this process.
    pub(crate) fn happen(self) -> ! {
        match self {
            Self::Abort => std::process::abort(),
            #[expect(
                clippy::disallowed_methods,
                reason = "a task that exits is what the trial is about"
            )]
            Self::Exit(code) => std::process::exit(code),
            Self::Fault => signal("-SEGV"),
            Self::Kill => signal("-KILL"),
            Self::Overflow => panic!("the stack has no end: {}", recurse(&[0; 1024])),
        }
    }
}

/// Sends this process a signal until it ends. One may not be enough: the runtime of Rust takes the first
/// segmentation fault for an overflow of the stack, looks, and steps aside for the next one.
fn signal(signal: &str) -> ! {
    for _ in 0..10 {
        let sent = Command::new("/bin/kill")
            .arg(signal)
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .status();
        if let Err(error) = sent {
            panic!("/bin/kill cannot be run: {error}");
        }
        pass(crate::guard::unit());
    }
    panic!("{signal} by /bin/kill did not end this process")
}

#[expect(
    unconditional_recursion,
    reason = "the overflow of the stack is what the trial is about"
)]
fn recurse(outer: &[u8; 1024]) -> u8 {
    let mut frame = *outer;
    frame[0] = frame[0].wrapping_add(1);
    recurse(std::hint::black_box(&frame)).wrapping_add(frame[1])
}
