//! What there is on the server, for people.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    time::{Duration, Instant},
};

use async_nats::Client;
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::{
    ConnectError, ConnectErrorKind,
    connect::Common,
    names::Names,
    publish,
    wire::{self, Presence},
    worker::runtime,
};

/// The queue of an executor and its workers, a moment ago, beside all queues of the namespace.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// The queue.
    pub queue: String,
    /// Tasks that no worker has.
    pub pending: u64,
    /// Tasks that workers have.
    pub running: u64,
    /// Its workers.
    pub workers: Vec<WorkerStatus>,
    /// How quickly tasks come and go.
    pub rates: Rates,
    /// All queues of the namespace, this one among them, by name. Without the right to list them these are the ones whose workers
    /// were heard of.
    pub queues: Vec<QueueStatus>,
}

/// A queue, a moment ago.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct QueueStatus {
    /// What it is called.
    pub name: String,
    /// Tasks that no worker has.
    pub pending: u64,
    /// Tasks that workers have.
    pub running: u64,
    /// How many workers were heard of.
    pub workers: usize,
    /// The slots of these workers.
    pub slots: usize,
    /// How quickly tasks come and go.
    pub rates: Rates,
}

/// Tasks per second, from two looks some two seconds apart. A task that is given out again counts again.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Rates {
    /// Those that were submitted.
    pub submitted: f64,
    /// Those that were given to a worker.
    pub started: f64,
    /// Those that a worker has acknowledged.
    pub finished: f64,
}

/// A worker that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// What it is called.
    pub name: String,
    /// How many tasks it runs at once.
    pub slots: usize,
    /// How many it has now.
    pub running: usize,
    /// How many it has run.
    pub done: u64,
}

/// A line for each queue, and one for each worker of the executor's own.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for queue in &self.queues {
            let (name, rates) = (&queue.name, queue.rates);
            writeln!(
                f,
                "queue {name}: {} waiting, {} running, {} workers of {} slots; {:.0}/s in, {:.0}/s out",
                queue.pending,
                queue.running,
                queue.workers,
                queue.slots,
                rates.submitted,
                rates.finished
            )?;
        }
        for worker in &self.workers {
            let (name, slots, running) = (&worker.name, worker.slots, worker.running);
            writeln!(
                f,
                "worker {name}: {running} of {slots} slots, {} done",
                worker.done
            )?;
        }
        Ok(())
    }
}

/// Longer than workers are silent.
const LISTEN: Duration = Duration::from_millis(2200);

pub(crate) fn ask(common: &Common) -> Result<Status, ConnectError> {
    // On a thread of its own: whoever asks may be in a runtime already.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| runtime()?.block_on(look(common)));
        asking.join().unwrap_or_else(|_| {
            let text = "the thread that asks for the status has panicked";
            Err(ConnectError::new(ConnectErrorKind::Local, text))
        })
    })
}

async fn look(common: &Common) -> Result<Status, ConnectError> {
    let link = common.connect("status").await?;
    let mut presence = link
        .client
        .subscribe(link.names.all('w'))
        .await
        .map_err(|error| link.explain("cannot listen to the workers", error))?;
    let domain = common.domain.as_deref();
    // Who may not list them is told so by no answer: that waits beside the workers.
    let listing = counts_of_all(&link.client, domain, &link.names);
    let mut heard: HashMap<String, Presence> = HashMap::new();
    let listening = async {
        let listening = async {
            while let Some(message) = presence.next().await {
                if let Some(presence) = wire::read_note::<Presence>(&message.payload) {
                    heard.insert(presence.worker.clone(), presence);
                }
            }
        };
        // It ends with the time.
        let _over = tokio::time::timeout(LISTEN, listening).await;
    };
    let (mut before, first, ()) = tokio::join!(
        async {
            let listed = listing.await;
            (listed, Instant::now())
        },
        async {
            let own = counts_of(&link.client, domain, &link.names, &common.queue).await;
            (own, Instant::now())
        },
        listening
    );
    heard.retain(|_, worker| !worker.leaves);
    let failed = |error: String| {
        let text = format!("the queue `{}` cannot be looked at: {error}", common.queue);
        // That it may not list the queues is no reason.
        match link.refusals.since(None) {
            Some(refusal) if refusal.contains(".CONSUMER.INFO.") => {
                ConnectError::new(ConnectErrorKind::Permission, format!("{text}: {refusal}"))
            }
            _ => ConnectError::new(ConnectErrorKind::Server, text),
        }
    };
    let (first, first_at) = first;
    let first = first.map_err(failed)?;
    let mut names: BTreeSet<String> = heard.values().map(|worker| worker.queue.clone()).collect();
    names.insert(common.queue.clone());
    match &mut before.0 {
        Ok(listed) => names.extend(listed.keys().cloned()),
        Err(error) => {
            tracing::debug!(
                error,
                "the queues cannot be listed: those that have workers are shown"
            );
        }
    }
    let mut queues = Vec::new();
    for name in names {
        let now = counts_of(&link.client, domain, &link.names, &name).await;
        let now = match now {
            Ok(now) => now,
            Err(error) if name == common.queue => return Err(failed(error)),
            // It has gone meanwhile.
            Err(_) => continue,
        };
        let listed = before.0.as_ref().ok().and_then(|listed| listed.get(&name));
        let rates = if name == common.queue {
            now.since(&first, first_at.elapsed())
        } else {
            listed.map_or_else(Rates::default, |then| now.since(then, before.1.elapsed()))
        };
        let of_queue = || heard.values().filter(|worker| worker.queue == name);
        queues.push(QueueStatus {
            pending: now.pending,
            running: now.running,
            workers: of_queue().count(),
            slots: of_queue().map(|worker| worker.slots).sum(),
            rates,
            name: name.clone(),
        });
    }
    let mut workers: Vec<_> = heard
        .into_values()
        .filter(|worker| worker.queue == common.queue)
        .map(|worker| WorkerStatus {
            name: worker.worker,
            slots: worker.slots,
            running: worker.running,
            done: worker.done,
        })
        .collect();
    workers.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let own = queues.iter().find(|queue| queue.name == common.queue);
    let own = own.ok_or_else(|| failed("it has gone".into()))?;
    Ok(Status {
        queue: common.queue.clone(),
        pending: own.pending,
        running: own.running,
        rates: own.rates,
        workers,
        queues,
    })
}

/// What the server counts for a queue.
struct Counts {
    pending: u64,
    running: u64,
    given: u64,
}

impl Counts {
    fn of(info: &Value) -> Self {
        Self {
            pending: info["num_pending"].as_u64().unwrap_or(0),
            running: info["num_ack_pending"].as_u64().unwrap_or(0),
            given: info["delivered"]["consumer_seq"].as_u64().unwrap_or(0),
        }
    }

    fn since(&self, then: &Self, time: Duration) -> Rates {
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / time.as_secs_f64();
        Rates {
            submitted: rate(self.given + self.pending, then.given + then.pending),
            started: rate(self.given, then.given),
            finished: rate(
                self.given.saturating_sub(self.running),
                then.given.saturating_sub(then.running),
            ),
        }
    }
}

async fn counts_of(
    client: &Client,
    domain: Option<&str>,
    names: &Names,
    queue: &str,
) -> Result<Counts, String> {
    let (tasks, consumer) = (names.tasks(), Names::consumer(queue));
    let what = format!("CONSUMER.INFO.{tasks}.{consumer}");
    let info = publish::info(client, domain, &what).await?;
    Ok(Counts::of(&info))
}

async fn counts_of_all(
    client: &Client,
    domain: Option<&str>,
    names: &Names,
) -> Result<HashMap<String, Counts>, String> {
    let what = format!("CONSUMER.LIST.{}", names.tasks());
    let mut counts = HashMap::new();
    let mut offset = 0;
    loop {
        let page = publish::page(client, domain, &what, offset).await?;
        let consumers = page["consumers"].as_array().map_or(&[][..], Vec::as_slice);
        for info in consumers {
            if let Some(queue) = info["name"].as_str().and_then(Names::queue_of) {
                counts.insert(queue.to_owned(), Counts::of(info));
            }
        }
        offset += consumers.len() as u64;
        if consumers.is_empty() || page["total"].as_u64().is_none_or(|total| offset >= total) {
            return Ok(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "halves are exact")]
    fn rates_are_of_two_looks() {
        let counts = |pending, running, given| Counts {
            pending,
            running,
            given,
        };
        let rates = counts(30, 4, 120).since(&counts(10, 2, 100), Duration::from_secs(2));
        assert_eq!(rates.submitted, 20.0);
        assert_eq!(rates.started, 10.0);
        assert_eq!(rates.finished, 9.0);
        // A queue that was made anew begins at zero.
        let rates = counts(0, 0, 0).since(&counts(10, 2, 100), Duration::from_secs(2));
        assert_eq!(rates, Rates::default());
    }
}
