//! The pointers floor: what a quorum queue carries.
//!
//! Frozen: one publishing and one consuming connection, 300 bytes persistent, confirms with at most 512 outstanding,
//! prefetch 1000, acknowledged 100 at a time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::scratch::unique_name;
use crate::env::Env;
use crate::interrupt::interruptible;
use crate::report::whole;
use crate::{servers, stats};

const BYTES: usize = 300;
const OUTSTANDING: usize = 512;
const PREFETCH: u16 = 1000;
const ACK_EVERY: usize = 100;

/// How long it took.
#[derive(Debug, Serialize)]
pub(super) struct Pointers {
    count: usize,
    seconds: f64,
    per_second: f64,
}

impl fmt::Display for Pointers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, count, seconds) = (whole(self.per_second), self.count, self.seconds);
        writeln!(f, "pointers floor: {rate} messages/s ({count} of {BYTES} bytes in {seconds:.2} s)")
    }
}

/// Measures through a queue of its own at `AMQP_URL`.
pub(super) async fn run(env: &Env, count: usize) -> anyhow::Result<Pointers> {
    ensure!(count > 0, "--count must be at least 1");
    let url = env.required("AMQP_URL")?;
    let connections = [servers::amqp(&url).await?, servers::amqp(&url).await?];
    let publish = connections[0].create_channel().await?;
    let consume = connections[1].create_channel().await?;
    let queue = unique_name();
    declare(&publish, &queue).await?;
    let measured = interruptible(measure(&publish, &consume, &queue, count)).await;
    delete(&publish, &queue).await?;
    let time = measured?;
    Ok(Pointers { count, seconds: time.as_secs_f64(), per_second: stats::rate(count, time) })
}

/// A durable quorum queue, and confirms on the channel.
pub(super) async fn declare(channel: &Channel, queue: &str) -> anyhow::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, arguments).await.context("cannot declare the queue")?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(())
}

/// Removes the queue with what is in it.
pub(super) async fn delete(channel: &Channel, queue: &str) -> anyhow::Result<()> {
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    Ok(())
}

/// Publishes one persistent message and waits for the broker to confirm it.
pub(super) async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> anyhow::Result<()> {
    let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let sent = channel.basic_publish("".into(), queue.into(), mandatory, body, persistent).await?;
    let confirmed = sent.await?;
    ensure!(confirmed.is_ack(), "the broker refused a message");
    Ok(())
}

async fn measure(
    publisher: &Channel,
    consumer: &Channel,
    queue: &str,
    count: usize,
) -> anyhow::Result<Duration> {
    consumer.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut deliveries =
        consumer.basic_consume(queue.into(), "floor".into(), options, FieldTable::default()).await?;
    let start = Instant::now();
    let publishing = publish_all(publisher.clone(), queue.to_owned(), count);
    let consuming = async {
        for seen in 1..=count {
            let delivery = deliveries.next().await.context("the queue went away")??;
            if seen % ACK_EVERY == 0 || seen == count {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        Ok(start.elapsed())
    };
    let (published, consumed) = tokio::join!(tokio::spawn(publishing), consuming);
    published??;
    consumed
}

async fn publish_all(channel: Channel, queue: String, count: usize) -> anyhow::Result<()> {
    let outstanding = Arc::new(Semaphore::new(OUTSTANDING));
    let mut confirms = tokio::task::JoinSet::new();
    for _ in 0..count {
        let permit = Arc::clone(&outstanding).acquire_owned().await?;
        let (channel, queue) = (channel.clone(), queue.clone());
        confirms.spawn(async move {
            let published = publish(&channel, &queue, &[b'x'; BYTES]).await;
            drop(permit);
            published
        });
        while let Some(done) = confirms.try_join_next() {
            done??;
        }
    }
    while let Some(done) = confirms.join_next().await {
        done??;
    }
    Ok(())
}
