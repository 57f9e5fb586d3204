//! The documented way to watch a plan: `curl -N`, which shows each event as it comes.

use std::process::Stdio;

use herald_tests::{Options, SOON};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::support::start;

/// The next event's name and data.
async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> (String, Value) {
    let mut name = String::new();
    loop {
        let line = timeout(SOON, lines.next_line()).await.expect("an event comes soon").unwrap();
        let line = line.expect("the stream goes on");
        match line.split_once(": ") {
            Some(("event", word)) => word.clone_into(&mut name),
            Some(("data", data)) => return (name, serde_json::from_str(data).unwrap()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_shows_a_plan_s_progress_as_it_happens() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2)).to_string();
    let plan = tenant
        .send(&json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "recipients": [{"key": "canary"}], "send_at": later}))
        .await;
    let mut curl = Command::new("curl")
        .args(["-sN", "--noproxy", "*", "-H", &format!("Authorization: Bearer {}", tenant.http.key())])
        .arg(format!("{}{}/events", tenant.http.base(), plan.path()))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("curl is needed: sudo make packages-test");
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    let (name, data) = next(&mut lines).await;
    assert_eq!(
        (name.as_str(), &data["status"]),
        ("progress", &json!("scheduled")),
        "the newest state at once"
    );
    drop(tenant.http.post(&format!("{}/pause", plan.path()), &json!({})).await.expect(200));
    let (name, data) = next(&mut lines).await;
    assert_eq!((name.as_str(), &data["status"]), ("progress", &json!("paused")), "while the stream is open");
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    let end = loop {
        let (name, data) = next(&mut lines).await;
        if name == "end" {
            break data;
        }
        assert_eq!(data["status"], "recalled");
    };
    assert_eq!(end["recipients"]["cancelled"], 1);
    assert!(timeout(SOON, curl.wait()).await.expect("the stream is over").unwrap().success());
    system.finish().await;
}
