//! Subscriptions: a tenant's own systems are told of what happens, in order, signed, and until they take it.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use herald_loadtest::standins::webhook::{self, Action, Behaviour, Handle, Request};
use herald_tests::{Options, SOON, System, Tenant, wait_for, wait_until};
use serde_json::{Value, json};

use crate::support::start;

async fn receiver() -> Handle {
    webhook::start(webhook::Options { keep: 1000, ..webhook::Options::default() }).await.unwrap()
}

async fn subscribe(tenant: &Tenant, url: &str, events: &[&str]) -> Value {
    let mut body = json!({"url": url});
    if !events.is_empty() {
        body["events"] = json!(events);
    }
    tenant.http.post("/v1/subscriptions", &body).await.expect(201).json()
}

fn path(subscription: &Value) -> String {
    format!("/v1/subscriptions/{}", subscription["id"].as_str().unwrap())
}

/// People with a key each, in the in-app inbox; they are asked for an answer.
fn plan(count: usize) -> Value {
    let people: Vec<Value> = (1..=count).map(|no| json!({"key": format!("canary-{no}")})).collect();
    json!({
        "title": "Canary drill", "content": {"text": "Canary: are you safe? {{ link }}"}, "channels": ["inbox"],
        "recipients": people, "acknowledgement": {"options": ["Safe"]}, "reference": "canary-reference",
    })
}

/// What a path was told, in order: type and data.
fn told(receiver: &Handle, path: &str) -> Vec<(String, Value)> {
    let bodies: Vec<Value> = receiver.read(|received| {
        let of_path = received.first.iter().filter(|request| request.path == path);
        of_path.map(|request| request.json().unwrap()).collect()
    });
    bodies.into_iter().map(|body| (body["type"].as_str().unwrap().to_owned(), body["data"].clone())).collect()
}

fn count(told: &[(String, Value)], kind: &str) -> usize {
    told.iter().filter(|(other, _)| other == kind).count()
}

async fn until_told(receiver: &Handle, path: &str, kind: &str, of: usize) -> Vec<(String, Value)> {
    wait_for(&format!("{of} {kind} are told"), SOON, async || {
        Some(told(receiver, path)).filter(|told| count(told, kind) >= of)
    })
    .await
}

/// Events with an empty queue behind them: nothing is told twice when nothing went wrong.
async fn until_taken(tenant: &Tenant, subscription: &Value) -> Value {
    wait_for("everything is taken", SOON, async || {
        let now = tenant.http.get(&path(subscription)).await.expect(200).json();
        (now["pending"] == 0).then_some(now)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_life_of_a_plan_is_told_in_order_to_who_asked_for_it() {
    let hooks = receiver().await;
    let (mut system, tenant) = start(Options::default()).await;
    let other = system.tenant("canary-second").await;
    tenant.inbox().await;
    other.inbox().await;
    // Nobody listens: nothing is written.
    let mut body = plan(3);
    body["reference"] = Value::Null;
    tenant.until(&tenant.send(&body).await, "finished", SOON).await;
    assert_eq!(system.database.number("SELECT count(*) FROM event").await, 0);
    let all = subscribe(&tenant, &hooks.url("/all"), &[]).await;
    let few = subscribe(&tenant, &hooks.url("/few"), &["plan.recalled"]).await;
    let theirs = subscribe(&other, &hooks.url("/theirs"), &[]).await;
    check_secret(&system, &tenant, &all).await;
    let plan = tenant.send(&plan(3)).await;
    tenant.until(&plan, "finished", SOON).await;
    let inbox = tenant.http.all("/v1/inbox/canary-2").await;
    let text = inbox[0]["text"].as_str().unwrap();
    let token = text.rsplit('/').next().unwrap();
    let read = format!(
        "/v1/inbox/canary-1/{}/read",
        tenant.http.all("/v1/inbox/canary-1").await[0]["id"].as_str().unwrap()
    );
    drop(tenant.http.post(&read, &json!({})).await.expect(200));
    // What happens to different people is told side by side: one after the other here.
    until_told(&hooks, "/all", "recipient.read", 1).await;
    let answer = json!({"option": "Safe"});
    drop(tenant.http.post(&format!("/m/{token}/acknowledge"), &answer).await.expect(200));
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    let told = until_told(&hooks, "/all", "plan.recalled", 1).await;
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "delivery.sent",
            "delivery.sent",
            "delivery.sent",
            "plan.finished",
            "recipient.read",
            "recipient.read",
            "recipient.acknowledged",
            "plan.recalled"
        ]
    );
    check_life(&tenant, &plan, &told).await;
    until_taken(&tenant, &all).await;
    until_taken(&tenant, &few).await;
    let recalled = hooks.read(|received| received.by_path["/few"].count);
    assert_eq!(recalled, 1, "told of what it asked for");
    assert!(
        !hooks.read(|received| received.by_path.contains_key("/theirs")),
        "another tenant's is told nothing"
    );
    assert_eq!(tenant.http.get(&path(&theirs)).await.status, 404);
    let requests: Vec<Request> =
        hooks.read(|received| received.first.iter().filter(|r| r.path == "/all").cloned().collect());
    verify(all["secret"].as_str().unwrap(), &requests);
    assert_eq!(system.metric("herald_subscription_calls_total", &[("outcome", "taken")]).await, 9.0);
    hooks.read(|received| assert_eq!(received.violations, Vec::<String>::new()));
    system.finish().await;
}

/// It is told once, and stored sealed.
async fn check_secret(system: &System, tenant: &Tenant, subscription: &Value) {
    let secret = subscription["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap();
    assert_eq!(tenant.http.get(&path(subscription)).await.expect(200).json()["secret"], Value::Null);
    let stored = format!(
        "SELECT count(*) FROM subscription WHERE position('{secret}' IN encode(secret, 'escape')) > 0"
    );
    assert_eq!(system.database.number(&stored).await, 0);
}

/// The facts are the API's.
async fn check_life(tenant: &Tenant, plan: &herald_tests::tenant::Plan, told: &[(String, Value)]) {
    let deliveries = tenant.deliveries(plan).await;
    for (kind, data) in told {
        assert_eq!(
            (&data["plan"], &data["reference"]),
            (&json!(plan.id), &json!("canary-reference")),
            "{kind}"
        );
        if kind == "delivery.sent" {
            let delivery = deliveries.iter().find(|delivery| delivery["id"] == data["delivery"]);
            let delivery = delivery.unwrap_or_else(|| panic!("not a delivery of the plan: {data}"));
            assert_eq!((&data["channel"], &data["recipient"]), (&json!("inbox"), &delivery["recipient"]));
            assert_eq!((&data["status"], &data["tier"]), (&json!("sent"), &json!(1)));
        }
        if kind.starts_with("plan.") {
            assert_eq!((&data["deliveries"]["sent"], &data["recipients"]["total"]), (&json!(3), &json!(3)));
        }
    }
    assert_eq!((&told[3].1["status"], &told[7].1["status"]), (&json!("finished"), &json!("recalled")));
    let read: Vec<&Value> = told[4..6].iter().map(|(_, data)| &data["key"]).collect();
    assert_eq!((read[0], read[1]), (&json!("canary-1"), &json!("canary-2")));
    assert_eq!((&told[6].1["answer"], &told[6].1["key"]), (&json!("Safe"), &json!("canary-2")));
}

/// The library of Standard Webhooks takes what was sent, and nothing that was touched.
fn verify(secret: &str, requests: &[Request]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = herald_tests::python::environment(&root);
    let mut child = Command::new(python)
        .arg(root.join("tests/python/standard_webhooks.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = child.stdin.take().unwrap();
    for request in requests {
        let headers: HashMap<&str, &str> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = String::from_utf8(request.body.clone()).unwrap();
        writeln!(lines, "{}", json!({"secret": secret, "headers": headers, "body": body})).unwrap();
    }
    drop(lines);
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success());
    assert_eq!(
        String::from_utf8_lossy(&said.stdout).trim(),
        format!("{} taken, {} refused", requests.len(), 2 * requests.len())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_told_again_and_holds_up_nobody_else() {
    let hooks = receiver().await;
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    hooks.script_for("/failing", Behaviour::status(500).times(3));
    hooks.script_for("/slow", Behaviour::new(Action::StallAfterBody(Duration::from_secs(4))).times(1));
    let failing = subscribe(&tenant, &hooks.url("/failing"), &[]).await;
    let slow = subscribe(&tenant, &hooks.url("/slow"), &["plan.finished"]).await;
    subscribe(&tenant, &hooks.url("/well"), &[]).await;
    let first = tenant.send(&plan(2)).await;
    until_told(&hooks, "/well", "plan.finished", 1).await;
    let state = wait_for("it is known to fail", SOON, async || {
        let now = tenant.http.get(&path(&failing)).await.expect(200).json();
        (now["state"] == "failing").then_some(now)
    })
    .await;
    assert!(state["reason"].as_str().unwrap().starts_with("HTTP 500"), "{state}");
    assert!(state["pending"].as_i64().unwrap() > 0 && state["failing_since"].is_string(), "{state}");
    let told = until_told(&hooks, "/failing", "plan.finished", 1).await;
    assert_eq!(told.last().unwrap().0, "plan.finished", "{told:?}");
    let state = until_taken(&tenant, &failing).await;
    assert_eq!((&state["state"], &state["reason"]), (&json!("ok"), &Value::Null));
    until_taken(&tenant, &slow).await;
    hooks.read(|received| {
        // Three events, each taken once; those refused came again with the same id.
        assert_eq!(received.by_path["/failing"].count, 6, "{received}");
        let ids: Vec<u32> = received.accepted_by_id.values().map(|tally| tally.count).collect();
        assert_eq!((ids.len(), ids.iter().max()), (3, Some(&3)), "one id an event, told to at most three");
        assert_eq!(received.violations, Vec::<String>::new());
    });
    // What is said again has the id it had.
    let replay = json!({"from": first.body["created_at"]});
    let answer = tenant.http.post(&format!("{}/replay", path(&failing)), &replay).await.expect(202).json();
    assert_eq!((&answer["events"], &answer["next_from"]), (&json!(3), &Value::Null));
    wait_until("all is told again", SOON, async || {
        hooks.read(|received| received.by_path["/failing"].count == 9 && received.by_id.len() == 3)
    })
    .await;
    assert_eq!(system.metric("herald_subscription_calls_total", &[("outcome", "refused")]).await, 3.0);
    drop(tenant.http.delete(&path(&failing)).await.expect(204));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_loses_no_event() {
    let hooks = receiver().await;
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    // The first calls are taken, but nobody lives to hear it.
    hooks.script(Behaviour::new(Action::StallAfterBody(Duration::from_secs(5))).times(3));
    let subscription = subscribe(&tenant, &hooks.url("/events"), &["delivery.sent", "plan.finished"]).await;
    let plan = tenant.send(&plan(40)).await;
    tenant.until(&plan, "finished", SOON).await;
    hooks.wait_for(|received| received.requests >= 3, SOON).await.unwrap();
    system.workers[0].signal("KILL");
    // The lease of the dead is over when it is over: the test does not wait for that.
    system.database.rows("UPDATE subscription SET leased_until = now() - interval '1 second'", &[]).await;
    system.add_worker();
    let told = until_told(&hooks, "/events", "plan.finished", 1).await;
    until_taken(&tenant, &subscription).await;
    assert_eq!(told.last().unwrap().0, "plan.finished", "after everything before it");
    hooks.read(|received| {
        assert_eq!(received.by_id.len(), 41, "{received}");
        let again = received.by_id.values().filter(|tally| tally.count > 1).count();
        assert!(again >= 3, "what was on the way was told again, with its id: {received}");
    });
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_for_long_or_is_gone_is_paused() {
    let hooks = receiver().await;
    let options = Options::default()
        .env("HERALD_SUBSCRIPTION_PATIENCE_MS", "300")
        .env("HERALD_ALLOW_NETS", "127.0.0.1/32");
    let (system, tenant) = start(options).await;
    tenant.inbox().await;
    hooks.script_for("/failing", Behaviour::status(503));
    hooks.script_for("/gone", Behaviour::status(410).times(1));
    let failing = subscribe(&tenant, &hooks.url("/failing"), &["plan.finished"]).await;
    let gone = subscribe(&tenant, &hooks.url("/gone"), &["plan.finished"]).await;
    // A name that leads where the guard does not let anybody go.
    let inside = subscribe(&tenant, "https://localhost.localdomain:9/canary", &["plan.finished"]).await;
    tenant.send(&plan(1)).await;
    for subscription in [&failing, &gone] {
        let state = wait_for("it is paused", SOON, async || {
            let now = tenant.http.get(&path(subscription)).await.expect(200).json();
            (now["state"] == "paused").then_some(now)
        })
        .await;
        assert_eq!(state["pending"], 1, "nothing is lost: {state}");
        assert!(state["reason"].as_str().unwrap().starts_with("HTTP "), "{state}");
    }
    let state = wait_for("it is tried", SOON, async || {
        let now = tenant.http.get(&path(&inside)).await.expect(200).json();
        (now["state"] != "ok").then_some(now)
    })
    .await;
    assert!(state["reason"].is_string(), "{state}");
    // A test is sent to a paused one, too; once it is taken, all goes on.
    hooks.clear_scripts();
    drop(
        tenant
            .http
            .call(reqwest::Method::POST, &format!("{}/test", path(&gone)), &[], None)
            .await
            .expect(202),
    );
    until_told(&hooks, "/gone", "subscription.test", 1).await;
    until_taken(&tenant, &gone).await;
    let enabled = json!({"enabled": true});
    drop(tenant.http.patch(&path(&failing), &enabled).await.expect(200));
    until_told(&hooks, "/failing", "plan.finished", 1).await;
    assert_eq!(until_taken(&tenant, &failing).await["state"], "ok");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_subscription_is_refused_with_all_that_is_wrong() {
    let (system, tenant) = start(Options::default().workers(0).dispatchers(0)).await;
    let refused =
        async |body: Value| tenant.http.post("/v1/subscriptions", &body).await.expect(422).pointers();
    assert_eq!(
        refused(json!({"events": [], "enabled": 1, "x": 0})).await,
        ["/enabled", "/events", "/url", "/x"]
    );
    for url in [
        "http://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://0x7f000002.example.org:70000/",
        "ftp://example.org/",
        "https://user:canary@example.org/",
        "https://[::1]/",
        "http://192.168.0.1:8080/",
        "nonsense",
    ] {
        assert_eq!(refused(json!({"url": url})).await, ["/url"], "{url}");
    }
    let events = json!({"url": "https://example.org/", "events": ["plan.finished", "plan.nonsense", "subscription.test"]});
    assert_eq!(refused(events).await, ["/events/1", "/events/2"]);
    let made = tenant
        .http
        .post_with_key(
            "/v1/subscriptions",
            "once",
            &json!({"url": "https://example.org/", "events": ["plan.finished", "plan.finished"]}),
        )
        .await
        .expect(201)
        .json();
    assert_eq!(made["events"], json!(["plan.finished"]));
    let again = json!({"url": "https://example.org/", "events": ["plan.finished", "plan.finished"]});
    let repeated = tenant.http.post_with_key("/v1/subscriptions", "once", &again).await.expect(201).json();
    assert_eq!(repeated, made, "the answer is kept, its secret sealed");
    let wrong = tenant.http.patch(&path(&made), &json!({"url": null, "events": ["x"]})).await.expect(422);
    assert_eq!(wrong.pointers(), ["/events/0", "/url"]);
    let replay = tenant.http.post(&format!("{}/replay", path(&made)), &json!({"from": "yesterday"})).await;
    assert_eq!(replay.expect(422).pointers(), ["/from"]);
    for _ in 0..19 {
        subscribe(&tenant, "https://example.org/", &[]).await;
    }
    let one_more = tenant.http.post("/v1/subscriptions", &json!({"url": "https://example.org/"})).await;
    assert_eq!(one_more.expect(409).json()["type"], "urn:herald:problem:in-use");
    assert_eq!(tenant.http.all("/v1/subscriptions").await.len(), 20);
    drop(tenant.http.delete(&path(&made)).await.expect(204));
    drop(tenant.http.get(&path(&made)).await.expect(404));
    system.finish().await;
}
