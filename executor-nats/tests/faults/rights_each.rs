//! Each right of `deploy` is needed: without it something fails, and says so.
//!
//! One server has, for each right, users with all rights but that one, in a namespace of their own; all are tried beside each other.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use executor_core::{Future as _, StopLevel};
use executor_nats::Credentials;
use libtest_mimic::Trial;

use crate::{
    rights::RIGHTS,
    server::{Options, Server},
    support::{
        cluster::Bench,
        guard::{add, step},
        latch::Gate,
        pair::{Pair, SUBMITTER, WORKER, is_soon, soon},
        tasks::{double, length, note, repeat, until_stopped},
    },
};

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "rights::each_is_needed", each_is_needed);
}

/// No failure takes longer to be told.
const LIMIT: Duration = Duration::from_secs(10);

/// How many are tried at once; most of the time they wait.
const AT_ONCE: usize = 16;

/// Each right of the file, a step that fails without it, and what that says. What is of these kinds names the subject, too.
const NEEDED: &str = "
    submitter | exec.t.*.submitter.>                                       | task           | Rejected
    submitter | exec.c.submitter.>                                         | cancel         | it was not cancelled
    submitter | $JS.API.STREAM.INFO.exec_TASKS                             | connect        | Permission
    submitter | $JS.API.STREAM.INFO.exec_RESULTS                           | connect        | Permission
    submitter | $JS.API.STREAM.INFO.exec_CANCELS                           | connect        | Permission
    submitter | $JS.API.CONSUMER.INFO.exec_TASKS.*                         | connect        | Permission
    submitter | $JS.API.CONSUMER.LIST.exec_TASKS                           | status         | 1 queues
    submitter | $JS.API.DIRECT.GET.exec_RESULTS.exec.r.submitter.>         | attach         | PayloadLost
    submitter | $JS.API.DIRECT.GET.exec_TASKS.exec.t.*.submitter.>         | attach         | it was not cancelled
    submitter | $JS.API.STREAM.INFO.OBJ_exec-blobs                         | large argument | Rejected
    submitter | $JS.API.DIRECT.GET.OBJ_exec-blobs.$O.exec-blobs.M.>        | large result   | PayloadLost
    submitter | $JS.API.CONSUMER.CREATE.OBJ_exec-blobs                     | large result   | PayloadLost
    submitter | $JS.FC.OBJ_exec-blobs.>                                    | large result   | PayloadLost
    submitter | $O.exec-blobs.>                                            | large argument | Rejected
    submitter | exec.r.submitter.>                                         | connect        | Permission
    submitter | exec.s.submitter.>                                         | connect        | Permission
    submitter | exec.w.>                                                   | connect        | Permission
    submitter | _INBOX_submitter.>                                         | connect        | Permission
    worker    | exec.r.>                                                   | start          | Permission
    worker    | exec.s.>                                                   | start          | Permission
    worker    | exec.w.>                                                   | start          | Permission
    worker    | $JS.API.STREAM.INFO.exec_TASKS                             | start          | Permission
    worker    | $JS.API.STREAM.INFO.exec_RESULTS                           | start          | Permission
    worker    | $JS.API.STREAM.INFO.exec_CANCELS                           | start          | Permission
    worker    | $JS.API.DIRECT.GET.exec_CANCELS.exec.c.>                   | start          | Permission
    worker    | $JS.API.CONSUMER.INFO.exec_TASKS.q_default                 | start          | Permission
    worker    | $JS.API.CONSUMER.MSG.NEXT.exec_TASKS.q_default             | start          | Permission
    worker    | $JS.ACK.exec_TASKS.q_default.>                             | start          | Permission
    worker    | $JS.API.STREAM.INFO.OBJ_exec-blobs                         | large result   | PayloadLost
    worker    | $JS.API.STREAM.PURGE.OBJ_exec-blobs                        | large argument | until the argument is removed
    worker    | $JS.API.DIRECT.GET.OBJ_exec-blobs.$O.exec-blobs.M.>        | large argument | PayloadLost
    worker    | $JS.API.CONSUMER.CREATE.OBJ_exec-blobs                     | large argument | PayloadLost
    worker    | $JS.FC.OBJ_exec-blobs.>                                    | large argument | PayloadLost
    worker    | $O.exec-blobs.>                                            | large result   | PayloadLost
    worker    | exec.c.>                                                   | start          | Permission
    worker    | _INBOX_worker.>                                            | start          | Permission
";

const LOST: &str = "PayloadLost";
const PERMISSION: &str = "Permission";
const REJECTED: &str = "Rejected";

/// What a submitter and a worker do, all of which works with all rights.
type Step = fn(&Pair<'_>) -> Result<(), String>;

const STEPS: [(&str, Step); 10] = [
    ("connect", |pair| pair.executor().map(drop)),
    ("cancel", |pair| {
        let tally = pair.bench.tally(&pair.name);
        let future = pair.submit(note::task(tally.clone(), 1, 0))?;
        let admin = pair.admin();
        is_soon("it is with the server", || {
            admin.unfinished_of(&pair.name) == 1
        })?;
        if !future.cancel() {
            return Err("it was not cancelled".into());
        }
        pair.work()?;
        pair.is_done()?;
        match tally.count(1) {
            0 => Ok(()),
            _ => Err("it has run".into()),
        }
    }),
    ("start", |pair| pair.work()),
    ("task", |pair| {
        let result = soon(pair.submit(double::task(4))?)?;
        assert_eq!(result, 8);
        pair.is_done()
    }),
    ("large argument", |pair| {
        let length = soon(pair.submit(length::task(vec![7; LARGE]))?)?;
        assert_eq!(length, LARGE);
        pair.has_no_bodies()
    }),
    ("large result", |pair| {
        let result = soon(pair.submit(repeat::task(7, LARGE))?)?;
        assert!(result == vec![7; LARGE]);
        Ok(())
    }),
    ("running", |pair| {
        let (future, until) = pair.hold("held")?;
        let is_running = is_soon("it is seen to run", || future.is_running());
        until.open();
        soon(future).and(is_running)
    }),
    ("stop", |pair| {
        let gate = pair.gate("stop", "started");
        let task = until_stopped::task(gate.clone(), pair.gate("stop", "until"));
        let future = pair.submit(task)?;
        is_soon("it has started", || gate.is_open() || future.is_done())?;
        future
            .stop(StopLevel::Signal)
            .map_err(|error| error.to_string())?;
        soon(future).map(drop)
    }),
    ("attach", |pair| {
        let executor = pair.executor()?;
        let future = pair.submit(double::task(4))?;
        let number = executor.task_id(&future).unwrap();
        soon(future)?;
        let attached = pair.builder().attach(executor.session_id());
        let attached = attached.map_err(|error| format!("{:?}: {error}", error.kind()))?;
        let again = attached
            .future::<double>(number)
            .map_err(|error| error.to_string())?;
        soon(again)?;
        let (held, until) = [pair.hold("one")?, pair.hold("two")?]
            .into_iter()
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let queued = pair.submit(double::task(5))?;
        let admin = pair.admin();
        is_soon("all are with the server", || {
            admin.unfinished_of(&pair.name) == 3
        })?;
        let same = attached.future::<double>(executor.task_id(&queued).unwrap());
        let same = same.map_err(|error| error.to_string())?;
        let cancelled = same.cancel();
        until.iter().for_each(Gate::open);
        for held in held {
            soon(held)?;
        }
        if cancelled {
            Ok(())
        } else {
            Err("it was not cancelled".into())
        }
    }),
    ("status", |pair| {
        let status = pair.executor()?.status();
        let status = status.map_err(|error| format!("{:?}: {error}", error.kind()))?;
        if status.workers.len() != 1 {
            return Err("the worker is not seen".into());
        }
        // A queue without workers is in the list alone.
        match status.queues.len() {
            2 => Ok(()),
            other => Err(format!("{other} queues")),
        }
    }),
];

/// A body that takes more than one message, and more than a consumer sends without a word of flow control.
const LARGE: usize = 16 << 20;

fn each_is_needed(bench: &mut Bench) {
    let needed = needed();
    let listed: Vec<(&str, &str)> = [SUBMITTER, WORKER]
        .into_iter()
        .flat_map(|user| rights_of(user).map(move |right| (user, right)))
        .collect();
    let tried: Vec<_> = needed
        .iter()
        .map(|[user, right, ..]| (*user, *right))
        .collect();
    assert_eq!(
        listed, tried,
        "every right, and no other, in the order of the file"
    );

    let mut config = String::from("authorization { users: [\n{ user: admin, password: secret }\n");
    let name = |number: usize| format!("n{number}");
    for (number, (user, right)) in tried.iter().enumerate() {
        config += &users(&name(number), user, right);
    }
    // One pair has all rights.
    config += &users(&name(needed.len()), SUBMITTER, "none");
    config += "]}\n";
    bench.server = Server::start(Options::new().config(&config));
    step("the administrator makes the streams");
    for number in 0..=needed.len() {
        let admin = Credentials::Password("admin".into(), "secret".into());
        let builder = bench.builder().namespace(name(number)).credentials(admin);
        drop(builder.clone().connect().unwrap());
        drop(builder.queue("other").connect().unwrap());
    }
    step("rights are missing");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > needed.len() {
                        return;
                    }
                    let pair = Pair::new(bench, name(number));
                    let tried = match needed.get(number) {
                        Some([_, right, step, said]) => fails(&pair, right, step, said),
                        None => does_all(&pair),
                    };
                    if let Err(why) = tried {
                        let right = needed.get(number);
                        failures.lock().unwrap().push(format!("{right:?}: {why}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Whether this step fails, as it should.
fn fails(pair: &Pair<'_>, right: &str, name: &str, said: &str) -> Result<(), String> {
    let (_, step) = STEPS.iter().find(|(each, _)| *each == name).unwrap();
    if !matches!(name, "connect" | "cancel" | "start") {
        pair.work()?;
    }
    let began = Instant::now();
    let text = match step(pair) {
        Ok(()) => return Err("it is not needed".into()),
        Err(text) => text,
    };
    let subject = in_namespace(right, &pair.name);
    let subject = subject.split(['*', '>']).next().unwrap();
    let is_typed = [LOST, PERMISSION, REJECTED].contains(&said);
    let is_told = text.contains(subject) && began.elapsed() < LIMIT;
    if !text.contains(said) || is_typed && !is_told {
        return Err(format!("after {:?} it says: {text}", began.elapsed()));
    }
    Ok(())
}

fn does_all(pair: &Pair<'_>) -> Result<(), String> {
    for (name, step) in STEPS {
        step(pair).map_err(|why| format!("{name}: {why}"))?;
    }
    Ok(())
}

fn needed() -> Vec<[&'static str; 4]> {
    let rows = NEEDED.lines().filter(|row| !row.is_empty());
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| cells.try_into().unwrap()).collect()
}

/// The part of the rights that is about this user.
fn part(user: &str) -> &'static str {
    let (_, rest) = RIGHTS
        .split_once(&format!("{{\n      user: {user},"))
        .unwrap();
    let (part, _) = rest.split_once("\n    }").unwrap();
    part
}

fn rights_of(user: &str) -> impl Iterator<Item = &'static str> {
    let lines = part(user).lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2))
}

/// A submitter and a worker of this namespace; the user lacks the right.
fn users(namespace: &str, user: &str, right: &str) -> String {
    let mut users = String::new();
    for each in [SUBMITTER, WORKER] {
        let mut part = part(each).to_owned();
        if each == user {
            part = part.replacen(&format!("\"{right}\""), "\"unused\"", 1);
        }
        let password = format!("${}_PASSWORD", each.to_uppercase());
        let part = in_namespace(&part.replace(&password, "secret"), namespace);
        users += &format!("{{\n      user: {each}-{namespace},{part}\n    }}\n");
    }
    users
}

fn in_namespace(text: &str, namespace: &str) -> String {
    let text = text.replace("exec.", &format!("{namespace}."));
    let text = text.replace("exec_", &format!("{namespace}_"));
    text.replace("exec-", &format!("{namespace}-"))
}
