//! What a task knows of where it runs.

use executor_core::{
    ExecutorExt as _, Future, LocalExecutorExt as _, PortableTask, StopLevel, TaskOptions, context,
};

use super::{
    ANY, BACKGROUND, Bench, INITIALIZED, LOCAL, Laws, PENDING, Pool, isolate::starting, value,
};
use crate::{
    Start, WorkerState,
    latch::Gate,
    script::{Facts, facts},
    tasks::own_name,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("context_tells_a_task_where_it_runs")
        .case("the_name_of_a_task", LOCAL, |bench| {
            let name = value(bench.executor().submit(own_name::task()).unwrap());
            assert_eq!(name.as_deref(), Some(own_name::NAME));
        })
        .case(
            "the_name_of_a_task_elsewhere",
            BACKGROUND.remote(),
            |bench| {
                let name = value(bench.executor().submit(own_name::task()).unwrap());
                assert_eq!(name.as_deref(), Some(own_name::NAME));
            },
        )
        .case("a_name_given_to_one_submission", LOCAL, |bench| {
            let options = TaskOptions::new().with_name("thumbnail of cat.jpg");
            let future = bench
                .local(1)
                .spawn_with(options, context::task_name)
                .unwrap();
            assert_eq!(future.name(), "thumbnail of cat.jpg");
            assert_eq!(value(future).as_deref(), Some("thumbnail of cat.jpg"));
        })
        .case("nothing_outside_of_tasks", ANY, |bench| {
            let _executor = bench.executor();
            assert_eq!(
                (context::task_name(), context::worker_index()),
                (None, None)
            );
            assert!(!context::stop_requested() && context::check().is_ok());
            assert_eq!(context::with_worker_state(|_: &WorkerState| ()), None);
        })
        .case("a_name_given_to_one_call", BACKGROUND, |bench| {
            let options = TaskOptions::new().with_name("thumbnail of dog.jpg");
            let future = bench
                .pool(1)
                .start_with(options, facts::task(None))
                .unwrap();
            assert_eq!(future.name(), "thumbnail of dog.jpg");
            assert_eq!(value(future).task.as_deref(), Some("thumbnail of dog.jpg"));
        })
        .case("the_process_of_the_worker", BACKGROUND, |bench| {
            let here = std::process::id();
            let pool = bench.pool(2);
            let [first, second] = two(bench, &pool).map(|facts| facts.pid);
            if bench.capabilities().local {
                return assert_eq!((first, second), (here, here));
            }
            assert!(first != here && second != here, "a worker of this process");
            assert_ne!(first, second, "two workers in one process");
        })
        .case("the_name_of_a_nested_task", LOCAL, |bench| {
            let pool = bench.local(1);
            let own = pool.clone();
            let outer = move || {
                let options = TaskOptions::new().with_name("inner");
                let inner = value(own.spawn_with(options, context::task_name).unwrap());
                (inner, context::task_name())
            };
            let options = TaskOptions::new().with_name("outer");
            let (inner, outer) = value(pool.spawn_with(options, outer).unwrap());
            assert_eq!(
                (inner.as_deref(), outer.as_deref()),
                (Some("inner"), Some("outer"))
            );
        })
        .case("the_index_of_the_worker", BACKGROUND, |bench| {
            let pool = bench.pool(2);
            let mut indices = two(bench, &pool).map(|facts| facts.index);
            indices.sort_unstable();
            assert_eq!(indices, [Some(0), Some(1)]);
        })
        .case("the_name_of_the_worker", BACKGROUND, |bench| {
            let facts = value(bench.pool(1).start(facts::task(None)).unwrap());
            let name = facts.worker;
            assert!(name.is_some_and(|name| name.ends_with('0')) && facts.index == Some(0));
        })
        .case("the_state_of_the_worker", INITIALIZED, |bench| {
            let (pool, _) = starting(bench, 2, Start::Numbers);
            let mut states = two(bench, &pool).map(|facts| facts.state);
            states.sort_unstable();
            assert_eq!(states, [Some(0), Some(1)], "each worker has its own");
        })
        .case("a_state_of_another_type", INITIALIZED, |bench| {
            let (pool, _) = starting(bench, 1, Start::Gives(1));
            let facts = value(pool.start(facts::task(None)).unwrap());
            assert_eq!((facts.state, facts.other_state), (Some(1), None));
        })
        .case("no_state", ANY, |bench| {
            let facts = value(bench.pool(1).start(facts::task(None)).unwrap());
            assert_eq!(facts.state, None);
        })
        .case(
            "a_nested_task_does_not_see_the_signal_of_its_waiter",
            BACKGROUND.local().when(|can| can.signal),
            |bench| {
                let pool = bench.local(1);
                let (started, gate) = (
                    Gate::new("the outer task"),
                    Gate::new("the signal was sent"),
                );
                let (inside, closed, own) = (started.clone(), gate.clone(), pool.clone());
                let outer = pool.spawn(move || {
                    inside.open();
                    closed.wait();
                    let inner = value(own.spawn(context::stop_requested).unwrap());
                    (inner, context::stop_requested())
                });
                let outer = outer.unwrap();
                started.wait();
                outer.stop(StopLevel::Signal).unwrap();
                gate.open();
                assert_eq!(value(outer), (false, true));
            },
        )
        .case("an_executor_shows_itself", PENDING, |bench| {
            let jam = bench.jam();
            assert!(!format!("{:?}", *jam.pool).is_empty());
            let future = jam.number(1);
            assert!(format!("{future:?}").contains("Pending"), "{future:?}");
        });
}

/// What two tasks know that run at the same time.
fn two(bench: &Bench, pool: &Pool) -> [Facts; 2] {
    let meeting = bench.meeting(2);
    let ask = || pool.start(facts::task(Some(meeting.clone()))).unwrap();
    [ask(), ask()].map(value)
}
