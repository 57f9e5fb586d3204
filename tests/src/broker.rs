//! Looking into the broker: the queues of one prefix.

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

/// Deletes every queue of a prefix and tells which still held jobs: unacked ones are back in their queue by now.
///
/// # Panics
/// When the broker is away.
pub async fn remove(connection: &Connection, prefix: &str) -> Vec<String> {
    let mut left = Vec::new();
    for queue in jobs(prefix) {
        let messages = ready(connection, &queue).await.unwrap_or(0);
        if messages > 0 {
            left.push(format!("queue {queue} still holds {messages} messages"));
        }
        delete(connection, &queue).await;
    }
    // It holds hints, which lapse by themselves.
    delete(connection, &format!("{prefix}.v1.wake")).await;
    left
}

async fn delete(connection: &Connection, queue: &str) {
    let channel = connection.create_channel().await.expect("the broker gives a channel");
    drop(channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await);
}
