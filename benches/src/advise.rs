//! Measures your own tasks on every backend: which one wins, with how many workers and which chunks, and what a
//! process costs extra.
//!
//! ```no_run
//! # use benches::tasks::toil;
//! benches::init(); // first in `main`
//! let advice = benches::advise((0..1000).map(|n| toil::task(n * 100)));
//! println!("{advice}");
//! ```

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

use executor_core::{Executor, ExecutorExt as _, Future as _, PortableTask};

use crate::{backends, harness::stats::Samples, left_out};

/// How much of a sample is run, in time of one thread: long enough to be measured, and not for ever.
const SERIAL: Duration = Duration::from_millis(400);

/// How often each choice is measured.
const ROUNDS: usize = 3;

/// Measures a sample of these tasks on every backend, with several numbers of workers and sizes of chunks.
///
/// It runs some of the tasks once on this thread, to learn how long they take; then those, about 0.4 seconds of
/// work, several times on each choice, in turns. So it takes a minute at most for tasks below a second, and each
/// task runs dozens of times: give it tasks that may. The iterator is gone through as often, so it is one that can be
/// cloned; what it takes to make a task is not measured.
///
/// # Panics
///
/// If there are no tasks, if one fails, or if the program did not call [`init`](crate::init()) first in its `main`.
#[must_use]
pub fn advise<T, I>(tasks: I) -> Advice
where
    T: PortableTask,
    I: IntoIterator<Item = T, IntoIter: Clone>,
{
    let tasks = tasks.into_iter();
    let (count, serial) = sample(&tasks);
    let sample = || tasks.clone().take(count);
    let mut choices = choices(count);
    let mut rests = Vec::new();
    for backend in backends() {
        let pool = backend.open(1);
        sample().take(1).for_each(|task| {
            run_one(&pool, task);
        });
        // Tasks may be of very different lengths, so each is compared with itself.
        let mut differences = Samples::new();
        for (here, there) in sample().zip(sample()).take(200) {
            let begun = Instant::now();
            drop(black_box(here.run()));
            let alone = begun.elapsed().as_nanos() as f64;
            differences.add(run_one(&pool, there) - alone);
        }
        rests.push(Overhead {
            backend: backend.name,
            is_remote: backend.is_remote,
            alone: differences.median().max(0.0),
            apart: 0.0,
            together: 0.0,
        });
    }
    for _ in 0..ROUNDS {
        for choice in &mut choices {
            let backend = backends()
                .find(|backend| backend.name == choice.backend)
                .expect("the choices come from the list");
            let pool = backend.open(choice.workers);
            // So that the pool's own start is not measured.
            run(&pool, sample().take(choice.workers * 2), None);
            choice.times.add(run(&pool, sample(), choice.chunk));
        }
    }
    for rest in &mut rests {
        let least = |is_meant: fn(&Choice) -> bool| {
            let on_one = |it: &&Choice| it.backend == rest.backend && it.workers == 1;
            let times = choices.iter().filter(on_one).filter(|it| is_meant(it));
            let least = times
                .map(|it| it.times.median())
                .fold(f64::INFINITY, f64::min);
            ((least - serial) / count as f64).max(0.0)
        };
        (rest.apart, rest.together) = (least(|it| it.chunk == Some(1)), least(|_| true));
    }
    choices.sort_by(|a, b| a.times.median().total_cmp(&b.times.median()));
    Advice {
        tasks: count,
        serial,
        choices,
        overheads: rests,
        left_out: left_out().collect(),
    }
}

/// What [`advise()`] has found. It displays as the answer in words, and then the table.
#[derive(Debug, Clone)]
pub struct Advice {
    tasks: usize,
    serial: f64,
    choices: Vec<Choice>,
    overheads: Vec<Overhead>,
    /// A line for each backend that was not measured.
    left_out: Vec<String>,
}

/// One way to run the tasks, and how long that took.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Choice {
    /// The name of the backend.
    pub backend: &'static str,
    /// The number of workers.
    pub workers: usize,
    /// How many tasks `map` puts into one job; `None`: it chooses by itself.
    pub chunk: Option<usize>,
    times: Samples,
}

/// What a backend takes for a task beyond the task's own time, in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Overhead {
    backend: &'static str,
    is_remote: bool,
    /// One task, submitted and waited for.
    alone: f64,
    /// One of many, each submitted by itself, on one worker.
    apart: f64,
    /// One task of a `map`, on one worker.
    together: f64,
}

impl Advice {
    /// The fastest choice. Others may be as good: see [`as_good`](Self::as_good).
    #[must_use]
    pub fn best(&self) -> &Choice {
        &self.choices[0]
    }

    /// All choices that the noise does not tell from the best, which is the first.
    pub fn as_good(&self) -> impl Iterator<Item = &Choice> {
        self.choices.iter().filter(|choice| self.is_as_good(choice))
    }

    /// All choices, the fastest first.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// How many times as fast as a loop on one thread the best choice is. Below 1, a loop is the best choice.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.serial / self.best().times.median()
    }

    /// How long a task takes by itself, on average.
    #[must_use]
    pub fn task(&self) -> Duration {
        Duration::from_nanos((self.serial / self.tasks as f64) as u64)
    }

    /// How much longer than a thread a worker process takes for each task of a `map`: the price of isolation.
    #[must_use]
    pub fn extra_of_process(&self) -> Duration {
        let least = |is_remote| {
            self.overheads
                .iter()
                .filter(|it| it.is_remote == is_remote)
                .map(|it| it.together)
                .fold(f64::INFINITY, f64::min)
        };
        Duration::from_nanos((least(true) - least(false)).max(0.0) as u64)
    }

    /// How long a task has to be so that two workers of this backend beat a loop, if each task is submitted by itself and
    /// the results are taken afterwards: as long as what the backend adds. `None` for a backend that there is not.
    #[must_use]
    pub fn crossover(&self, backend: &str) -> Option<Duration> {
        let it = self.overheads.iter().find(|it| it.backend == backend)?;
        Some(Duration::from_nanos(it.apart as u64))
    }

    fn is_as_good(&self, choice: &Choice) -> bool {
        let best = &self.best().times;
        let noise = best.uncertainty().hypot(choice.times.uncertainty());
        (choice.times.median() / best.median()).ln() <= noise
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = self.best();
        writeln!(
            f,
            "{} tasks of {:.2?} on average: {best} is the fastest, {:.2} times as fast as a loop",
            self.tasks,
            self.task(),
            self.gain()
        )?;
        if self.gain() < 1.1 {
            writeln!(f, "that is hardly more than the loop: leave it one")?;
        }
        let others: Vec<_> = self.as_good().skip(1).map(Choice::to_string).collect();
        if let Some((shown, rest)) = others.split_at_checked(others.len().min(3))
            && !shown.is_empty()
        {
            let more = match rest.len() {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            writeln!(
                f,
                "as good, as far as the noise tells: {}{more}",
                shown.join("; ")
            )?;
        }
        let extra = self.extra_of_process();
        if extra.is_zero() {
            writeln!(
                f,
                "what a process costs a task more than a thread is lost in the noise"
            )?;
        } else {
            writeln!(
                f,
                "a process costs {extra:.2?} a task more than a thread does, mapped"
            )?;
        }
        for line in &self.left_out {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "\nwhat a backend adds to a task: on two workers, tasks beat a loop once they are longer than that, unless each \
             is waited for before the next\n{:<10}{:>18}{:>18}{:>18}",
            "backend", "waited for alone", "submitted singly", "in a map"
        )?;
        for it in &self.overheads {
            let [alone, apart, together] = [it.alone, it.apart, it.together]
                .map(|time| format!("{:.2?}", Duration::from_nanos(time as u64)));
            writeln!(f, "{:<10}{alone:>18}{apart:>18}{together:>18}", it.backend)?;
        }
        writeln!(
            f,
            "\n{:<44}{:>12}{:>8}{:>9}",
            "choice", "time", "spread", "of loop"
        )?;
        for choice in &self.choices {
            writeln!(
                f,
                "{:<44}{:>12}{:>7.0}%{:>9.2}",
                choice.to_string(),
                format!("{:.2?}", Duration::from_nanos(choice.times.median() as u64)),
                choice.times.spread() * 100.0,
                choice.times.median() / self.serial,
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.workers == 1 { "" } else { "s" };
        write!(f, "{}, {} worker{s}, ", self.backend, self.workers)?;
        match self.chunk {
            None => write!(f, "chunks as map chooses"),
            Some(1) => write!(f, "no chunks"),
            Some(chunk) => write!(f, "chunks of {chunk}"),
        }
    }
}

/// How many tasks fit into the time, and how long they take on this thread.
fn sample<T: PortableTask>(tasks: &(impl Iterator<Item = T> + Clone)) -> (usize, f64) {
    let begun = Instant::now();
    let mut count = 0;
    for task in tasks.clone() {
        count += 1;
        drop(black_box(task.run()));
        if begun.elapsed() > SERIAL {
            break;
        }
    }
    assert!(count > 0, "there is no task to measure");
    // The first time may have filled caches, and looked at the clock after each.
    let again: Vec<_> = tasks.clone().take(count).collect();
    let begun = Instant::now();
    again
        .into_iter()
        .for_each(|task| drop(black_box(task.run())));
    (count, begun.elapsed().as_nanos() as f64)
}

/// Every backend with one worker, with as many as there are cores, and with twice as many; in chunks as `map` chooses,
/// without, and of two sizes.
fn choices(tasks: usize) -> Vec<Choice> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut workers = vec![1, cores, cores * 2];
    workers.dedup();
    let mut chunks = vec![None, Some(1)];
    chunks.extend([tasks / (cores * 32), tasks / (cores * 4)].map(Some));
    chunks.retain(|chunk| *chunk != Some(0));
    chunks.dedup();
    let mut choices = Vec::new();
    for backend in backends() {
        for &workers in &workers {
            for &chunk in &chunks {
                choices.push(Choice {
                    backend: backend.name,
                    workers,
                    chunk,
                    times: Samples::new(),
                });
            }
        }
    }
    choices
}

/// How long a map over the tasks takes, in nanoseconds.
fn run<T: PortableTask>(
    pool: &impl Executor,
    tasks: impl Iterator<Item = T>,
    chunk: Option<usize>,
) -> f64 {
    // What the caller does to make tasks is not measured, and neither is where they wait.
    let tasks: Vec<_> = tasks.collect();
    let begun = Instant::now();
    let map = pool.map(tasks);
    let map = match chunk {
        Some(chunk) => map.chunk(chunk),
        None => map,
    };
    for result in map {
        if let Err(error) = result {
            panic!("a task fails: {error}");
        }
    }
    begun.elapsed().as_nanos() as f64
}

/// How long it takes to submit a task and wait for it.
fn run_one<T: PortableTask>(pool: &impl Executor, task: T) -> f64 {
    let begun = Instant::now();
    match pool.submit(task) {
        Ok(future) => match future.result() {
            Ok(output) => drop(output),
            Err(error) => panic!("a task fails: {error}"),
        },
        Err(error) => panic!("a task is refused: {error}"),
    }
    begun.elapsed().as_nanos() as f64
}

#[cfg(test)]
mod tests {
    use super::{Advice, Choice, Overhead, choices};
    use crate::harness::stats::Samples;

    fn choice(backend: &'static str, times: [f64; 3]) -> Choice {
        let mut samples = Samples::new();
        times.into_iter().for_each(|time| samples.add(time));
        Choice {
            backend,
            workers: 2,
            chunk: None,
            times: samples,
        }
    }

    #[test]
    fn what_the_noise_does_not_tell_from_the_best_is_as_good() {
        let overhead = |backend, is_remote, together| Overhead {
            backend,
            is_remote,
            alone: 10.0 * together,
            apart: 5.0 * together,
            together,
        };
        let advice = Advice {
            tasks: 10,
            serial: 200.0,
            choices: vec![
                choice("threads", [99.0, 100.0, 103.0]),
                choice("rayon", [98.0, 101.0, 104.0]),
                choice("process", [180.0, 182.0, 184.0]),
            ],
            overheads: vec![
                overhead("threads", false, 100.0),
                overhead("process", true, 700.0),
            ],
            left_out: vec!["nats is left out: no server".to_owned()],
        };
        let names: Vec<_> = advice.as_good().map(|choice| choice.backend).collect();
        assert_eq!(names, ["threads", "rayon"]);
        assert_eq!(advice.gain(), 2.0);
        assert_eq!(advice.extra_of_process().as_nanos(), 600);
        assert_eq!(
            advice.crossover("process").map(|it| it.as_nanos()),
            Some(3500)
        );
        assert_eq!(advice.crossover("abacus"), None);
        let text = advice.to_string();
        assert!(
            text.contains("threads, 2 workers, chunks as map chooses is the fastest"),
            "{text}"
        );
        assert!(
            text.contains("as good, as far as the noise tells: rayon"),
            "{text}"
        );
        assert!(text.contains("nats is left out: no server"), "{text}");
    }

    #[test]
    fn no_chunk_is_empty_however_few_tasks_there_are() {
        assert!(choices(1).iter().all(|choice| choice.chunk != Some(0)));
    }
}
