//! Too little room.

use std::time::Duration;

use executor_core::{ExecutorExt as _, Reason};
use executor_nats::OnFull;
use libtest_mimic::Trial;

use crate::{
    server::{Options, Server},
    support::{
        cluster::{Bench, check_serves},
        guard::{add, eventually, settle, step},
        raw::Raw,
        tasks::{fill, reverse},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "limits::full_stream", full_stream);
    add(trials, "limits::full_results", full_results);
}

/// A server with room for a few tasks: submitters wait, and nothing is lost.
fn full_stream(bench: &mut Bench) {
    bench.server = Server::start(Options::new().max_file_store(64 << 20));
    let executor = bench
        .builder()
        .max_stored(8 << 20)
        .queue_bound(50)
        .on_full(OnFull::Reject)
        .connect()
        .unwrap();
    let bytes = vec![3; 100 << 10];
    let mut futures = Vec::new();
    step("the stream is full");
    let refused = loop {
        assert!(futures.len() < 10_000, "8 MiB take no 1000 MiB");
        match executor.submit(reverse::task(bytes.clone())) {
            Ok(future) => futures.push(future),
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused.reason(), Reason::Full { .. }), "{refused}");
    assert!(futures.len() > 50, "{} were accepted", futures.len());
    let waited = executor.submit_within(Duration::from_millis(50), reverse::task(bytes.clone()));
    let refused = waited.unwrap_err();
    assert!(
        matches!(refused.reason(), Reason::TimedOut { .. }),
        "{refused}"
    );

    let _worker = bench.worker(4);
    for future in futures {
        assert_eq!(settle("a task of the full stream", future).unwrap(), bytes);
    }
    check_serves(&executor);
}

/// Results for which there is no room: the submitter has them, the workers keep the tasks, and once there is room each is recorded once.
fn full_results(bench: &mut Bench) {
    const TASKS: u64 = 20;
    let executor = bench.builder().max_stored(1 << 20).connect().unwrap();
    let raw = Raw::connect(&bench.server.url(), "exec.none");
    let mut worker = bench.worker(4);
    let submit = |name: &str| {
        let tally = bench.tally(name);
        let futures = (0..TASKS).map(|number| {
            let task = fill::task(tally.clone(), number, 100 << 10);
            executor.submit(task).unwrap()
        });
        for future in futures.collect::<Vec<_>>() {
            let bytes = settle("a task whose result may have no room", future).unwrap();
            assert_eq!(bytes.len(), 100 << 10);
        }
        tally
    };
    let tally = submit("first");
    // What is recorded by now stays so, and the rest is not: 1 MiB has room for ten.
    eventually("those with room are acknowledged", || {
        raw.stored("exec.r.>") + raw.unfinished() == TASKS
    });
    assert!(raw.unfinished() >= 10, "{} are held", raw.unfinished());
    eventually("all have been recorded", || {
        if raw.unfinished() > 0 && raw.stored("exec.r.>") > 0 {
            raw.purge_results();
        }
        raw.unfinished() == 0
    });
    let runs = tally.all().len();
    assert_eq!(runs, 20, "each has run once");

    step("the worker dies with results that are not recorded");
    raw.purge_results();
    let tally = submit("second");
    eventually("those with room are acknowledged", || {
        raw.stored("exec.r.>") + raw.unfinished() == TASKS
    });
    let held = raw.unfinished();
    assert!(held >= 10, "{held} are held");
    worker.kill();
    raw.purge_results();
    let _next = bench.worker(4);
    eventually("all have run again and have been recorded", || {
        if raw.unfinished() > 0 && raw.stored("exec.r.>") > 0 {
            raw.purge_results();
        }
        raw.unfinished() == 0
    });
    let runs = u64::try_from(tally.all().len()).unwrap();
    assert_eq!(runs, TASKS + held, "only what was not recorded");
    check_serves(&executor);
}
