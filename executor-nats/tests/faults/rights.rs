//! Rights: those of `deploy` are enough, and each that is missing is an error that names it.

use std::time::{Duration, Instant};

use executor_core::{ExecutorExt as _, Future as _, StopLevel, TaskErrorKind};
use executor_nats::{ConnectErrorKind, Credentials, NatsBuilder, NatsExecutor};
use libtest_mimic::Trial;

use crate::{
    server::{Options, Server},
    support::{
        cluster::{Bench, WorkerProcess, check_serves},
        guard::{add, eventually, settle, step},
        roles::PASSWORD,
        tasks::{double, hold, repeat, reverse},
    },
};

/// The text that is for people to use.
pub(crate) const RIGHTS: &str = include_str!("../../../deploy/nats/rights.conf");

/// From this size on a body is in the object store.
const LARGE: usize = 256 << 10;

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "rights::suffice", suffice);
    add(trials, "rights::to_the_queue", |bench| {
        let text = without(SUBMITTER, "exec.t.*.submitter.>");
        let (executor, _worker) = serve(bench, &text);
        let future = executor.submit(double::task(1)).unwrap();
        let error = settle("a task", future).unwrap_err();
        assert!(matches!(error.kind(), TaskErrorKind::Rejected(_)));
        assert!(error.to_string().contains("exec.t.default"), "{error}");
    });
    add(trials, "rights::to_large_arguments", |bench| {
        for (right, named) in [
            ("$O.exec-blobs.>", "$O.exec-blobs."),
            (
                "$JS.API.STREAM.INFO.OBJ_exec-blobs",
                "STREAM.INFO.OBJ_exec-blobs",
            ),
        ] {
            let (executor, _worker) = serve(bench, &without(SUBMITTER, right));
            let future = executor.submit(reverse::task(vec![7; LARGE])).unwrap();
            let error = settle("a large argument", future).unwrap_err();
            assert!(matches!(error.kind(), TaskErrorKind::Rejected(_)));
            assert!(error.to_string().contains(named), "{error}");
            check_serves(&executor);
        }
    });
    add(trials, "rights::to_large_results", |bench| {
        let (executor, _worker) = serve(bench, &without(WORKER, "$O.exec-blobs.>"));
        let future = executor.submit(repeat::task(7, LARGE)).unwrap();
        let error = settle("a large result", future).unwrap_err();
        assert!(matches!(error.kind(), TaskErrorKind::PayloadLost(_)));
        assert!(error.to_string().contains("$O.exec-blobs."), "{error}");
        check_serves(&executor);
    });
    add(trials, "rights::to_look_at_the_queue", |bench| {
        let text = without(SUBMITTER, "$JS.API.CONSUMER.INFO.exec_TASKS.*");
        start(bench, &text);
        let began = Instant::now();
        let error = submitter(bench).connect().unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(10), "{began:?}");
        assert_eq!(error.kind(), ConnectErrorKind::Permission, "{error}");
        assert!(
            error.to_string().contains("exec_TASKS.q_default"),
            "{error}"
        );
    });
    add(trials, "rights::two_at_once", |bench| {
        let text = without(SUBMITTER, "exec.r.submitter.>");
        let both = text.replacen("\"exec.s.submitter.>\"", "\"unused\"", 1);
        assert_ne!(text, both);
        start(bench, &both);
        let error = submitter(bench).connect().unwrap_err();
        assert_eq!(error.kind(), ConnectErrorKind::Permission, "{error}");
        for named in ["exec.r.submitter.", "exec.s.submitter."] {
            assert!(error.to_string().contains(named), "{error}");
        }
    });
    add(trials, "rights::to_list_the_queues", |bench| {
        let text = without(SUBMITTER, "$JS.API.CONSUMER.LIST.exec_TASKS");
        let (executor, _worker) = serve(bench, &text);
        // It has the queues whose workers it hears.
        let status = executor.status().unwrap();
        assert_eq!((status.queues.len(), status.workers.len()), (1, 1));
    });
    add(trials, "rights::to_kept_results", |bench| {
        let right = "$JS.API.DIRECT.GET.exec_RESULTS.exec.r.submitter.>";
        let (executor, _worker) = serve(bench, &without(SUBMITTER, right));
        check_serves(&executor);
        let attached = submitter(bench).attach(executor.session_id()).unwrap();
        let future = attached.future::<double>(1).unwrap();
        let error = settle("a result that is kept", future).unwrap_err();
        assert!(matches!(error.kind(), TaskErrorKind::PayloadLost(_)));
        assert!(error.to_string().contains("DIRECT.GET"), "{error}");
    });
    add(trials, "rights::to_cancel", |bench| {
        start(bench, &without(SUBMITTER, "exec.c.submitter.>"));
        let executor = submitter(bench).connect().unwrap();
        let future = executor.submit(double::task(4)).unwrap();
        eventually("it is with the server", || {
            executor.status().unwrap().pending == 1
        });
        assert!(!future.cancel(), "it cannot say so to the workers");
        let _worker = worker(bench);
        assert_eq!(
            settle("a task that could not be cancelled", future).unwrap(),
            8
        );
    });
    add(trials, "rights::end", end);
}

const SUBMITTER: &str = "user: submitter";
const WORKER: &str = "user: worker";

/// The rights without one of this user.
fn without(user: &str, right: &str) -> String {
    let (before, of_user) = RIGHTS.split_once(user).unwrap();
    let right = format!("\"{right}\"");
    assert!(of_user.contains(&right), "{right}");
    format!(
        "{before}{user}{}",
        of_user.replacen(&right, "\"unused\"", 1)
    )
}

/// A server with these rights, where the administrator has made the streams.
fn start(bench: &mut Bench, rights: &str) {
    let passwords = "ADMIN_PASSWORD: admin-secret\nSUBMITTER_PASSWORD: submitter-secret\n\
                     WORKER_PASSWORD: worker-secret\n";
    bench.server = Server::start(Options::new().config(&format!("{passwords}\n{rights}")));
    step("the administrator makes the streams");
    let admin = Credentials::Password("admin".into(), "admin-secret".into());
    drop(bench.builder().credentials(admin).connect().unwrap());
}

fn submitter(bench: &Bench) -> NatsBuilder {
    let me = Credentials::Password("submitter".into(), "submitter-secret".into());
    bench.builder().credentials(me)
}

fn worker(bench: &Bench) -> WorkerProcess {
    WorkerProcess::start_with(&bench.server.url(), 2, &[(PASSWORD, "worker-secret")])
}

fn serve(bench: &mut Bench, rights: &str) -> (NatsExecutor, WorkerProcess) {
    start(bench, rights);
    (submitter(bench).connect().unwrap(), worker(bench))
}

/// The rights of the guide are enough for all that submitters and workers do, and for no more.
fn suffice(bench: &mut Bench) {
    let (executor, _worker) = serve(bench, RIGHTS);
    check_serves(&executor);
    let numbers = executor.map((0..1000).map(double::task));
    let sum: u64 = numbers.map(Result::unwrap).sum();
    assert_eq!(sum, 999_000);
    let large = vec![7; 1 << 20];
    let future = executor.submit(reverse::task(large.clone())).unwrap();
    assert_eq!(settle("1 MiB there and back", future).unwrap(), large);

    let tally = bench.tally("runs");
    let until = bench.gate("until");
    let submit = |number, gate| {
        let task = hold::task(tally.clone(), number, bench.gate(gate), until.clone());
        executor.submit(task).unwrap()
    };
    let running = [submit(1, "a"), submit(2, "b")];
    eventually("both slots are taken", || {
        running.iter().all(|future| future.is_running())
    });
    let queued = [submit(3, "c"), submit(4, "d")];
    assert!(queued[0].cancel(), "it is queued");
    let attached = submitter(bench).attach(executor.session_id()).unwrap();
    let same = attached
        .future::<hold>(executor.task_id(&queued[1]).unwrap())
        .unwrap();
    assert!(same.cancel(), "so is this one");
    let status = executor.status().unwrap();
    assert_eq!(
        (status.running, status.queues.len(), status.workers.len()),
        (2, 1, 1)
    );
    let [killed, signalled] = running;
    assert!(!killed.cancel(), "it runs");
    killed.stop(StopLevel::Kill).unwrap();
    let error = settle("the task that is killed", killed).unwrap_err();
    assert!(matches!(error.kind(), TaskErrorKind::Killed), "{error}");
    signalled.stop(StopLevel::Signal).unwrap();
    until.open();
    assert_eq!(settle("the task that is not killed", signalled).unwrap(), 1);
    for future in queued {
        assert!(settle("a task that was queued", future).is_err());
    }
    let future = executor.submit(double::task(8)).unwrap();
    let number = executor.task_id(&future).unwrap();
    assert_eq!(settle("one more", future).unwrap(), 16);
    let again = attached.future::<double>(number).unwrap();
    assert_eq!(settle("its result, once more", again).unwrap(), 16);
    assert_eq!(tally.all().len(), 2, "what was cancelled has not run");
    let log = bench.server.log();
    let refused: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("Violation"))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// A right that is taken away is an error that names it, and no wait for ever.
fn end(bench: &mut Bench) {
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
