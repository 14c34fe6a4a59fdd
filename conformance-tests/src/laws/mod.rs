//! The laws, as trials: who they are for, and what they work with.

mod async_ends;
mod async_stop;
mod async_tasks;
mod async_together;
mod asynchronous;
mod bench;
mod blocking;
mod context;
mod crash;
mod drops;
mod flow;
mod isolate;
mod kill;
mod map;
mod map_window;
mod nested;
mod queue;
mod runtimes;
mod scope;
mod settle;
mod shapes;
mod shutdown;
mod stop;
mod submit_async;
mod timeouts;
mod together;
mod wait;
mod workers;

use executor_core::{Capabilities, Future, TaskError};

pub(crate) use self::bench::{Bench, Jam, Pool, number_on};
use crate::{guard, model, product, subject::Backend, surface};

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
    remote: bool,
    pending: bool,
    background: bool,
    queued_async: bool,
    refuses_blocking: bool,
    own_threads: bool,
    shared_threads: bool,
    bounded: bool,
    caller_runs: bool,
    ordered: bool,
    initialized: bool,
    resize: bool,
    wait_idle: bool,
    victim: bool,
    when: fn(&Capabilities) -> bool,
}

/// For every executor.
pub(crate) const ANY: Needs = Needs {
    local: false,
    remote: false,
    pending: false,
    background: false,
    queued_async: false,
    refuses_blocking: false,
    own_threads: false,
    shared_threads: false,
    bounded: false,
    caller_runs: false,
    ordered: false,
    initialized: false,
    resize: false,
    wait_idle: false,
    victim: false,
    when: |_| true,
};

/// For executors that take closures.
pub(crate) const LOCAL: Needs = ANY.local();

/// For executors in which a task can be pending while the caller goes on.
pub(crate) const PENDING: Needs = Needs {
    pending: true,
    ..ANY
};

/// For executors that run tasks while the caller goes on.
pub(crate) const BACKGROUND: Needs = Needs {
    background: true,
    ..PENDING
};

/// For those whose workers are other processes, which can die and be killed.
pub(crate) const REMOTE: Needs = Needs {
    remote: true,
    when: |can| can.kill,
    ..BACKGROUND
};

/// For those of them that can be killed as a whole.
pub(crate) const VICTIM: Needs = Needs {
    victim: true,
    ..REMOTE
};

/// For those whose queue can have a bound.
pub(crate) const BOUNDED: Needs = Needs {
    bounded: true,
    ..BACKGROUND
};

/// For those that refuse to block an async runtime.
pub(crate) const REFUSES_BLOCKING: Needs = BACKGROUND.refuses_blocking();

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
    /// And only for executors that take closures: the trial is about them, or about what they capture.
    pub(crate) const fn local(self) -> Self {
        Self {
            local: true,
            ..self
        }
    }

    /// And only for those whose workers are other processes.
    pub(crate) const fn remote(self) -> Self {
        Self {
            remote: true,
            ..self
        }
    }

    /// And only for those whose async tasks wait for a worker, so that one can be pending.
    pub(crate) const fn queued_async(self) -> Self {
        Self {
            queued_async: true,
            ..self
        }
    }

    /// And only for those whose workers belong to one executor each.
    pub(crate) const fn own_threads(self) -> Self {
        Self {
            own_threads: true,
            ..self
        }
    }

    /// And only for those whose workers may be those of another executor, too.
    pub(crate) const fn shared_threads(self) -> Self {
        Self {
            shared_threads: true,
            ..self
        }
    }

    /// And only for those that refuse to block an async runtime.
    pub(crate) const fn refuses_blocking(self) -> Self {
        Self {
            refuses_blocking: true,
            ..self
        }
    }

    /// And only for those who may run a task in the caller, when the queue is full.
    pub(crate) const fn caller_runs(self) -> Self {
        Self {
            caller_runs: true,
            ..self
        }
    }

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
            && (!self.remote || !capabilities.local)
            && (!self.pending || capabilities.background || offers.deferred)
            && (!self.background || capabilities.background)
            && (!self.queued_async || !offers.native_async)
            && (!self.refuses_blocking || offers.refuses_blocking_in_async)
            && (!self.own_threads || !offers.shared_threads)
            && (!self.shared_threads || offers.shared_threads)
            && (!self.bounded || offers.bounded)
            && (!self.caller_runs || !offers.no_caller_runs)
            && (!self.ordered || offers.ordered)
            && (!self.initialized || offers.initialized)
            && (!self.resize || offers.resize)
            && (!self.wait_idle || offers.wait_idle)
            && (!self.victim || backend.victim.is_some())
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
        crash::laws,
        kill::laws,
        workers::laws,
        shapes::laws,
        stop::laws,
        shutdown::laws,
        wait::laws,
        timeouts::laws,
        asynchronous::laws,
        runtimes::laws,
        async_tasks::laws,
        async_stop::laws,
        async_ends::laws,
        async_together::laws,
        nested::laws,
        blocking::laws,
        queue::laws,
        submit_async::laws,
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
