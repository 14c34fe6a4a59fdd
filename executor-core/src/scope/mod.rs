//! Tasks that borrow: `scope` and `join`.

mod join;

use std::{
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, Thread},
};

pub use self::join::join;
use crate::{
    Admission, Home, LocalExecutor, TaskFuture,
    cell::{CellRef, Extra, Job},
    context, host, park, spin,
};

/// Spawns closures that may borrow from outside of the [`scope`](crate::LocalExecutorExt::scope)
/// call.
pub struct Scope<'scope, 'env: 'scope, E: ?Sized> {
    executor: &'scope E,
    latch: Arc<Latch>,
    /// Whether the thread that waits at the end is a worker, and has to be able to run what it waits
    /// for.
    owner_helps: bool,
    tracked: Mutex<Tracked>,
    // As in `std::thread::Scope`: both invariant.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

/// Counts the tasks of a scope that are not settled.
struct Latch {
    pending: AtomicUsize,
    owner: Thread,
}

/// One of the latch's counts, in the cell of a task.
struct Ticket(Arc<Latch>);

/// The tasks that the owner may have to run itself.
struct Tracked {
    cells: Vec<Shell>,
    /// At this length those that are done are dropped.
    prune_at: usize,
}

/// A counted reference to a cell.
struct Shell(CellRef);

pub(crate) fn scope<'env, E, F, R>(executor: &E, f: F) -> R
where
    E: LocalExecutor + ?Sized,
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env, E>) -> R,
{
    let scope = Scope {
        executor,
        latch: Arc::new(Latch {
            pending: AtomicUsize::new(0),
            owner: thread::current(),
        }),
        owner_helps: context::is_worker(),
        tracked: Mutex::new(Tracked {
            cells: Vec::new(),
            prune_at: 64,
        }),
        scope: PhantomData,
        env: PhantomData,
    };
    // Also if `f` panics: what it spawned may borrow from the frames that are about to unwind.
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    scope.wait();
    match result {
        Ok(value) => value,
        Err(payload) => resume_unwind(payload),
    }
}

impl<'scope, E: LocalExecutor + ?Sized> Scope<'scope, '_, E> {
    /// Submits a closure that may borrow whatever outlives the scope. It is run by the caller, here and
    /// now, if the executor does not accept it.
    pub fn spawn<F, T>(&'scope self, f: F) -> TaskFuture<T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.latch.pending.fetch_add(1, Ordering::Relaxed);
        let ticket = Ticket(Arc::clone(&self.latch));
        // SAFETY: the closure and what it borrows live for 'scope, and `scope` does not return before
        // the ticket of every job has come back. The future may live on: it has the type of
        // the output, and so cannot outlive what that borrows.
        let (job, future) = unsafe { Job::borrowing(f, ticket, None) };
        let shell = Shell(job.cell().add_reference());
        if let Err(refused) = self.executor.execute(job, Admission::Policy) {
            let _ran = refused.into_parts().0.run();
        }
        if self.owner_helps || shell.0.home() == Home::anywhere().0 || host::is_pool(shell.0.home())
        {
            self.track(shell);
        }
        future
    }

    /// The executor.
    #[must_use]
    pub const fn executor(&self) -> &'scope E {
        self.executor
    }
}

impl<E: ?Sized> Scope<'_, '_, E> {
    fn track(&self, shell: Shell) {
        let mut tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
        if tracked.cells.len() >= tracked.prune_at {
            tracked.cells.retain(|shell| shell.0.outcome().is_none());
            tracked.prune_at = (2 * tracked.cells.len()).max(64);
        }
        tracked.cells.push(shell);
    }

    /// Waits for all tasks; runs them if nobody else does.
    fn wait(&self) {
        loop {
            let next = {
                let mut tracked = self.tracked.lock().unwrap_or_else(PoisonError::into_inner);
                tracked.cells.pop()
            };
            // The newest first: it is at the end of this worker's own queue.
            let Some(shell) = next else { break };
            context::help(shell.0);
        }
        let done = || self.latch.pending.load(Ordering::Acquire) == 0;
        if done() || spin::until(done) {
            return;
        }
        // What is pending now is run by other workers, and so is what they spawn.
        while !done() {
            park::sleep(None);
        }
    }
}

impl<E: fmt::Debug + ?Sized> fmt::Debug for Scope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("executor", &self.executor)
            .field("pending", &self.latch.pending.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl Extra for Ticket {
    fn settled(self) {
        // Release: what the task did comes before the scope's end. The latch outlives the scope's
        // frame, since the ticket holds it.
        if self.0.pending.fetch_sub(1, Ordering::Release) == 1 {
            self.0.owner.unpark();
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // SAFETY: the reference that `spawn` added, given up once.
        unsafe { self.0.release() };
    }
}
