//! Servers that are killed while tasks are under way.

use std::{
    fs::{self, OpenOptions},
    hash::{BuildHasher as _, RandomState},
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use executor_core::{ExecutorExt as _, Future as _};
use executor_macros::task;
use executor_nats::NatsExecutor;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Checked, Program, pause,
    server::{Options, Server},
};

const TASKS: u64 = 20_000;
const KILLS: usize = 6;

/// How long the last results may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Notes in the file that it has run.
#[task(crate = "executor_core")]
fn noted(tally: PathBuf, number: u64) -> u64 {
    let file = OpenOptions::new().create(true).append(true).open(tally);
    // One write, which others do not get between.
    let written = file.and_then(|mut file| file.write_all(&number.to_le_bytes()));
    written.expect("the tally can be written");
    number
}

/// What one storm did.
#[derive(Default)]
struct Damage {
    missing: u64,
    unrecorded: u64,
    double: u64,
    again: u64,
}

pub(crate) fn run(runs: u64) -> Checked {
    println!("-- {runs} storms: {TASKS} tasks, {KILLS} times SIGKILL of the server and a restart");
    let mut all = Damage::default();
    for run in 1..=runs {
        let seed = RandomState::new().hash_one(run);
        let began = Instant::now();
        let one = storm(seed)?;
        println!(
            "storm {run}: {} missing, {} not recorded, {} double outcomes, {} executions beyond one, {:?} (seed {seed:#x})",
            one.missing,
            one.unrecorded,
            one.double,
            one.again,
            began.elapsed()
        );
        all.missing += one.missing;
        all.unrecorded += one.unrecorded;
        all.double += one.double;
        all.again += one.again;
    }
    println!(
        "{} tasks: {} missing, {} not recorded, {} double outcomes, {} executions beyond one",
        runs * TASKS,
        all.missing,
        all.unrecorded,
        all.double,
        all.again
    );
    Ok(())
}

fn storm(mut seed: u64) -> Checked<Damage> {
    let place = TempDir::with_prefix("storm")?;
    let tally = place.path().join("tally");
    let mut server = Server::start(Options::new());
    let url = server.url();
    let settings = ["--slots", "64", "--lease", "5"];
    let _worker = Program::worker(&url, "storm", "threads", &settings)?;
    let executor = NatsExecutor::builder()
        .url(&url)
        .queue("storm")
        .lease(Duration::from_secs(5))
        .connect()?;
    let mut moments: Vec<u64> = (0..KILLS).map(|_| random(&mut seed) % TASKS).collect();
    moments.sort_unstable();
    let futures: Result<Vec<_>, _> = (0..TASKS)
        .map(|number| executor.submit(noted::task(tally.clone(), number)))
        .collect();
    let futures = futures?;
    for moment in moments {
        // When so many tasks have run, or a while after they should have.
        let by = Instant::now() + Duration::from_secs(20);
        while runs(&tally) < moment && Instant::now() < by {
            pause(Duration::from_millis(1));
        }
        server.kill();
        pause(Duration::from_millis(random(&mut seed) % 300));
        server.restart();
    }
    let by = Instant::now() + PATIENCE;
    let mut missing = 0;
    for (number, future) in (0..TASKS).zip(futures) {
        let is_done = future.wait_timeout(by.saturating_duration_since(Instant::now()));
        let outcome = is_done.then(|| future.take()).flatten();
        if !matches!(outcome, Some(Ok(result)) if result == number) {
            missing += 1;
            if missing == 1 {
                println!("task {number}: {outcome:?}");
            }
        }
    }
    let (messages, subjects) = recorded(&url)?;
    Ok(Damage {
        missing,
        unrecorded: TASKS.saturating_sub(subjects),
        double: messages - subjects,
        again: runs(&tally).saturating_sub(TASKS),
    })
}

/// How many tasks have run, those that did so twice counted twice.
fn runs(tally: &Path) -> u64 {
    fs::metadata(tally).map_or(0, |file| file.len() / 8)
}

/// How many results the server holds, and of how many tasks.
fn recorded(url: &str) -> Checked<(u64, u64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(async {
        let client = async_nats::connect(url).await?;
        let asking = client.request("$JS.API.STREAM.INFO.exec_RESULTS", "".into());
        Checked::Ok(asking.await?)
    })?;
    let info: Value = serde_json::from_slice(&answer.payload)?;
    let number = |name: &str| info["state"][name].as_u64().ok_or("no such number");
    Ok((number("messages")?, number("num_subjects")?))
}

/// Xorshift: any sequence will do.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}
