//! Editing a draft: what it says is written anew, its people stay or are replaced, and nobody's edit is lost.

use herald_tests::tenant::Plan;
use herald_tests::{Answer, Client, Options, SOON, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start;

async fn draft(tenant: &Tenant, body: Value) -> Plan {
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    Plan { id: made["id"].as_str().unwrap().to_owned(), body: made }
}

/// A draft to two people who share an inbox, whose text is the same for both.
fn body() -> Value {
    json!({
        "title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "draft": true, "reference": "canary-name",
        "recipients": [
            {"key": "canary-a", "name": "A", "ids": {"inbox": "canary-shared"}, "variables": {"room": "1"}},
            {"key": "canary-b", "name": "B", "ids": {"inbox": "canary-shared"}, "variables": {"room": "2"}},
        ],
    })
}

/// `body` with `changes`, and without `recipients` unless they are among the changes.
fn changed(changes: Value) -> Value {
    let mut body = body();
    body.as_object_mut().unwrap().remove("recipients");
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn put(http: &Client, plan: &Plan, body: &Value, if_match: Option<&str>) -> Answer {
    let headers: Vec<(&str, &str)> = if_match.map(|tag| ("if-match", tag)).into_iter().collect();
    http.call(Method::PUT, &plan.path(), &headers, Some(body.to_string().into_bytes())).await
}

async fn send(tenant: &Tenant, plan: &Plan) -> Answer {
    tenant.http.call(Method::POST, &format!("{}/send", plan.path()), &[], None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_stay_get_what_the_draft_says_at_last() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, body()).await;
    // The same for both would reach that inbox once; what differs reaches it twice.
    let edited = put(
        &tenant.http,
        &plan,
        &changed(json!({"title": "Canary 2", "content": {"text": "canary {{ name }} {{ room }}"}})),
        None,
    )
    .await;
    let edited = edited.expect(200).json();
    assert_eq!((&edited["title"], &edited["status"]), (&json!("Canary 2"), &json!("draft")), "{edited}");
    assert_eq!(
        (&edited["recipients"]["total"], &edited["number"]),
        (&json!(2), &plan.body["number"]),
        "{edited}"
    );
    // What the content needs of them is asked of those who are there.
    let refused = put(
        &tenant.http,
        &plan,
        &changed(json!({"content": {"text": "{{ floor }} {{ seat | default('-') }}"}})),
        None,
    )
    .await;
    let refused = refused.expect(422);
    assert_eq!(refused.pointers(), ["/content", "/content"], "{}", refused.text);
    assert!(refused.text.contains("floor") && refused.text.contains("canary-a"), "{}", refused.text);
    assert_eq!(send(&tenant, &plan).await.status, 202);
    assert_eq!(tenant.until(&plan, "finished", SOON).await["deliveries"]["sent"], 2);
    let mut texts: Vec<String> = tenant
        .http
        .all("/v1/inbox/canary-shared")
        .await
        .iter()
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect();
    texts.sort();
    assert_eq!(texts, ["canary A 1", "canary B 2"]);
    let late = put(&tenant.http, &plan, &changed(json!({})), None).await.expect(409).json();
    assert_eq!(late["type"], "urn:herald:problem:plan-state");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_are_given_take_the_place_of_all() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, body()).await;
    let others = json!([{"key": "canary-c"}, {"key": "canary-d"}, {"key": "canary-e"}, {"key": "canary-e"}]);
    let edited = put(
        &tenant.http,
        &plan,
        &changed(json!({"recipients": others, "priority": "urgent", "draft": null})),
        None,
    )
    .await
    .expect(200)
    .json();
    let counts = &edited["recipients"];
    assert_eq!(
        (&counts["total"], &counts["duplicates"], &edited["priority"]),
        (&json!(3), &json!(1), &json!("urgent")),
        "{edited}"
    );
    for (changes, pointer) in [
        (json!({"recipients": []}), "/recipients"),
        (json!({"draft": false}), "/draft"),
        (json!({"content": {"text": "{{"}}), "/content/text"),
        (json!({"reference": "canary-other"}), "/reference"),
    ] {
        assert_eq!(put(&tenant.http, &plan, &changed(changes), None).await.expect(422).pointers(), [pointer]);
    }
    let other = draft(&tenant, json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "draft": true, "recipients": ["canary@example.org"]})).await;
    let taken = put(&tenant.http, &other, &changed(json!({})), None).await.expect(409);
    assert_eq!(
        (taken.header("location"), &taken.json()["type"]),
        (plan.path().as_str(), &json!("urn:herald:problem:reference-taken"))
    );
    assert_eq!(send(&tenant, &plan).await.status, 202);
    assert_eq!(tenant.until(&plan, "finished", SOON).await["deliveries"]["sent"], 3);
    let rows = "SELECT count(*) FROM recipient";
    assert_eq!(system.database.number(rows).await, 4, "nobody is left of those before");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_has_changed_since_is_refused_and_what_was_read_can_be_written_back() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, body()).await;
    let read = tenant.http.get(&format!("{}/content", plan.path())).await.expect(200);
    let first = read.header("etag").to_owned();
    assert_eq!(tenant.http.get(&plan.path()).await.expect(200).header("etag"), first);
    // What was read, written back, changes nothing but the tag.
    let back = put(&tenant.http, &plan, &read.json(), Some(&first)).await.expect(200);
    let second = back.header("etag").to_owned();
    assert_ne!(first, second);
    assert_eq!(tenant.http.get(&format!("{}/content", plan.path())).await.expect(200).json(), read.json());
    let lost =
        put(&tenant.http, &plan, &changed(json!({"title": "Canary lost"})), Some(&first)).await.expect(412);
    assert_eq!(lost.json()["type"], "urn:herald:problem:outdated");
    // Of many at once with the same tag one wins.
    let edits = (0..8).map(|no| {
        let (http, plan, tag) = (tenant.http.clone(), plan.clone(), second.clone());
        tokio::spawn(async move {
            put(&http, &plan, &changed(json!({"title": format!("Canary {no}")})), Some(&tag)).await.status
        })
    });
    let mut statuses = Vec::new();
    for edit in edits.collect::<Vec<_>>() {
        statuses.push(edit.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409, 412].contains(status)), "{statuses:?}");
    // Nor is an upload overlooked.
    let tag = tenant.http.get(&plan.path()).await.expect(200).header("etag").to_owned();
    let path = format!("{}/recipients", plan.path());
    let added = tenant
        .http
        .call(Method::POST, &path, &[("content-type", "text/csv")], Some(b"key\ncanary-z\n".to_vec()))
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert_eq!(put(&tenant.http, &plan, &changed(json!({})), Some(&tag)).await.status, 412);
    system.finish().await;
}
