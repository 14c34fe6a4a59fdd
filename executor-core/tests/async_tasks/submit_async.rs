//! Waiting for room in a queue, at an `.await`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use executor_core::{Executor, ExecutorExt as _, Future as _, LocalExecutorExt as _, Shutdown};
use executor_macros::task;

use super::support::{Drops, Room, Shelf, TestWaker};

#[task(crate = "executor_core", derive(Debug, PartialEq))]
async fn double(x: u64) -> u64 {
    x * 2
}

/// A shelf of one place, which is taken.
fn full(room: Room) -> Shelf {
    let shelf = Shelf::bounded(1, room);
    let future = shelf.try_submit(double::task(0));
    drop(future.expect("there is one place"));
    shelf
}

#[test]
fn with_room_it_is_ready_at_once() {
    let (shelf, waker) = (Shelf::bounded(1, Room::Tells), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    assert_eq!(shelf.len(), 0, "lazy, as futures are");
    let Poll::Ready(Ok(future)) = waker.poll(&mut submission) else {
        panic!("there is room");
    };
    assert_eq!(shelf.len(), 1);
    assert!(shelf.take().poll().is_ready());
    assert_eq!(future.result().unwrap(), 4);
}

#[test]
fn it_is_woken_when_there_is_room() {
    let (shelf, waker) = (full(Room::Tells), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    assert!(waker.poll(&mut submission).is_pending());
    assert_eq!(
        (waker.woken(), shelf.waiting(), shelf.refusals()),
        (0, 1, 1)
    );

    // Woken for nothing, it waits on.
    assert!(waker.poll(&mut submission).is_pending());
    assert_eq!((waker.woken(), shelf.refusals()), (0, 1));

    drop(shelf.take());
    assert!(waker.woken() >= 1);
    let Poll::Ready(Ok(future)) = waker.poll(&mut submission) else {
        panic!("there is room now");
    };
    assert_eq!((shelf.len(), shelf.refusals()), (1, 0));
    assert!(shelf.take().poll().is_ready());
    assert_eq!(future.result().unwrap(), 4);
}

#[test]
fn who_is_too_late_waits_again() {
    let (shelf, waker) = (full(Room::Tells), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    assert!(waker.poll(&mut submission).is_pending());
    drop(shelf.take());
    assert_eq!(waker.woken(), 1);
    drop(shelf.try_submit(double::task(3)).unwrap());
    assert!(waker.poll(&mut submission).is_pending());
    assert_eq!((waker.woken(), shelf.waiting()), (0, 1));
    drop(shelf.take());
    assert!(waker.poll(&mut submission).is_ready());
}

#[test]
fn dropped_while_it_waits_it_submits_nothing() {
    let (shelf, waker, drops) = (full(Room::Tells), TestWaker::new(), Drops::new());
    let token = drops.token();
    let ran = Arc::new(AtomicUsize::new(0));
    let inner = Arc::clone(&ran);
    let mut submission = shelf.spawn_async(move || {
        inner.fetch_add(1, Ordering::Relaxed);
        drop(token);
    });
    assert!(waker.poll(&mut submission).is_pending());
    assert_eq!(drops.count(), 0);
    drop(submission);
    assert_eq!(drops.count(), 1);
    drop(shelf.take());
    assert_eq!((shelf.len(), ran.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn an_executor_that_cannot_tell_is_asked_again() {
    let (shelf, waker) = (full(Room::CannotTell), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    for _ in 0..3 {
        assert!(waker.poll(&mut submission).is_pending());
        // It has itself polled again, after whatever else there is to do.
        assert_eq!(waker.woken(), 1);
        assert!(shelf.refusals() >= 1);
    }
    drop(shelf.take());
    assert!(waker.poll(&mut submission).is_ready());
    assert_eq!((waker.woken(), shelf.len()), (0, 1));
}

#[test]
fn the_question_is_for_room_for_this_kind() {
    let (shelf, waker) = (full(Room::TellsFutures), TestWaker::new());
    assert!(
        waker
            .poll(&mut shelf.submit_async(double::task(2)))
            .is_pending()
    );
    assert_eq!((waker.woken(), shelf.waiting()), (0, 1));
    assert!(waker.poll(&mut shelf.spawn_async(|| 2)).is_pending());
    assert_eq!((waker.woken(), shelf.waiting()), (1, 1));
}

#[test]
fn room_that_comes_meanwhile_is_used() {
    let (shelf, waker) = (full(Room::ComesMeanwhile), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    assert!(waker.poll(&mut submission).is_ready());
    assert_eq!((shelf.refusals(), shelf.len()), (1, 1));
}

#[test]
fn another_refusal_gives_the_task_back() {
    let (shelf, waker) = (full(Room::Tells), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    assert!(waker.poll(&mut submission).is_pending());
    shelf.shutdown(Shutdown::Drain).unwrap();
    let Poll::Ready(Err(error)) = waker.poll(&mut submission) else {
        panic!("it will never be accepted");
    };
    assert!(error.is_shut_down());
    assert_eq!(error.into_task(), double::task(2));
}

#[test]
fn what_stands_for_an_executor_can_tell_too() {
    fn waits(executor: &(impl Executor + ?Sized), shelf: &Shelf) {
        let waker = TestWaker::new();
        let mut submission = executor.submit_async(double::task(2));
        assert!(waker.poll(&mut submission).is_pending());
        assert_eq!((waker.woken(), shelf.waiting()), (0, 1));
        drop(shelf.take());
        assert_eq!(waker.woken(), 1);
        assert!(waker.poll(&mut submission).is_ready());
    }
    let shelf = full(Room::Tells);
    waits(&&shelf, &shelf);
    waits(&Arc::new(shelf.clone()), &shelf);
    let boxed: Box<dyn Executor> = Box::new(shelf.clone());
    waits(&boxed, &shelf);
    waits(&*boxed, &shelf);
}

#[test]
#[should_panic(expected = "polled after it was over")]
fn nothing_comes_after_the_end() {
    let (shelf, waker) = (Shelf::new(), TestWaker::new());
    let mut submission = shelf.submit_async(double::task(2));
    assert!(waker.poll(&mut submission).is_ready());
    let _polled = waker.poll(&mut submission);
}
