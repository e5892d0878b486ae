//! The bucket and the stream on the server: opened, or made if they are not there.

use std::time::Duration;

use async_nats::jetstream::context::{GetStreamErrorKind, KeyValueErrorKind};
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, RetentionPolicy};
use async_nats::jetstream::{Context, kv};
use async_nats::{Client, jetstream};

use crate::node::FleetOptions;
use crate::record::MAX_VALUE;

/// For an answer of JetStream.
const ANSWER: Duration = Duration::from_secs(5);
/// In which the server recognises an event that is sent twice.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// JetStream on a connection.
pub(crate) fn context(client: Client) -> Context {
    jetstream::context::ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).build(client)
}

/// The bucket of verdicts. One value a key: who joins reads the state, not the history.
pub(crate) async fn bucket(context: &Context, options: &FleetOptions) -> Result<kv::Store, String> {
    let name = &options.bucket;
    match context.get_key_value(name).await {
        Ok(store) => return Ok(store),
        Err(err) if err.kind() == KeyValueErrorKind::GetBucket => {}
        Err(err) => return Err(format!("bucket {name}: {err}")),
    }
    // As the library and the NATS tools make a bucket, but without asking for the account first: that answer of servers
    // before 2.10 is not what the library reads.
    let config = StreamConfig {
        name: format!("KV_{name}"),
        description: Some("Ringward: isolations in force, one key a target".into()),
        subjects: vec![format!("$KV.{name}.>")],
        max_messages_per_subject: 1,
        max_message_size: MAX_VALUE as i32,
        num_replicas: options.replicas,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        duplicate_window: DUPLICATE_WINDOW,
        ..StreamConfig::default()
    };
    context.create_stream(config).await.map_err(|err| format!("bucket {name} cannot be made: {err}"))?;
    context.get_key_value(name).await.map_err(|err| format!("bucket {name}: {err}"))
}

/// The name of the stream of events.
pub(crate) fn event_stream(options: &FleetOptions) -> String {
    format!("{}_events", options.bucket)
}

/// The subjects of events begin with this.
pub(crate) fn event_prefix(options: &FleetOptions) -> String {
    format!("{}.events", options.bucket)
}

/// The stream of events.
pub(crate) async fn events(context: &Context, options: &FleetOptions) -> Result<(), String> {
    let name = event_stream(options);
    match context.get_stream(&name).await {
        Ok(_) => return Ok(()),
        Err(err) if matches!(err.kind(), GetStreamErrorKind::JetStream(_)) => {}
        Err(err) => return Err(format!("stream {name}: {err}")),
    }
    let config = StreamConfig {
        name: name.clone(),
        description: Some("Ringward: alerts and isolation steps".into()),
        subjects: vec![format!("{}.>", event_prefix(options))],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_bytes: options.events_bytes,
        max_age: options.events_age,
        num_replicas: options.replicas,
        duplicate_window: DUPLICATE_WINDOW,
        ..StreamConfig::default()
    };
    let made = context.create_stream(config).await;
    made.map(|_| ()).map_err(|err| format!("stream {name} cannot be made: {err}"))
}
