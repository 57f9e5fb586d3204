//! Limits per recipient that a provider keeps in silence: WeCom drops what is above 30 messages a minute to one member and answers
//! success, so a message above is lost unless Herald holds it back.

use std::time::Duration;

use herald_loadtest::standins::wecom::{self, Handle};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_until};
use serde_json::{Value, json};

use crate::support::start;

/// As the real one's.
const MINUTE: (Duration, u32) = (Duration::from_secs(60), 30);
/// A span of it, with the time on the way that is allowed for.
const SPAN: Duration = Duration::from_secs(68);

async fn start_strict(workers: usize) -> (System, Tenant, Handle) {
    let options = wecom::Options { member_limits: vec![MINUTE], ..wecom::Options::default() };
    let server = wecom::start(options).await.unwrap();
    let (system, tenant) = start(Options::default().workers(workers)).await;
    let account = json!({
        "name": "notices", "channel": "wecom", "provider": "wecom-app",
        "settings": {"corp_id": "ww-canary", "agent_id": 1_000_002, "base_url": server.url(), "timeout_ms": 5000},
        "secret": {"corp_secret": "canary-secret"},
    });
    tenant.account(account).await;
    (system, tenant, server)
}

fn notice(number: usize, people: impl IntoIterator<Item = String>) -> Value {
    let people: Vec<Value> = people.into_iter().map(|id| json!({"key": id, "ids": {"wecom": id}})).collect();
    json!({"title": "Canary title", "content": {"text": format!("canary {number}")}, "channels": ["wecom"], "recipients": people})
}

fn others(group: usize, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |n| format!("canary-{group}.{n}"))
}

/// Messages that reached people; none was dropped.
fn arrived(server: &Handle) -> u64 {
    server.read(|received| {
        assert_eq!(received.dropped, 0, "lost: {received}");
        assert_eq!((received.duplicates, &received.violations), (0, &Vec::new()));
        received.deliveries
    })
}

async fn until_arrived(server: &Handle, count: u64) {
    let name = format!("{count} messages arrived");
    wait_until(&name, SOON, async || arrived(server) >= count).await;
    assert_eq!(arrived(server), count);
}

/// Everything that is held back waits in the database, at its first attempt and for a while.
async fn until_held(system: &System, count: i64) {
    wait_until("the rest is held back", SOON, async || {
        let waiting = "SELECT coalesce(sum(units), 0)::bigint FROM job WHERE state = 0 AND attempt = 1 AND due_at > now() + interval '10 s'";
        system.database.number(waiting).await == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_would_drop_in_silence_waits_and_arrives() {
    let (system, tenant, server) = start_strict(2).await;
    let begun = std::time::Instant::now();
    let mut plans: Vec<Plan> = Vec::new();
    for number in 0..36 {
        let people = others(number, 2).chain(["Canary.Hot".to_owned()]);
        plans.push(tenant.send(&notice(number, people)).await);
    }
    until_arrived(&server, 36 * 2 + 30).await;
    until_held(&system, 6).await;
    // A large plan goes to everybody but the one who has had enough.
    plans.push(tenant.send(&notice(100, others(100, 150).chain(["canary.hot".to_owned()]))).await);
    until_arrived(&server, 36 * 2 + 30 + 150).await;
    assert_eq!(system.database.number("SELECT count(*) FROM recipient_round").await, 1);
    for plan in &plans {
        tenant.until(plan, "finished", SPAN * 2).await;
    }
    assert!(begun.elapsed() > MINUTE.0, "the limit was not kept");
    assert_eq!(arrived(&server), 37 + 36 * 2 + 150);
    let attempts = "SELECT count(*) FROM delivery WHERE attempt > 1";
    assert_eq!(system.database.number(attempts).await, 0, "holding back costs no attempt");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_plans_count_for_everybody_and_then_one_by_one() {
    let (system, tenant, server) = start_strict(2).await;
    let mut plans: Vec<Plan> = Vec::new();
    for number in 0..32 {
        plans.push(tenant.send(&notice(number, others(0, 120))).await);
    }
    until_arrived(&server, 30 * 120).await;
    assert_eq!(
        system.database.number("SELECT count(*) FROM recipient_round").await,
        15,
        "half of the limit is for rounds"
    );
    assert_eq!(
        system.database.number("SELECT count(*) FROM recipient_pace").await,
        120,
        "beyond that people are counted"
    );
    until_held(&system, 2 * 120).await;
    // A minute later.
    server.reset();
    let later = "UPDATE recipient_pace SET times = '{}', queue_at = 0; DELETE FROM recipient_round; UPDATE job SET due_at = now()";
    system.database.run(later).await;
    for plan in &plans {
        tenant.until(plan, "finished", SOON).await;
    }
    assert_eq!(arrived(&server), 2 * 120);
    system.finish().await;
}
