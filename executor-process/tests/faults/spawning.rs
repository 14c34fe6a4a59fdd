//! Workers that cannot be started: the pool breaks, says why, and nothing hangs.

use std::{
    env,
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use executor_core::{Executor as _, ExecutorExt as _, Reason, Shutdown, TaskErrorKind, context};
use executor_macros::task;
use executor_process::{
    BuildErrorKind, ProcessPoolBuilder, ProcessPoolExecutor, WorkerProgram, WorkerStderr,
};
use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::{
    killed::death_of,
    roles,
    support::{
        guard::{Bench, Neighbours, add, check_serves, eventually, settle, step},
        latch::Tally,
        procfs,
        tasks::{Crash, crash, double},
    },
};

/// Says to a role that it uses the portable transport.
const PORTABLE: &str = "FAULTS_PORTABLE";

/// Says to a role where it notes that it was started.
const STARTS: &str = "FAULTS_STARTS";

/// Says to a role what it deletes.
const DELETE: &str = "FAULTS_DELETE";

pub(crate) fn add_to(trials: &mut Vec<Trial>) {
    add(trials, "spawning::no_such_program", no_such_program);
    add(trials, "spawning::not_executable", not_executable);
    add(trials, "spawning::exits_at_once", |bench: &Bench| {
        script_is_of_no_use(bench, "exit 0", "exit status: 0");
        script_is_of_no_use(bench, "echo a complaint >&2; exit 4", "a complaint");
    });
    add(trials, "spawning::true_and_false", |bench: &Bench| {
        breaks(
            bench
                .builder(2)
                .worker_program(WorkerProgram::new("/bin/true")),
            "exit status: 0",
        );
        breaks(
            bench
                .builder(2)
                .worker_program(WorkerProgram::new("/bin/false")),
            "exit status: 1",
        );
    });
    add(trials, "spawning::never_ready", |bench: &Bench| {
        script_is_of_no_use(bench, "exec sleep 1000", "it was not ready after");
        let cat = bench
            .builder(2)
            .worker_program(WorkerProgram::new("/bin/cat"));
        breaks(
            cat.boot_timeout(Duration::from_millis(50)),
            "5 workers in a row",
        );
    });
    add(trials, "spawning::prints_garbage", |bench: &Bench| {
        script_is_of_no_use(
            bench,
            "echo garbage, and more of it; exec sleep 1000",
            "5 workers in a row",
        );
    });
    add(
        trials,
        "spawning::one_bad_start_among_good_ones",
        one_bad_start,
    );
    add(trials, "spawning::no_descriptors", |bench: &Bench| {
        play(bench, "no_descriptors")
    });
    add(trials, "spawning::few_descriptors", |bench: &Bench| {
        play(bench, "few_descriptors")
    });
    if rustix::process::getuid().is_root() {
        // As another user, for whom the limit holds.
        add(
            trials,
            "spawning::no_processes_as_nobody",
            |bench: &Bench| play(bench, "no_processes"),
        );
    }
    add(
        trials,
        "spawning::children_are_not_waited_for",
        children_are_ignored,
    );
    add(trials, "spawning::large_initializer", large_initializer);
    add(trials, "spawning::deleted_program", deleted_program);
    add(trials, "spawning::uninitialized", uninitialized);
    add(trials, "spawning::forgetful_worker", forgetful_worker);
}

/// What is submitted to a pool of this builder fails with this cause, before and after.
#[track_caller]
fn breaks(builder: ProcessPoolBuilder, cause: &str) {
    let pool = builder.build().unwrap();
    check_broken(&pool, cause);
    step("a broken pool is shut down");
    pool.shutdown(Shutdown::Drain).unwrap();
    pool.join(None).unwrap();
    assert!(pool.worker_pids().is_empty());
    step("a broken pool is dropped");
    drop(pool);
}

#[track_caller]
fn check_broken(pool: &ProcessPoolExecutor, cause: &str) {
    let (tasks, refused): (Vec<_>, Vec<_>) = (0..20)
        .map(|number| pool.submit(double::task(number)))
        .partition(Result::is_ok);
    for task in tasks {
        let error = settle("a task of a broken pool", task.unwrap()).unwrap_err();
        let TaskErrorKind::Broken(why) = error.kind() else {
            panic!("not broken: {error:?}");
        };
        assert!(why.contains(cause), "{why:?} does not say {cause:?}");
        assert!(!error.may_have_run());
    }
    eventually("submissions are refused", || {
        pool.submit(double::task(1)).is_err()
    });
    refused
        .into_iter()
        .map(Result::unwrap_err)
        .chain([pool.submit(double::task(1)).unwrap_err()])
        .for_each(|error| {
            let Reason::Broken { cause: why } = error.reason() else {
                panic!("not broken: {error:?}");
            };
            assert!(why.contains(cause), "{why:?} does not say {cause:?}");
        });
}

fn no_such_program(bench: &Bench) {
    let program = WorkerProgram::new(bench.path("nothing"));
    breaks(bench.builder(3).worker_program(program), "No such file");
}

fn not_executable(bench: &Bench) {
    let path = bench.path("text");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    breaks(
        bench.builder(3).worker_program(WorkerProgram::new(path)),
        "Permission denied",
    );
}

/// A script that counts its starts, and then does this.
fn script(bench: &Bench, name: &str, starts: &Path, then: &str) -> WorkerProgram {
    let path = bench.path(name);
    let text = format!("#!/bin/sh\necho x >> {}\n{then}\n", starts.display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    WorkerProgram::new(path)
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

fn script_is_of_no_use(bench: &Bench, then: &str, cause: &str) {
    let starts = bench.path("starts");
    // Left over from the script before.
    if starts.exists() {
        fs::remove_file(&starts).unwrap();
    }
    let program = script(bench, "script", &starts, then);
    let builder = bench.builder(2).worker_program(program);
    breaks(builder.boot_timeout(Duration::from_millis(300)), cause);
    let starts = lines(&starts);
    assert!((1..=12).contains(&starts), "{starts} starts");
}

/// A start that fails now and then is no reason to give up.
fn one_bad_start(bench: &Bench) {
    let tally = bench.tally("runs");
    let starts = bench.path("starts");
    let own = env::current_exe().unwrap();
    let then = format!(
        "[ $(wc -l < {}) -le 3 ] && exit 5\nexec {}",
        starts.display(),
        own.display()
    );
    let program = script(bench, "script", &starts, &then);
    let pool = bench.builder(2).worker_program(program).build().unwrap();
    Neighbours::submit(&pool, &tally, 0..30).check();
    check_serves(&pool);
}

/// Gives the sum of its bytes, to the tasks of its worker.
#[task(derive(Clone), crate = "executor_core")]
fn sum(bytes: Vec<u8>) -> u64 {
    bytes.into_iter().map(u64::from).sum()
}

/// What the initializer has given.
#[task(crate = "executor_core")]
fn initialized() -> Option<u64> {
    context::with_worker_state(|sum: &u64| *sum)
}

/// More than a pipe holds, before the worker reads anything.
fn large_initializer(bench: &Bench) {
    let initializer = sum::task(vec![2; 3 << 20]);
    let pool = bench.builder(2).initializer(initializer).build().unwrap();
    for _ in 0..10 {
        let seen = settle("a task", pool.submit(initialized::task()).unwrap());
        assert_eq!(seen.unwrap(), Some(6 << 20));
    }
    let workers = pool.worker_pids();
    procfs::signal(workers[0], Signal::KILL);
    eventually("the worker is replaced", || {
        !pool.worker_pids().contains(&workers[0])
    });
    let seen = settle("a task", pool.submit(initialized::task()).unwrap());
    assert_eq!(seen.unwrap(), Some(6 << 20));
}

/// Has this program play a role, which fails by a panic.
fn play(bench: &Bench, role: &str) {
    step(role);
    let own = env::current_exe().unwrap();
    check_role(&roles::start_program(&own, role, |command| {
        prepare(bench, command);
    }));
}

#[track_caller]
fn check_role(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
}

fn prepare(bench: &Bench, command: &mut Command) {
    command.env(STARTS, bench.path("starts"));
    if bench.is_portable {
        command.env(PORTABLE, "1");
    }
}

/// A builder for a role.
fn builder(workers: usize) -> ProcessPoolBuilder {
    let builder = ProcessPoolExecutor::builder()
        .max_workers(workers)
        .stderr(WorkerStderr::Discard);
    if env::var_os(PORTABLE).is_some() {
        builder.portable_transport()
    } else {
        builder
    }
}

fn limit(resource: Resource, current: usize) {
    let maximum = getrlimit(resource).maximum;
    let current = Some(current as u64);
    setrlimit(resource, Rlimit { current, maximum }).unwrap();
}

/// Takes all descriptors but so many. The limit itself is one that workers can live with.
fn take_descriptors(left: usize) -> Vec<fs::File> {
    limit(Resource::Nofile, 128);
    // What opens a file at its first use has done so: nothing of it is counted later.
    check_serves(&builder(1).build().unwrap());
    let mut taken: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - left);
    taken
}

/// Role: no worker can be started, for want of descriptors.
pub(crate) fn without_descriptors() {
    // Enough for the pool, and not for a worker.
    let taken = take_descriptors(4);
    let before = procfs::descriptors();
    let pool = builder(3).build().unwrap();
    check_broken(&pool, "Too many open files");
    drop(pool);
    assert_eq!(procfs::descriptors(), before, "descriptors are left open");
    drop(taken);
    eventually("only this thread is left", || procfs::threads() == 1);
    assert_eq!(procfs::children(), []);
    // This process is as good as before.
    check_serves(&builder(2).build().unwrap());
}

/// Role: there are descriptors for some workers and not for all.
pub(crate) fn with_few_descriptors() {
    let _taken = take_descriptors(30);
    let before = procfs::descriptors();
    let pool = builder(16).build().unwrap();
    for _ in 0..20 {
        check_serves(&pool);
    }
    drop(pool);
    assert_eq!(procfs::descriptors(), before, "descriptors are left open");
    assert_eq!(procfs::children(), []);
}

/// Role: this user may not have any more processes.
pub(crate) fn without_processes() {
    if rustix::process::getuid().is_root() {
        // Once more, as somebody else: with capabilities the limit would not hold.
        let user = NOBODY + u32::from(env::var_os(PORTABLE).is_some());
        let error = Command::new(env::current_exe().unwrap())
            .uid(user)
            .gid(user)
            .exec();
        panic!("this program cannot be started as another user: {error}");
    }
    // One thread for the pool itself, beside this one.
    limit(Resource::Nproc, 2);
    let pool = builder(2).build().unwrap();
    check_broken(&pool, "Resource temporarily unavailable");
    drop(pool);
    assert_eq!(procfs::children(), []);
}

/// This user, and the next, have no other processes.
const NOBODY: u32 = 64_999;

/// Who ignores the signal of ended children has them reaped by the system, and never learns their status.
fn children_are_ignored(bench: &Bench) {
    let own = env::current_exe().unwrap();
    let output = roles::start_program(Path::new("/bin/sh"), "heals", |command| {
        prepare(bench, command);
        let script = format!("trap '' CHLD; exec {}", own.display());
        command.arg("-c").arg(script);
    });
    check_role(&output);
}

/// A program that is replaced while it runs goes on with workers of its own kind.
fn deleted_program(bench: &Bench) {
    let copy = bench.path("copy");
    let own = env::current_exe().unwrap();
    if fs::hard_link(&own, &copy).is_err() {
        fs::copy(&own, &copy).unwrap();
    }
    let output = roles::start_program(&copy, "heals", |command| {
        prepare(bench, command);
        command.env(DELETE, &copy);
    });
    check_role(&output);
    assert!(!copy.exists());
}

/// Role: workers die, and others come.
pub(crate) fn heals() {
    if let Some(path) = env::var_os(DELETE) {
        fs::remove_file(path).unwrap();
    }
    let tally = Tally::at(PathBuf::from(env::var_os(STARTS).unwrap()));
    let pool = builder(2).build().unwrap();
    for round in 0..10 {
        let victim = crash::task(Crash::Exit(1), tally.clone(), 100 + round);
        let victim = pool.submit(victim).unwrap();
        let neighbours = Neighbours::submit(&pool, &tally, 10 * round..10 * round + 5);
        death_of(settle("the victim", victim));
        neighbours.check();
    }
    check_serves(&pool);
    drop(pool);
    assert_eq!(procfs::children(), []);
}

fn uninitialized(bench: &Bench) {
    play(bench, "uninitialized");
    assert_eq!(lines(&bench.path("starts")), 0, "nothing was started");
}

/// Role: a program that does not call `init`.
pub(crate) fn without_init() {
    let error = builder(2).build().unwrap_err();
    assert!(error.is_not_initialized(), "{error:?}");
    assert!(matches!(error.kind(), BuildErrorKind::NotInitialized));
    assert!(error.to_string().contains("init()"), "{error}");
    assert_eq!(procfs::children(), []);
    // With a program that it names it needs no `init`.
    let other = WorkerProgram::new(env::current_exe().unwrap()).env("FAULTS_ROLE", "none");
    drop(builder(1).worker_program(other).build().unwrap());
}

/// Were there no guard, each of its workers would have workers, and so on without end.
fn forgetful_worker(bench: &Bench) {
    play(bench, "forgetful");
    let starts = bench.tally("starts").all().len();
    // Itself, and five for each of two pools, and those that are under way when the fifth fails.
    assert!((3..=16).contains(&starts), "{starts} processes");
}

/// Role: a program whose workers do not call `init`, but build a pool.
pub(crate) fn forgets_in_workers() {
    Tally::at(PathBuf::from(env::var_os(STARTS).unwrap())).bump(0);
    if env::var_os("CONCURRENT_FUTURES_WORKER").is_none() {
        executor_process::init();
    }
    let pool = builder(2).build().unwrap();
    check_broken(&pool, "exit status: 113");
    check_broken(&pool, "call that first");
}
