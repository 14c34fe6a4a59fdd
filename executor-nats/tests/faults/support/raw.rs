//! A bare client, that sees and sends the messages of others.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Message, Subscriber, jetstream};
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
        Self::connect_with(ConnectOptions::new(), url, subject)
    }

    pub(crate) fn connect_as(user: &str, password: &str, url: &str) -> Self {
        let options = ConnectOptions::with_user_and_password(user.into(), password.into());
        Self::connect_with(options, url, "none")
    }

    fn connect_with(options: ConnectOptions, url: &str, subject: &str) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (client, messages) = runtime.block_on(async {
            let client = options.connect(url).await.unwrap();
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
        self.stored_in("exec_RESULTS", subject)
    }

    /// How many messages a stream holds for these subjects.
    pub(crate) fn stored_in(&self, stream: &str, subject: &str) -> u64 {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let stream = context.get_stream(stream).await.unwrap();
            let mut info = stream.info_with_subjects(subject).await.unwrap();
            let mut count = 0;
            while let Some(entry) = info.next().await {
                count += u64::try_from(entry.unwrap().1).unwrap();
            }
            count
        })
    }

    /// The servers that hold a stream, as its leader knows them.
    pub(crate) fn cluster_of(&self, stream: &str) -> jetstream::stream::ClusterInfo {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let stream = context.get_stream(stream).await.unwrap();
            stream.cached_info().cluster.clone().unwrap()
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
        let (waiting, given_out) = self.counts();
        waiting + given_out
    }

    /// How many of them workers have, or are about to have.
    pub(crate) fn given_out(&self) -> u64 {
        self.counts().1
    }

    /// The same of another namespace.
    pub(crate) fn unfinished_of(&self, namespace: &str) -> u64 {
        let (waiting, given_out) = self.counts_of(namespace);
        waiting + given_out
    }

    fn counts(&self) -> (u64, u64) {
        self.counts_of("exec")
    }

    fn counts_of(&self, namespace: &str) -> (u64, u64) {
        self.runtime.block_on(async {
            let context = jetstream::new(self.client.clone());
            let stream = format!("{namespace}_TASKS");
            let stream = context.get_stream(stream).await.unwrap();
            let info = stream.consumer_info("q_default").await.unwrap();
            (info.num_pending, info.num_ack_pending as u64)
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
