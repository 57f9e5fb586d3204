//! Ended plans in great numbers: everybody has a result soon, whoever else waits for one.

use std::time::{Duration, Instant};

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_until};
use serde_json::json;

use crate::support::start;

/// People of the large plan: 4,000 jobs, ended in 40 chunks.
const MANY: i64 = 200_000;
/// Small plans that were ended before it. They are ended by the two hundred, so most are left when the large one is over.
const SMALL: i64 = 30_000;

/// A large plan to webhooks that is expanded and not sent: there is no account to send it through.
async fn large(system: &System, tenant: &Tenant) -> Plan {
    let sql = format!(
        "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
         SELECT 1000000, date_trunc('milliseconds', now()), id, 3, 2, 0, '{{25}}', now() + interval '1 day', {MANY}, 'Canary',
                '{{\"text\": \"canary\"}}', '[{{\"channels\": [\"webhook\"], \"mode\": \"all\"}}]' FROM tenant;
         INSERT INTO recipient (plan_id, no, key, addresses)
         SELECT 1000000, no, 'canary-' || no, '{{\"url\": \"http://127.0.0.1:1/canary\"}}' FROM generate_series(1, {MANY}) AS no;
         INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
         SELECT nextval('job_id'), 0, 1000000, id, 16, 2, {MANY}, 1, {MANY}, now() FROM tenant;"
    );
    system.database.run(&sql).await;
    wait_until("all is expanded", SOON * 4, async || {
        system.database.number("SELECT count(*) FROM plan WHERE expanded").await == 1
    })
    .await;
    let listed = tenant.http.all("/v1/plans").await;
    Plan { id: listed[0]["id"].as_str().unwrap().to_owned(), body: listed[0].clone() }
}

/// Plans of one that were stopped, half of them before they were expanded; all older than the large one.
async fn small(system: &System) {
    let sql = format!(
        "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expanded, expires_at, n_recipients, title, content, tiers)
         SELECT 900000 + n, date_trunc('milliseconds', now()), t.id, 8, 1, 0, '{{25}}', n % 2 = 0, now() + interval '1 day', 1, 'Canary',
                '{{\"text\": \"canary\"}}', '[{{\"channels\": [\"webhook\"], \"mode\": \"all\"}}]'
           FROM tenant t, generate_series(1, {SMALL}) AS n;
         INSERT INTO delivery (plan_id, slot, no) SELECT 900000 + n, 25, 1 FROM generate_series(2, {SMALL}, 2) AS n;
         INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
         SELECT nextval('job_id'), 1 - n % 2, 900000 + n, t.id, CASE WHEN n % 2 = 0 THEN 25 ELSE 16 END, 1, 1, 1, 1, now() + interval '1 hour'
           FROM tenant t, generate_series(1, {SMALL}) AS n;"
    );
    system.database.run(&format!("BEGIN; {sql} COMMIT;")).await;
}

const OPEN: &str = "SELECT n_open::bigint FROM plan WHERE id = 1000000";
const SMALL_LEFT: &str =
    "SELECT count(*) FROM plan WHERE id BETWEEN 900001 AND 999999 AND finished_at IS NULL";

/// When no more than so many of the large plan's deliveries are open.
async fn until_open(system: &System, wanted: i64) -> Instant {
    wait_until("the large plan is ended", SOON, async || system.database.number(OPEN).await <= wanted).await;
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_plan_is_over_soon_whatever_number_of_small_ones_waits_before_it() {
    let (system, tenant) = start(Options::default().alone()).await;
    let plan = large(&system, &tenant).await;
    small(&system).await;
    let asked = Instant::now();
    let answer = tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200).json();
    assert_eq!(answer["status"], "recalled");
    let begun = until_open(&system, MANY - 1).await;
    let half = until_open(&system, MANY / 2).await;
    let over = until_open(&system, 0).await;
    let left = system.database.number(SMALL_LEFT).await;
    eprintln!(
        "begun after {:?}, half after {:?}, over after {:?}; {left} small ones were left",
        begun - asked,
        half - asked,
        over - asked
    );
    assert!(left > 0, "it waited for all the small ones");
    assert!(over - half <= (half - begun) * 2 + Duration::from_secs(1), "the second half was slower");
    // 10 s is 50 us a person, 14 times what it costs here.
    assert!(over - asked < Duration::from_secs(10), "over after {:?}", over - asked);
    wait_until("the small ones are over too", SOON, async || system.database.number(SMALL_LEFT).await == 0)
        .await;
    let wrong = "SELECT count(*) FROM plan WHERE id BETWEEN 900001 AND 999999
        AND (n_open <> 0 OR n_cancelled <> (id + 1) % 2 OR NOT expanded)";
    assert_eq!(system.database.number(wrong).await, 0);
    assert_eq!(system.database.number("SELECT count(*) FROM job").await, 0);
    let people = tenant.plan(&plan).await;
    assert_eq!(people["recipients"]["cancelled"], MANY, "{people}");
    system.finish().await;
}
