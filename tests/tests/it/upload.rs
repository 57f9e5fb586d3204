//! Drafts, and audiences that stream into them.

use std::fmt::Write as _;
use std::time::Duration;

use herald_tests::tenant::Plan;
use herald_tests::{Answer, Client, Options, SOON, Tenant, wait_until};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::start;

/// A draft without people.
pub(crate) async fn draft(tenant: &Tenant, changes: Value) -> Plan {
    let mut body = json!({"title": "Canary", "content": {"text": "canary {{ room }}"}, "channels": ["inbox"], "draft": true});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    assert_eq!((&made["status"], &made["expires_at"]), (&json!("draft"), &Value::Null));
    Plan { id: made["id"].as_str().unwrap().to_owned(), body: made }
}

pub(crate) async fn upload(http: &Client, plan: &Plan, kind: &str, text: impl Into<Vec<u8>>) -> Answer {
    let path = format!("{}/recipients", plan.path());
    http.call(Method::POST, &path, &[("content-type", kind)], Some(text.into())).await
}

pub(crate) async fn send(tenant: &Tenant, plan: &Plan) -> Answer {
    tenant.http.call(Method::POST, &format!("{}/send", plan.path()), &[], None).await
}

async fn people(tenant: &Tenant, plan: &Plan) -> i64 {
    tenant.plan(plan).await["recipients"]["total"].as_i64().unwrap()
}

/// A file of `count` people, keys from `canary-0` on.
pub(crate) fn csv(count: usize) -> String {
    let mut text = "key,name,room\n".to_owned();
    for no in 0..count {
        writeln!(text, "canary-{no},\"Person, {no}\",{no}").unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_json_and_cells_are_read_by_the_rules_of_inline_recipients() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, json!({"content": {"text": "canary"}})).await;
    let lines = "{\"key\": \"canary-a\", \"variables\": {\"房间\": \"1\"}}\n\n{\"key\": 7}\n\"canary@example.org\"\nnonsense\n{\"key\": \"canary-a\"}\n";
    let told =
        upload(&tenant.http, &plan, "application/x-ndjson; charset=utf-8", lines).await.expect(200).json();
    assert_eq!((&told["added"], &told["refused"]), (&json!(2), &json!(3)), "{told}");
    let places: Vec<(Value, Value)> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].clone(), error["column"].clone()))
        .collect();
    assert_eq!(
        places,
        [(json!(3), json!("key")), (json!(5), Value::Null), (json!(6), Value::Null)],
        "{told}"
    );
    let cells = "key,email,phone,wecom,url\ncanary-b,not an address,0138,lilei,http://127.0.0.1:1/canary\ncanary-c,,+8613800138000,,\n";
    let told = upload(&tenant.http, &plan, "text/csv", cells).await.expect(200).json();
    let columns: Vec<&Value> =
        told["errors"].as_array().unwrap().iter().map(|error| &error["column"]).collect();
    assert_eq!((columns, &told["added"]), (vec![&json!("email"), &json!("phone")], &json!(1)), "{told}");
    // The same again adds nobody: an upload whose answer was lost can be repeated.
    let told = upload(&tenant.http, &plan, "application/x-ndjson", lines).await.expect(200).json();
    assert_eq!(
        (&told["added"], &told["duplicates"], &told["recipients"]),
        (&json!(0), &json!(2), &json!(3)),
        "{told}"
    );
    for (kind, text, status) in [
        ("application/json", "{}", 422),
        ("application/xml", "{}", 415),
        ("text/csv", "", 422),
        ("text/csv", "name,room\na,b\n", 422),
        ("text/csv", "key,key\na,b\n", 422),
        ("text/csv", "key\n\"open", 422),
        ("text/csv", "key\n\"a\"b\n", 422),
    ] {
        let refused = upload(&tenant.http, &plan, kind, text).await;
        assert_eq!(refused.status, status, "{text}: {}", refused.text);
    }
    assert_eq!(people(&tenant, &plan).await, 3);
    assert_eq!(send(&tenant, &plan).await.status, 202);
    tenant.until(&plan, "finished", SOON).await;
    // A finished plan takes more people (rule 17); a withdrawn one does not.
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    let late = upload(&tenant.http, &plan, "text/csv", csv(1)).await.expect(409).json();
    assert_eq!(late["type"], "urn:herald:problem:plan-state");
    system.finish().await;
}

/// The head of an upload, with a length that its body will not have.
fn head(http: &Client, plan: &Plan) -> String {
    let key = http.key();
    format!(
        "POST {}/recipients HTTP/1.1\r\nhost: herald\r\nauthorization: Bearer {key}\r\ncontent-type: text/csv\r\ncontent-length: 10000000\r\n\r\n",
        plan.path()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_nothing_and_two_at_once_do_not_meet() {
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, json!({})).await;
    assert_eq!(upload(&tenant.http, &plan, "text/csv", csv(2)).await.status, 200);
    let address = tenant.http.base().trim_start_matches("http://").to_owned();
    let mut half = tokio::net::TcpStream::connect(&address).await.unwrap();
    half.write_all(head(&tenant.http, &plan).as_bytes()).await.unwrap();
    half.write_all(csv(5_000).as_bytes()).await.unwrap();
    let holds = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                  WHERE a.datname = current_database() AND l.relation = 'recipient'::regclass AND l.mode = 'RowExclusiveLock'";
    wait_until("rows of the first are being written", SOON, async || system.database.number(holds).await > 0)
        .await;
    assert_eq!(people(&tenant, &plan).await, 2, "nobody sees them yet");
    assert_eq!(tenant.http.all(&format!("{}/recipients", plan.path())).await.len(), 2);
    let other = send(&tenant, &plan).await.expect(409);
    assert_eq!(other.json()["type"], "urn:herald:problem:in-progress");
    let second = upload(&tenant.http, &plan, "text/csv", csv(3)).await;
    assert!([409, 503].contains(&second.status), "{}", second.text);
    half.shutdown().await.unwrap();
    let mut answer = Vec::new();
    drop(tokio::time::timeout(Duration::from_secs(10), half.read_to_end(&mut answer)).await);
    drop(half);
    wait_until("the draft is free again", SOON, async || system.database.number(holds).await == 0).await;
    assert_eq!(system.database.number("SELECT count(*) FROM recipient").await, 2, "no trace of it");
    // Killed in the middle: the same.
    let mut half = tokio::net::TcpStream::connect(&address).await.unwrap();
    half.write_all(head(&tenant.http, &plan).as_bytes()).await.unwrap();
    half.write_all(csv(5_000).as_bytes()).await.unwrap();
    wait_until("rows of the next are being written", SOON, async || system.database.number(holds).await > 0)
        .await;
    system.api.kill();
    system.start_api().await;
    let http = tenant.http.at(&system.client(None).await);
    wait_until("the draft is free again", SOON, async || system.database.number(holds).await == 0).await;
    let told = upload(&http, &plan, "text/csv", csv(5)).await.expect(200).json();
    assert_eq!((&told["added"], &told["duplicates"]), (&json!(3), &json!(2)), "{told}");
    let tenant = Tenant { name: tenant.name, http };
    assert_eq!(send(&tenant, &plan).await.status, 202);
    assert_eq!(tenant.until(&plan, "finished", SOON).await["deliveries"]["sent"], 5);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_takes_orders_only_once_it_is_sent() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan =
        draft(&tenant, json!({"content": {"text": "canary"}, "recipients": [{"key": "canary-a"}]})).await;
    for word in ["pause", "resume", "recall", "stop"] {
        let refused =
            tenant.http.post(&format!("{}/{word}", plan.path()), &json!({})).await.expect(409).json();
        assert!(refused["detail"].as_str().unwrap().contains("draft"), "{refused}");
    }
    let empty = draft(&tenant, json!({"content": {"text": "canary"}})).await;
    assert!(
        send(&tenant, &empty).await.expect(409).json()["detail"].as_str().unwrap().contains("no recipients")
    );
    assert_eq!(upload(&tenant.http, &empty, "text/csv", "key\ncanary-b\n").await.status, 200);
    let path = format!("{}/send", plan.path());
    let key: &[(&str, &str)] = &[("idempotency-key", "k")];
    let first = tenant.http.call(Method::POST, &path, key, None).await.expect(202);
    let again = tenant.http.call(Method::POST, &path, key, None).await.expect(202);
    assert_eq!((&first.text, again.header("idempotent-replayed")), (&again.text, "true"));
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(send(&tenant, &empty).await.status, 202);
    tenant.until(&empty, "finished", SOON).await;
    system.finish().await;
}
