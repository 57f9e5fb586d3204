//! Lists: cursors, filters, and the states that are read off jobs and attempts.

use serde_json::{Value, json};

use crate::plans::plan;
use crate::server::Server;

async fn page(server: &Server, path: &str) -> (Vec<Value>, Option<String>) {
    let answer = server.get(path).await;
    assert_eq!(answer.status, 200, "{path} {}", answer.text);
    let body = answer.json();
    (body["items"].as_array().unwrap().clone(), body["next_cursor"].as_str().map(str::to_owned))
}

/// Every item, two at a time.
async fn walk(server: &Server, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let at = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let (items, next) = page(server, &format!("{path}{joint}limit=2{at}")).await;
        assert!(items.len() <= 2);
        all.extend(items);
        match next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
}

fn field<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn plans_are_listed_newest_first_and_filtered() {
    let server = Server::start().await;
    server.inbox_account().await;
    for n in 0..5 {
        let later = if n == 3 { json!("2099-01-01T00:00:00Z") } else { Value::Null };
        let body =
            plan(json!({ "title": format!("Plan {n}"), "reference": format!("ref-{n}"), "send_at": later }));
        assert_eq!(server.post("/v1/plans", &body).await.status, 202);
    }
    let all = walk(&server, "/v1/plans").await;
    assert_eq!(field(&all, "title"), ["Plan 4", "Plan 3", "Plan 2", "Plan 1", "Plan 0"]);
    assert_eq!(field(&walk(&server, "/v1/plans?status=scheduled").await, "title"), ["Plan 3"]);
    assert_eq!(field(&walk(&server, "/v1/plans?status=running").await, "title").len(), 4);
    assert_eq!(field(&walk(&server, "/v1/plans?q=pLaN%202").await, "title"), ["Plan 2"]);
    assert_eq!(field(&walk(&server, "/v1/plans?q=ref-1").await, "title"), ["Plan 1"]);
    assert_eq!(field(&walk(&server, "/v1/plans?reference=ref-0").await, "title"), ["Plan 0"]);
    assert!(walk(&server, "/v1/plans?reference=ref-0&status=scheduled").await.is_empty());
    assert!(walk(&server, "/v1/plans?reference=none").await.is_empty());
    let number = all[1]["number"].as_str().unwrap();
    assert_eq!(field(&walk(&server, &format!("/v1/plans?q={number}")).await, "title"), ["Plan 3"]);
    let sloppy = format!("/v1/plans?q=%20{}&status=scheduled", number.to_lowercase());
    assert_eq!(field(&walk(&server, &sloppy).await, "title"), ["Plan 3"]);
    let other_day = number.replacen("20", "19", 1);
    for nothing in
        [format!("q={number}&status=running"), format!("q={other_day}"), format!("q={}", &number[..16])]
    {
        assert!(walk(&server, &format!("/v1/plans?{nothing}")).await.is_empty(), "{nothing}");
    }
    let stranger = server.other_tenant().await;
    let theirs = server.client.get(format!("{}/v1/plans?q={number}", server.url)).bearer_auth(stranger);
    assert_eq!(theirs.send().await.unwrap().text().await.unwrap(), r#"{"items":[],"next_cursor":null}"#);
    let middle = all[2]["created_at"].as_str().unwrap();
    assert_eq!(
        field(&walk(&server, &format!("/v1/plans?created_after={middle}")).await, "title"),
        ["Plan 4", "Plan 3"]
    );
}

#[tokio::test]
async fn bad_parameters_are_all_named() {
    let server = Server::start().await;
    let answer = server.get("/v1/plans?limit=0&cursor=x&status=gone&created_after=now&what=1&q=%00").await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "validation"));
    let body = answer.json();
    let mut named = field(body["errors"].as_array().unwrap(), "parameter");
    named.sort_unstable();
    assert_eq!(named, ["created_after", "cursor", "limit", "q", "status", "what"]);
}

/// A plan of five on two channels: one reached, one failed, one unknown, one suppressed, one still open.
async fn mixed(server: &Server) -> String {
    server.inbox_account().await;
    let hook = json!({ "name": "hook", "channel": "webhook", "provider": "webhook", "secret": { "signing_key": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } });
    assert_eq!(server.post("/v1/accounts", &hook).await.status, 201);
    let people: Vec<Value> =
        (0..5).map(|n| json!({ "key": format!("p{n}"), "name": format!("Person {n}") })).collect();
    let accepted = server
        .post("/v1/plans", &plan(json!({ "recipients": people, "channels": ["inbox", "webhook"] })))
        .await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    server
        .sql(
            "UPDATE delivery SET status = 3, sent_at = now() WHERE slot = 26 AND no = 1;
              UPDATE delivery SET status = 5, reason = 'exhausted' WHERE slot = 26 AND no = 2;
              UPDATE delivery SET status = 6 WHERE slot = 26 AND no = 3;
              UPDATE delivery SET status = 7, reason = 'duplicate' WHERE slot = 26 AND no = 4",
        )
        .await;
    accepted.header("location").to_owned()
}

#[tokio::test]
async fn recipients_are_filtered_by_what_became_of_them() {
    let server = Server::start().await;
    let path = format!("{}/recipients", mixed(&server).await);
    let all = walk(&server, &path).await;
    assert_eq!(field(&all, "key"), ["p0", "p1", "p2", "p3", "p4"]);
    assert_eq!(field(&all, "state"), ["reached", "unreachable", "unknown", "unreachable", "pending"]);
    assert_eq!(field(&all, "result"), ["sent", "exhausted", "-", "unreachable", "-"]);
    assert_eq!(all[0]["channels"][1]["reason"], "no_address", "nobody has a webhook");
    assert_eq!(all[0]["addresses"], json!({ "inbox": "p***" }));
    for (filter, keys) in [
        ("reach=reached", vec!["p0"]),
        ("reach=unreachable", vec!["p1", "p3"]),
        ("reach=pending", vec!["p4"]),
        ("reach=cancelled", vec![]),
        ("failed=true", vec!["p1"]),
        ("failed=true&reach=reached", vec![]),
        ("q=PERSON%203", vec!["p3"]),
        ("read=true", vec![]),
        ("read=false&q=p4", vec!["p4"]),
        ("answered=false&reach=reached", vec!["p0"]),
    ] {
        assert_eq!(field(&walk(&server, &format!("{path}?{filter}")).await, "key"), keys, "{filter}");
    }
}

#[tokio::test]
async fn deliveries_are_filtered_and_each_can_be_looked_at() {
    let server = Server::start().await;
    let path = format!("{}/deliveries", mixed(&server).await);
    let all = walk(&server, &path).await;
    assert_eq!(all.len(), 10);
    assert_eq!(field(&walk(&server, &format!("{path}?channel=webhook")).await, "status"), ["suppressed"; 5]);
    assert_eq!(walk(&server, &format!("{path}?status=suppressed")).await.len(), 6);
    assert_eq!(field(&walk(&server, &format!("{path}?status=queued")).await, "channel"), ["inbox"]);
    assert!(walk(&server, &format!("{path}?status=pending")).await.is_empty());
    for item in &all {
        let one = server.get(&format!("/v1/deliveries/{}", item["id"].as_str().unwrap())).await.json();
        assert_eq!(one["attempts"], json!([]));
        assert_eq!(
            (&one["recipient"], &one["status"], &one["reason"]),
            (&item["recipient"], &item["status"], &item["reason"])
        );
    }
}

#[tokio::test]
async fn queued_and_sending_are_read_off_jobs_and_open_attempts() {
    let server = Server::start().await;
    let account = server.inbox_account().await;
    let people: Vec<Value> = (0..6).map(|n| json!({ "key": format!("p{n}") })).collect();
    let accepted = server.post("/v1/plans", &plan(json!({ "recipients": people }))).await;
    let path = accepted.header("location").to_owned();
    // A claimed job has 1..4, of which 1 was sent and 2..3 are in a call; a waiting job has 5, a published one 6.
    server
        .sql("INSERT INTO worker_incarnation DEFAULT VALUES;
              UPDATE job SET lo = 1, hi = 4, units = 4, state = 2, incarnation_id = 1;
              INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, state, due_at)
              SELECT 900 + n, 1, plan_id, tenant_id, slot, lane, 1, n, n, CASE n WHEN 6 THEN 1 ELSE 0 END, now() FROM job, (VALUES (5), (6)) x (n);
              UPDATE delivery SET status = 3, sent_at = now() WHERE no = 1;
              UPDATE plan SET n_open = 5, n_sent = 1;
              INSERT INTO attempt (plan_id, slot, lo, hi, number, job_id, incarnation_id, account_id, ended_at, outcome, provider_ref)
              SELECT plan_id, slot, 1, 1, 1, job.id, 1, account.id, now(), 0, 'ref-1' FROM job, account WHERE job.state = 2
              UNION ALL SELECT plan_id, slot, 2, 3, 1, job.id, 1, account.id, NULL, NULL, NULL FROM job, account WHERE job.state = 2")
        .await;
    let counts = server.get(&path).await.json()["deliveries"].clone();
    let seen = |name: &str| counts[name].as_i64().unwrap();
    assert_eq!(
        (seen("sent"), seen("sending"), seen("queued"), seen("pending"), seen("total")),
        (1, 2, 2, 1, 6)
    );
    let items = walk(&server, &format!("{path}/deliveries")).await;
    assert_eq!(field(&items, "status"), ["sent", "sending", "sending", "queued", "pending", "queued"]);
    assert_eq!((&items[0]["attempts"], &items[0]["provider_message_id"]), (&json!(1), &json!("ref-1")));
    assert_eq!(field(&walk(&server, &format!("{path}/deliveries?status=sending")).await, "status").len(), 2);
    let one = server.get(&format!("/v1/deliveries/{}", items[1]["id"].as_str().unwrap())).await.json();
    assert_eq!(one["attempts"][0]["outcome"], Value::Null);
    assert_eq!(one["attempts"][0]["account"], account["id"]);
}

#[tokio::test]
async fn an_inbox_shows_its_owner_s_messages_newest_first() {
    let server = Server::start().await;
    server.inbox_account().await;
    for n in 0..3 {
        let body = plan(
            json!({ "title": format!("No {n}"), "content": { "text": "Hi {{ name }}", "link": "https://example.org/" } }),
        );
        assert_eq!(server.post("/v1/plans", &body).await.status, 202);
    }
    server
        .sql("INSERT INTO inbox_message (tenant_id, owner, plan_id, slot, no, created_at)
              SELECT p.tenant_id, r.key, d.plan_id, d.slot, d.no, p.created_at FROM delivery d JOIN plan p ON p.id = d.plan_id
              JOIN recipient r ON r.plan_id = d.plan_id AND r.no = d.no")
        .await;
    let items = walk(&server, "/v1/inbox/a").await;
    assert_eq!(field(&items, "title"), ["No 2", "No 1", "No 0"]);
    assert_eq!((&items[0]["text"], &items[0]["link"]), (&json!("Hi Anna"), &json!("https://example.org/")));
    let id = items[0]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/deliveries/{id}")).await.status, 200, "its id is the delivery's");
    assert!(walk(&server, "/v1/inbox/nobody").await.is_empty());
}
