//! How pools begin, and how workers end.

use std::{env, fs, path::PathBuf, process, thread, time::Instant};

use crate::harness::workers;
use crate::measure::clock::{median, nanoseconds};
use crate::{
    harness::Scale,
    process::peers::{Subject, raw},
    process::work::{Hang, Noop, WorkerId},
};

/// A pool built, until its first result: nanoseconds. What its end takes is not counted.
pub(super) fn start<S: Subject>(scale: Scale) -> f64 {
    median(scale.of(100), || {
        let start = Instant::now();
        let pool = S::start(workers());
        pool.call::<Noop>(1);
        let took = start.elapsed();
        pool.stop();
        took.as_nanos() as f64
    })
}

/// This program started as one process, until its first byte: nanoseconds.
pub(super) fn start_raw(scale: Scale) -> f64 {
    median(scale.of(100), || {
        let mut child = None;
        let took = nanoseconds(|| child = Some(raw::start_to_first_byte()));
        let mut child = child.expect("it was started");
        child.wait().expect("nobody else waits for it");
        took
    })
}

/// A worker killed while it runs a task, until the task has failed: nanoseconds.
pub(super) fn fails<S: Subject>(scale: Scale) -> f64 {
    killed::<S>(scale, |_| {})
}

/// The only worker killed while it runs a task, until the task has failed and another has succeeded:
/// nanoseconds.
pub(super) fn replaced<S: Subject>(scale: Scale) -> f64 {
    killed::<S>(scale, |pool| {
        pool.call::<Noop>(1);
    })
}

fn killed<S: Subject>(scale: Scale, then: impl Fn(&S)) -> f64 {
    let pool = S::start(1);
    let signs = Signs::new();
    let mut times = 0;
    let sample = median(scale.of(100), || {
        times += 1;
        let worker = pool.call::<WorkerId>(());
        let sign = signs.0.join(times.to_string());
        let path = sign
            .to_str()
            .expect("the path was made from a text")
            .to_owned();
        let victim = pool.submit::<Hang>(path);
        while !sign.exists() {
            thread::yield_now();
        }
        let start = Instant::now();
        if !kill(worker) {
            return f64::NAN;
        }
        let ended = S::wait(victim);
        then(&pool);
        let took = start.elapsed();
        assert!(ended.is_err(), "{} has a result of a dead worker", S::NAME);
        took.as_nanos() as f64
    });
    pool.stop();
    sample
}

/// A directory in which tasks leave a sign that they run.
struct Signs(PathBuf);

impl Signs {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("ratios-{}", process::id()));
        fs::create_dir_all(&path).expect("the directory for temporary files is writable");
        Self(path)
    }
}

impl Drop for Signs {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} is left over: {error}", self.0.display());
        }
    }
}

/// Kills a process at once, which takes a system call and no other process. False where that cannot be
/// done.
#[cfg(target_os = "linux")]
fn kill(id: u32) -> bool {
    use rustix::process::{Pid, Signal, kill_process};

    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    let id = id.expect("a worker has a process id");
    kill_process(id, Signal::KILL).expect("a worker may be killed by its parent");
    true
}

#[cfg(not(target_os = "linux"))]
fn kill(_id: u32) -> bool {
    false
}
