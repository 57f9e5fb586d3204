//! What is on the wire to workers, and what should not be.

use herald_tests::metrics::Metrics;
use herald_tests::{Options, SOON, Servers, broker, wait_for, wait_until};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use crate::support::{mail, mail_to_many, start_mail};

const BROKEN: [&[u8]; 5] = [
    b"",
    b"not JSON",
    b"{\"v\":2,\"jobs\":[{\"job\":1,\"account\":1,\"units\":1}]}",
    b"{\"v\":1,\"jobs\":[]}",
    b"\xff\x00\xfe",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_job_message_that_does_not_decode_is_parked_and_others_are_not_affected() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    system.expect_error("parked a broken queue message");
    let connection = broker::connect(&system.amqp_url).await.unwrap();
    let queue = format!("{}.v1.email.urgent", system.prefix);
    wait_until("the worker has declared its queue", SOON, async || {
        broker::ready(&connection, &queue).await.is_some()
    })
    .await;
    let mut plans = Vec::new();
    for body in BROKEN {
        broker::publish(&connection, &queue, body).await;
        plans.push(tenant.send(&mail(["canary-1@example.org"])).await);
    }
    for plan in &plans {
        tenant.until(plan, "finished", SOON).await;
    }
    assert_eq!(server.read(|received| received.mails), 5);
    let database = &system.database;
    wait_until("all are parked", SOON, async || {
        database.number("SELECT count(*) FROM parked_message").await == 5
    })
    .await;
    let rows = database.rows("SELECT queue, reason, payload FROM parked_message ORDER BY payload", &[]).await;
    let mut bodies = BROKEN;
    bodies.sort_unstable();
    for (row, body) in rows.iter().zip(bodies) {
        assert_eq!((row.get::<_, String>(0), row.get::<_, Vec<u8>>(2)), (queue.clone(), body.to_vec()));
        assert!(!row.get::<_, String>(1).is_empty(), "the operator learns why");
    }
    assert_eq!(system.metric("herald_parked_messages_total", &[]).await, 5.0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_carries_pointers_only() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    system.workers[0].kill();
    let plan = tenant.send(&mail(["canary-1@example.org"])).await;
    let connection = broker::connect(&system.amqp_url).await.unwrap();
    let queue = format!("{}.v1.email.urgent", system.prefix);
    let body =
        wait_for("the pointer is in its queue", SOON, async || broker::peek(&connection, &queue).await).await;
    let text = String::from_utf8(body).unwrap();
    let pointers = herald_shared::domain::pointer::Envelope::decode(text.as_bytes()).unwrap();
    assert_eq!((pointers.len(), pointers[0].units), (1, 1));
    assert!(!text.contains("canary") && text.len() < 100, "{text}");
    system.add_worker();
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(server.read(|received| received.mails), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_tell_what_happened() {
    let (mut system, tenant, _server) = start_mail(Options::default()).await;
    // Not urgent: its pointer goes by way of the dispatcher, whose confirms are counted too.
    let plan = tenant.send(&mail_to_many(2)).await;
    tenant.until(&plan, "finished", SOON).await;
    let smtp = [("channel", "email"), ("provider", "smtp")];
    wait_until("the worker has counted", SOON, async || {
        let page = system.workers[0].http().await.get("/metrics").await.text;
        Metrics::parse(&page).sum("herald_deliveries_total", &smtp) == 2.0
    })
    .await;
    for (name, value) in [
        ("herald_plans_accepted_total", 1.0),
        ("herald_attempts_total", 2.0),
        ("herald_attempt_duration_seconds_count", 2.0),
        ("herald_accept_to_send_seconds_count", 2.0),
        ("herald_build_info", 3.0),
        ("herald_unknown_outcomes_total", 0.0),
    ] {
        assert_eq!(system.metric(name, &[]).await, value, "{name}");
    }
    assert!(
        system.metric("herald_http_requests_total", &[("route", "/v1/plans"), ("status", "202")]).await
            >= 1.0
    );
    assert!(system.metric("herald_publish_confirm_seconds_count", &[]).await >= 1.0);
    system.finish().await;
}

/// The end of every test relies on it.
#[tokio::test(flavor = "multi_thread")]
async fn messages_left_in_a_queue_are_found_when_it_is_removed() {
    let connection = broker::connect(&Servers::shared().await.amqp_url).await.unwrap();
    let prefix = format!("test-left-{}", std::process::id());
    let queue = format!("{prefix}.v1.inbox.bulk");
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare(queue.as_str().into(), durable, quorum).await.unwrap();
    for _ in 0..2 {
        broker::publish(&connection, &queue, b"canary").await;
    }
    wait_until("both are counted", SOON, async || broker::waiting(&connection, &prefix).await == 2).await;
    let left = broker::remove(&connection, &prefix).await;
    assert_eq!(left, [format!("queue {queue} still held 2 messages")]);
    assert_eq!(broker::remove(&connection, &prefix).await, Vec::<String>::new());
}
