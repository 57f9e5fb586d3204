//! Looking into the broker: the queues of one prefix.

use futures_util::future::join_all;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

/// Every job queue a system with this prefix may have.
#[must_use]
pub fn jobs(prefix: &str) -> Vec<String> {
    let of = |channel| ["urgent", "normal", "bulk"].map(|lane| format!("{prefix}.v1.{channel}.{lane}"));
    ["email", "wecom", "webhook", "inbox"].into_iter().flat_map(of).collect()
}

/// A connection.
///
/// # Errors
/// When the broker is away.
pub async fn connect(url: &str) -> Result<Connection, lapin::Error> {
    Connection::connect(url, ConnectionProperties::default()).await
}

/// Messages ready in a queue; `None`: there is no such queue.
///
/// # Panics
/// When the broker is away.
pub async fn ready(connection: &Connection, queue: &str) -> Option<u32> {
    let channel = connection.create_channel().await.expect("the broker gives a channel");
    let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    declared.ok().map(|queue| queue.message_count())
}

/// Puts raw bytes into a queue.
///
/// # Panics
/// When the broker does not take them.
pub async fn publish(connection: &Connection, queue: &str, body: &[u8]) {
    let channel = connection.create_channel().await.expect("the broker gives a channel");
    channel
        .confirm_select(lapin::options::ConfirmSelectOptions::default())
        .await
        .expect("confirms can be had");
    let (options, properties) =
        (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
    let confirm = channel.basic_publish("".into(), queue.into(), options, body, properties).await;
    let confirm = confirm.expect("the broker takes a message").await.expect("the broker confirms");
    assert!(confirm.is_ack(), "the broker refused a message");
}

/// Takes one message without acking it: it goes back when the channel closes.
///
/// # Panics
/// When the broker is away.
pub async fn peek(connection: &Connection, queue: &str) -> Option<Vec<u8>> {
    let channel = connection.create_channel().await.expect("the broker gives a channel");
    let message =
        channel.basic_get(queue.into(), BasicGetOptions::default()).await.expect("the queue can be read");
    let body = message.map(|message| message.delivery.data.clone());
    drop(channel.close(200, "looked".into()).await);
    body
}

/// How many messages are ready in the queues of a prefix, all together.
///
/// # Panics
/// When the broker is away.
pub async fn waiting(connection: &Connection, prefix: &str) -> u32 {
    let queues = jobs(prefix);
    join_all(queues.iter().map(|queue| ready(connection, queue))).await.into_iter().flatten().sum()
}

/// Deletes every queue of a prefix, all at once, and tells which still held jobs: unacked ones are back in their queue by now.
///
/// # Panics
/// When the broker is away.
pub async fn remove(connection: &Connection, prefix: &str) -> Vec<String> {
    // The last holds hints, which lapse by themselves.
    let (jobs, wake) = (jobs(prefix), format!("{prefix}.v1.wake"));
    let queues = jobs.iter().chain([&wake]);
    let held = join_all(queues.map(|queue| delete(connection, queue))).await;
    let left = jobs.iter().zip(held).filter(|(_, messages)| *messages > 0);
    left.map(|(queue, messages)| format!("queue {queue} still held {messages} messages")).collect()
}

/// How many messages it held; none when there was no such queue.
async fn delete(connection: &Connection, queue: &str) -> u32 {
    let channel = connection.create_channel().await.expect("the broker gives a channel");
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap_or(0)
}
