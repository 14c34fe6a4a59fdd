//! What tasks in this process can ask: who they are, and whether they should stop.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use executor_core::{
    TaskTable,
    context::{self, TaskHost},
};

use crate::wire::frame::{Label, Run};

/// The task that is running.
pub(super) struct Host {
    table: Arc<TaskTable>,
    stop_requested: Box<dyn Fn(u64) -> bool + Send + Sync>,
    /// The number of the task; 0 for none.
    seq: AtomicU64,
    task: AtomicU32,
    is_labelled: AtomicBool,
    earlier_attempts: AtomicU32,
    /// What was said of the submission.
    label: Mutex<Texts>,
}

/// The texts of a [`Label`].
#[derive(Default)]
struct Texts {
    name: Option<String>,
    id: Option<String>,
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
            is_labelled: AtomicBool::new(false),
            earlier_attempts: AtomicU32::new(0),
            label: Mutex::default(),
        });
        context::host_tasks(host);
        host
    }

    pub(super) fn begin(&self, run: &Run<'_>) {
        // Relaxed: read by tasks, which run on this thread.
        self.task.store(run.task, Ordering::Relaxed);
        let Label {
            name,
            id,
            earlier_attempts,
        } = run.label;
        let is_labelled = name.is_some() || id.is_some();
        if is_labelled {
            *self.label() = Texts {
                name: name.map(str::to_owned),
                id: id.map(str::to_owned),
            };
        }
        self.is_labelled.store(is_labelled, Ordering::Relaxed);
        self.earlier_attempts
            .store(earlier_attempts, Ordering::Relaxed);
        self.seq.store(run.seq, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.seq.store(0, Ordering::Relaxed);
    }

    fn is_running(&self) -> bool {
        self.seq.load(Ordering::Relaxed) != 0
    }

    fn is_labelled(&self) -> bool {
        self.is_running() && self.is_labelled.load(Ordering::Relaxed)
    }

    fn label(&self) -> MutexGuard<'_, Texts> {
        self.label.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskHost for Host {
    fn task_name(&self) -> Option<String> {
        if !self.is_running() {
            return None;
        }
        if self.is_labelled()
            && let Some(name) = &self.label().name
        {
            return Some(name.clone());
        }
        let task = self.task.load(Ordering::Relaxed);
        self.table.name(task).map(str::to_owned)
    }

    fn stop_requested(&self) -> bool {
        let seq = self.seq.load(Ordering::Relaxed);
        seq != 0 && (self.stop_requested)(seq)
    }

    fn task_id(&self) -> Option<String> {
        self.is_labelled().then(|| self.label().id.clone())?
    }

    fn attempt(&self) -> u32 {
        match self.is_running() {
            true => self.earlier_attempts.load(Ordering::Relaxed) + 1,
            false => 1,
        }
    }
}
