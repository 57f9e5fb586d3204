//! The inbox driver without a database. With one it is tested by the whole-system tests.

mod support;

use herald_channels::provider;
use herald_shared::domain::{Channel, Class};
use serde_json::{Value, json};
use support::{Open, account, call, failed};

#[tokio::test]
async fn a_database_that_is_away_is_transient_before_the_gate() {
    let driver = support::open("inbox", json!({}), Value::Null);
    driver.verify().await.unwrap();
    let gate = Open::default();
    let failure = failed(driver.send(&call(Channel::Inbox, 1, "E1001"), &gate).await);
    assert_eq!(failure.class, Class::Transient);
    assert_eq!(gate.0.into_inner(), 0);
}

#[test]
fn it_has_no_settings() {
    let problems = provider("inbox")
        .unwrap()
        .check(&account(json!({"host": "x"}), json!({"key": "y"})), &support::net());
    let pointers: Vec<String> = problems.into_iter().map(|problem| problem.pointer).collect();
    assert_eq!(pointers, ["/settings/host", "/secret/key"]);
}
