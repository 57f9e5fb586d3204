//! The WeCom driver against the strict stand-in: what arrives, what each answer means, and how often a token is asked for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_channels::{Account, Call, Deps, Driver, OwnTokens, Recalled, Target, provider};
use herald_loadtest::standins::wecom::{self, Action, Behaviour, Handle};
use herald_shared::domain::{Channel, Class, Content, Reason, Slot, Verdict};
use serde_json::{Value, json};
use support::{Open, Shut, failed};

fn settings(server: &Handle) -> Value {
    json!({"corp_id": "ww-canary", "agent_id": 1_000_002, "base_url": server.url(), "timeout_ms": 1000})
}

fn account(server: &Handle, version: i32) -> Account {
    Account { version, ..support::account(settings(server), json!({"corp_secret": "canary-secret"})) }
}

/// Drivers of several processes with one store of tokens.
fn processes(server: &Handle, count: usize) -> Vec<Arc<dyn Driver>> {
    let deps = Deps { tokens: Arc::new(OwnTokens::default()), ..support::deps(support::net()) };
    let open = |_| provider("wecom-app").unwrap().open(account(server, 1), &deps).ok().unwrap();
    (0..count).map(open).collect()
}

async fn start() -> (Handle, Arc<dyn Driver>) {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let driver = processes(&server, 1).remove(0);
    (server, driver)
}

fn call(users: &[&str]) -> Call {
    let content = Content { text: Some("Water is off.".to_owned()), ..Content::default() };
    let to: Vec<Target> = users
        .iter()
        .zip(1..)
        .map(|(user, no)| Target { variables: None, ..support::target(no, user) })
        .collect();
    Call { message: support::message(content), slot: Slot::new(1, Channel::Wecom), attempt: 1, to }
}

fn correct(server: &Handle) {
    server.read(|received| assert_eq!(received.violations, Vec::<String>::new()));
}

fn left_out(verdict: Verdict) -> Vec<(i32, String, Reason)> {
    match verdict {
        Verdict::Sent { except, .. } => {
            except.into_iter().map(|e| (e.no, e.failure.code, e.failure.reason)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_thousand_people_get_it_in_one_call() {
    let (server, driver) = start().await;
    let users: Vec<String> = (1..=1000).map(|n| format!("User.{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let verdict = driver.send(&call(&users), &Open::default()).await;
    assert_eq!(verdict, Verdict::sent(Some("standin-1".to_owned())));
    server.read(|received| {
        assert_eq!((received.calls, received.deliveries, received.tokens_given), (1, 1000, 1));
        assert_eq!(received.times("user.7", "停水通知\nWater is off."), 1, "{:?}", received.first[0].content);
    });
    correct(&server);
}

#[tokio::test]
async fn a_message_is_taken_back_by_its_id_and_what_is_refused_for_good_is_not() {
    let (server, driver) = start().await;
    for _ in 0..2 {
        driver.send(&call(&["a"]), &Open::default()).await;
    }
    server.expire_tokens();
    assert_eq!(driver.recall("standin-1", &Open::default()).await, Recalled::Taken, "with a fresh token");
    assert_eq!(driver.recall("standin-1", &Open::default()).await, Recalled::Taken, "twice is once");
    assert_eq!(driver.recall("standin-2", &Shut).await, Recalled::NotStarted);
    server.script(Behaviour::new(Action::RefuseRecall(45009)).times(1));
    match driver.recall("standin-2", &Open::default()).await {
        Recalled::NotNow(failure) => assert_eq!(failure.class, Class::RateLimited),
        other => panic!("{other:?}"),
    }
    server.script(Behaviour::new(Action::RefuseRecall(40058)).times(1));
    assert_eq!(driver.recall("standin-2", &Open::default()).await, Recalled::NotPossible);
    server.read(|received| assert_eq!(received.recalled.iter().copied().collect::<Vec<_>>(), [1]));
    correct(&server);
}

#[tokio::test]
async fn whom_the_provider_does_not_know_is_left_out_and_nobody_else() {
    let (server, driver) = start().await;
    server.invalid_user("Li.Lei");
    server.unlicensed_user("han");
    let found =
        left_out(driver.send(&call(&["a", "Li.Lei", "han", "b|c", "@all", "d"]), &Open::default()).await);
    let mut found: Vec<(i32, &str, Reason)> =
        found.iter().map(|(no, code, r)| (*no, code.as_str(), *r)).collect();
    found.sort_by_key(|(no, ..)| *no);
    let expected = [
        (2, "invaliduser", Reason::InvalidAddress),
        (3, "unlicenseduser", Reason::Rejected),
        (4, "userid", Reason::InvalidAddress),
        (5, "userid", Reason::InvalidAddress),
    ];
    assert_eq!(found, expected);
    server.read(|received| assert_eq!(received.deliveries, 2));
    correct(&server);
    let nobody = failed(driver.send(&call(&["@all", "x y"]), &Open::default()).await);
    assert_eq!((nobody.class, nobody.reason), (Class::PermanentRecipient, Reason::InvalidAddress));
    let all = failed(driver.send(&call(&["li.lei"]), &Open::default()).await);
    assert_eq!((all.code.as_str(), all.reason), ("81013", Reason::InvalidAddress));
    assert!(!all.detail.contains("127.0.0.1"), "{}", all.detail);
    server.read(|received| assert_eq!(received.calls, 1));
}

#[tokio::test]
async fn a_lapsed_token_is_renewed_once_for_all_and_the_call_is_made_again() {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let processes = processes(&server, 2);
    let gate = Open::default();
    for driver in &processes {
        support::assert_sent(&driver.send(&call(&["a"]), &gate).await);
    }
    server.read(|received| assert_eq!(received.tokens_given, 1));
    server.expire_tokens();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let driver = processes[n % 2].clone();
        calls.spawn(async move { driver.send(&call(&["b"]), &Open::default()).await });
    }
    calls.join_all().await.iter().for_each(support::assert_sent);
    server.read(|received| assert_eq!((received.tokens_given, received.calls), (2, 22)));
    // A provider that takes no token at all is not asked for ever.
    server.script(Behaviour::new(Action::Refuse(40014)));
    let failure = failed(processes[0].send(&call(&["c"]), &Open::default()).await);
    assert_eq!((failure.class, failure.code.as_str()), (Class::Account, "40014"));
    server.read(|received| assert_eq!(received.answers[&40014], 2));
    correct(&server);
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_and_again() {
    let server = wecom::start(wecom::Options::default()).await.unwrap();
    let processes = processes(&server, 2);
    server.script(Behaviour::new(Action::RefuseToken(40001)));
    for n in 0..6 {
        let failure = failed(processes[n % 2].send(&call(&["a"]), &Open::default()).await);
        assert_eq!((failure.class, failure.code.as_str()), (Class::Account, "40001"));
    }
    server.read(|received| assert_eq!((received.tokens_refused, received.calls), (1, 0)));
}

#[tokio::test]
async fn answers_mean_what_the_provider_says() {
    let (server, driver) = start().await;
    let cases = [
        (Action::Refuse(45009), Class::RateLimited, Some(60)),
        (Action::Refuse(45033), Class::RateLimited, Some(5)),
        (Action::Refuse(-1), Class::Transient, Some(5)),
        (Action::Refuse(60020), Class::Account, None),
        (Action::Refuse(85002), Class::PermanentRequest, None),
        (Action::Gateway(502), Class::Unknown, None),
        (Action::Gateway(404), Class::Transient, None),
    ];
    for (action, class, wait) in cases {
        let what = format!("{action:?}");
        server.script(Behaviour::new(action).times(1));
        let failure = failed(driver.send(&call(&["a"]), &Open::default()).await);
        assert_eq!((failure.class, failure.retry_after.map(|wait| wait.as_secs())), (class, wait), "{what}");
    }
    correct(&server);
}

#[tokio::test]
async fn no_answer_in_time_is_unknown_and_no_connection_is_not() {
    let (server, driver) = start().await;
    server.script(Behaviour::new(Action::StallAfterAccepting(Duration::from_secs(30))).times(1));
    let begun = Instant::now();
    let failure = failed(driver.send(&call(&["a"]), &Open::default()).await);
    assert_eq!((failure.class, failure.reason), (Class::Unknown, Reason::Timeout));
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.read(|received| assert_eq!(received.deliveries, 1));
    assert_eq!(driver.send(&call(&["b"]), &Shut).await, Verdict::NotStarted);
    drop(server);
    let gone = wecom::start(wecom::Options::default()).await.unwrap();
    let driver = processes(&gone, 1).remove(0);
    drop(gone);
    let failure = failed(driver.send(&call(&["a"]), &Open::default()).await);
    assert_eq!(failure.class, Class::Transient, "{failure:?}");
    for secret in ["canary-secret", "corpsecret", "access_token"] {
        assert!(!failure.detail.contains(secret), "{}", failure.detail);
    }
}

#[tokio::test]
async fn a_personal_message_never_goes_to_two_people_at_once() {
    let (server, driver) = start().await;
    let mut call = call(&["a", "b"]);
    call.message = support::message(support::text("Hello {{ name }}"));
    call.to[1].name = Some("Han".to_owned());
    let failure = failed(driver.send(&call, &Open::default()).await);
    assert_eq!((failure.class, failure.code.as_str()), (Class::PermanentRequest, "content"));
    call.to.truncate(1);
    support::assert_sent(&driver.send(&call, &Open::default()).await);
    server.read(|received| assert_eq!(received.first[0].content, "停水通知\nHello 李雷"));
    assert_eq!(provider("wecom-app").unwrap().spec().personal, 1);
}

#[tokio::test]
async fn verifying_names_the_wrong_field() {
    let (server, driver) = start().await;
    driver.verify().await.unwrap();
    let deps = support::deps(support::net());
    let cases = [
        ("/secret/corp_secret", json!({}), json!({"corp_secret": "wrong"})),
        ("/settings/corp_id", json!({"corp_id": "other"}), json!({"corp_secret": "canary-secret"})),
        ("/settings/agent_id", json!({"agent_id": 7}), json!({"corp_secret": "canary-secret"})),
        (
            "/settings/base_url",
            json!({"base_url": "http://127.0.0.1:1"}),
            json!({"corp_secret": "canary-secret"}),
        ),
    ];
    for (pointer, change, secret) in cases {
        let mut settings = settings(&server);
        settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let driver =
            provider("wecom-app").unwrap().open(support::account(settings, secret), &deps).ok().unwrap();
        let problem = driver.verify().await.unwrap_err();
        assert_eq!(problem.pointer, pointer, "{}", problem.detail);
        assert!(!problem.detail.contains("secret"), "{}", problem.detail);
    }
    server.read(|received| assert_eq!(received.calls, 0));
}
