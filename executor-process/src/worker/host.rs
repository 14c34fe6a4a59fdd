//! What tasks in this process can ask: who they are, and whether they should stop.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use executor_core::{
    TaskTable,
    context::{self, TaskHost},
};

use crate::wire::frame::Run;

/// The task that is running.
pub(super) struct Host {
    table: Arc<TaskTable>,
    stop_requested: Box<dyn Fn(u64) -> bool + Send + Sync>,
    /// The number of the task; 0 for none.
    seq: AtomicU64,
    task: AtomicU32,
    is_named: AtomicBool,
    /// The name of the submission, where it has one of its own.
    name: Mutex<String>,
}

impl Host {
    /// Has the one host of this process answer from now on.
    pub(super) fn install(
        table: Arc<TaskTable>,
        stop_requested: Box<dyn Fn(u64) -> bool + Send + Sync>,
    ) -> &'static Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        let host = HOST.get_or_init(|| Self {
            table,
            stop_requested,
            seq: AtomicU64::new(0),
            task: AtomicU32::new(0),
            is_named: AtomicBool::new(false),
            name: Mutex::default(),
        });
        context::host_tasks(host);
        host
    }

    pub(super) fn begin(&self, run: &Run<'_>) {
        // Relaxed: read by tasks, which run on this thread.
        self.task.store(run.task, Ordering::Relaxed);
        if let Some(name) = run.name {
            name.clone_into(&mut self.name.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.is_named.store(run.name.is_some(), Ordering::Relaxed);
        self.seq.store(run.seq, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.seq.store(0, Ordering::Relaxed);
    }
}

impl TaskHost for Host {
    fn task_name(&self) -> Option<String> {
        if self.seq.load(Ordering::Relaxed) == 0 {
            return None;
        }
        if self.is_named.load(Ordering::Relaxed) {
            let name = self.name.lock().unwrap_or_else(PoisonError::into_inner);
            return Some(name.clone());
        }
        let task = self.task.load(Ordering::Relaxed);
        self.table.name(task).map(str::to_owned)
    }

    fn stop_requested(&self) -> bool {
        let seq = self.seq.load(Ordering::Relaxed);
        seq != 0 && (self.stop_requested)(seq)
    }
}
