//! What the way through another process costs without the process: nanoseconds an item for each step.
//!
//! `cargo bench -p benches --bench codec`. The parent pays for all steps but `run`.

use std::{
    hint::black_box,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use executor_core::{
    Admission, Capabilities, EncodedCall, Executor, ExecutorExt as _, Future as _, Job, JoinError,
    PortableTask, Registry, Rejected, Shutdown, Stats, Unsupported,
};
use executor_macros::task;

#[task(crate = "executor_core")]
fn same(x: u64) -> u64 {
    x
}

#[task(crate = "executor_core")]
fn length(text: &str) -> Option<usize> {
    Some(text.len())
}

/// A type whose serde attributes could matter, so that its fields travel with their names.
#[derive(serde::Serialize, serde::Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[task(crate = "executor_core")]
fn mirrored(point: Point) -> Point {
    Point {
        x: point.y,
        y: point.x,
    }
}

/// Keeps the jobs until the benchmark comes for them.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<Vec<Job>>>);

impl Executor for Shelf {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::local(1);
        capabilities.local = false;
        capabilities
    }

    fn execute(&self, job: Job, _admission: Admission) -> Result<(), Rejected> {
        self.0.lock().expect("nothing panics under it").push(job);
        Ok(())
    }

    fn shutdown(&self, _mode: Shutdown) -> Result<(), Unsupported> {
        Ok(())
    }

    fn join(&self, _deadline: Option<Instant>) -> Result<(), JoinError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// The time of each step, the shortest of all rounds.
struct Steps {
    times: [(&'static str, Duration); 5],
    /// A backend sends and receives through memory that it uses again.
    buffers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Steps {
    fn new() -> Self {
        Self {
            times: ["submit", "encode", "run", "complete", "take"]
                .map(|step| (step, Duration::MAX)),
            buffers: vec![Default::default(); 1000],
        }
    }

    fn time<R>(&mut self, step: usize, f: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = f();
        let best = &mut self.times[step].1;
        *best = start.elapsed().min(*best);
        result
    }

    /// What a backend and its worker do with the jobs on the shelf.
    fn serve(&mut self, shelf: &Shelf) {
        let mut jobs = std::mem::take(&mut *shelf.0.lock().expect("nothing panics under it"));
        let mut buffers = std::mem::take(&mut self.buffers);
        for (sent, received) in &mut buffers {
            sent.clear();
            received.clear();
        }
        let mut calls: Vec<EncodedCall<'_>> = Vec::with_capacity(jobs.len());
        let mut outputs: Vec<&mut Vec<u8>> = Vec::with_capacity(jobs.len());
        self.time(1, || {
            for (job, (sent, received)) in jobs.iter_mut().zip(&mut buffers) {
                calls.push(job.encode(sent).expect("portable").expect("encodes"));
                outputs.push(received);
            }
        });
        let table = Registry::global().table();
        self.time(2, || {
            for (call, output) in calls.iter().zip(&mut outputs) {
                let id = table.id(call.name).expect("listed");
                table
                    .run(id, call.is_chunk, call.body, *output)
                    .expect("runs");
            }
        });
        let outputs: Vec<Box<[u8]>> = outputs
            .iter()
            .map(|output| output.as_slice().into())
            .collect();
        self.buffers = buffers;
        let started: Vec<_> = jobs
            .into_iter()
            .map(|job| job.claim().expect("ours"))
            .collect();
        self.time(3, || {
            for (job, output) in started.into_iter().zip(outputs) {
                job.complete(output);
            }
        });
    }

    fn print(&self, title: &str, items: usize) {
        print!("{title:28}");
        for (step, time) in self.times {
            let nanos = time.as_nanos() as f64 / items as f64;
            print!("  {step} {nanos:7.1}");
        }
        println!();
    }
}

fn singles<T: PortableTask>(title: &str, task: impl Fn(u64) -> T) {
    const ITEMS: u64 = 1000;
    let shelf = Shelf::default();
    let mut steps = Steps::new();
    for _ in 0..rounds(300) {
        let tasks: Vec<T> = (0..ITEMS).map(|n| task(n << 20)).collect();
        let futures: Vec<_> = steps.time(0, || {
            tasks
                .into_iter()
                .map(|task| shelf.submit(task).expect("accepted"))
                .collect()
        });
        steps.serve(&shelf);
        steps.time(4, || {
            for future in futures {
                black_box(future.result().expect("succeeds"));
            }
        });
    }
    steps.print(title, ITEMS as usize);
}

fn chunks<T: PortableTask>(title: &str, task: impl Fn(u64) -> T) {
    const CHUNK: usize = 4096;
    const ITEMS: usize = 16 * CHUNK;
    let shelf = Shelf::default();
    let mut steps = Steps::new();
    for _ in 0..rounds(50) {
        let tasks = (0..ITEMS as u64).map(|n| task(n << 20));
        let results = steps.time(0, || shelf.map(tasks).chunk(CHUNK).window(ITEMS).start());
        steps.serve(&shelf);
        steps.time(4, || {
            for result in results {
                black_box(result.expect("succeeds"));
            }
        });
    }
    steps.print(title, ITEMS);
}

/// So many, or one where a test only wants to see that it runs.
fn rounds(rounds: usize) -> usize {
    if std::env::args().any(|argument| argument == "--test") {
        1
    } else {
        rounds
    }
}

fn main() {
    // As with other benchmarks: what follows `--` is part of the names of those to run.
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let is_wanted = |title: &str| filter.as_ref().is_none_or(|filter| title.contains(filter));
    println!("nanoseconds an item");
    if is_wanted("one u64") {
        singles("one u64", same::task);
    }
    if is_wanted("one text") {
        singles("one text", |n| length::task(n.to_string()));
    }
    if is_wanted("one struct") {
        singles("one struct", |n| {
            mirrored::task(Point {
                x: n as f64,
                y: 1.0,
            })
        });
    }
    if is_wanted("chunk of u64") {
        chunks("chunk of u64", same::task);
    }
    if is_wanted("chunk of text") {
        chunks("chunk of text", |n| length::task(n.to_string()));
    }
    if is_wanted("chunk of struct") {
        chunks("chunk of struct", |n| {
            mirrored::task(Point {
                x: n as f64,
                y: 1.0,
            })
        });
    }
}
