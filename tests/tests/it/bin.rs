//! The bin: out of sight, back as it was, or gone for good in all but name and counts.

use herald_tests::tenant::Plan;
use herald_tests::{Database, Options, SOON, Servers, System, Tenant, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start;

fn body(reference: &str) -> Value {
    json!({
        "title": "Canary", "content": {"text": "canary {{ link }}"}, "channels": ["inbox"], "reference": reference,
        "recipients": [{"key": "canary-a", "name": "A"}, {"key": "canary-b"}], "acknowledgement": {"options": ["Yes"]},
    })
}

async fn post(tenant: &Tenant, plan: &Plan, word: &str) -> herald_tests::Answer {
    tenant.http.call(Method::POST, &format!("{}/{word}", plan.path()), &[], None).await
}

/// Where the page of the first message in this inbox is.
async fn page(tenant: &Tenant, owner: &str) -> String {
    let text = tenant.http.all(&format!("/v1/inbox/{owner}")).await[0]["text"].as_str().unwrap().to_owned();
    format!("/m/{}", text.rsplit_once("/m/").unwrap().1.trim())
}

async fn ids(tenant: &Tenant, query: &str) -> Vec<String> {
    let plans = tenant.http.all(&format!("/v1/plans?{query}")).await;
    plans.iter().map(|plan| plan["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_in_the_bin_is_out_of_sight_and_comes_back_as_it_was() {
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = tenant.send(&body("canary-1")).await;
    tenant.until(&plan, "finished", SOON).await;
    let before = tenant.plan(&plan).await;
    let (page, nobody) = (page(&tenant, "canary-a").await, system.client(None).await);
    assert_eq!(nobody.get(&page).await.status, 200);
    let binned = post(&tenant, &plan, "bin").await.expect(200).json();
    assert!(binned["binned_at"].is_string() && binned["purge_at"].is_string(), "{binned}");
    assert_eq!(post(&tenant, &plan, "bin").await.status, 200, "it may be repeated");
    // Out of lists and inboxes; its pages say so in both languages.
    assert_eq!(ids(&tenant, "").await, Vec::<String>::new());
    assert_eq!(ids(&tenant, "reference=canary-1").await, Vec::<String>::new());
    assert_eq!(ids(&tenant, "binned=true").await, std::slice::from_ref(&plan.id));
    assert_eq!(tenant.http.all("/v1/inbox/canary-a").await, Vec::<Value>::new());
    for (language, words) in [("en", "not available"), ("zh-CN", "暂不可用")] {
        let closed =
            nobody.call(Method::GET, &page, &[("accept-language", language)], None).await.expect(410);
        assert!(closed.text.contains(words), "{}", closed.text);
    }
    let answer = format!("{page}/acknowledge");
    assert_eq!(nobody.post(&answer, &json!({"option": "Yes"})).await.status, 410);
    // Nothing can be done to it there, whatever way it comes.
    for word in ["recall", "stop", "pause", "resume", "escalate"] {
        assert_eq!(post(&tenant, &plan, word).await.status, 409, "{word}");
    }
    let runs = "UPDATE plan SET status = 4, finished_at = NULL";
    let client = system.database.connect().await.unwrap();
    assert!(client.batch_execute(runs).await.is_err(), "the schema refuses it, too");
    let again = tenant.http.post("/v1/plans", &body("canary-1")).await.expect(409);
    assert_eq!(again.header("location"), plan.path());
    // Back.
    let mut after = post(&tenant, &plan, "restore").await.expect(200).json();
    assert_eq!(after, before);
    assert_eq!(post(&tenant, &plan, "restore").await.status, 200, "it may be repeated");
    assert_eq!((ids(&tenant, "").await.len(), ids(&tenant, "binned=true").await.len()), (1, 0));
    assert_eq!(nobody.post(&answer, &json!({"option": "Yes"})).await.status, 200);
    after = tenant.plan(&plan).await;
    assert_eq!(
        (&after["recipients"]["acknowledged"], &after["status"]),
        (&json!(1), &json!("finished")),
        "{after}"
    );
    assert_eq!(tenant.http.delete(&plan.path()).await.status, 409, "only what is in the bin is purged");
    system.finish().await;
}

async fn left(system: &System, plan: &Plan) -> i64 {
    let count = |table: &str| format!("(SELECT count(*) FROM {table} WHERE plan_id = {})", plan.internal());
    let tables =
        ["recipient", "delivery", "attempt", "inbox_message", "opened_message"].map(count).join(" + ");
    system.database.number(&format!("SELECT {tables}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_plan_leaves_its_counts_and_its_name_and_nothing_else() {
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let mut large = body("canary-1");
    large["recipients"] = (0..6_000).map(|no| json!({"key": format!("canary-{no}")})).collect();
    let plan = tenant.send(&large).await;
    let other = tenant.send(&body("canary-2")).await;
    tenant.until(&plan, "finished", SOON).await;
    tenant.until(&other, "finished", SOON).await;
    let (page, nobody) = (page(&tenant, "canary-7").await, system.client(None).await);
    assert_eq!(post(&tenant, &plan, "bin").await.status, 200);
    let gone = tenant.http.delete(&plan.path()).await.expect(200).json();
    assert_eq!(
        (&gone["recipients"], &gone["deliveries"], &gone["number"]),
        (&json!(6000), &json!(6000), &plan.body["number"])
    );
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/content"),
        (Method::GET, "/recipients"),
        (Method::DELETE, ""),
        (Method::POST, "/restore"),
        (Method::POST, "/bin"),
    ] {
        let answer = tenant.http.call(method.clone(), &format!("{}{path}", plan.path()), &[], None).await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    assert_eq!(ids(&tenant, "binned=true").await, Vec::<String>::new());
    assert!([404, 410].contains(&nobody.get(&page).await.status));
    wait_until("everything of it is gone", SOON, async || {
        left(&system, &plan).await == 0
            && system.database.number("SELECT count(*) FROM plan WHERE purging").await == 0
    })
    .await;
    assert_ne!(left(&system, &other).await, 0, "nothing of another went with it");
    let counts = "SELECT count(*) FROM plan WHERE purged_at IS NOT NULL AND title = '' AND n_recipients = 6000 AND n_sent = 6000";
    assert_eq!(system.database.number(counts).await, 1);
    assert_eq!(tenant.http.post("/v1/plans", &large).await.status, 409, "its reference stays its own");
    // By itself, when its time is over.
    assert_eq!(post(&tenant, &other, "bin").await.status, 200);
    system.database.run("UPDATE plan SET purge_at = now() WHERE purged_at IS NULL").await;
    wait_until("the other is gone", SOON, async || left(&system, &other).await == 0).await;
    wait_until("no purge is open", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE purging OR purged_at IS NULL").await == 0
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_for_many_plans_is_answered_plan_by_plan() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let mut later = body("canary-later");
    later["send_at"] = json!("2099-01-01T00:00:00Z");
    let (later, done) = (tenant.send(&later).await, tenant.send(&body("canary-done")).await);
    tenant.until(&done, "finished", SOON).await;
    let nobody_s = "019bd2a2-1f00-7b3c-9a44-0d1e2f3a4b5c";
    let batch = async |action: &str| -> Vec<u64> {
        let asked = json!({"action": action, "ids": [later.id, done.id, nobody_s]});
        let told = tenant.http.post("/v1/plans/batch", &asked).await.expect(200).json();
        let results = told["results"].as_array().unwrap();
        assert!(results.iter().all(|one| (one["status"] == 200) == one["detail"].is_null()), "{told}");
        results.iter().map(|one| one["status"].as_u64().unwrap()).collect()
    };
    assert_eq!(batch("pause").await, [200, 409, 404]);
    assert_eq!(batch("resume").await, [200, 409, 404]);
    assert_eq!(batch("bin").await, [409, 200, 404]);
    assert_eq!(batch("stop").await, [200, 409, 404]);
    assert_eq!(batch("bin").await, [200, 200, 404]);
    assert_eq!(batch("restore").await, [200, 200, 404]);
    assert_eq!(batch("purge").await, [409, 409, 404]);
    assert_eq!(batch("bin").await, [200, 200, 404]);
    assert_eq!(batch("purge").await, [200, 200, 404]);
    for (asked, pointers) in [
        (json!({"action": "explode", "ids": [later.id]}), vec!["/action"]),
        (json!({"ids": []}), vec!["/action", "/ids"]),
        (json!({"action": "bin", "ids": ["x", 7]}), vec!["/ids/0", "/ids/1"]),
    ] {
        assert_eq!(tenant.http.post("/v1/plans/batch", &asked).await.expect(422).pointers(), pointers);
    }
    wait_until("no purge is open", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE purging").await == 0
    })
    .await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_asked_by_status_time_priority_number_and_part_of_a_name() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let mut draft = body("canary-draft");
    (draft["draft"], draft["priority"]) = (json!(true), json!("bulk"));
    let draft = tenant.http.post("/v1/plans", &draft).await.expect(201).json();
    let sent = tenant.send(&body("canary-sent")).await;
    tenant.until(&sent, "finished", SOON).await;
    let (draft_id, number) =
        (draft["id"].as_str().unwrap().to_owned(), sent.body["number"].as_str().unwrap());
    let between = sent.body["created_at"].as_str().unwrap();
    for (query, expected) in [
        ("status=draft".to_owned(), vec![&draft_id]),
        ("status=finished".to_owned(), vec![&sent.id]),
        ("status=stopped".to_owned(), vec![]),
        ("priority=bulk".to_owned(), vec![&draft_id]),
        (format!("created_before={between}"), vec![&draft_id]),
        (format!("created_after={}", draft["created_at"].as_str().unwrap()), vec![&sent.id]),
        (format!("number={number}"), vec![&sent.id]),
        (format!("number={number}&status=draft"), vec![]),
        ("number=20261121-7KQ2M9XA".to_owned(), vec![]),
        ("q=canary-SENT&priority=normal".to_owned(), vec![&sent.id]),
        ("q=canary&status=draft&limit=1".to_owned(), vec![&draft_id]),
    ] {
        let mut found = Vec::new();
        let page = tenant.http.get(&format!("/v1/plans?{query}")).await.expect(200).json();
        found.extend(
            page["items"].as_array().unwrap().iter().map(|plan| plan["id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(tenant.http.get("/v1/plans?priority=soon").await.status, 422);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_with_something_of_a_plan_is_seen_to_by_the_purge() {
    // What goes with a plan (sql/purge).
    let purged = [
        "approval",
        "attempt",
        "attempt_exception",
        "code",
        "delivery",
        "inbox_message",
        "opened_message",
        "page_pass",
        "plan_file",
        "reminder",
        "series",
        "recipient",
    ];
    // What is not a plan's: jobs, rounds and notices are over before it begins, events go by age, a leaver stays a leaver.
    let others = ["event", "job", "notice", "recipient_round", "unsubscribed"];
    let database = Database::create(Servers::shared().await).await;
    let tables = "SELECT DISTINCT c.table_name::text FROM information_schema.columns c WHERE c.column_name = 'plan_id' AND c.table_schema = 'public' ORDER BY 1";
    let tables: Vec<String> = database.rows(tables, &[]).await.iter().map(|row| row.get(0)).collect();
    let new: Vec<&String> = tables
        .iter()
        .filter(|table| !purged.contains(&table.as_str()) && !others.contains(&table.as_str()))
        .collect();
    assert!(new.is_empty(), "{new:?}: delete it in shared/src/db/sql/purge, or say here why it stays");
    database.remove().await;
}
