//! Every task and every output is dropped exactly once, whoever lets go first.

use std::task::Poll;

use executor_core::{
    ExecutorExt as _, Future as _, LocalExecutorExt as _, Outcome, Ran, State, TaskFuture,
};
use executor_macros::task;

use super::support::{Bomb, Drops, Gate, Polled, Shelf, TestWaker, Token, reported};

/// A task whose future has one token and whose output is another.
fn spawn(shelf: &Shelf, gate: &Gate, task: &Drops, output: &Drops) -> TaskFuture<Token> {
    let (gate, task, output) = (gate.clone(), task.token(), output.token());
    let future = shelf.spawn_future(async move {
        let _task = task;
        gate.pass().await;
        output
    });
    future.expect("the shelf takes all")
}

#[test]
fn a_job_dropped_before_its_first_poll_is_lost() {
    let (shelf, gate, task, output) = (Shelf::new(), Gate::new(), Drops::new(), Drops::new());
    let mut future = spawn(&shelf, &gate, &task, &output);
    let waiter = TestWaker::new();
    assert!(waiter.poll(&mut future).is_pending());
    drop(shelf.take());
    assert_eq!((task.count(), output.count(), gate.polls()), (1, 1, 0));
    assert_eq!(waiter.woken(), 1);
    assert_eq!(future.state(), State::Done(Outcome::Failed));
    assert!(future.result().unwrap_err().is_lost());
}

#[test]
fn a_job_dropped_after_its_first_poll_is_lost() {
    let (shelf, gate, task, output) = (Shelf::new(), Gate::new(), Drops::new(), Drops::new());
    let mut future = spawn(&shelf, &gate, &task, &output);
    let waiter = TestWaker::new();
    assert!(waiter.poll(&mut future).is_pending());
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    assert_eq!((task.count(), output.count(), waiter.woken()), (0, 0, 0));
    drop(job);
    assert_eq!((task.count(), output.count(), waiter.woken()), (1, 1, 1));
    let error = future.result().unwrap_err();
    assert!(error.is_lost() && error.may_have_run());
}

#[test]
fn a_job_dropped_after_its_end_changes_nothing() {
    let (shelf, gate, task, output) = (Shelf::new(), Gate::new(), Drops::new(), Drops::new());
    let future = spawn(&shelf, &gate, &task, &output);
    gate.open();
    let mut job = shelf.take();
    assert!(job.poll().is_ready());
    assert_eq!((task.count(), output.count()), (1, 0));
    drop(job);
    let token = future.result().unwrap();
    assert_eq!((task.count(), output.count()), (1, 0));
    drop(token);
    assert_eq!(output.count(), 1);
}

#[test]
fn a_job_dropped_after_a_cancel_stays_cancelled() {
    let (shelf, gate, task, output) = (Shelf::new(), Gate::new(), Drops::new(), Drops::new());
    let future = spawn(&shelf, &gate, &task, &output);
    let job = shelf.take();
    assert!(future.cancel());
    drop(job);
    assert_eq!((task.count(), output.count()), (1, 1));
    assert!(future.result().unwrap_err().is_cancelled());
}

/// Polls a job to its end, with the future of its task dropped at that point of its way.
fn dropped_future(when: impl Fn(usize) -> bool) {
    let (shelf, gate, task, output) = (Shelf::new(), Gate::new(), Drops::new(), Drops::new());
    let mut future = Some(spawn(&shelf, &gate, &task, &output));
    let mut job: Polled = shelf.take();
    let mut step = 0;
    let mut drop_now = |step| {
        if when(step) {
            drop(future.take());
        }
    };
    drop_now(step);
    assert!(job.poll().is_pending());
    step += 1;
    drop_now(step);
    gate.open();
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Succeeded)));
    assert_eq!(task.count(), 1);
    step += 1;
    drop_now(step);
    drop(job);
    assert_eq!((task.count(), output.count(), gate.polls()), (1, 1, 2));
}

#[test]
fn a_task_without_its_future_runs_on() {
    dropped_future(|step| step == 0); // pending
    dropped_future(|step| step == 1); // running
    dropped_future(|step| step == 2); // done
}

#[test]
fn both_may_go_while_it_sleeps() {
    for future_first in [true, false] {
        let (shelf, gate, task, output) = (Shelf::new(), Gate::new(), Drops::new(), Drops::new());
        let future = spawn(&shelf, &gate, &task, &output);
        let mut job = shelf.take();
        assert!(job.poll().is_pending());
        if future_first {
            drop(future);
            drop(job);
        } else {
            drop(job);
            drop(future);
        }
        assert_eq!((task.count(), output.count()), (1, 1));
        // A late wake-up finds nobody.
        gate.open();
    }
}

#[test]
fn a_panic_in_the_drop_of_an_output_goes_to_the_hook() {
    const MESSAGE: &str = "an output nobody wants";
    assert_eq!(reported(MESSAGE), 0);
    let shelf = Shelf::new();
    let gate = Gate::new();
    let inner = gate.clone();
    let future = shelf
        .spawn_future(async move {
            inner.pass().await;
            Bomb(MESSAGE)
        })
        .unwrap();
    let mut job = shelf.take();
    assert!(job.poll().is_pending());
    drop(future);
    gate.open();
    assert_eq!(job.poll(), Poll::Ready(Ran::Here(Outcome::Succeeded)));
    assert_eq!(reported(MESSAGE), 1);

    let future = shelf.spawn_future(async { Bomb(MESSAGE) }).unwrap();
    assert!(shelf.take().poll().is_ready());
    drop(future);
    assert_eq!(reported(MESSAGE), 2);
}

#[test]
fn a_panic_in_the_drop_of_a_lost_task_goes_to_the_hook() {
    const MESSAGE: &str = "a task that was given up";
    assert_eq!(reported(MESSAGE), 0);
    for polls in [0, 1] {
        let shelf = Shelf::new();
        let bomb = Bomb(MESSAGE);
        let future = shelf
            .spawn_future(async move {
                let _bomb = bomb;
                std::future::pending::<()>().await;
            })
            .unwrap();
        let mut job = shelf.take();
        for _ in 0..polls {
            assert!(job.poll().is_pending());
        }
        drop(job);
        assert!(future.result().unwrap_err().is_lost());
        assert_eq!(reported(MESSAGE), polls + 1);
    }
}

#[test]
fn a_panic_in_the_drop_of_a_local_is_the_tasks_own() {
    const MESSAGE: &str = "a local of the task";
    let shelf = Shelf::new();
    let future = shelf
        .spawn_future(async {
            let _bomb = Bomb(MESSAGE);
            std::future::ready(()).await;
        })
        .unwrap();
    assert_eq!(shelf.take().poll(), Poll::Ready(Ran::Here(Outcome::Failed)));
    let error = future.result().unwrap_err();
    assert_eq!(error.panic_report().unwrap().message(), MESSAGE);
}

#[task(crate = "executor_core")]
async fn long(text: String) -> String {
    std::future::ready(()).await;
    text
}

#[test]
fn arguments_and_outputs_on_the_heap_are_freed() {
    // What the sanitizers look at: each way that a portable task can end.
    let shelf = Shelf::new();
    let submit = || shelf.submit(long::task("x".repeat(1000))).unwrap();
    let (done, lost, cancelled, unwanted) = (submit(), submit(), submit(), submit());
    assert!(shelf.take().poll().is_ready());
    drop(shelf.take());
    assert!(cancelled.cancel());
    drop(shelf.take());
    drop(unwanted);
    assert!(shelf.take().poll().is_ready());
    assert_eq!(done.result().unwrap().len(), 1000);
    assert!(lost.result().unwrap_err().is_lost());
}
