//! WeCom: a thousand people a call, some of whom it does not know; one token for the fleet.

use std::time::Duration;

use herald_loadtest::standins::wecom::{self, Action, Behaviour, Handle};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_until};
use serde_json::{Value, json};

use crate::support::start;

pub(crate) const TEXT: &str = "Canary water is off";
const SHOWN: &str = "Canary title\nCanary water is off";

pub(crate) async fn start_wecom(options: Options) -> (System, Tenant, Handle) {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let (system, tenant) = start(options).await;
    tenant.account(account(&server, 5000)).await;
    (system, tenant, server)
}

fn account(server: &Handle, timeout_ms: u32) -> Value {
    json!({
        "name": "notices", "channel": "wecom", "provider": "wecom-app",
        "settings": {"corp_id": "ww-canary", "agent_id": 1_000_002, "base_url": server.url(), "timeout_ms": timeout_ms},
        "secret": {"corp_secret": "canary-secret"},
    })
}

fn notice(people: impl IntoIterator<Item = usize>) -> Value {
    let people: Vec<Value> = people
        .into_iter()
        .map(|n| json!({"key": format!("canary-{n}"), "ids": {"wecom": user(n)}}))
        .collect();
    json!({"title": "Canary title", "content": {"text": TEXT}, "channels": ["wecom"], "recipients": people})
}

pub(crate) fn user(n: usize) -> String {
    format!("canary.{n}")
}

pub(crate) fn assert_correct(server: &Handle) {
    server.read(|received| {
        assert_eq!(received.violations, Vec::<String>::new());
        assert_eq!(received.duplicates, 0);
    });
}

async fn detail(tenant: &Tenant, delivery: &Value) -> Value {
    let path = format!("/v1/deliveries/{}", delivery["id"].as_str().unwrap());
    tenant.http.get(&path).await.expect(200).json()
}

async fn with_status(tenant: &Tenant, plan: &Plan, status: &str) -> Vec<Value> {
    tenant.http.all(&format!("{}/deliveries?status={status}", plan.path())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_and_a_half_thousand_get_it_once_each_in_three_calls() {
    let (system, tenant, server) = start_wecom(Options::default()).await;
    let plan = tenant.send(&notice(1..=2500)).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 2500, "{finished}");
    server.read(|received| {
        assert_eq!((received.calls, received.deliveries, received.distinct()), (3, 2500, 2500));
        assert!((1..=2500).all(|n| received.times(&user(n), SHOWN) == 1));
    });
    assert_correct(&server);
    assert_eq!(system.database.number("SELECT count(*) FROM attempt").await, 3, "one attempt a call");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_it_does_not_know_fails_and_the_others_are_sent() {
    let (system, tenant, server) = start_wecom(Options::default()).await;
    for n in [3, 700, 1500] {
        server.invalid_user(&user(n));
    }
    server.unlicensed_user(&user(1999));
    let plan = tenant.send(&notice(1..=2000)).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["sent"], &finished["deliveries"]["failed"]),
        (&json!(1996), &json!(4))
    );
    assert_eq!(finished["recipients"]["unreachable"], 4, "{finished}");
    let failed = with_status(&tenant, &plan, "failed").await;
    let reasons: Vec<&str> = failed.iter().map(|d| d["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["invalid_address", "invalid_address", "invalid_address", "rejected"]);
    let one = detail(&tenant, &failed[0]).await;
    assert_eq!(one["provider_message_id"], Value::Null, "{one}");
    assert_eq!(one["attempts"][0]["outcome"], "permanent", "{one}");
    assert_eq!(one["attempts"][0]["code"], "invaliduser", "{one}");
    let sent = detail(&tenant, &with_status(&tenant, &plan, "sent").await[0]).await;
    assert_eq!(
        (&sent["attempts"][0]["outcome"], &sent["attempts"][0]["code"]),
        (&json!("sent"), &Value::Null)
    );
    assert!(sent["provider_message_id"].as_str().unwrap().starts_with("standin-"), "{sent}");
    assert_eq!(system.database.number("SELECT count(*) FROM attempt").await, 2);
    assert_eq!(system.database.number("SELECT count(*) FROM attempt_exception").await, 4);
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lapses_in_the_middle_is_fetched_once_for_two_workers() {
    let options = Options::default().workers(2).env("HERALD_MAX_ATTEMPTS", "1");
    let (system, tenant, server) = start_wecom(options).await;
    let first = tenant.send(&notice(1..=2000)).await;
    tenant.until(&first, "finished", SOON).await;
    let before = server.read(|received| received.tokens_given);
    assert_eq!(before, 2, "one to verify the account, one to send");
    server.expire_tokens();
    let plans = [notice(3001..=9000), notice(10_001..=16_000)];
    for plan in [tenant.send(&plans[0]).await, tenant.send(&plans[1]).await] {
        let finished = tenant.until(&plan, "finished", SOON).await;
        assert_eq!(finished["deliveries"]["sent"], 6000, "a refused token is no attempt: {finished}");
    }
    server.read(|received| {
        assert_eq!((received.tokens_given, received.deliveries), (3, 14_000));
        assert!(received.answers[&42001] >= 1);
    });
    let sealed = "SELECT count(*) FROM provider_token WHERE token IS NOT NULL AND serial = 2 AND refreshing_until IS NULL";
    assert_eq!(system.database.number(sealed).await, 1);
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_is_waited_for_and_is_no_attempt() {
    // The cap bounds the minute that the provider's code stands for.
    let (system, tenant, server) = start_wecom(Options::default().env("HERALD_MAX_ATTEMPTS", "1")).await;
    server.script(Behaviour::throttle().times(2));
    let plan = tenant.send(&notice(1..=500)).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 500, "{finished}");
    let delivery = detail(&tenant, &tenant.deliveries(&plan).await[0]).await;
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1, "{delivery}");
    server.read(|received| assert_eq!(received.answers[&45009], 2));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_leaves_the_call_unknown_under_hold() {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let (system, tenant) = start(Options::default()).await;
    tenant.account(account(&server, 500)).await;
    server.script(Behaviour::new(Action::StallAfterAccepting(Duration::from_secs(60))).times(1));
    let mut body = notice(1..=300);
    body["on_unknown"] = "hold".into();
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["unknown"], 300, "{finished}");
    server.read(|received| assert_eq!((received.calls, received.deliveries), (1, 300)));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_messages_go_out_one_by_one_each_with_its_own_words() {
    let (system, tenant, server) = start_wecom(Options::default()).await;
    let people: Vec<Value> = (1..=40)
        .map(|n| json!({"ids": {"wecom": user(n)}, "variables": {"room": format!("canary-room-{n}")}}))
        .collect();
    let body = json!({"title": "Canary", "content": {"text": "Room {{ room }}"}, "channels": ["wecom"], "recipients": people});
    let plan = tenant.send(&body).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 40, "{finished}");
    server.read(|received| {
        assert_eq!((received.calls, received.deliveries), (40, 40));
        for n in 1..=40 {
            assert_eq!(received.times(&user(n), &format!("Canary\nRoom canary-room-{n}")), 1, "{n}");
        }
    });
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_stop_the_account_after_one_request_for_a_token() {
    let (mut system, tenant, server) = start_wecom(Options::default().workers(2)).await;
    system.expect_error("an account is out of use");
    let wrong = json!({"secret": {"corp_secret": "canary-wrong"}});
    let path = "/v1/accounts";
    let id = tenant.http.get(path).await.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let refused = tenant.http.patch(&format!("{path}/{id}"), &wrong).await.expect(422);
    assert_eq!(refused.pointers(), ["/secret/corp_secret"]);
    server.script(Behaviour::new(Action::RefuseToken(40001)));
    let before = server.read(|received| received.tokens_refused);
    let plan = tenant.send(&notice(1..=3000)).await;
    wait_until("the account is down", SOON, async || {
        tenant.http.get(&format!("{path}/{id}")).await.json()["state"] == "down"
    })
    .await;
    assert_eq!(server.read(|received| received.tokens_refused) - before, 1);
    server.clear_scripts();
    let right = json!({"secret": {"corp_secret": "canary-secret"}, "settings": {"timeout_ms": 4000}});
    let corrected = tenant.http.patch(&format!("{path}/{id}"), &right).await.expect(200).json();
    assert_eq!(corrected["state"], "ok", "{corrected}");
    tenant.until(&plan, "finished", SOON).await;
    server.read(|received| assert_eq!(received.deliveries, 3000));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wecom_cannot_show_is_refused_when_it_is_sent_to_us() {
    let (system, tenant, _server) = start_wecom(Options::default()).await;
    let mut html = notice([1]);
    html["content"] = json!({"html": "<b>Canary</b>"});
    assert_eq!(tenant.http.post("/v1/plans", &html).await.expect(422).pointers(), ["/content/text"]);
    let mut long = notice([1]);
    long["content"] = json!({"text": "水".repeat(700)});
    let answer = tenant.http.post("/v1/plans", &long).await.expect(422);
    assert!(answer.text.contains("2048"), "{}", answer.text);
    let mut wide = notice([1]);
    wide["recipients"] = json!([{"ids": {"wecom": "a|@all"}}, {"ids": {"wecom": "@all"}}]);
    let pointers = ["/recipients/0/ids/wecom", "/recipients/1/ids/wecom"];
    assert_eq!(tenant.http.post("/v1/plans", &wide).await.expect(422).pointers(), pointers);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_worker_heard_is_believed_when_it_is_back() {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let (system, tenant) = start(Options::default().env("HERALD_LEASE_MS", "1500")).await;
    tenant.account(account(&server, 15_000)).await;
    server.invalid_user(&user(7));
    server.script(Behaviour::new(Action::StallAfterAccepting(Duration::from_secs(1))).times(1));
    let mut body = notice(1..=300);
    body["on_unknown"] = "hold".into();
    let plan = tenant.send(&body).await;
    server.wait_for(|received| received.calls == 1, SOON).await.unwrap();
    system.workers[0].signal("STOP");
    let unknown = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(unknown["deliveries"]["unknown"], 300, "{unknown}");
    system.workers[0].signal("CONT");
    wait_until("the answer is recorded", SOON, async || {
        let counts = tenant.plan(&plan).await["deliveries"].clone();
        (&counts["sent"], &counts["failed"], &counts["unknown"]) == (&json!(299), &json!(1), &json!(0))
    })
    .await;
    let failed = with_status(&tenant, &plan, "failed").await;
    assert_eq!(failed[0]["reason"], "invalid_address");
    server.read(|received| assert_eq!((received.calls, received.deliveries), (1, 299)));
    assert_correct(&server);
    system.finish().await;
}
