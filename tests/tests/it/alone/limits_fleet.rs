//! Limits of the whole fleet beyond an account's pace: calls at once, a tenant's limits, and how recalls and small calls get through.

use std::time::{Duration, Instant};

use herald_loadtest::standins::{webhook, wecom};
use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};

use super::limits::{SECOND, four_workers, hooks, most_in_a_second, receiver, send, server, times};
use crate::support::start;

/// A slow provider: each call takes this long.
const SLOW: Duration = Duration::from_millis(300);

fn slow(server: &webhook::Handle) {
    server.script(webhook::Behaviour::new(webhook::Action::StallAfterBody(SLOW)));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_are_limited_for_the_fleet_and_used() {
    let (mut system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"concurrency": 3})).await;
    slow(&server);
    let begun = Instant::now();
    let plan = send(&tenant, &server, 60, "normal").await;
    let reached = async |count: u64| {
        let name = format!("{count} calls were made");
        wait_until(&name, SOON, async || server.read(|r| r.requests) >= count).await;
    };
    reached(20).await;
    system.workers[0].kill();
    // What it held is free once its lease has ended; the others go on meanwhile.
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(server.read(|r| r.most_at_once), 3, "at once, of three allowed");
    let lease = Duration::from_secs(8);
    assert!(begun.elapsed() < SLOW * 60 / 3 * 2 + lease, "{:?} for 60 calls, three at once", begun.elapsed());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_call_gets_the_next_place_of_the_fleet() {
    let (system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"concurrency": 2})).await;
    slow(&server);
    let bulk = send(&tenant, &server, 60, "bulk").await;
    wait_until("bulk is under way", SOON, async || server.read(|r| r.requests) > 6).await;
    let asked = Instant::now();
    let urgent = send(&tenant, &server, 1, "urgent").await;
    tenant.until(&urgent, "finished", SOON).await;
    assert!(asked.elapsed() < SLOW * 2 + SECOND, "an urgent call took {:?}", asked.elapsed());
    assert_ne!(tenant.plan(&bulk).await["status"], "finished", "bulk was still waiting");
    tenant.until(&bulk, "finished", SOON).await;
    assert_eq!(server.read(|r| r.most_at_once), 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_limit_holds_over_all_its_accounts() {
    let (system, tenant) = four_workers().await;
    let (server, key) = server().await;
    let command = ["tenant", "limit", &tenant.name, "--per-second", "20"];
    system.command(&command).unwrap();
    tenant.account(hooks("one", 1, &key, json!({}))).await;
    tenant.account(hooks("two", 1, &key, json!({"per_second": 100}))).await;
    // Many plans, because each job chooses its account by chance.
    let mut plans = Vec::new();
    for _ in 0..15 {
        plans.push(send(&tenant, &server, 8, "normal").await);
    }
    for plan in &plans {
        tenant.until(plan, "finished", SOON).await;
    }
    let times = times(&server);
    assert_eq!(times.len(), 120);
    assert!(most_in_a_second(&times) <= 25, "{} calls in a second", most_in_a_second(&times));
    let per_second = 119.0 / (times[119] - times[0]).as_secs_f64();
    assert!(per_second >= 14.0, "only {per_second:.1} of 20 calls a second");
    let used = "SELECT count(DISTINCT account_id) FROM attempt";
    assert_eq!(system.database.number(used).await, 2, "both accounts were used");
    system.command(&["tenant", "limit", &tenant.name]).unwrap();
    assert_eq!(system.database.number("SELECT count(*) FROM tenant WHERE limits = '{}'").await, 1, "lifted");
    assert!(system.command(&["tenant", "limit", "nobody", "--per-day", "1"]).is_err());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_quota_of_the_day_stops_all_its_accounts() {
    let (mut system, tenant) = start(Options::default().workers(2)).await;
    let other = system.tenant("canary-other").await;
    let (server, key) = server().await;
    system.command(&["tenant", "limit", &tenant.name, "--per-day", "10"]).unwrap();
    tenant.account(hooks("first", 1, &key, json!({}))).await;
    tenant.account(hooks("second", 2, &key, json!({}))).await;
    other.account(hooks("third", 1, &key, json!({}))).await;
    let plan = send(&tenant, &server, 25, "normal").await;
    let states = async || {
        let accounts = tenant.http.get("/v1/accounts").await.json()["items"].clone();
        accounts.as_array().unwrap().iter().map(|account| account["state"].clone()).collect::<Vec<Value>>()
    };
    wait_until("both accounts rest", SOON, async || states().await.iter().all(|state| state == "paused"))
        .await;
    assert_eq!(server.read(|r| r.accepted), 10);
    let free = send(&other, &server, 25, "normal").await;
    other.until(&free, "finished", SOON).await;
    assert_eq!(server.read(|r| r.accepted), 35, "another tenant is not concerned");
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_call_goes_where_a_larger_one_does_not_fit() {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let (system, tenant) = start(Options::default().workers(2)).await;
    let account = json!({
        "name": "notices", "channel": "wecom", "provider": "wecom-app",
        "settings": {"corp_id": "ww-canary", "agent_id": 1_000_002, "base_url": server.url(), "timeout_ms": 5000},
        "secret": {"corp_secret": "canary-secret"}, "limits": {"per_minute": 100, "per": "recipient"},
    });
    tenant.account(account).await;
    let people = |group: usize| -> Vec<Value> {
        (0..70)
            .map(|n| json!({"key": format!("{group}-{n}"), "ids": {"wecom": format!("canary.{group}.{n}")}}))
            .collect()
    };
    let body = |group: usize| json!({"title": "t", "content": {"text": "canary"}, "channels": ["wecom"], "recipients": people(group)});
    let begun = Instant::now();
    let first = tenant.send(&body(1)).await;
    tenant.until(&first, "finished", SOON).await;
    let second = tenant.send(&body(2)).await;
    wait_until("the minute is used up", SOON, async || server.read(|r| r.deliveries) == 100).await;
    assert!(begun.elapsed() < 20 * SECOND, "the last 30 of a minute's 100 took {:?}", begun.elapsed());
    // Not recalled: the provider would be asked to take messages back, within the same limit.
    drop(tenant.http.post(&format!("{}/stop", second.path()), &json!({})).await.expect(200));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_holds_within_a_second_for_calls_that_wait_for_their_slot() {
    let (system, tenant) = four_workers().await;
    let server = receiver(&tenant, json!({"per_second": 2})).await;
    let plan = send(&tenant, &server, 60, "normal").await;
    wait_until("calls are under way", SOON, async || server.read(|r| r.requests) > 4).await;
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    let recalled = Instant::now();
    wait_until("it is over", SOON, async || tenant.plan(&plan).await["deliveries"]["pending"] == 0).await;
    let late = times(&server).into_iter().filter(|at| *at > recalled + SECOND).count();
    assert_eq!(late, 0, "calls went out more than a second after the recall");
    system.finish().await;
}
