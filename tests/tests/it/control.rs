//! Orders to a plan on its way: pause, resume, recall, stop.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use herald_loadtest::standins::webhook::{self, Action, Behaviour};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_until};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start;

/// A receiver that takes its time, and when each of its calls arrived.
struct Hooks {
    server: webhook::Handle,
    arrivals: Arc<Mutex<Vec<Instant>>>,
}

impl Hooks {
    /// With an account of the tenant's that makes so many calls at once.
    async fn start(tenant: &Tenant, concurrency: u32, stall: Duration) -> Hooks {
        let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = arrivals.clone();
        let observer: webhook::Observer = Arc::new(move |arrival| noted.lock().unwrap().push(arrival.at));
        let key = webhook::Key::random();
        let options = webhook::Options {
            keys: vec![key.clone()],
            observer: Some(observer),
            ..webhook::Options::default()
        };
        let server = webhook::start(options).await.unwrap();
        server.script(Behaviour::new(Action::StallAfterBody(stall)));
        let account = json!({"name": "hooks", "channel": "webhook", "provider": "webhook",
            "secret": {"signing_key": key.text()}, "limits": {"concurrency": concurrency}});
        tenant.account(account).await;
        Hooks { server, arrivals }
    }

    fn plan(&self, people: usize) -> Value {
        let url = self.server.url("/canary");
        let people: Vec<Value> =
            (0..people).map(|no| json!({"key": format!("canary-{no}"), "url": url})).collect();
        json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["webhook"], "recipients": people})
    }

    fn count(&self) -> usize {
        self.arrivals.lock().unwrap().len()
    }

    async fn until_arrived(&self, count: usize) {
        wait_until("calls have arrived", SOON, async || self.count() >= count).await;
    }

    /// Nothing arrived later than a second after `answered`.
    fn assert_quiet_since(&self, answered: Instant) {
        let late = self
            .arrivals
            .lock()
            .unwrap()
            .iter()
            .filter(|at| **at > answered + Duration::from_secs(1))
            .count();
        assert_eq!(late, 0, "calls that arrived more than a second after the answer");
    }

    /// Nobody was called twice.
    fn assert_once(&self) {
        self.server.read(|received| {
            assert!(received.by_id.values().all(|tally| tally.count == 1));
            assert_eq!(received.violations, Vec::<String>::new());
        });
    }
}

/// Gives an order; the plan as answered, and when.
async fn order(tenant: &Tenant, plan: &Plan, word: &str) -> (Value, Instant) {
    let answer = tenant.http.post(&format!("{}/{word}", plan.path()), &json!({})).await.expect(200);
    (answer.json(), Instant::now())
}

/// The status an order is refused because of.
async fn refused(tenant: &Tenant, plan: &Plan, word: &str) -> String {
    let answer = tenant.http.post(&format!("{}/{word}", plan.path()), &json!({})).await.expect(409);
    assert_eq!(answer.json()["type"], "urn:herald:problem:plan-state");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

/// Waits until an ended plan has a result for everybody.
async fn until_over(tenant: &Tenant, plan: &Plan) -> Value {
    wait_until("nothing of the plan is open", SOON, async || {
        tenant.plan(plan).await["finished_at"].is_string()
    })
    .await;
    tenant.plan(plan).await
}

const PARKED: &str = "SELECT count(*) FROM job WHERE due_at > now() + interval '500 years'";
const NOT_PARKED: &str = "SELECT count(*) FROM job WHERE due_at < now() + interval '500 years'";

async fn until_parked(system: &System) {
    wait_until("all jobs are parked", SOON, async || system.database.number(NOT_PARKED).await == 0).await;
    assert!(system.database.number(PARKED).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_plan_stands_still_lets_others_pass_and_goes_on() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let hooks = Hooks::start(&tenant, 5, Duration::from_millis(50)).await;
    let plan = tenant.send(&hooks.plan(1_500)).await;
    hooks.until_arrived(50).await;
    let (paused, answered) = order(&tenant, &plan, "pause").await;
    assert_eq!(paused["status"], "paused");
    until_parked(&system).await;
    hooks.assert_quiet_since(answered);
    let before = hooks.count();
    let now = tenant.plan(&plan).await;
    assert_eq!(
        (&now["deliveries"]["queued"], &now["deliveries"]["sending"]),
        (&json!(0), &json!(0)),
        "{now}"
    );
    assert_eq!(now["deliveries"]["sent"], before, "{now}");
    assert_eq!(order(&tenant, &plan, "pause").await.0["status"], "paused", "twice is once");
    // The same lane and the same channel are free for others.
    let other = tenant.send(&hooks.plan(1)).await;
    tenant.until(&other, "finished", SOON).await;
    assert_eq!(hooks.count(), before + 1);
    assert_eq!(order(&tenant, &plan, "resume").await.0["status"], "running");
    assert_eq!(order(&tenant, &plan, "resume").await.0["status"], "running", "twice is once");
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 1_500, "{finished}");
    hooks.assert_once();
    assert!(refused(&tenant, &plan, "pause").await.contains("finished"));
    assert!(refused(&tenant, &plan, "stop").await.contains("finished"));
    wait_until("the flag is cleared", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE parked").await == 0
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_recall_in_the_middle_nothing_goes_out_and_everybody_has_a_result() {
    let (system, tenant) = start(Options::default().workers(2)).await;
    let hooks = Hooks::start(&tenant, 20, Duration::from_millis(20)).await;
    let mut body = hooks.plan(0);
    body["draft"] = true.into();
    body.as_object_mut().unwrap().remove("recipients");
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let plan = Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    let url = hooks.server.url("/canary");
    let rows: String = (0..20_000).map(|no| format!("canary-{no},{url}\n")).collect();
    let (path, csv) = (format!("{}/recipients", plan.path()), format!("key,url\n{rows}").into_bytes());
    let uploaded = tenant.http.call(Method::POST, &path, &[("content-type", "text/csv")], Some(csv)).await;
    assert_eq!(uploaded.expect(200).json()["added"], 20_000);
    assert_eq!(tenant.http.call(Method::POST, &format!("{}/send", plan.path()), &[], None).await.status, 202);
    hooks.until_arrived(1_000).await;
    let (recalled, answered) = order(&tenant, &plan, "recall").await;
    assert_eq!(recalled["status"], "recalled");
    let over = until_over(&tenant, &plan).await;
    hooks.assert_quiet_since(answered);
    hooks.assert_once();
    let people = &over["recipients"];
    let (reached, cancelled) = (people["reached"].as_u64().unwrap(), people["cancelled"].as_u64().unwrap());
    assert_eq!(reached, hooks.count() as u64, "{over}");
    assert_eq!(reached + cancelled, 20_000, "{over}");
    assert!(cancelled > 10_000, "{over}");
    let found = tenant.http.all(&format!("{}/recipients?reach=cancelled", plan.path())).await;
    assert_eq!(found.len() as u64, cancelled);
    assert!(found.iter().all(|person| person["result"] == "recalled" && person["reason"] == "recalled"));
    let late = tenant.http.all(&format!("{}/recipients?reach=reached", plan.path())).await;
    assert!(late.iter().all(|person| person["result"] == "sent"), "for them it was too late");
    assert_eq!(order(&tenant, &plan, "recall").await.0["status"], "recalled", "twice is once");
    for word in ["pause", "resume", "stop"] {
        assert!(refused(&tenant, &plan, word).await.contains("recalled"));
    }
    system.finish().await;
}

/// People of the large plan: 4,000 jobs.
const MANY: u64 = 200_000;

/// A bulk plan to many webhooks as an upload would have written it, sent.
async fn large(system: &System, tenant: &Tenant, hooks: &Hooks) -> Plan {
    let url = hooks.server.url("/canary");
    let sql = format!(
        "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
         SELECT 1000000, date_trunc('milliseconds', now()), id, 3, 2, 0, '{{25}}', now() + interval '1 day', {MANY}, 'Canary',
                '{{\"text\": \"canary\"}}', '[{{\"channels\": [\"webhook\"], \"mode\": \"all\"}}]' FROM tenant;
         INSERT INTO recipient (plan_id, no, key, addresses)
         SELECT 1000000, no, 'canary-' || no, jsonb_build_object('url', '{url}') FROM generate_series(1, {MANY}) AS no;
         INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
         SELECT nextval('job_id'), 0, 1000000, id, 16, 2, {MANY}, 1, {MANY}, now() FROM tenant;"
    );
    system.database.run(&sql).await;
    let listed = tenant.http.all("/v1/plans").await;
    Plan { id: listed[0]["id"].as_str().unwrap().to_owned(), body: listed[0].clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_plan_is_recalled_at_once_over_soon_and_in_nobodys_way() {
    let (system, tenant) = start(Options::default().alone()).await;
    let hooks = Hooks::start(&tenant, 10, Duration::from_millis(20)).await;
    let plan = large(&system, &tenant, &hooks).await;
    wait_until("all is expanded", SOON * 4, async || {
        system.database.number("SELECT count(*) FROM plan WHERE expanded").await == 1
    })
    .await;
    hooks.until_arrived(200).await;
    let asked = Instant::now();
    let (_, answered) = order(&tenant, &plan, "recall").await;
    wait_until("all jobs are parked", SOON, async || system.database.number(NOT_PARKED).await == 0).await;
    let parked = answered.elapsed();
    let mut other = hooks.plan(1);
    other["priority"] = "bulk".into();
    let other = tenant.send(&other).await;
    tenant.until(&other, "finished", SOON).await;
    let passed = answered.elapsed();
    let over = until_over(&tenant, &plan).await;
    eprintln!(
        "answered after {:?}, parked {parked:?}, another plan of its lane was through {passed:?} and it was over {:?} after that",
        answered - asked,
        answered.elapsed()
    );
    assert!(answered - asked < Duration::from_secs(1));
    let people = &over["recipients"];
    let (reached, cancelled) = (people["reached"].as_u64().unwrap(), people["cancelled"].as_u64().unwrap());
    assert_eq!(reached + cancelled, MANY, "{over}");
    assert_eq!(reached + 1, hooks.count() as u64, "{over}");
    hooks.assert_once();
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_ended_before_their_time_end_for_everybody_without_deliveries() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let body = |channels: Value| {
        let send_at = Timestamp::now() + SignedDuration::from_hours(1);
        json!({"title": "Canary", "content": {"text": "canary"}, "channels": channels, "send_at": send_at.to_string(),
            "recipients": [{"key": "canary-a"}, {"key": "canary-b"}]})
    };
    for (word, status) in [("recall", "recalled"), ("stop", "stopped")] {
        let plan = tenant.send(&body(json!(["inbox"]))).await;
        assert_eq!(order(&tenant, &plan, "pause").await.0["status"], "paused");
        assert_eq!(order(&tenant, &plan, "resume").await.0["status"], "scheduled", "its time has not come");
        assert_eq!(order(&tenant, &plan, word).await.0["status"], status);
        let over = until_over(&tenant, &plan).await;
        assert_eq!(
            (&over["recipients"]["cancelled"], &over["recipients"]["pending"]),
            (&json!(2), &json!(0))
        );
        let people = tenant.http.all(&format!("{}/recipients?reach=cancelled", plan.path())).await;
        assert_eq!(people.len(), 2);
        assert!(people.iter().all(|person| person["result"] == status && person["channels"] == json!([])));
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_plan_whose_last_call_ends_is_finished() {
    let (system, tenant) = start(Options::default()).await;
    let hooks = Hooks::start(&tenant, 5, Duration::from_millis(500)).await;
    let plan = tenant.send(&hooks.plan(1)).await;
    hooks.until_arrived(1).await;
    assert_eq!(order(&tenant, &plan, "pause").await.0["status"], "paused");
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 1, "{finished}");
    // Withdrawing what is out is possible; there was nobody left to spare.
    assert_eq!(order(&tenant, &plan, "recall").await.0["recipients"]["reached"], 1);
    system.finish().await;
}
