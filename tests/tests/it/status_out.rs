//! Following a plan: event streams and waiting requests.

use std::time::{Duration, Instant};

use herald_tests::tenant::Plan;
use herald_tests::{Client, Options, SOON, Tenant};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::start;

/// One event of a stream.
#[derive(Debug, Clone)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Event {
    /// Milliseconds in front of the id.
    fn time(&self) -> i64 {
        self.id.split('-').next().unwrap().parse().unwrap()
    }

    fn sent(&self) -> i64 {
        self.data["deliveries"]["sent"].as_i64().unwrap()
    }
}

/// A stream being read, as a browser would.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(http: &Client, plan: &Plan, last: Option<&str>) -> Stream {
        let headers: Vec<(&str, &str)> = last.iter().map(|id| ("last-event-id", *id)).collect();
        let response = http.open(&format!("{}/events", plan.path()), &headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Stream { response, text: String::new() }
    }

    /// The next event; `None` when the stream has ended as it should.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = read(&block) {
                    return Some(event);
                }
                continue;
            }
            let chunk = timeout(SOON, self.response.chunk()).await.expect("an event comes soon");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}

fn read(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim_start().to_owned())
    };
    Some(Event {
        name: field("event")?,
        id: field("id").unwrap(),
        data: serde_json::from_str(&field("data").unwrap()).unwrap(),
    })
}

/// A plan that stands still until it is told otherwise.
async fn scheduled(tenant: &Tenant) -> Plan {
    let later = (Timestamp::now() + SignedDuration::from_hours(2)).to_string();
    let body = json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "send_at": later,
        "recipients": [{"key": "canary-1"}, {"key": "canary-2"}]});
    tenant.send(&body).await
}

async fn order(http: &Client, plan: &Plan, word: &str) {
    drop(http.post(&format!("{}/{word}", plan.path()), &json!({})).await.expect(200));
}

/// A plan to so many, as a draft that is sent by [`order`] `send`.
async fn draft(tenant: &Tenant, people: usize) -> Plan {
    let body = json!({"title": "Canary", "content": {"text": "canary {{ name }}"}, "channels": ["inbox"], "draft": true});
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let plan = Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    let rows: String = (0..people).map(|no| format!("canary-{no},Name {no}\n")).collect();
    let (path, kind) = (format!("{}/recipients", plan.path()), [("content-type", "text/csv")]);
    let text = format!("key,name\n{rows}").into_bytes();
    drop(tenant.http.call(Method::POST, &path, &kind, Some(text)).await.expect(200));
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_plan_of_twenty_thousand_is_followed_by_many_at_the_price_of_one() {
    const PEOPLE: i64 = 20_000;
    const LISTENERS: usize = 30;
    let (mut system, tenant) = start(Options::default()).await;
    // Twenty calls of a thousand take their time.
    let account =
        json!({"name": "inbox", "channel": "inbox", "provider": "inbox", "limits": {"per_second": 6}});
    tenant.account(account).await;
    let plan = draft(&tenant, usize::try_from(PEOPLE).unwrap()).await;
    let begun = Instant::now();
    let mut followers = Vec::new();
    for _ in 0..LISTENERS {
        let mut stream = Stream::open(&tenant.http, &plan, None).await;
        followers.push(tokio::spawn(async move {
            let mut events = Vec::new();
            while let Some(event) = stream.next().await {
                events.push(event);
            }
            events
        }));
    }
    let answer = tenant.http.call(Method::POST, &format!("{}/send", plan.path()), &[], None).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let mut all = Vec::new();
    for follower in followers {
        all.push(follower.await.unwrap());
    }
    let (looks, took) =
        (system.metric("herald_plan_look_seconds_count", &[]).await, begun.elapsed().as_secs_f64());
    assert!(
        looks < took / 0.4 + LISTENERS as f64 + 10.0,
        "{looks} looks in {took} s for {LISTENERS} listeners"
    );
    for events in &all {
        assert!(events.len() >= 4, "progress is told as it happens: {events:?}");
        assert!(
            events.windows(2).all(|pair| pair[0].time() < pair[1].time() && pair[0].sent() <= pair[1].sent())
        );
        assert!(events.windows(2).all(|pair| pair[0].data != pair[1].data), "nothing is told twice");
        let (last, before) = events.split_last().unwrap();
        assert!(before.iter().all(|event| event.name == "progress"));
        assert_eq!((last.name.as_str(), last.sent()), ("end", PEOPLE));
        assert_eq!(last.data["status"], "finished");
        assert_eq!(last.data["id"], plan.id.as_str());
    }
    comes_back_after_the_end(&tenant, &plan, &all[0]).await;
    assert!(system.metric("herald_plan_listeners", &[]).await < 0.5, "nobody listens any more");
    system.finish().await;
}

/// Who has the end is told so, who has not gets it and nothing else.
async fn comes_back_after_the_end(tenant: &Tenant, plan: &Plan, events: &[Event]) {
    let (last, before) = events.split_last().unwrap();
    let mut stream = Stream::open(&tenant.http, plan, Some(&before.last().unwrap().id)).await;
    assert_eq!(stream.next().await.unwrap().data, last.data);
    assert!(stream.next().await.is_none());
    let path = format!("{}/events", plan.path());
    let answer = tenant.http.open(&path, &[("last-event-id", last.id.as_str())]).await;
    assert_eq!(answer.status(), 204, "a browser that has the end stays away");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_gets_what_is_new_from_any_process_and_nothing_twice() {
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = scheduled(&tenant).await;
    let mut stream = Stream::open(&tenant.http, &plan, None).await;
    let first = stream.next().await.unwrap();
    assert_eq!((first.name.as_str(), &first.data["status"]), ("progress", &json!("scheduled")));
    assert_eq!(first.data["recipients"]["total"], 2);
    let ordered = Instant::now();
    order(&tenant.http, &plan, "pause").await;
    let second = stream.next().await.unwrap();
    assert_eq!(second.data["status"], "paused");
    assert!(ordered.elapsed() < Duration::from_millis(1500), "told after {:?}", ordered.elapsed());
    // It has missed nothing: the next thing it hears is new.
    let mut again = Stream::open(&tenant.http, &plan, Some(&second.id)).await;
    order(&tenant.http, &plan, "resume").await;
    let third = again.next().await.unwrap();
    assert_eq!(third.data["status"], "scheduled");
    assert_eq!(stream.next().await.unwrap().data, third.data);
    // A process that stops ends its streams in order, and another goes on where it was.
    system.api.signal("TERM");
    assert!(again.next().await.is_none() && stream.next().await.is_none());
    assert!(system.api.ended(SOON).await.success());
    system.start_api().await;
    let http = tenant.http.at(&system.client(None).await);
    let mut other = Stream::open(&http, &plan, Some(&third.id)).await;
    order(&http, &plan, "recall").await;
    let mut told = vec![other.next().await.unwrap()];
    while let Some(event) = other.next().await {
        told.push(event);
    }
    assert!(told.iter().all(|event| event.data["status"] == "recalled"), "{told:?}");
    assert_eq!(told.last().unwrap().name, "end");
    assert_eq!(told.last().unwrap().data["recipients"]["cancelled"], 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_fifty_streams_and_no_more() {
    let (mut system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = scheduled(&tenant).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(Stream::open(&tenant.http, &plan, None).await);
    }
    let refused = tenant.http.get(&format!("{}/events", plan.path())).await.expect(429);
    assert_eq!(refused.json()["type"], "urn:herald:problem:rate-limited");
    assert_eq!(refused.header("retry-after"), "5");
    let waiting = tenant.http.call(Method::GET, &plan.path(), &[("prefer", "wait=1")], None).await;
    assert_eq!(waiting.status, 429, "who waits is a listener too");
    drop(tenant.http.get(&plan.path()).await.expect(200));
    assert!((system.metric("herald_plan_listeners", &[]).await - 50.0).abs() < 0.5);
    streams.clear();
    herald_tests::wait_until("their places are free again", SOON, async || {
        tenant.http.open(&format!("{}/events", plan.path()), &[]).await.status() == 200
    })
    .await;
    order(&tenant.http, &plan, "recall").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_the_end_as_long_as_it_wishes() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = scheduled(&tenant).await;
    let get = async |wait: &str| {
        let begun = Instant::now();
        let answer = tenant.http.call(Method::GET, &plan.path(), &[("prefer", wait)], None).await;
        (answer.expect(200), begun.elapsed())
    };
    let (answer, took) = get("wait=1").await;
    assert_eq!(
        (answer.header("preference-applied"), &answer.json()["status"]),
        ("wait=1", &json!("scheduled"))
    );
    assert!(took >= Duration::from_secs(1), "{took:?}");
    let (answer, took) = get("respond-async").await;
    assert_eq!(answer.header("preference-applied"), "");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let ((answer, took), ()) = tokio::join!(get("wait=99"), order(&tenant.http, &plan, "recall"));
    assert_eq!(
        (answer.header("preference-applied"), &answer.json()["status"]),
        ("wait=30", &json!("recalled"))
    );
    assert!(answer.json()["finished_at"].is_string(), "{}", answer.text);
    assert!(took < SOON, "{took:?}");
    let (_, took) = get("wait=30").await;
    assert!(took < Duration::from_secs(3), "it has ended: {took:?}");
    system.finish().await;
}
