//! Very many people at once, and very large bodies.

use std::time::Instant;

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{start, start_mail};
use crate::upload::{csv, draft, send, upload};
use crate::wecom::{TEXT, assert_correct, start_wecom, user};

/// A plan to so many members as acceptance would write it, waiting to be expanded.
async fn notify(system: &System, people: usize) {
    let sql = format!(
        "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
         SELECT 1000000, date_trunc('milliseconds', now()), id, 3, 2, 0, '{{20}}', now() + interval '1 day', {people}, 'Canary title',
                '{{\"text\": \"{TEXT}\"}}', '[{{\"channels\": [\"wecom\"], \"mode\": \"all\"}}]' FROM tenant;
         INSERT INTO recipient (plan_id, no, addresses)
         SELECT 1000000, no, jsonb_build_object('wecom', 'canary.' || no) FROM generate_series(1, {people}) AS no;
         INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
         SELECT nextval('job_id'), 0, 1000000, id, 16, 2, {people}, 1, {people}, now() FROM tenant;"
    );
    system.database.run(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_get_it_once_each_but_those_it_does_not_know() {
    const PEOPLE: usize = 100_000;
    let (system, _tenant, server) = start_wecom(Options::default().workers(2).alone()).await;
    (1..=PEOPLE).step_by(500).for_each(|n| server.invalid_user(&user(n)));
    let begun = Instant::now();
    notify(&system, PEOPLE).await;
    wait_until("the plan is finished", SOON * 3, async || {
        system.database.number("SELECT count(*) FROM plan WHERE status = 6").await == 1
    })
    .await;
    eprintln!("{:.0} deliveries/s", PEOPLE as f64 / begun.elapsed().as_secs_f64());
    server.read(|received| {
        assert_eq!((received.calls, received.deliveries, received.distinct()), (100, 99_800, 99_800));
        assert_eq!(received.tokens_given, 2);
    });
    assert_eq!(system.database.number("SELECT n_failed::bigint FROM plan").await, 200);
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_rows_with_three_bad_ones_are_taken_and_sent() {
    let (system, tenant) = start(Options::default().workers(2).alone()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, json!({"priority": "bulk"})).await;
    let mut text = csv(99_997);
    text.push_str("canary-bad,No room,\n,,\ncanary-short\ncanary-0,\"Person, 0\",0\n");
    let told = upload(&tenant.http, &plan, "text/csv", text).await.expect(200).json();
    assert_eq!(
        (&told["rows"], &told["added"], &told["refused"]),
        (&json!(100_001), &json!(99_997), &json!(3)),
        "{told}"
    );
    assert_eq!((&told["duplicates"], &told["recipients"]), (&json!(1), &json!(99_997)), "{told}");
    let errors: Vec<(u64, String)> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["detail"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(
        errors.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
        [99_999, 100_000, 100_001],
        "{told}"
    );
    for (words, (_, detail)) in ["lacks variables", "needs a key", "1 cells"].iter().zip(&errors) {
        assert!(detail.contains(words), "{detail}");
    }
    let sent = send(&tenant, &plan).await.expect(202).json();
    assert_eq!(sent["status"], "running");
    assert!(sent["expires_at"].is_string(), "counted from now");
    let finished = tenant.until(&plan, "finished", SOON * 2).await;
    assert_eq!(finished["deliveries"]["sent"], 99_997, "{finished}");
    assert_eq!(tenant.http.all("/v1/inbox/canary-77777").await[0]["text"], "canary 77777");
    assert_eq!(send(&tenant, &plan).await.status, 409, "a plan is sent once");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_of_the_largest_bodies_at_once_are_taken_or_put_off_in_bounded_memory() {
    let (system, tenant) = start(Options::default().alone()).await;
    tenant.inbox().await;
    let filling = "x".repeat(1000);
    let person = |no| json!({"key": format!("canary-{no}"), "variables": {"filling": filling}});
    let people: Vec<Value> = (0..10_000).map(person).collect();
    let body = json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "recipients": people, "priority": "bulk"});
    let bytes = body.to_string().into_bytes();
    let posts: Vec<_> = (0..16)
        .map(|_| {
            let (http, bytes) = (tenant.http.clone(), bytes.clone());
            tokio::spawn(async move { http.call(Method::POST, "/v1/plans", &[], Some(bytes)).await })
        })
        .collect();
    let mut taken = 0;
    for post in posts {
        let answer = post.await.unwrap();
        match answer.status {
            202 => taken += 1,
            503 => assert!(!answer.header("retry-after").is_empty()),
            _ => panic!("{}", answer.text),
        }
    }
    assert!(taken > 0, "none was taken");
    eprintln!("{taken} of 16 taken, {} MB in the API", system.api.peak_memory_mb());
    let finished =
        format!("SELECT count(*) FROM plan WHERE status = 6 AND n_sent = 10000 HAVING count(*) <= {taken}");
    wait_until("all that were taken are sent", SOON * 3, async || {
        system.database.number(&finished).await == taken
    })
    .await;
    // The limit itself is checked for every process, after every test.
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_people_are_looked_at_within_seconds() {
    let (system, tenant, _server) = start_mail(Options::default().alone()).await;
    let body = json!({"title": "Canary", "content": {"text": "canary"}, "draft": true, "recipients": ["canary@example.org"]});
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let plan = Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    let people = format!(
        "INSERT INTO recipient (plan_id, no, key, addresses)
         SELECT {}, n, 'canary-' || n, CASE WHEN n % 10 = 0 THEN '{{\"phone\": \"+8613800138000\"}}' ELSE jsonb_build_object('email', 'canary-' || n || '@example.org') END
           FROM generate_series(2, 1000000) AS n",
        plan.internal()
    );
    system.database.run(&people).await;
    system.database.run("UPDATE plan SET n_recipients = 1000000").await;
    let begun = Instant::now();
    let told = tenant
        .http
        .call(Method::POST, &format!("{}/dry-run", plan.path()), &[], None)
        .await
        .expect(200)
        .json();
    let took = begun.elapsed();
    eprintln!("a million people in {took:?}");
    assert_eq!(told["channels"][0]["reachable"], 900_000, "{told}");
    assert_eq!(told["channels"][0]["suppressed"], json!({"no_address": 100_000}), "{told}");
    assert!(took.as_secs() < 15, "{took:?}");
    system.finish().await;
}
