//! Bodies that are too large for a message: they go through the object store, and the message says where they are.

use std::{sync::atomic::Ordering, time::Duration};

use async_nats::{
    Client,
    connection::State,
    jetstream::{Context, object_store::ObjectMetadata},
};
use executor_core::{TaskError, TaskErrorKind};
use tokio::{io::AsyncReadExt as _, time::Instant};

use crate::{
    connect::{Common, PATIENCE},
    names::{self, Names},
    refusals::Refusals,
    setup,
    wire::BlobRef,
};

/// From this size on a body is not in its message.
pub(crate) const LARGE: usize = 256 << 10;

/// The most of a body that goes into one message: half of what a server takes if it is not told otherwise.
const CHUNK: usize = 512 << 10;

/// The largest body that is taken from the store.
const LARGEST: u64 = 4 << 30;

/// What is needed to get at the store.
#[derive(Clone)]
pub(crate) struct Blobs {
    pub(crate) common: Common,
    pub(crate) jetstream: Context,
    pub(crate) names: Names,
    pub(crate) refusals: Refusals,
}

impl Blobs {
    /// Stores a body.
    pub(crate) async fn put(&self, body: &[u8]) -> Result<BlobRef, String> {
        let began = Instant::now();
        let mut tries = Tries::new(&self.jetstream.client());
        loop {
            match self.try_put(body).await {
                Err(_) if tries.once_more().await => {}
                stored => return stored.map_err(|why| self.explain(began, why)),
            }
        }
    }

    async fn try_put(&self, body: &[u8]) -> Result<BlobRef, String> {
        let store = setup::blobs(&self.common, &self.jetstream, &self.names).await?;
        let name = names::random();
        let mut reader = body;
        let metadata = ObjectMetadata {
            name: name.clone(),
            chunk_size: Some(self.chunk()),
            ..ObjectMetadata::default()
        };
        let info = store
            .put(metadata, &mut reader)
            .await
            .map_err(|error| format!("a body of {} bytes cannot be stored: {error}", body.len()))?;
        Ok(BlobRef {
            name,
            size: body.len() as u64,
            digest: info.digest.unwrap_or_default(),
        })
    }

    /// How much of a body goes into one message. The client waits for the answer to each before it sends the next, so
    /// a large body takes as many round trips.
    fn chunk(&self) -> usize {
        match self.jetstream.client().server_info().max_payload {
            // It has not said.
            0 => CHUNK,
            // The message has a subject and headers, too.
            most => most.div_ceil(2).min(CHUNK),
        }
    }

    /// Gets a body back, whole and as it was.
    pub(crate) async fn get(&self, blob: &BlobRef) -> Result<Vec<u8>, TaskError> {
        let mut tries = Tries::new(&self.jetstream.client());
        loop {
            match self.try_get(blob).await {
                Err(_) if tries.once_more().await => {}
                got => return got,
            }
        }
    }

    async fn try_get(&self, blob: &BlobRef) -> Result<Vec<u8>, TaskError> {
        let (bucket, began) = (self.names.blobs(), Instant::now());
        let lost = |why: String| {
            let why = self.explain(began, why);
            let what = format!(
                "`{}` of {} bytes in `{bucket}`: {why}",
                blob.name, blob.size
            );
            TaskError::new(TaskErrorKind::PayloadLost(what))
        };
        if blob.size > LARGEST {
            return Err(lost("it is too large".into()));
        }
        let store = setup::blobs(&self.common, &self.jetstream, &self.names)
            .await
            .map_err(lost)?;
        let mut object = store
            .get(&blob.name)
            .await
            .map_err(|error| lost(error.to_string()))?;
        if object.info().size as u64 != blob.size
            || object.info().digest.as_deref() != Some(&blob.digest)
        {
            return Err(lost("another one is there".into()));
        }
        let mut body = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
        // The client compares the digest at the end.
        loop {
            match tokio::time::timeout(PATIENCE, object.read_buf(&mut body)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(lost(error.to_string())),
                // Without the right to say so to the server nothing more comes; if the server is away it goes on later.
                Err(_) if self.refusals.since(Some(began)).is_some() => {
                    return Err(lost(format!("only {} bytes have come", body.len())));
                }
                Err(_) => {}
            }
        }
        if body.len() as u64 != blob.size {
            return Err(lost(format!("only {} bytes are there", body.len())));
        }
        Ok(body)
    }

    /// A missing right shows as a timeout.
    fn explain(&self, began: Instant, why: String) -> String {
        match self.refusals.since(Some(began)) {
            Some(refusal) => format!("{why}: {refusal}"),
            None => why,
        }
    }

    /// Removes a body that nobody needs any more. It goes by itself later, if this fails.
    pub(crate) async fn remove(&self, blob: &BlobRef) {
        if let Ok(store) = self.jetstream.get_object_store(&self.names.blobs()).await
            && let Err(error) = store.delete(&blob.name).await
        {
            tracing::debug!(%error, blob = blob.name, "a body could not be removed");
        }
    }
}

/// A body is tried again when the connection was lost meanwhile, which is no reason to lose it. Not for ever.
struct Tries {
    client: Client,
    began: Instant,
    connects: u64,
}

impl Tries {
    fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            began: Instant::now(),
            connects: client.statistics().connects.load(Ordering::Relaxed),
        }
    }

    /// Whether what has failed just now is worth another try.
    async fn once_more(&mut self) -> bool {
        let connects = self.client.statistics().connects.load(Ordering::Relaxed);
        let before = std::mem::replace(&mut self.connects, connects);
        let was_lost = self.client.connection_state() != State::Connected || connects != before;
        if !was_lost || self.began.elapsed() > AGAIN {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
        true
    }
}

/// How long a body is tried again.
const AGAIN: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);
