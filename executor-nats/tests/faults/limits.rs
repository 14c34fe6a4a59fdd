//! Too little room, and rights that are missing.

use std::time::{Duration, Instant};

use executor_core::{ExecutorExt as _, Reason};
use executor_nats::{Credentials, NatsExecutor, OnFull};
use libtest_mimic::Trial;

use crate::{
    server::{Options, Server},
    support::{
        cluster::{Bench, LEASE, WorkerProcess, check_serves},
        guard::{add, eventually, settle, step},
        roles::PASSWORD,
        tasks::{double, reverse},
    },
};

/// The text that is for people to use.
const RIGHTS: &str = include_str!("../../../deploy/nats/rights.conf");

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "limits::full_stream", full_stream);
    add(trials, "limits::rights_suffice", rights_suffice);
    add(trials, "limits::rights_end", rights_end);
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

/// The rights of the guide are enough for all that submitters and workers do, and for no more.
fn rights_suffice(bench: &mut Bench) {
    let passwords = "ADMIN_PASSWORD: admin-secret\nSUBMITTER_PASSWORD: submitter-secret\n\
                     WORKER_PASSWORD: worker-secret\n";
    bench.server = Server::start(Options::new().config(&format!("{passwords}\n{RIGHTS}")));
    let url = bench.server.url();
    step("the administrator makes the streams");
    let builder = || NatsExecutor::builder().url(&url).lease(LEASE);
    let admin = builder()
        .credentials(Credentials::Password("admin".into(), "admin-secret".into()))
        .connect()
        .unwrap();
    drop(admin);
    step("the submitter connects");
    let executor = builder()
        .credentials(Credentials::Password(
            "submitter".into(),
            "submitter-secret".into(),
        ))
        .connect()
        .unwrap();
    let variables = [(PASSWORD, "worker-secret")];
    let _worker = WorkerProcess::start_with(&url, 2, &variables);
    check_serves(&executor);
    let numbers = executor.map((0..1000).map(double::task));
    let sum: u64 = numbers.map(Result::unwrap).sum();
    assert_eq!(sum, 999_000);
}

/// A right that is taken away is an error that names it, and no wait for ever.
fn rights_end(bench: &mut Bench) {
    let users = |rights: &str| {
        let config = format!(
            "authorization {{ users: [{{user: me, password: me{rights}}}, {{user: worker, password: secret}}] }}"
        );
        Options::new().config(&config)
    };
    bench.server = Server::start(users(""));
    let me = Credentials::Password("me".into(), "me".into());
    let executor = bench.builder().credentials(me).connect().unwrap();
    let url = bench.server.url();
    let _worker = WorkerProcess::start_with(&url, 2, &[(PASSWORD, "secret")]);
    check_serves(&executor);
    let denied = ", permissions: {publish: {deny: \"exec.t.>\"}}";
    bench.server.reload_with(users(denied));
    step("the right has ended");
    let start = Instant::now();
    let mut error = None;
    eventually("a task is refused", || {
        let future = match executor.submit(double::task(1)) {
            Ok(future) => future,
            Err(refused) => panic!("{refused}"),
        };
        error = settle("a task without a right", future).err();
        error.is_some()
    });
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    let text = error.unwrap().to_string();
    assert!(text.contains("exec.t."), "it names the subject: {text}");
}
