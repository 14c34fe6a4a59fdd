//! What must exist on the server: it is made where it is absent, and never changed; other settings are told of.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        consumer::{AckPolicy, pull},
        context::{ConsumerInfoErrorKind, GetStreamError, GetStreamErrorKind},
        object_store,
        stream::{Config, DiscardPolicy, RetentionPolicy},
    },
};
use bytes::Bytes;

use crate::{
    ConnectError, ConnectErrorKind,
    connect::{Common, Link},
    names::Names,
};

/// Makes what is absent.
pub(crate) async fn set_up(common: &Common, link: &Link) -> Result<(), ConnectError> {
    let names = &link.names;
    let max_bytes = common
        .max_stored
        .map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let base = Config {
        num_replicas: common.replicas,
        discard: DiscardPolicy::New,
        max_bytes,
        // As servers say it back: no limit.
        max_messages_per_subject: -1,
        ..Config::default()
    };
    let tasks = Config {
        name: names.tasks(),
        subjects: vec![names.all('t')],
        retention: RetentionPolicy::WorkQueue,
        // So that a connection that has attached to a session can look up where a task of it is.
        allow_direct: true,
        duplicate_window: Duration::from_secs(120),
        ..base.clone()
    };
    let results = Config {
        name: names.results(),
        subjects: vec![names.all('r')],
        max_messages_per_subject: 1,
        discard_new_per_subject: true,
        allow_direct: true,
        max_age: common.result_ttl,
        duplicate_window: common.result_ttl.min(Duration::from_secs(120)),
        ..base
    };
    let cancels = Config {
        name: names.cancels(),
        subjects: vec![names.all('c')],
        max_messages_per_subject: 1,
        allow_direct: true,
        max_age: DAY,
        max_bytes: -1,
        num_replicas: common.replicas,
        ..Config::default()
    };
    let mut has_made = false;
    for config in [tasks, results, cancels] {
        has_made |= stream(link, config).await?;
    }
    if has_made {
        // For those who come later and have no right to do so.
        let made = blobs(common, &link.jetstream, names).await;
        made.map_err(|text| ConnectError::new(ConnectErrorKind::Server, text))?;
    }
    consumer(common, link).await
}

/// True if it was absent.
async fn stream(link: &Link, wanted: Config) -> Result<bool, ConnectError> {
    let name = wanted.name.clone();
    let (found, is_new) = match link.jetstream.get_stream(&name).await {
        Ok(stream) => (stream, false),
        Err(error) => {
            let is_absent =
                matches!(error.kind(), GetStreamErrorKind::JetStream(inner) if inner.code() == 404);
            if !is_absent {
                return Err(
                    link.explain(&format!("the stream `{name}` cannot be looked at"), error)
                );
            }
            let made = link.jetstream.get_or_create_stream(wanted.clone()).await;
            let made = made.map_err(|error| {
                link.explain(&format!("the stream `{name}` cannot be made"), error)
            })?;
            if name == link.names.tasks() {
                keep(link).await;
            }
            (made, true)
        }
    };
    let config = &found.cached_info().config;
    if config.retention != wanted.retention
        || config.max_messages_per_subject != wanted.max_messages_per_subject
        || config.max_age != wanted.max_age
        || config.max_bytes != wanted.max_bytes
        || config.num_replicas != wanted.num_replicas
    {
        tracing::warn!(
            stream = name,
            "the stream has other settings than this program asks for, and keeps them"
        );
    }
    Ok(is_new)
}

/// Leaves a message in the stream of tasks that nobody takes. Without it a server begins a new file whenever the last task is
/// done, which takes longer than all the rest of a task.
async fn keep(link: &Link) {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "keep");
    let subject = link.names.keep();
    let publishing = link
        .jetstream
        .publish_with_headers(subject, headers, Bytes::new());
    let kept = match publishing.await {
        Ok(answer) => answer.await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        tracing::debug!(%error, "the stream of tasks will be empty at times, which is slow");
    }
}

async fn consumer(common: &Common, link: &Link) -> Result<(), ConnectError> {
    let name = Names::consumer(&common.queue);
    let what = format!(
        "the consumer `{name}` of the queue `{}` cannot be made",
        common.queue
    );
    let stream = link
        .jetstream
        .get_stream_no_info(link.names.tasks())
        .await
        .map_err(|error| link.explain(&what, error))?;
    let wanted = pull::Config {
        durable_name: Some(name.clone()),
        filter_subject: link.names.queue(&common.queue),
        ack_policy: AckPolicy::Explicit,
        ack_wait: common.lease,
        max_deliver: -1,
        max_ack_pending: 100_000,
        max_waiting: 10_000,
        inactive_threshold: common.queue_ttl.unwrap_or_default(),
        ..pull::Config::default()
    };
    let info = match stream.consumer_info(&name).await {
        Ok(info) => info,
        Err(error) if error.kind() == ConsumerInfoErrorKind::TimedOut => {
            return Err(link.explain(&format!("the consumer `{name}` cannot be looked at"), error));
        }
        // There is none.
        Err(_) => {
            let made = stream.create_consumer(wanted.clone()).await;
            let made = made.map_err(|error| link.explain(&what, error))?;
            made.cached_info().clone()
        }
    };
    if info.config.ack_wait != wanted.ack_wait {
        tracing::warn!(
            queue = common.queue,
            lease = ?info.config.ack_wait,
            "the queue has another lease than this program asks for, and keeps it"
        );
    }
    Ok(())
}

/// The store of large bodies, made with the streams, or at its first use where they are of an older version.
pub(crate) async fn blobs(
    common: &Common,
    jetstream: &async_nats::jetstream::Context,
    names: &Names,
) -> Result<object_store::ObjectStore, String> {
    let bucket = names.blobs();
    match jetstream.get_object_store(&bucket).await {
        Ok(store) => return Ok(store),
        Err(error) if !is_absent(&error) => {
            return Err(format!(
                "the object store `{bucket}` cannot be looked at: {error}"
            ));
        }
        Err(_) => {}
    }
    let config = object_store::Config {
        bucket: bucket.clone(),
        max_age: common.result_ttl + Duration::from_secs(3600),
        num_replicas: common.replicas,
        ..object_store::Config::default()
    };
    let made = jetstream.create_object_store(config).await;
    made.map_err(|error| format!("the object store `{bucket}` cannot be made: {error}"))
}

/// Whether the server says that there is no such stream.
fn is_absent(error: &(dyn std::error::Error + 'static)) -> bool {
    let of_stream = error.source().map(<dyn std::error::Error>::downcast_ref);
    of_stream.flatten().is_some_and(|error: &GetStreamError| {
        matches!(error.kind(), GetStreamErrorKind::JetStream(inner) if inner.code() == 404)
    })
}

const DAY: Duration = Duration::from_secs(86_400);
