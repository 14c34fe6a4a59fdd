//! What a task knows of where it runs.

use executor_core::{
    ExecutorExt as _, Future, LocalExecutorExt as _, PortableTask, StopLevel, TaskOptions, context,
};

use super::{ANY, BACKGROUND, INITIALIZED, LOCAL, Laws, PENDING, number_on, value};
use crate::{
    WorkerState,
    latch::{Gate, Meeting, Tally},
    subject::Config,
    tasks::own_name,
};

pub(crate) fn laws(laws: &mut Laws) {
    laws.law("context_tells_a_task_where_it_runs")
        .case("the_name_of_a_task", LOCAL, |bench| {
            let name = value(bench.executor().submit(own_name::task()).unwrap());
            assert_eq!(name.as_deref(), Some(own_name::NAME));
        })
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
            let (pool, meeting) = (bench.local(2), Meeting::of(2));
            let futures = [(); 2].map(|()| {
                let meeting = meeting.clone();
                pool.spawn(move || {
                    meeting.arrive();
                    context::worker_index()
                })
                .unwrap()
            });
            let mut indices = futures.map(value);
            indices.sort_unstable();
            assert_eq!(indices, [Some(0), Some(1)]);
        })
        .case("the_name_of_the_worker", BACKGROUND, |bench| {
            let pool = bench.local(1);
            let both = || (context::worker_name(), context::worker_index());
            let (name, index) = value(pool.spawn(both).unwrap());
            assert!(name.is_some_and(|name| name.ends_with('0')) && index == Some(0));
        })
        .case("the_state_of_the_worker", INITIALIZED, |bench| {
            let made = Tally::new();
            let pool = bench.local_with(
                &Config::workers(2).with_initializer(move || Ok(WorkerState(made.add() as u64))),
            );
            let meeting = Meeting::of(2);
            let futures = [(); 2].map(|()| {
                let meeting = meeting.clone();
                let read = move || {
                    meeting.arrive();
                    context::with_worker_state(|state: &WorkerState| state.0)
                };
                pool.spawn(read).unwrap()
            });
            let mut states = futures.map(value);
            states.sort_unstable();
            assert_eq!(states, [Some(0), Some(1)], "each worker has its own");
        })
        .case("a_state_of_another_type", INITIALIZED, |bench| {
            let pool =
                bench.local_with(&Config::workers(1).with_initializer(|| Ok(WorkerState(1))));
            let read = || context::with_worker_state(|state: &String| state.len());
            assert_eq!(value(pool.spawn(read).unwrap()), None);
        })
        .case("no_state", LOCAL, |bench| {
            let read = || context::with_worker_state(|state: &WorkerState| state.0);
            assert_eq!(value(bench.local(1).spawn(read).unwrap()), None);
        })
        .case(
            "a_nested_task_does_not_see_the_signal_of_its_waiter",
            BACKGROUND.when(|can| can.signal),
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
            assert!(!format!("{:?}", jam.pool).is_empty());
            let future = number_on(&jam.pool, 1);
            assert!(format!("{future:?}").contains("Pending"), "{future:?}");
        });
}
