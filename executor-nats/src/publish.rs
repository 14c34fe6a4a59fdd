//! What the server says to what was published, and single looks into its streams.

use async_nats::{Client, Message};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    blobs::Blobs,
    connect::PATIENCE,
    wire::{self, Level},
};

/// The answer of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has the message, now or from an earlier try, at this place.
    Stored { sequence: u64 },
    /// There is one of that subject: the first counts.
    Occupied,
    /// It does not take it now: it is full, or not there yet.
    Refused(String),
}

pub(crate) fn read_answer(message: &Message) -> Answer {
    if message.status.is_some() {
        return Answer::Refused("nobody answers for the stream".into());
    }
    let Ok(answer) = serde_json::from_slice::<Value>(&message.payload) else {
        return Answer::Refused("the answer of the stream cannot be read".into());
    };
    let error = &answer["error"];
    match (answer["seq"].as_u64(), error["err_code"].as_u64()) {
        (_, Some(10077))
            if error["description"]
                .as_str()
                .is_some_and(|text| text.contains("per subject")) =>
        {
            Answer::Occupied
        }
        (Some(sequence), None) => Answer::Stored { sequence },
        _ => Answer::Refused(
            error["description"]
                .as_str()
                .unwrap_or("unknown")
                .to_owned(),
        ),
    }
}

/// The tombstone of a task or of its session, if there is one.
pub(crate) async fn tombstone_of(
    client: &Client,
    blobs: &Blobs,
    address: &str,
) -> Result<Option<Level>, String> {
    let session = address
        .rsplit_once('.')
        .map_or(address, |(session, _)| session);
    let (names, domain) = (&blobs.names, blobs.common.domain.as_deref());
    for address in [address, &format!("{session}.all")] {
        let subject = names.of('c', address);
        let found = last(client, &names.cancels(), &subject, domain).await;
        let found = found.map_err(|error| format!("`{subject}`: {error}"))?;
        if let Some(level) = found.and_then(|found| wire::read_note(&found.payload)) {
            return Ok(Some(level));
        }
    }
    Ok(None)
}

/// The last message of a subject.
pub(crate) async fn last(
    client: &Client,
    stream: &str,
    subject: &str,
    domain: Option<&str>,
) -> Result<Option<Message>, String> {
    let get = direct_get(stream, subject, domain);
    let answer = tokio::time::timeout(PATIENCE, client.request(get, Default::default()));
    match answer.await {
        Ok(Ok(found)) if found.status.is_none() => Ok(Some(found)),
        Ok(Ok(_)) => Ok(None),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".into()),
    }
}

/// The place in its stream of a message that was got from there.
pub(crate) fn place(message: &Message) -> Option<u64> {
    let place = message.headers.as_ref()?.get("Nats-Sequence")?;
    place.as_str().parse().ok()
}

/// How many messages of a subject a stream has.
pub(crate) async fn count(
    client: &Client,
    domain: Option<&str>,
    stream: &str,
    subject: &str,
) -> Result<u64, String> {
    let filter = json!({ "subjects_filter": subject }).to_string();
    let info = ask(
        client,
        domain,
        &format!("STREAM.INFO.{stream}"),
        filter.into(),
    )
    .await?;
    Ok(info["state"]["subjects"][subject].as_u64().unwrap_or(0))
}

/// What the server says of a stream or a consumer; `what` is the end of the subject.
pub(crate) async fn info(
    client: &Client,
    domain: Option<&str>,
    what: &str,
) -> Result<Value, String> {
    // Newer servers want the payload to be empty.
    ask(client, domain, what, Bytes::new()).await
}

/// A page of a list.
pub(crate) async fn page(
    client: &Client,
    domain: Option<&str>,
    what: &str,
    offset: u64,
) -> Result<Value, String> {
    let payload = json!({ "offset": offset }).to_string();
    ask(client, domain, what, payload.into()).await
}

async fn ask(
    client: &Client,
    domain: Option<&str>,
    what: &str,
    payload: Bytes,
) -> Result<Value, String> {
    let subject = format!("{}.{what}", api(domain));
    let asking = client.request(subject, payload);
    let answer = match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("no answer".into()),
    };
    let info: Value = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
    match info["error"]["description"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(info),
    }
}

pub(crate) fn direct_get(stream: &str, subject: &str, domain: Option<&str>) -> String {
    format!("{}.DIRECT.GET.{stream}.{subject}", api(domain))
}

/// What subjects of JetStream begin with.
pub(crate) fn api(domain: Option<&str>) -> String {
    match domain {
        Some(domain) => format!("$JS.{domain}.API"),
        None => "$JS.API".to_owned(),
    }
}
