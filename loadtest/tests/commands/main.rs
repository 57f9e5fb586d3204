//! The measuring commands against a fake Herald: what they count, what they refuse, and that they leave the tenant as
//! it was. Floors and latency need real servers and are exercised by hand (docs/PERFORMANCE.md).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fake;

use std::process::{Output, Stdio};
use std::sync::Arc;

use fake::Fake;
use serde_json::{Value, json};
use tokio::process::Command;

struct Ran {
    output: Output,
    report: Option<Value>,
}

impl Ran {
    fn report(&self) -> &Value {
        let said = String::from_utf8_lossy(&self.output.stderr);
        self.report.as_ref().unwrap_or_else(|| panic!("no report: {said}"))
    }

    fn complaint(&self) -> String {
        assert!(!self.output.status.success());
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

async fn command(fake: Arc<Fake>, arguments: &[&str]) -> Command {
    // A second test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut command = Command::new(env!("CARGO_BIN_EXE_herald-loadtest"));
    command
        .args(arguments)
        .args(["--env", "/nonexistent"])
        .env_clear()
        .env("HERALD_URL", fake::serve(fake).await)
        .env("HERALD_API_KEY", "hk_test");
    command
}

async fn run(fake: Arc<Fake>, arguments: &[&str]) -> Ran {
    let json = std::env::temp_dir().join(format!("loadtest-{}.json", uuid::Uuid::now_v7()));
    let output = command(fake, arguments).await.arg("--json").arg(&json).output().await.unwrap();
    let report = std::fs::read(&json).ok().map(|text| serde_json::from_slice(&text).unwrap());
    drop(std::fs::remove_file(json));
    Ran { output, report }
}

#[tokio::test]
async fn smtp_counts_every_mail_once() {
    let ran =
        run(Arc::default(), &["smtp", "--no-peer", "--recipients", "100", "--rounds", "1", "--gate"]).await;
    let report = ran.report();
    assert!(report["rounds"][0]["herald_per_second"].as_f64().unwrap() > 1.0);
    assert_eq!(report["rounds"][0]["connections"], 1);
    assert_eq!(report["peak_mb"], 50.0);
    assert!(ran.output.status.success());
}

#[tokio::test]
async fn smtp_refuses_repeated_mails() {
    let fake = Fake { repeats: true, ..Fake::default() };
    let ran = run(Arc::new(fake), &["smtp", "--no-peer", "--recipients", "10", "--rounds", "1"]).await;
    assert!(ran.complaint().contains("10 of them more than once"), "{}", ran.complaint());
}

#[tokio::test]
async fn singles_are_counted_at_the_receiver() {
    let fake = Arc::new(Fake::default());
    let arguments = ["single", "--concurrency", "2", "--seconds", "1", "--floor-seconds", "0"];
    let ran = run(Arc::clone(&fake), &arguments).await;
    let round = &ran.report()["rounds"][0];
    assert!(round["accepted"].as_u64().unwrap() > 0);
    assert_eq!(round["throttled"], 0);
    assert_eq!(round["processes"].as_array().unwrap().len(), 2);
    assert_eq!(fake.accounts.lock().unwrap().len(), 0, "the account is removed");
    assert_eq!(*fake.keys.lock().unwrap(), 0, "the key is revoked");
}

#[tokio::test]
async fn bulk_reaches_everybody_once() {
    let ran = run(Arc::default(), &["bulk", "--recipients", "4500", "--floor-rows", "0"]).await;
    let report = ran.report();
    assert_eq!((&report["recipients"], &report["calls"]), (&json!(4500), &json!(5)));
    assert!(report["sent_over_time"].as_array().unwrap().last().unwrap()[1] == 4500, "{report}");
    assert!(ran.output.status.success());
}

#[tokio::test]
async fn bulk_refuses_repeated_messages() {
    let fake = Fake { repeats: true, ..Fake::default() };
    let ran = run(Arc::new(fake), &["bulk", "--recipients", "1200", "--floor-rows", "0"]).await;
    assert!(ran.complaint().contains("1200 people got it more than once"), "{}", ran.complaint());
}

#[tokio::test]
async fn limits_are_judged_by_what_arrived() {
    let arguments = ["limits", "--per-second", "5", "--seconds", "2", "--gate"];
    let ran = run(Arc::default(), &arguments).await;
    assert!(ran.complaint().contains("the receiver saw 1 messages of 10"), "{}", ran.complaint());
}

#[tokio::test]
async fn inbox_adds_up_over_its_plans() {
    let ran = run(Arc::default(), &["inbox", "--recipients", "2500", "--per-plan", "1000"]).await;
    assert_eq!(ran.report()["plans"], 3);
    assert_eq!(ran.report()["recipients"], 2500);
}

#[tokio::test]
async fn other_accounts_are_not_touched_without_leave() {
    let fake = Arc::new(Fake::default());
    let other = json!({"name": "mine", "channel": "inbox", "provider": "inbox", "enabled": true});
    fake.add_account("0", other.clone());
    let ran = run(Arc::clone(&fake), &["inbox", "--recipients", "10"]).await;
    assert!(ran.complaint().contains("--set-aside"), "{}", ran.complaint());
    let ran = run(Arc::clone(&fake), &["inbox", "--recipients", "10", "--set-aside"]).await;
    assert!(ran.report().is_object());
    let accounts = fake.accounts.lock().unwrap();
    assert_eq!((accounts.len(), &accounts["0"]["enabled"]), (1, &json!(true)));
}

#[tokio::test]
async fn interrupted_run_gives_back_what_it_made() {
    let fake = Arc::new(Fake { idle: true, ..Fake::default() });
    let other = json!({"name": "mine", "channel": "inbox", "provider": "inbox", "enabled": true});
    fake.add_account("0", other);
    let mut command = command(Arc::clone(&fake), &["inbox", "--recipients", "10", "--set-aside"]).await;
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    fake.accepted.notified().await;
    assert_eq!(fake.accounts.lock().unwrap()["0"]["enabled"], false);
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("/bin/kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("interrupted"), "{}: {said}", output.status);
    let accounts = fake.accounts.lock().unwrap();
    assert_eq!((accounts.len(), &accounts["0"]["enabled"]), (1, &json!(true)));
}

#[tokio::test]
async fn missing_settings_are_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_herald-loadtest"))
        .args(["latency"])
        .env_clear()
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("HERALD_URL is not set"), "{said}");
}
