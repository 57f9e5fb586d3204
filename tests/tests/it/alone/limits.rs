//! Limits of accounts, kept by the whole fleet: seen where it counts, at the provider.
//!
//! The limits here leave a fifth for what a busy test machine does to arrival times: a receiver that does not run for 0.1 s sees the
//! calls of that time at once. `herald-loadtest limits` measures without that allowance, on a machine that is quiet.

use std::time::{Duration, Instant};

use herald_loadtest::standins::webhook;
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant};
use serde_json::{Value, json};

use crate::support::start;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A receiver that remembers every request, and an account for it with these limits.
pub(crate) async fn receiver(tenant: &Tenant, limits: Value) -> webhook::Handle {
    let (server, key) = server().await;
    tenant.account(hooks("hooks", 1, &key, limits)).await;
    server
}

pub(crate) async fn server() -> (webhook::Handle, webhook::Key) {
    let key = webhook::Key::random();
    let options = webhook::Options { keys: vec![key.clone()], keep: 10_000, ..webhook::Options::default() };
    (webhook::start(options).await.unwrap(), key)
}

pub(crate) fn hooks(name: &str, order: i32, key: &webhook::Key, limits: Value) -> Value {
    json!({
        "name": name, "channel": "webhook", "provider": "webhook", "settings": {"timeout_ms": 5000},
        "secret": {"signing_key": key.text()}, "limits": limits, "order": order,
    })
}

pub(crate) async fn send(tenant: &Tenant, server: &webhook::Handle, count: usize, priority: &str) -> Plan {
    let people: Vec<Value> = (0..count)
        .map(|n| json!({"key": format!("canary-{n}"), "url": server.url(&format!("/canary-{priority}/{n}"))}))
        .collect();
    let body = json!({"title": "t", "content": {"text": "canary"}, "channels": ["webhook"], "recipients": people, "priority": priority});
    tenant.send(&body).await
}

pub(crate) fn times(server: &webhook::Handle) -> Vec<Instant> {
    let mut times: Vec<Instant> = server.read(|received| received.first.iter().map(|r| r.at).collect());
    times.sort();
    times
}

/// The most arrivals in any half-open second.
pub(crate) fn most_in_a_second(times: &[Instant]) -> usize {
    (0..times.len())
        .map(|i| times[i..].iter().take_while(|at| **at < times[i] + SECOND).count())
        .max()
        .unwrap_or(0)
}

pub(crate) async fn four_workers() -> (System, Tenant) {
    start(Options::default().workers(4).paced()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_and_used_by_the_whole_fleet() {
    let (system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"per_second": 50})).await;
    let plan = send(&tenant, &server, 400, "normal").await;
    tenant.until(&plan, "finished", SOON).await;
    let times = times(&server);
    assert_eq!(times.len(), 400);
    assert!(most_in_a_second(&times) <= 60, "{} calls in a second", most_in_a_second(&times));
    let per_second = 399.0 / (times[399] - times[0]).as_secs_f64();
    assert!(per_second >= 40.0, "only {per_second:.1} of 50 calls a second");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_calls_go_before_bulk_on_a_shared_account() {
    let (system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"per_second": 20})).await;
    let bulk = send(&tenant, &server, 120, "bulk").await;
    herald_tests::wait_until("bulk is under way", SOON, async || server.read(|r| r.requests) > 10).await;
    let asked = Instant::now();
    let urgent = send(&tenant, &server, 5, "urgent").await;
    tenant.until(&urgent, "finished", SOON).await;
    let of_urgent: Vec<Instant> = server
        .read(|r| r.first.iter().filter(|r| r.path.starts_with("/canary-urgent")).map(|r| r.at).collect());
    let waited = *of_urgent.iter().max().unwrap() - asked;
    assert!(waited < 2 * SECOND, "five urgent calls at 20/s took {waited:?}");
    assert_ne!(tenant.plan(&bulk).await["status"], "finished", "bulk was still waiting");
    tenant.until(&bulk, "finished", SOON).await;
    assert!(most_in_a_second(&times(&server)) <= 25);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_workers_throttle_answer_stops_the_fleet() {
    let (system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"per_second": 100})).await;
    let plan = send(&tenant, &server, 200, "normal").await;
    herald_tests::wait_until("calls are under way", SOON, async || server.read(|r| r.requests) > 20).await;
    server.script(webhook::Behaviour::throttle(429, 3).times(1));
    herald_tests::wait_until("one was throttled", SOON, async || {
        server.read(|r| r.answers.contains_key(&429))
    })
    .await;
    let throttled = Instant::now();
    tenant.until(&plan, "finished", SOON).await;
    let early: Vec<Duration> = times(&server)
        .into_iter()
        .filter(|at| {
            *at > throttled + Duration::from_millis(500) && *at < throttled + Duration::from_millis(2900)
        })
        .map(|at| at - throttled)
        .collect();
    assert!(early.is_empty(), "calls during the pause: {early:?}");
    for delivery in tenant.deliveries(&plan).await {
        assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("sent"), &json!(1)), "{delivery}");
    }
    system.finish().await;
}

/// The worker that is frozen may have checked its slot just before: its call starts when it thaws.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_while_workers_die_freeze_and_join() {
    let (mut system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"per_second": 50})).await;
    let plan = send(&tenant, &server, 900, "normal").await;
    let reached = async |count: u64| {
        let name = format!("{count} calls were made");
        herald_tests::wait_until(&name, SOON, async || server.read(|r| r.requests) >= count).await;
    };
    reached(100).await;
    system.workers[0].kill();
    reached(200).await;
    system.workers[1].signal("STOP");
    reached(350).await;
    system.add_worker();
    reached(600).await;
    system.workers[1].signal("CONT");
    tenant.until(&plan, "finished", SOON).await;
    let times = times(&server);
    assert!(most_in_a_second(&times) <= 61, "{} calls in a second", most_in_a_second(&times));
    let healthy = times[300..600].to_vec();
    let per_second = 299.0 / (healthy[299] - healthy[0]).as_secs_f64();
    assert!(per_second >= 35.0, "only {per_second:.1} of 50 calls a second with three workers of five");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_quota_is_a_count_and_the_next_account_takes_over() {
    let (system, tenant) = start(Options::default().workers(2)).await;
    let (server, key) = server().await;
    tenant.account(hooks("first", 1, &key, json!({"per_day": 30}))).await;
    let plan = send(&tenant, &server, 50, "normal").await;
    herald_tests::wait_until("the quota is used up", SOON, async || server.read(|r| r.requests) == 30).await;
    let accounts = async || tenant.http.get("/v1/accounts").await.json()["items"].clone();
    herald_tests::wait_until("the account rests", SOON, async || accounts().await[0]["state"] == "paused")
        .await;
    assert!(accounts().await[0]["reason"].as_str().unwrap().contains("quota of the day"));
    let first = times(&server);
    assert!(first[29] - first[0] < 5 * SECOND, "a daily quota is no pace");
    tenant.account(hooks("second", 2, &key, json!({}))).await;
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(server.read(|r| r.accepted), 50);
    system.finish().await;
}
