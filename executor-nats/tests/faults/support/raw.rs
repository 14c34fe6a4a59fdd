//! A bare client, that sees and sends the messages of others.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber, jetstream};
use futures_util::StreamExt as _;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Mutex,
};

use super::guard::PATIENCE;

/// A connection that listens to some subjects.
pub(crate) struct Raw {
    runtime: Runtime,
    client: Client,
    messages: Mutex<Subscriber>,
}

impl Raw {
    pub(crate) fn connect(url: &str, subject: &str) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (client, messages) = runtime.block_on(async {
            let client = async_nats::connect(url).await.unwrap();
            let messages = client.subscribe(subject.to_owned()).await.unwrap();
            client.flush().await.unwrap();
            (client, messages)
        });
        Self {
            runtime,
            client,
            messages: messages.into(),
        }
    }

    /// The next message to these subjects.
    #[track_caller]
    pub(crate) fn next(&self, what: &str) -> Message {
        let next = async {
            let mut messages = self.messages.lock().await;
            tokio::time::timeout(PATIENCE, messages.next()).await
        };
        match self.runtime.block_on(next) {
            Ok(Some(message)) => message,
            other => panic!("{what} has not come: {other:?}"),
        }
    }

    /// Sends the very message; whether the server says that it has it already.
    pub(crate) fn publish_again(&self, message: &Message) -> bool {
        self.publish(message, message.headers.clone().unwrap_or_default())
    }

    /// Sends the message without what tells the server that it is the same.
    pub(crate) fn publish_as_another(&self, message: &Message) {
        let mut headers = HeaderMap::new();
        for (name, values) in message.headers.iter().flat_map(HeaderMap::iter) {
            if name.as_ref() as &str != "Nats-Msg-Id" {
                for value in values {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        assert!(
            !self.publish(message, headers),
            "the server takes it for another one"
        );
    }

    /// How many messages the results' stream holds for this subject.
    pub(crate) fn stored(&self, subject: &str) -> u64 {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let stream = context.get_stream("exec_RESULTS").await.unwrap();
            let mut info = stream.info_with_subjects(subject).await.unwrap();
            let mut count = 0;
            while let Some(entry) = info.next().await {
                count += u64::try_from(entry.unwrap().1).unwrap();
            }
            count
        })
    }

    /// Removes all results that are kept.
    pub(crate) fn purge_results(&self) {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let stream = context.get_stream("exec_RESULTS").await.unwrap();
            stream.purge().await.unwrap();
        });
    }

    /// How many tasks of the queue `default` are not acknowledged.
    pub(crate) fn unfinished(&self) -> u64 {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let stream = context.get_stream("exec_TASKS").await.unwrap();
            let info = stream.consumer_info("q_default").await.unwrap();
            info.num_pending + info.num_ack_pending as u64
        })
    }

    fn publish(&self, message: &Message, headers: HeaderMap) -> bool {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let sent = context.publish_with_headers(
                message.subject.clone(),
                headers,
                message.payload.clone(),
            );
            let ack = tokio::time::timeout(Duration::from_secs(20), sent.await.unwrap());
            ack.await.unwrap().unwrap().duplicate
        })
    }
}
