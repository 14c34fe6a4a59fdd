//! Random programs against a model: what the executor does is compared, step by step, with what a few
//! lines of plain code say that it should do.
//!
//! The model knows three states of a task (pending, and done in one of three ways), and whether the only
//! worker is jammed. While it is, what is submitted stays pending; when it is let go, everything pending
//! is done. So after each step there is one right answer to every question.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use executor_core::{Executor as _, Future, Outcome, Shutdown, State, TaskFuture};
use proptest::{
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::Index,
    test_runner::{Config as Proptest, TestRunner},
};

use crate::{
    guard::step,
    latch::{Gate, Tally, eventually},
    laws::{ANY, Bench, Laws, Pool},
    script::script,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("model_random_programs")
        .case("agree_with_a_reference", ANY, |bench| {
            random(bench, 48, 0..40);
        })
        .case("long_ones_too", ANY, |bench| random(bench, 4, 200..400));
}

/// One step of a program. An index picks one of the tasks that there are.
#[derive(Debug, Clone)]
enum Op {
    Submit { panics: bool },
    Cancel(Index),
    Look(Index),
    Callback(Index),
    Take(Index),
    Drop(Index),
    Jam,
    Release,
    Shutdown { cancels: bool },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => any::<bool>().prop_map(|panics| Op::Submit { panics }),
        4 => any::<Index>().prop_map(Op::Cancel),
        4 => any::<Index>().prop_map(Op::Look),
        4 => any::<Index>().prop_map(Op::Callback),
        4 => any::<Index>().prop_map(Op::Take),
        3 => any::<Index>().prop_map(Op::Drop),
        3 => Just(Op::Jam),
        3 => Just(Op::Release),
        1 => any::<bool>().prop_map(|cancels| Op::Shutdown { cancels }),
    ]
}

fn random(bench: &Bench, cases: u32, length: std::ops::Range<usize>) {
    let config = Proptest {
        cases,
        failure_persistence: None,
        max_shrink_time: 5_000,
        ..Proptest::default()
    };
    let programs = proptest::collection::vec(op(), length);
    let result = TestRunner::new(config).run(&programs, |program| {
        let mut world = World::new(bench);
        for (at, op) in program.iter().enumerate() {
            step(&format!("step {at}, {op:?}"));
            world.perform(op);
        }
        world.end();
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// The executor, and beside it what should be.
struct World<'b> {
    bench: &'b Bench,
    pool: Option<Pool>,
    /// Closed while the worker is jammed.
    gate: Gate,
    jams: Jams,
    tasks: Vec<Task>,
    shutdown: Option<Shutdown>,
}

/// Whether tasks can be kept pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jams {
    /// Nothing is ever pending: tasks run in the call that submits them.
    Never,
    /// Everything is pending until somebody waits for it.
    Always,
    /// With a task that blocks the only worker; whether there is one now.
    ByTask(bool),
}

struct Task {
    future: Option<TaskFuture<u64>>,
    panics: bool,
    runs: Tally,
    alive: Tally,
    /// How alive it is while it is pending.
    held: usize,
    /// What the callbacks were told.
    told: Arc<Mutex<Vec<Outcome>>>,
    /// What should be.
    state: State,
    callbacks: usize,
}

impl<'b> World<'b> {
    fn new(bench: &'b Bench) -> Self {
        let jams = if bench.is_deferred() {
            Jams::Always
        } else if bench.capabilities().background {
            Jams::ByTask(false)
        } else {
            Jams::Never
        };
        Self {
            bench,
            pool: Some(bench.pool(1)),
            gate: bench.gate("the jam of the model"),
            jams,
            tasks: Vec::new(),
            shutdown: None,
        }
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Submit { panics } => self.submit(*panics),
            Op::Jam => self.jam(),
            Op::Release => self.release(),
            Op::Shutdown { cancels } => self.shut_down(*cancels),
            Op::Cancel(index) => self.with(index, Task::cancel),
            Op::Look(index) => self.with(index, Task::look),
            Op::Callback(index) => self.with(index, Task::callback),
            Op::Take(index) => self.with(index, Task::take),
            Op::Drop(index) => self.with(index, |task| task.future = None),
        }
    }

    fn with(&mut self, index: &Index, f: impl FnOnce(&mut Task)) {
        if !self.tasks.is_empty() {
            f(index.get_mut(&mut self.tasks));
        }
    }

    fn pool(&self) -> &Pool {
        self.pool.as_ref().expect("the pool is there until the end")
    }

    fn submit(&mut self, panics: bool) {
        let (runs, alive) = (self.bench.tally(), Tally::new());
        let held = usize::from(self.bench.is_local());
        let task = script().bump(&runs);
        let task = if panics { task.panic() } else { task };
        let future = match self.pool().start_holding(task, alive.token()) {
            Ok(future) => future,
            Err(error) => {
                assert!(self.shutdown.is_some() && error.is_shut_down(), "{error}");
                assert_eq!(alive.get(), held, "the task comes back");
                return;
            }
        };
        assert!(self.shutdown.is_none(), "accepted after the shutdown");
        let mut task = Task {
            future: Some(future),
            panics,
            runs,
            alive,
            held,
            told: Arc::default(),
            state: State::Pending,
            callbacks: 0,
        };
        if matches!(self.jams, Jams::Never | Jams::ByTask(false)) {
            task.finish();
        }
        self.tasks.push(task);
    }

    fn jam(&mut self) {
        if self.jams == Jams::ByTask(false) && self.shutdown.is_none() {
            self.gate = self.bench.gate("the jam of the model");
            self.bench.block(self.pool(), &self.gate);
            self.jams = Jams::ByTask(true);
        }
    }

    fn release(&mut self) {
        self.gate.open();
        for task in &mut self.tasks {
            // Nobody can wait for a task whose future is gone; a worker runs it all the same.
            if task.future.is_some() || self.jams != Jams::Always {
                task.finish();
            }
        }
        if let Jams::ByTask(jammed) = &mut self.jams {
            *jammed = false;
        }
    }

    fn shut_down(&mut self, cancels: bool) {
        let mode = if cancels {
            Shutdown::CancelPending
        } else {
            Shutdown::Drain
        };
        self.pool()
            .shutdown(mode)
            .expect("both modes are for everybody");
        self.shutdown = self.shutdown.max(Some(mode));
        if cancels {
            for task in &mut self.tasks {
                if task.state == State::Pending {
                    task.state = State::Done(Outcome::Cancelled);
                    task.check();
                }
            }
        }
    }

    fn end(&mut self) {
        step("the end of the program");
        self.gate.open();
        self.pool = None;
        for task in &mut self.tasks {
            if let Some(future) = &task.future {
                assert!(future.is_done(), "pending after the drop of the pool");
            }
            task.finish();
            task.future = None;
            assert_eq!(task.alive.get(), 0, "a task was not dropped");
        }
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        // Also when a step has failed: else the drop of the pool would wait for ever.
        self.gate.open();
    }
}

impl Task {
    /// The task should be done, if it is pending.
    fn finish(&mut self) {
        if self.state == State::Pending {
            match &self.future {
                Some(future) => future.wait(),
                None => eventually("a detached task", || self.runs.get() > 0),
            }
            let outcome = if self.panics {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            };
            self.state = State::Done(outcome);
        }
        self.check();
    }

    fn cancel(&mut self) {
        let Some(future) = &self.future else { return };
        let cancelled = future.cancel();
        assert_eq!(cancelled, self.state == State::Pending, "what cancel says");
        if cancelled {
            self.state = State::Done(Outcome::Cancelled);
        }
        self.check();
    }

    fn look(&mut self) {
        let Some(future) = &self.future else { return };
        assert_eq!(future.state(), self.state);
        assert_eq!(future.is_done(), self.state != State::Pending);
        assert_eq!(future.wait_timeout(Duration::ZERO), future.is_done());
        assert_eq!(
            future.peek_error().is_some(),
            self.outcome().is_some_and(is_error)
        );
        self.check();
    }

    fn callback(&mut self) {
        let Some(future) = &self.future else { return };
        let told = Arc::clone(&self.told);
        future.on_done(move |outcome| {
            told.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(outcome);
        });
        self.callbacks += 1;
        self.check();
    }

    fn take(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        match (future.result_timeout(Duration::ZERO), self.outcome()) {
            (Err(future), None) => self.future = Some(future),
            (Ok(Ok(_)), Some(Outcome::Succeeded)) => {}
            (Ok(Err(error)), Some(Outcome::Failed)) => assert!(error.is_panicked(), "{error}"),
            (Ok(Err(error)), Some(Outcome::Cancelled)) => assert!(error.is_cancelled(), "{error}"),
            (result, expected) => panic!("{result:?} where the model says {expected:?}"),
        }
        self.check();
    }

    fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Checks what can be seen of the task from outside of its future.
    fn check(&self) {
        let Some(outcome) = self.outcome() else {
            let seen = (self.runs.get(), self.alive.get());
            assert_eq!(seen, (0, self.held), "pending");
            assert_eq!(self.told().len(), 0, "a callback was called too early");
            return;
        };
        assert_eq!(
            self.runs.get(),
            usize::from(outcome != Outcome::Cancelled),
            "runs"
        );
        // The thread that settles calls, and may be a moment behind the one that saw the task done.
        eventually("the callbacks", || self.told().len() >= self.callbacks);
        assert_eq!(self.told(), vec![outcome; self.callbacks]);
    }

    fn told(&self) -> Vec<Outcome> {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn is_error(outcome: Outcome) -> bool {
    outcome != Outcome::Succeeded
}
