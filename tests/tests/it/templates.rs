//! Templates: saved in versions, tried, copied, found, and used by plans.

use herald_tests::{Options, SOON};
use serde_json::{Value, json};

use crate::support::start;

fn water() -> Value {
    json!({"name": "water-off", "kind": "text", "title": "Water is off in {{ building }}",
           "content": {"text": "Hello {{ name }}, no water in {{ building }} from {{ from }}."}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_kept_in_versions() {
    let (system, tenant) = start(Options::default().workers(0).dispatchers(0)).await;
    let http = &tenant.http;
    let made = http.post_with_key("/v1/templates", "key", &water()).await.expect(201);
    let path = made.header("location").to_owned();
    let made = made.json();
    assert_eq!((&made["version"], &made["variables"]), (&json!(1), &json!(["building", "from"])));
    assert_eq!(made["channels"].as_array().unwrap().len(), 10);
    let again = http.post_with_key("/v1/templates", "key", &water()).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), again.json()), ("true", made.clone()));
    assert!(http.post("/v1/templates", &water()).await.expect(409).text.contains("name-taken"));

    let change = json!({"title": "Water", "content": {"text": "No water from {{ from }}."}, "version": 1});
    let second = http.put(&path, &change).await.expect(200).json();
    assert_eq!((&second["version"], &second["variables"]), (&json!(2), &json!(["from"])));
    assert!(http.put(&path, &change).await.expect(409).text.contains("changed"), "made of version 1");
    let mut same = change.clone();
    same["version"] = Value::Null;
    assert_eq!(http.put(&path, &same).await.expect(200).json()["version"], 2, "nothing changed: no version");
    let first = http.get(&format!("{path}?version=1")).await.expect(200).json();
    assert_eq!((&first["content"], &first["latest"]), (&made["content"], &json!(2)));
    drop(http.get(&format!("{path}?version=3")).await.expect(404));
    let database = system.database.connect().await.unwrap();
    let edited = database.batch_execute("UPDATE template_version SET title = 'other'").await.unwrap_err();
    assert_eq!(edited.as_db_error().and_then(|error| error.constraint()), Some("template_version_stays"));

    let copy = http.post(&format!("{path}/copy"), &json!({"name": "water-copy"})).await.expect(201).json();
    assert_eq!((&copy["version"], &copy["content"]), (&json!(1), &second["content"]));
    found(http, &made, &copy).await;
    drop(http.delete(&path).await.expect(204));
    drop(http.get(&path).await.expect(404));
    system.finish().await;
}

/// Lists with their filters.
async fn found(http: &herald_tests::Client, made: &Value, copy: &Value) {
    for (query, ids) in [
        ("", vec![made, copy]),
        ("?name=water-off", vec![made]),
        ("?q=WATER-C", vec![copy]),
        ("?kind=text&q=water", vec![made, copy]),
        ("?kind=rich", vec![]),
    ] {
        let items = http.get(&format!("/v1/templates{query}")).await.expect(200).json()["items"].clone();
        let found: Vec<&Value> = items.as_array().unwrap().iter().map(|item| &item["id"]).collect();
        assert_eq!(found, ids.iter().map(|item| &item["id"]).collect::<Vec<_>>(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_what_somebody_would_get() {
    let (system, tenant) = start(Options::default().workers(0).dispatchers(0)).await;
    let http = &tenant.http;
    let path = http.post("/v1/templates", &water()).await.expect(201).header("location").to_owned();
    let sample = json!({"name": "李雷", "variables": {"building": "3", "from": "14:00"}});
    let shown = http.post(&format!("{path}/preview"), &sample).await.expect(200).json();
    assert_eq!(shown["subject"], "Water is off in 3");
    assert_eq!(shown["text"], "Hello 李雷, no water in 3 from 14:00.");
    assert_eq!(shown["sms"], json!({"encoding": "ucs2", "units": 35, "segments": 1}));
    let lacking = http.post(&format!("{path}/preview"), &json!({})).await.expect(422);
    assert_eq!(lacking.pointers(), ["/variables"]);
    assert!(lacking.text.contains("building, from"), "{}", lacking.text);
    let wrong = http
        .post(
            "/v1/templates",
            &json!({"name": "x", "kind": "text", "title": "t", "content": {"text": "a\n{{ b"}}),
        )
        .await;
    let wrong = wrong.expect(422);
    assert_eq!(wrong.pointers(), ["/content/text"]);
    assert!(wrong.text.contains("line 2, column"), "{}", wrong.text);
    system.finish().await;
}

/// The one message in an owner's inbox.
async fn message(http: &herald_tests::Client, owner: &str) -> Value {
    let inbox = http.all(&format!("/v1/inbox/{owner}")).await;
    let [only] = inbox.as_slice() else { panic!("not one message: {inbox:?}") };
    only.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_keeps_the_version_it_started_with() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let http = &tenant.http;
    let path = http.post("/v1/templates", &water()).await.expect(201).header("location").to_owned();
    let id = path.rsplit('/').next().unwrap();
    let body = |template: &str, draft: bool| {
        json!({
            "template": template, "variables": {"building": "3", "from": "14:00"}, "channels": ["inbox"], "draft": draft,
            "recipients": [{"key": "canary-1", "name": "Li"}, {"key": "canary-2", "variables": {"from": "15:00"}}],
        })
    };
    let draft = http.post("/v1/plans", &body("water-off", true)).await.expect(201).json();
    assert_eq!(draft["templates"], json!([{"id": id, "name": "water-off", "version": 1}]));
    let in_use = http.delete(&path).await.expect(409);
    assert!(in_use.text.contains("in-use"), "{}", in_use.text);
    drop(http.put(&path, &json!({"title": "Other", "content": {"text": "Other."}})).await.expect(200));
    let plan = herald_tests::tenant::Plan { id: draft["id"].as_str().unwrap().to_owned(), body: draft };
    drop(http.post(&format!("{}/send", plan.path()), &json!({})).await.expect(202));
    tenant.until(&plan, "finished", SOON).await;
    let (first, second) = (message(http, "canary-1").await, message(http, "canary-2").await);
    assert_eq!(first["title"], "Water is off in 3", "the title is the template's");
    assert_eq!(first["text"], "Hello Li, no water in 3 from 14:00.");
    assert_eq!(second["text"], "Hello , no water in 3 from 15:00.", "one's own variables win");
    drop(http.delete(&path).await.expect(204));
    let gone = http.post("/v1/plans", &body(id, false)).await.expect(422);
    assert_eq!(gone.pointers(), ["/template"], "{}", gone.text);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_serves_only_what_can_show_it_and_needs_its_variables() {
    let (system, tenant) = start(Options::default().workers(0).dispatchers(0)).await;
    tenant.inbox().await;
    let http = &tenant.http;
    drop(http.post("/v1/templates", &water()).await.expect(201));
    let call = json!({"name": "call", "kind": "voice", "title": "Call", "content": {"text": "Hello."}});
    drop(http.post("/v1/templates", &call).await.expect(201));
    let plan = |more: Value| {
        let mut plan = json!({"channels": ["inbox"], "recipients": [{"key": "canary"}]});
        for (name, value) in more.as_object().unwrap() {
            plan[name] = value.clone();
        }
        plan
    };
    for (more, pointers, words) in [
        (json!({"template": "call"}), vec!["/template"], "serves voice: it cannot go out by inbox"),
        (json!({"template": "water-off"}), vec!["/recipients/0"], "building, from"),
        (json!({"template": "nobody"}), vec!["/template"], "GET /v1/templates"),
        (
            json!({"template": "call", "content": {"text": "x"}, "title": "t"}),
            vec!["/template"],
            "beside content",
        ),
        (json!({"template": "water-off", "variables": {"link": 1}}), vec!["/variables/link"], "reserved"),
        (
            json!({"template": "water-off", "variables": {"building": "a\nb", "from": 1}}),
            vec!["/variables"],
            "one line",
        ),
    ] {
        let answer = http.post("/v1/plans", &plan(more.clone())).await.expect(422);
        assert_eq!(answer.pointers(), pointers, "{more}: {}", answer.text);
        assert!(answer.text.contains(words), "{more}: {}", answer.text);
    }
    system.finish().await;
}
