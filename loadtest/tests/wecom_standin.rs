//! The WeCom stand-in against reqwest: what it takes, what it refuses as a violation, what it only refuses, and its memory.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use herald_loadtest::standins::wecom::{self, Action, App, Behaviour, Handle, Options};
use serde_json::{Value, json};

fn client() -> reqwest::Client {
    // A second test may have installed it already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

async fn read(request: reqwest::RequestBuilder) -> Value {
    let text = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn log_in(server: &Handle, corp_id: &str, secret: &str) -> Value {
    read(client().get(format!("{}/cgi-bin/gettoken?corpid={corp_id}&corpsecret={secret}", server.url())))
        .await
}

async fn token(server: &Handle) -> String {
    let App { corp_id, secret, .. } = App::default();
    log_in(server, &corp_id, &secret).await["access_token"].as_str().unwrap().to_owned()
}

fn post(server: &Handle, token: &str, body: &str) -> reqwest::RequestBuilder {
    let url = format!("{}/cgi-bin/message/send?access_token={token}", server.url());
    client().post(url).header("content-type", "application/json").body(body.to_owned())
}

async fn send(server: &Handle, token: &str, body: &Value) -> Value {
    read(post(server, token, &body.to_string())).await
}

fn text(to: &str) -> Value {
    json!({"touser": to, "agentid": 1_000_002, "msgtype": "text", "text": {"content": "hi"}})
}

fn with(changes: Value) -> Value {
    let mut body = text("a");
    for (name, value) in changes.as_object().unwrap().clone() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(&name);
        } else {
            body[name] = value;
        }
    }
    body
}

#[tokio::test]
async fn a_good_message_reaches_its_members_and_names_the_others() {
    let server = wecom::start(Options::default()).await.unwrap();
    server.invalid_user("Nobody");
    server.unlicensed_user("han");
    let token = token(&server).await;
    assert_eq!(self::token(&server).await, token, "the same token while it is valid");
    let answer = send(&server, &token, &text("li|Nobody|han|wei")).await;
    assert_eq!((&answer["errcode"], &answer["invaliduser"]), (&json!(0), &json!("nobody")));
    assert_eq!(answer["unlicenseduser"], "han");
    let card = json!({"title": "t", "description": "d", "url": "https://x.example"});
    let card = with(json!({"msgtype": "textcard", "text": null, "textcard": card}));
    assert_eq!(send(&server, &token, &card).await["errcode"], 0);
    let none = send(&server, &token, &text("nobody")).await;
    assert_eq!((&none["errcode"], &none["invaliduser"]), (&json!(81013), &json!("nobody")));
    assert_eq!(send(&server, &token, &text("li")).await["errcode"], 0);
    server.read(|received| {
        assert_eq!(received.violations, Vec::<String>::new());
        assert_eq!((received.calls, received.deliveries, received.refused_people), (3, 4, 2));
        assert_eq!((received.duplicates, received.times("LI", "hi"), received.times("wei", "hi")), (1, 2, 1));
    });
}

#[tokio::test]
async fn what_only_a_wrong_client_sends_is_a_violation() {
    let server = wecom::start(Options::default()).await.unwrap();
    let token = token(&server).await;
    let many: Vec<String> = (0..1001).map(|n| format!("u{n}")).collect();
    let cases = [
        (json!({"touser": null}), 82001),
        (json!({"touser": many.join("|")}), 40032),
        (json!({"touser": "@all"}), 60011),
        (json!({"touser": "a||b"}), 40003),
        (json!({"touser": "a|A"}), 40031),
        (json!({"toparty": "1"}), 82002),
        (json!({"agentid": null}), 41011),
        (json!({"agentid": "x"}), 40056),
        (json!({"agentid": 7}), 301_002),
        (json!({"msgtype": "smoke"}), 40008),
        (json!({"text": null}), 40063),
        (json!({"text": {"content": ""}}), 44004),
        (json!({"text": {"content": "x".repeat(2049)}}), 45002),
        (json!({"msgtype": "textcard", "text": null, "textcard": {"title": "t", "description": "d"}}), 40063),
    ];
    let mut expected = Vec::new();
    for (changes, errcode) in cases {
        assert_eq!(send(&server, &token, &with(changes)).await["errcode"], errcode);
        expected.push(errcode.to_string());
    }
    let whole = text("a").to_string();
    let others = [
        (post(&server, &token, "{"), 47001),
        (post(&server, &token, &whole.replace("hi", r"\u0041")), 40033),
        (
            client().post(format!("{}/cgi-bin/message/send?access_token={token}", server.url())).body(whole),
            47001,
        ),
        (client().get(format!("{}/cgi-bin/message/send?access_token={token}", server.url())), 43002),
        (client().post(format!("{}/cgi-bin/gettoken?corpid=x&corpsecret=y", server.url())), 43001),
        (client().get(format!("{}/cgi-bin/gettoken?corpid=x", server.url())), 41002),
    ];
    for (request, errcode) in others {
        assert_eq!(read(request).await["errcode"], errcode);
        expected.push(errcode.to_string());
    }
    server.read(|received| {
        let found: Vec<&str> = received.violations.iter().map(|v| v.split(' ').next().unwrap()).collect();
        assert_eq!(found, expected);
        assert_eq!(received.calls, 0);
    });
}

#[tokio::test]
async fn credentials_and_tokens_are_checked_without_blaming_the_client() {
    let life = Duration::from_secs(60);
    let server = wecom::start(Options { token_life: life, ..Options::default() }).await.unwrap();
    assert_eq!(log_in(&server, "other", "canary-secret").await["errcode"], 40013);
    assert_eq!(log_in(&server, "ww-canary", "wrong").await["errcode"], 40001);
    let old = token(&server).await;
    assert_eq!(send(&server, "made-up", &text("a")).await["errcode"], 40014);
    server.expire_tokens();
    assert_eq!(send(&server, &old, &text("a")).await["errcode"], 42001);
    let fresh = token(&server).await;
    assert_ne!(old, fresh);
    assert_eq!(send(&server, &fresh, &text("a")).await["errcode"], 0);
    server.read(|received| {
        assert_eq!((received.tokens_given, received.tokens_refused), (2, 2));
        assert_eq!(received.violations, Vec::<String>::new());
    });
}

#[tokio::test]
async fn scripts_act_per_app_and_are_used_up() {
    let second = App { secret: "second".to_owned(), agent_id: 7, ..App::default() };
    let apps = vec![App::default(), second];
    let server = wecom::start(Options { apps, ..Options::default() }).await.unwrap();
    let (first, second) = (
        token(&server).await,
        log_in(&server, "ww-canary", "second").await["access_token"].as_str().unwrap().to_owned(),
    );
    server.script_for(7, Behaviour::throttle().times(1));
    let other = with(json!({"agentid": 7}));
    assert_eq!(send(&server, &first, &text("a")).await["errcode"], 0);
    assert_eq!(send(&server, &second, &other).await["errcode"], 45009);
    assert_eq!(send(&server, &second, &other).await["errcode"], 0);
    server.script(Behaviour::new(Action::DropSilently).times(1));
    assert_eq!(send(&server, &first, &text("b")).await["errcode"], 0);
    server.script(Behaviour::new(Action::ExpireTokens).times(1));
    assert_eq!(send(&server, &first, &text("c")).await["errcode"], 42001);
    assert_eq!(send(&server, &first, &text("c")).await["errcode"], 42001, "it has lapsed for good");
    server.read(|received| assert_eq!((received.dropped, received.times("b", "hi")), (1, 0)));
}

#[tokio::test]
async fn beyond_a_members_limit_it_drops_in_silence() {
    let member_limits = vec![(Duration::from_secs(3600), 3)];
    let server = wecom::start(Options { member_limits, ..Options::default() }).await.unwrap();
    let token = token(&server).await;
    for n in 0..5 {
        let body =
            with(json!({"touser": if n == 0 { "a|b" } else { "a" }, "text": {"content": n.to_string()}}));
        assert_eq!(send(&server, &token, &body).await["errcode"], 0);
    }
    server.read(|received| assert_eq!((received.deliveries, received.dropped), (4, 2)));
}

#[tokio::test]
async fn a_hundred_thousand_people_are_told_apart() {
    let server = wecom::start(Options::default()).await.unwrap();
    let token = token(&server).await;
    for call in 0..100 {
        let users: Vec<String> = (0..1000).map(|n| format!("u{}", call * 1000 + n)).collect();
        assert_eq!(send(&server, &token, &text(&users.join("|"))).await["errcode"], 0);
    }
    assert_eq!(send(&server, &token, &text("U99999|fresh")).await["errcode"], 0);
    server.read(|received| {
        assert_eq!((received.deliveries, received.distinct(), received.duplicates), (100_002, 100_001, 1));
        assert_eq!(received.times("u99999", "hi"), 2);
        assert_eq!(received.first.len(), 100);
    });
}

#[tokio::test]
async fn messages_are_taken_back_by_the_id_they_were_given() {
    let server = wecom::start(Options::default()).await.unwrap();
    let token = token(&server).await;
    send(&server, &token, &text("a")).await;
    let recall = async |body: &str| {
        let url = format!("{}/cgi-bin/message/recall?access_token={token}", server.url());
        let request = client().post(url).header("content-type", "application/json").body(body.to_owned());
        read(request).await["errcode"].as_i64().unwrap()
    };
    assert_eq!(recall(r#"{"msgid": "standin-1"}"#).await, 0);
    server.read(|received| assert!(received.violations.is_empty() && received.recalled.contains(&1)));
    for wrong in
        [r#"{"msgid": "standin-2"}"#, r#"{"msgid": "x"}"#, r#"{"msgid": "standin-1", "agentid": "1"}"#, "[]"]
    {
        assert_eq!(recall(wrong).await, 40058, "{wrong}");
    }
    server.read(|received| assert_eq!((received.violations.len(), received.recalled.len()), (4, 1)));
}
