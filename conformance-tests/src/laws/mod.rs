//! The laws, as trials: who they are for, and what they work with.

mod asynchronous;
mod context;
mod drops;
mod flow;
mod isolate;
mod map;
mod map_window;
mod nested;
mod queue;
mod scope;
mod settle;
mod shapes;
mod shutdown;
mod stop;
mod timeouts;
mod together;
mod wait;

use std::sync::Arc;

use executor_core::{
    Capabilities, Executor, Future, LocalExecutor, LocalExecutorExt as _, TaskError, TaskFuture,
};

use crate::{
    guard,
    latch::Gate,
    model, product,
    subject::{Backend, Config, Subject},
    surface,
};

/// One trial, before it is made for a backend.
pub(crate) struct Law {
    pub(crate) name: String,
    pub(crate) needs: Needs,
    pub(crate) run: Box<dyn FnOnce(&Bench) + Send>,
}

/// What a backend must have for a trial to be made for it.
#[derive(Clone, Copy)]
pub(crate) struct Needs {
    local: bool,
    pending: bool,
    background: bool,
    bounded: bool,
    ordered: bool,
    initialized: bool,
    resize: bool,
    wait_idle: bool,
    when: fn(&Capabilities) -> bool,
}

/// For every executor.
pub(crate) const ANY: Needs = Needs {
    local: false,
    pending: false,
    background: false,
    bounded: false,
    ordered: false,
    initialized: false,
    resize: false,
    wait_idle: false,
    when: |_| true,
};

/// For executors that take closures.
pub(crate) const LOCAL: Needs = Needs { local: true, ..ANY };

/// For local executors in which a task can be pending while the caller goes on.
pub(crate) const PENDING: Needs = Needs {
    pending: true,
    ..LOCAL
};

/// For local executors that run tasks while the caller goes on.
pub(crate) const BACKGROUND: Needs = Needs {
    background: true,
    ..PENDING
};

/// For those whose queue can have a bound.
pub(crate) const BOUNDED: Needs = Needs {
    bounded: true,
    ..BACKGROUND
};

/// For those whose queue can have another order.
pub(crate) const ORDERED: Needs = Needs {
    ordered: true,
    ..BACKGROUND
};

/// For those whose workers can have an initializer.
pub(crate) const INITIALIZED: Needs = Needs {
    initialized: true,
    ..BACKGROUND
};

/// For those whose number of workers can be changed.
pub(crate) const RESIZE: Needs = Needs {
    resize: true,
    ..BACKGROUND
};

/// For those that can be waited for until they are idle.
pub(crate) const WAIT_IDLE: Needs = Needs {
    wait_idle: true,
    ..BACKGROUND
};

impl Needs {
    /// And only where the capabilities are like this.
    pub(crate) const fn when(self, when: fn(&Capabilities) -> bool) -> Self {
        Self { when, ..self }
    }

    pub(crate) fn met_by(self, backend: &Backend) -> bool {
        let Backend {
            capabilities,
            offers,
            ..
        } = backend;
        (!self.local || capabilities.local)
            && (!self.pending || capabilities.background || offers.deferred)
            && (!self.background || capabilities.background)
            && (!self.bounded || offers.bounded)
            && (!self.ordered || offers.ordered)
            && (!self.initialized || offers.initialized)
            && (!self.resize || offers.resize)
            && (!self.wait_idle || offers.wait_idle)
            && (self.when)(capabilities)
    }
}

/// All laws.
pub(crate) fn all() -> Vec<Law> {
    let mut laws = Laws {
        list: Vec::new(),
        group: "",
    };
    for add in [
        settle::laws,
        together::laws,
        drops::laws,
        isolate::laws,
        shapes::laws,
        stop::laws,
        shutdown::laws,
        wait::laws,
        timeouts::laws,
        asynchronous::laws,
        nested::laws,
        queue::laws,
        map::laws,
        map_window::laws,
        flow::laws,
        scope::laws,
        context::laws,
        product::laws,
        model::laws,
        surface::laws,
    ] {
        add(&mut laws);
    }
    laws.list
}

/// The list that each group of laws adds to.
pub(crate) struct Laws {
    list: Vec<Law>,
    group: &'static str,
}

impl Laws {
    /// Begins the trials of a law.
    pub(crate) const fn law(&mut self, name: &'static str) -> &mut Self {
        self.group = name;
        self
    }

    /// Adds a trial of the law.
    pub(crate) fn case(
        &mut self,
        name: impl AsRef<str>,
        needs: Needs,
        run: impl FnOnce(&Bench) + Send + 'static,
    ) -> &mut Self {
        let name = format!("{}::{}", self.group, name.as_ref());
        debug_assert!(
            self.list.iter().all(|law| law.name != name),
            "two trials named {name}"
        );
        self.list.push(Law {
            name,
            needs,
            run: Box::new(run),
        });
        self
    }
}

/// Where a trial gets its executors.
pub(crate) struct Bench {
    backend: Arc<Backend>,
}

impl Bench {
    pub(crate) const fn new(backend: Arc<Backend>) -> Self {
        Self { backend }
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.backend.capabilities
    }

    /// Whether tasks wait, since no worker runs them, for somebody who waits for them.
    pub(crate) fn is_deferred(&self) -> bool {
        self.backend.offers.deferred
    }

    pub(crate) fn subject(&self, config: &Config) -> Subject {
        match (self.backend.build)(config) {
            Ok(subject) => subject,
            Err(error) => panic!("{error} ({config:?})"),
        }
    }

    /// An executor with two workers.
    pub(crate) fn executor(&self) -> Box<dyn Executor> {
        self.subject(&Config::workers(2)).executor
    }

    /// A local executor with this many workers.
    pub(crate) fn local(&self, workers: usize) -> Box<dyn LocalExecutor> {
        self.local_with(&Config::workers(workers))
    }

    pub(crate) fn local_with(&self, config: &Config) -> Box<dyn LocalExecutor> {
        self.subject(config)
            .local
            .expect("trials with closures are only for local executors")
    }

    /// A local executor with one worker, which is busy until the jam is opened: whatever is submitted
    /// stays pending.
    pub(crate) fn jam(&self) -> Jam {
        self.jam_with(&Config::workers(1))
    }

    pub(crate) fn jam_with(&self, config: &Config) -> Jam {
        let pool = self.local_with(config);
        let gate = Gate::new("the jam of the only worker");
        if !self.is_deferred() {
            jam(&pool, &gate);
        }
        Jam { gate, pool }
    }
}

/// Keeps one worker of the pool busy until the gate opens.
pub(crate) fn jam(pool: &dyn LocalExecutor, gate: &Gate) {
    let started = Gate::new("the task that jams the worker");
    let (inside, closed) = (started.clone(), gate.clone());
    let blocker = pool.spawn(move || {
        inside.open();
        closed.wait();
    });
    drop(blocker.expect("a new pool accepts tasks"));
    started.wait();
}

/// An executor whose workers are busy. When it is dropped they are let go.
pub(crate) struct Jam {
    // First, so that it opens before the executor is dropped and joins.
    gate: Gate,
    pub(crate) pool: Box<dyn LocalExecutor>,
}

impl Jam {
    pub(crate) fn open(&self) {
        self.gate.open();
    }

    /// The executor, once the worker has been let go.
    pub(crate) fn opened(self) -> Box<dyn LocalExecutor> {
        self.gate.open();
        self.pool.clone()
    }

    /// Spawns a task that gives a number.
    #[track_caller]
    pub(crate) fn number(&self, number: u64) -> TaskFuture<u64> {
        number_on(&self.pool, number)
    }
}

impl Drop for Jam {
    fn drop(&mut self) {
        self.gate.open();
    }
}

#[track_caller]
pub(crate) fn number_on(pool: &dyn LocalExecutor, number: u64) -> TaskFuture<u64> {
    pool.spawn(move || number)
        .expect("an open pool accepts tasks")
}

/// The result of a task that must have one.
#[track_caller]
pub(crate) fn value<F: Future>(future: F) -> F::Value {
    guard::step("the result of a task");
    match future.result() {
        Ok(value) => value,
        Err(error) => panic!("a task that should have a result has an error: {error}"),
    }
}

/// The error of a task that must have one.
#[track_caller]
pub(crate) fn failure<F: Future>(future: F) -> TaskError {
    guard::step("the error of a task");
    match future.result() {
        Ok(_) => panic!("a task that should have an error has a result"),
        Err(error) => error,
    }
}
