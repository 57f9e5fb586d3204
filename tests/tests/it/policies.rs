//! Policies: made, found, switched off, and what plans keep of them.

use herald_tests::tenant::Plan;
use herald_tests::{Client, Options, SOON, wait_for};
use serde_json::{Value, json};

use crate::support::start;

fn on_call() -> Value {
    json!({"name": "on-call", "tiers": [
        {"channels": ["inbox"], "until": "acknowledged", "wait": "1h"},
        {"channels": ["email", "inbox"], "mode": "first"},
    ]})
}

fn plan(policy: &str, draft: bool) -> Value {
    json!({
        "title": "Canary", "content": {"text": "canary"}, "policy": policy, "recipients": [{"key": "canary"}],
        "acknowledgement": {"options": ["Received"]}, "draft": draft,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_made_found_switched_and_deleted() {
    let (system, tenant) = start(Options::default().workers(0).dispatchers(0)).await;
    let http = &tenant.http;
    let made = http.post_with_key("/v1/policies", "key", &on_call()).await.expect(201);
    let path = made.header("location").to_owned();
    let made = made.json();
    assert_eq!(
        (&made["number"], &made["status"], &made["version"]),
        (&json!("P0001"), &json!("enabled"), &json!(1))
    );
    assert_eq!(made["tiers"], on_call()["tiers"]);
    assert_eq!(
        made["sentence"]["en"],
        "Send by inbox; to whoever has not answered within 1 hour, send by mail, or else by inbox."
    );
    assert_eq!(made["sentence"]["zh"], "先以站内信发送；1 小时内未确认者，再以邮件，不成则以站内信发送。");
    assert_eq!(http.post_with_key("/v1/policies", "key", &on_call()).await.expect(201).json(), made);
    assert!(http.post("/v1/policies", &on_call()).await.expect(409).text.contains("name-taken"));

    let copy = http.post(&format!("{path}/copy"), &json!({"name": "night"})).await.expect(201).json();
    assert_eq!((&copy["number"], &copy["tiers"]), (&json!("P0002"), &made["tiers"]));
    let change = json!({"tiers": [{"channels": ["inbox"]}], "version": 1});
    assert_eq!(http.put(&path, &change).await.expect(200).json()["version"], 2);
    assert!(http.put(&path, &change).await.expect(409).text.contains("changed"));
    let unprovable = json!({"tiers": [{"channels": ["voice"], "until": "read"}]});
    let refused = http.put(&path, &unprovable).await.expect(422);
    assert_eq!(refused.pointers(), ["/tiers/0/until"]);
    assert!(refused.text.contains("until_unprovable"), "{}", refused.text);

    let off = http.post(&format!("{path}/disable"), &json!({})).await.expect(200).json();
    assert_eq!(off["status"], "disabled");
    found(http, &off, &copy).await;
    let enabled = http.delete(&format!("/v1/policies/{}", copy["id"].as_str().unwrap())).await.expect(409);
    assert!(enabled.text.contains("disable it"), "{}", enabled.text);
    let forced =
        system.database.connect().await.unwrap().batch_execute("DELETE FROM policy WHERE enabled").await;
    let forced = forced.unwrap_err();
    assert_eq!(forced.as_db_error().and_then(|error| error.constraint()), Some("policy_is_disabled"));
    drop(http.delete(&path).await.expect(204));
    let next = http.post("/v1/policies", &on_call()).await.expect(201).json();
    assert_eq!(next["number"], "P0003", "numbers are not given twice");
    system.finish().await;
}

async fn found(http: &Client, off: &Value, on: &Value) {
    for (query, ids) in [
        ("", vec![off, on]),
        ("?number=p0002", vec![on]),
        ("?name=on-call", vec![off]),
        ("?status=enabled", vec![on]),
        ("?q=NIGHT", vec![on]),
        ("?status=disabled&q=night", vec![]),
    ] {
        let items = http.get(&format!("/v1/policies{query}")).await.expect(200).json()["items"].clone();
        let found: Vec<&Value> = items.as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(found, ids.iter().map(|item| &item["id"]).collect::<Vec<_>>(), "{query}");
    }
}

/// Rule 18, for policies: what a plan took of one at acceptance stays, whatever becomes of the policy.
#[tokio::test(flavor = "multi_thread")]
async fn rule_18_a_plan_keeps_the_policy_it_took() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let http = &tenant.http;
    let mut body = on_call();
    body["tiers"][1] = json!({"channels": ["inbox"]});
    let path = http.post("/v1/policies", &body).await.expect(201).header("location").to_owned();
    let sent = tenant.send(&plan("on-call", false)).await;
    let tiers = sent.body["tiers"].clone();
    assert_eq!((tiers.as_array().unwrap().len(), &sent.body["policy"]["number"]), (2, &json!("P0001")));
    drop(http.put(&path, &json!({"tiers": [{"channels": ["inbox"]}]})).await.expect(200));
    drop(http.post(&format!("{path}/disable"), &json!({})).await.expect(200));
    let refused = http.post("/v1/plans", &plan("on-call", false)).await.expect(422);
    assert_eq!(refused.pointers(), ["/policy"]);
    assert!(refused.text.contains("is disabled: enable it"), "{}", refused.text);
    let nobody = http.post("/v1/plans", &plan("nobody", false)).await.expect(422);
    assert_eq!(nobody.pointers(), ["/policy"], "{}", nobody.text);
    assert!(http.delete(&path).await.expect(409).text.contains("in-use"));
    // The second tier of the policy as it was still comes.
    messages(http, 1).await;
    escalate(http, &sent).await;
    messages(http, 2).await;
    let finished = tenant.until(&sent, "finished", SOON).await;
    assert_eq!((&finished["tiers"], &finished["policy"]["version"]), (&tiers, &json!(1)));
    drop(http.delete(&path).await.expect(204));
    system.finish().await;
}

/// Goes on to the next tier, once the wait has begun.
async fn escalate(http: &Client, plan: &Plan) {
    wait_for("the tier waits", SOON, || async {
        let people = http.all(&format!("{}/recipients", plan.path())).await;
        people[0]["next_at"].is_string().then_some(())
    })
    .await;
    drop(http.post(&format!("{}/escalate", plan.path()), &json!({})).await.expect(200));
}

async fn messages(http: &Client, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} messages"), SOON, || async {
        let inbox = http.all("/v1/inbox/canary").await;
        (inbox.len() == count).then_some(inbox)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tier_says_its_template() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let http = &tenant.http;
    for (name, text) in [("first", "First {{ what }}, {{ name }}."), ("second", "Second {{ what }}.")] {
        let body =
            json!({"name": name, "kind": "text", "title": "Canary {{ what }}", "content": {"text": text}});
        drop(http.post("/v1/templates", &body).await.expect(201));
    }
    let tiers = json!([
        {"channels": ["inbox"], "until": "read", "wait": "1h", "template": "first"},
        {"channels": ["inbox"], "template": {"inbox": "second"}},
    ]);
    drop(http.post("/v1/policies", &json!({"name": "p", "tiers": tiers})).await.expect(201));
    let unknown = json!({"name": "q", "tiers": [{"channels": ["inbox"], "template": {"inbox": "nobody", "sms": "first"}}]});
    let refused = http.post("/v1/policies", &unknown).await.expect(422);
    assert_eq!(refused.pointers(), ["/tiers/0/template/inbox", "/tiers/0/template/sms"], "{}", refused.text);
    let used = http.get("/v1/templates?name=second").await.expect(200).json()["items"][0]["id"].clone();
    drop(http.delete(&format!("/v1/templates/{}", used.as_str().unwrap())).await.expect(409));

    let mut body = json!({"policy": "p", "recipients": [{"key": "canary", "name": "Li"}]});
    let lacks = http.post("/v1/plans", &body).await.expect(422);
    assert_eq!(lacks.pointers(), ["/recipients/0"], "{}", lacks.text);
    body["variables"] = json!({"what": "words"});
    let sent: Plan = tenant.send(&body).await;
    assert_eq!(sent.body["templates"].as_array().unwrap().len(), 2);
    assert_eq!(messages(http, 1).await[0]["text"].as_str().unwrap().lines().next(), Some("First words, Li."));
    escalate(http, &sent).await;
    let inbox = messages(http, 2).await;
    assert_eq!((&inbox[0]["title"], &inbox[0]["text"]), (&json!("Canary words"), &json!("Second words.")));
    assert_eq!(inbox[1]["text"], "First words, Li.");
    tenant.until(&sent, "finished", SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_finds_the_wording_the_code_means() {
    use herald_shared::domain::{Channel, Content, Slot};
    let database = herald_tests::Database::create(herald_tests::Servers::shared().await).await;
    let text = |text: &str| Content { text: Some(text.to_owned()), ..Content::default() };
    let given = [
        (Slot::new(1, Channel::Email), 0),
        (Slot::new(2, Channel::Email), 1),
        (Slot::new(2, Channel::Sms), 2),
        (Slot::new(3, Channel::Sms), 0),
    ];
    let content = text("own").with_wordings(vec![text("one"), text("two")], &given);
    let json = serde_json::to_value(&content).unwrap();
    for tier in [1, 2, 3, 128] {
        for channel in [Channel::Email, Channel::Sms, Channel::Inbox] {
            let slot = Slot::new(tier, channel);
            let rows = database
                .rows("SELECT worded($1, $2) ->> 'text', wording($1, $2)", &[&json, &i32::from(slot.code())])
                .await;
            let number = content.wording(slot);
            let said = ["own", "one", "two"][usize::from(number)];
            assert_eq!(
                (rows[0].get::<_, &str>(0), rows[0].get::<_, i32>(1)),
                (said, i32::from(number)),
                "{slot:?}"
            );
        }
    }
    database.remove().await;
}
