//! Plans that recur: each occurrence once, whatever dies; what was missed is counted, not sent all at once.

use std::time::Duration;

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_for, wait_until};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::start;

/// So soon that a test can wait for it, so late that the plan is there by then.
const SHORTLY: Duration = Duration::from_secs(2);
const ZONE: &str = "Asia/Shanghai";

/// A series to the inboxes of three people whose first time comes shortly.
fn daily(rule: &str) -> Value {
    let first = Timestamp::now() + SHORTLY;
    let first = first.to_zoned(TimeZone::get(ZONE).unwrap()).datetime();
    let start = first.with().subsec_nanosecond(0).build().unwrap().to_string();
    let person = |no: i32| json!({"key": format!("canary-{no}"), "variables": {"room": format!("30{no}")}});
    json!({
        "title": "Canary", "content": {"text": "Room {{ room }}"}, "channels": ["inbox"],
        "recipients": [person(1), person(2), person(3)], "reference": "canary-pattern",
        "recurrence": {"rrule": rule, "start": start, "time_zone": ZONE},
    })
}

async fn occurrences(tenant: &Tenant, pattern: &Plan) -> Vec<Value> {
    tenant.http.all(&format!("/v1/plans?series={}", pattern.id)).await
}

/// Waits until so many occurrences are finished; the newest first.
async fn finished(tenant: &Tenant, pattern: &Plan, count: usize) -> Vec<Value> {
    wait_for("the occurrences are finished", SOON, async || {
        let all = occurrences(tenant, pattern).await;
        let done = all.iter().filter(|plan| plan["status"] == "finished").count();
        (done == count).then_some(all)
    })
    .await
}

/// Makes the series so many days older: what was to come then is due, or was missed.
async fn age(system: &System, pattern: &Plan, days: i32) {
    let db = system.database.connect().await.unwrap();
    let statement = "WITH alarm AS (UPDATE job
            SET due_at = CASE WHEN due_at > now() + interval '500 years' THEN due_at - make_interval(days => $2)
                              ELSE greatest(due_at - make_interval(days => $2), now() - interval '1 s') END
          WHERE plan_id = $1 AND kind = 0), made AS (UPDATE plan SET send_at = send_at - make_interval(days => $2) WHERE series_id = $1)
        UPDATE plan SET send_at = send_at - make_interval(days => $2), resumed_at = resumed_at - make_interval(days => $2),
               terms = jsonb_set(terms, '{recurrence,start}',
                                 to_jsonb(to_char((terms #>> '{recurrence,start}')::timestamp - make_interval(days => $2), 'YYYY-MM-DD\"T\"HH24:MI:SS')))
         WHERE id = $1";
    db.execute(statement, &[&pattern.internal(), &days]).await.unwrap();
}

async fn order(tenant: &Tenant, pattern: &Plan, word: &str) -> Value {
    tenant.http.post(&format!("{}/{word}", pattern.path()), &json!({})).await.expect(200).json()
}

fn counts(pattern: &Value) -> (u64, u64) {
    let count = |name: &str| pattern["occurrences"][name].as_u64().unwrap();
    (count("started"), count("skipped"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_sends_a_plan_of_its_own_each_time_and_catches_up_once() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let pattern = tenant.send(&daily("FREQ=DAILY;COUNT=6")).await;
    assert_eq!((&pattern.body["status"], counts(&pattern.body)), (&json!("scheduled"), (0, 0)));

    let first = finished(&tenant, &pattern, 1).await.remove(0);
    assert_eq!(first["series"], pattern.id.as_str());
    assert_eq!(first["send_at"], pattern.body["send_at"]);
    assert_ne!(first["number"], pattern.body["number"]);
    assert_eq!((&first["recurrence"], &first["reference"]), (&Value::Null, &Value::Null));
    assert_eq!(first["recipients"]["reached"], 3);
    let now = tenant.plan(&pattern).await;
    assert_eq!(
        (&now["status"], counts(&now), &now["deliveries"]["total"]),
        (&json!("scheduled"), (1, 0), &json!(0))
    );
    let next: Timestamp = now["occurrences"]["next_at"].as_str().unwrap().parse().unwrap();
    let sent: Timestamp = first["send_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        next.duration_since(sent),
        SignedDuration::from_hours(24),
        "the same time on a clock that is never turned"
    );

    let inbox = tenant.http.get("/v1/inbox/canary-2").await.expect(200).json();
    assert_eq!(inbox["items"][0]["text"], "Room 302", "{inbox}");

    // Three days without a dispatcher: one is caught up, two are left out.
    age(&system, &pattern, 3).await;
    let all = finished(&tenant, &pattern, 2).await;
    let now = tenant.plan(&pattern).await;
    assert_eq!(counts(&now), (2, 2), "{now}");
    assert_ne!(all[0]["id"], first["id"], "newest first");

    // The fifth and the sixth are the last.
    age(&system, &pattern, 1).await;
    finished(&tenant, &pattern, 3).await;
    age(&system, &pattern, 1).await;
    let over = tenant.until(&pattern, "finished", SOON).await;
    assert_eq!((counts(&over), &over["occurrences"]["next_at"]), ((4, 2), &Value::Null));
    finished(&tenant, &pattern, 4).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_rests_while_it_is_paused_and_ends_when_it_is_stopped() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let pattern = tenant.send(&daily("FREQ=DAILY")).await;
    finished(&tenant, &pattern, 1).await;

    order(&tenant, &pattern, "pause").await;
    age(&system, &pattern, 1).await;
    order(&tenant, &pattern, "resume").await;
    // What fell into the pause is left out.
    let resumed = wait_for("the series goes on", SOON, async || {
        Some(tenant.plan(&pattern).await).filter(|plan| counts(plan) == (1, 1))
    })
    .await;
    assert_eq!(resumed["status"], "scheduled");
    age(&system, &pattern, 1).await;
    finished(&tenant, &pattern, 2).await;

    let stopped = order(&tenant, &pattern, "stop").await;
    assert_eq!((&stopped["status"], &stopped["occurrences"]["next_at"]), (&json!("stopped"), &Value::Null));
    let db = system.database.connect().await.unwrap();
    wait_until("its alarm is gone", SOON, async || {
        db.query_one("SELECT count(*) FROM job WHERE plan_id = $1", &[&pattern.internal()])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
    })
    .await;
    assert_eq!(occurrences(&tenant, &pattern).await.len(), 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_is_started_once_by_several_dispatchers_that_die() {
    const SERIES: usize = 30;
    let (mut system, tenant) = start(Options::default().dispatchers(2)).await;
    tenant.inbox().await;
    let mut patterns = Vec::new();
    for no in 0..SERIES {
        let mut body = daily("FREQ=DAILY");
        body["reference"] = format!("canary-{no}").into();
        // Ladders too: everybody is to be counted once.
        body["tiers"] =
            json!([{"channels": ["inbox"], "until": "read", "wait": "1h"}, {"channels": ["inbox"]}]);
        body.as_object_mut().unwrap().remove("channels");
        patterns.push(tenant.send(&body).await);
    }
    // Killed while the first of them are due.
    for _ in 0..3 {
        wait_until("one more has begun", SOON, async || {
            let started = system.database.connect().await.unwrap();
            started.query_one("SELECT count(*) FROM series", &[]).await.unwrap().get::<_, i64>(0) > 0
        })
        .await;
        system.dispatchers.last_mut().unwrap().kill();
        system.add_dispatcher();
    }
    for pattern in &patterns {
        let all = wait_for("the occurrence runs", SOON, async || {
            let all = occurrences(&tenant, pattern).await;
            all.iter().any(|plan| plan["recipients"]["reached"] == 3).then_some(all)
        })
        .await;
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(
            (&all[0]["deliveries"]["total"], &all[0]["recipients"]["waiting"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(counts(&tenant.plan(pattern).await), (1, 0));
        order(&tenant, pattern, "stop").await;
        order(&tenant, &Plan { id: all[0]["id"].as_str().unwrap().to_owned(), body: Value::Null }, "stop")
            .await;
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_recurs_begins_when_it_is_sent() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let mut body = daily("FREQ=DAILY");
    body["draft"] = true.into();
    body["recurrence"]["start"] = "2026-01-01T09:00:00".into();
    let draft = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let pattern = Plan { id: draft["id"].as_str().unwrap().to_owned(), body: draft };
    // It lies there for a week.
    age(&system, &pattern, 7).await;
    let sent = tenant.http.post(&format!("{}/send", pattern.path()), &json!({})).await.expect(202).json();
    let next: Timestamp = sent["send_at"].as_str().unwrap().parse().unwrap();
    assert!(sent["status"] == "scheduled" && next > Timestamp::now(), "{sent}");
    order(&tenant, &pattern, "stop").await;
    system.finish().await;
}
