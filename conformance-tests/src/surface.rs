//! Everything that users can call, called once on the executor's own type: what an erased executor
//! does in the other trials, a concrete one does too.

use std::{task::Waker, time::Duration};

use executor_core::{
    Executor, ExecutorExt as _, JobKind, LocalExecutor, LocalExecutorExt as _, TaskOptions,
    block_on, join,
};

use crate::{
    async_tasks::joined,
    laws::{ANY, Laws, value},
    subject::Config,
    tasks::add,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("surface")
        .case("every_call_on_the_executors_own_type", ANY, |bench| {
            (bench.subject(&Config::workers(2)).surface)();
        });
}

/// The calls that every executor has.
pub(crate) fn portable<E: Executor>(executor: &E) {
    let accepted = "an open executor accepts tasks";
    assert_eq!(value(executor.submit(add::task(1, 2)).expect(accepted)), 3);
    assert_eq!(
        value(executor.try_submit(add::task(2, 2)).expect(accepted)),
        4
    );
    let within = executor.submit_within(Duration::from_secs(1), add::task(3, 2));
    assert_eq!(value(within.expect(accepted)), 5);
    let options = TaskOptions::new().with_name("named");
    assert_eq!(
        value(
            executor
                .submit_with(options, add::task(4, 2))
                .expect(accepted)
        ),
        6
    );
    let submitted = block_on(executor.submit_async(add::task(5, 2)));
    assert_eq!(value(submitted.expect(accepted)), 7);
    let future = executor.submit(joined::task(["a".to_owned(), "b".to_owned()], "-"));
    assert_eq!(value(future.expect(accepted)), "a-b");
    for kind in [JobKind::Call, JobKind::Future] {
        assert!(
            !executor.when_room(kind, Waker::noop()),
            "there is room now"
        );
    }
    let sums = executor.map((0..10).map(|n| add::task(n, n)));
    assert_eq!(sums.map(|sum| sum.expect("a sum")).sum::<u64>(), 90);
    assert!(executor.capabilities().workers > 0);
    assert!(!format!("{executor:?}").is_empty());
    let _stats = executor.stats();
}

/// The calls that executors of this process have.
pub(crate) fn local<E: LocalExecutor>(executor: &E) {
    let accepted = "an open executor accepts tasks";
    assert_eq!(value(executor.spawn(|| 1).expect(accepted)), 1);
    assert_eq!(value(executor.try_spawn(|| 2).expect(accepted)), 2);
    let within = executor.spawn_within(Duration::from_secs(1), || 3);
    assert_eq!(value(within.expect(accepted)), 3);
    let named = executor.spawn_with(TaskOptions::new().with_name("named"), || 4);
    assert_eq!(value(named.expect(accepted)), 4);
    let submitted = block_on(executor.spawn_async(|| 5));
    assert_eq!(value(submitted.expect(accepted)), 5);
    let future = executor.spawn_future(async { 6 });
    assert_eq!(value(future.expect(accepted)), 6);
    let doubles = executor.map_fn(0..10, |n| 2 * n);
    assert_eq!(
        doubles.map(|double| double.expect("a number")).sum::<u64>(),
        90
    );
    let text = String::from("borrowed");
    assert_eq!(executor.scope(|s| value(s.spawn(|| text.len()))), 8);
    assert_eq!(
        join(executor, || text.len(), || text.is_empty()),
        (8, false)
    );
    let _hint = executor.wants_work();
}
