use serde_json::{Value, json};

use super::*;

fn read(settings: Value, secret: Value) -> Result<Settings, Vec<String>> {
    let account = Account {
        id: 1,
        version: 1,
        tenant_id: 1,
        name: "mail".to_owned(),
        settings,
        secret,
        concurrency: None,
    };
    let net = NetPolicy::new(vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
    Settings::read(&account, &net)
        .map_err(|problems| problems.into_iter().map(|problem| problem.pointer).collect())
}

fn good() -> Value {
    json!({"host": "mail.example.org", "port": 587, "tls": "starttls", "from": "Herald <herald@example.org>"})
}

fn with(field: &str, value: Value) -> Value {
    let mut settings = good();
    settings[field] = value;
    settings
}

#[test]
fn good_settings_are_read() {
    let settings = read(good(), json!({"username": "u", "password": "p"})).ok().unwrap();
    assert_eq!(settings.port, 587);
    assert_eq!(settings.from.to_string(), "Herald <herald@example.org>");
    assert_eq!(settings.patience.dot, Duration::from_secs(600));
    assert_eq!(settings.patience.command, Duration::from_secs(60));
    let hasty = read(with("timeout_ms", json!(1500)), Value::Null).ok().unwrap();
    assert_eq!(hasty.patience.dot, Duration::from_millis(1500));
    assert_eq!(hasty.patience.command, Duration::from_millis(1500));
}

#[test]
fn every_problem_is_reported_with_its_pointer() {
    let nothing = read(json!({}), json!({"username": "u", "pin": 1})).err().unwrap();
    let expected = [
        "/settings/host",
        "/settings/port",
        "/settings/tls",
        "/settings/from",
        "/secret/password",
        "/secret/pin",
    ];
    assert_eq!(nothing, expected);
    let cases = [
        ("host", json!("169.254.169.254")),
        ("host", json!("0xa9fea9fe")),
        ("host", json!("mail.example.org:25")),
        ("host", json!("mail example")),
        ("port", json!(0)),
        ("port", json!(65536)),
        ("port", json!("25")),
        ("tls", json!("ssl")),
        ("tls", json!(true)),
        ("from", json!("Herald")),
        ("from", json!("a@b@")),
        ("from", json!("x\r\nBcc: y <herald@example.org>")),
        ("reply_to", json!("nobody")),
        ("helo", json!("a b")),
        ("timeout_ms", json!(999)),
        ("timeout_ms", json!(600_001)),
        ("ca_pem", json!("none")),
        ("starttls", json!(true)),
    ];
    for (field, value) in cases {
        let problems = read(with(field, value.clone()), Value::Null).err().unwrap_or_default();
        assert_eq!(problems, [format!("/settings/{field}")], "{value}");
    }
}

#[test]
fn credentials_never_go_over_clear_text_to_another_machine() {
    let secret = json!({"username": "u", "password": "p"});
    for (host, allowed) in [("127.0.0.1", true), ("localhost", true), ("10.0.0.1", false), ("mx.test", false)]
    {
        let mut settings = with("host", json!(host));
        settings["tls"] = json!("none");
        assert!(read(settings.clone(), Value::Null).is_ok(), "{host} without credentials");
        assert_eq!(read(settings, secret.clone()).is_ok(), allowed, "{host}");
    }
}

#[test]
fn hosts_come_in_their_plain_form() {
    for (given, plain) in
        [("127.1", "127.0.0.1"), ("MX.Example.org", "mx.example.org"), ("例子.test", "xn--fsqu00a.test")]
    {
        assert_eq!(read(with("host", json!(given)), Value::Null).ok().unwrap().host, plain);
    }
}

#[test]
fn sender_names_are_read_in_their_usual_forms() {
    let cases = [
        ("herald@example.org", None),
        ("<herald@example.org>", None),
        ("\"Herald, Inc.\" <herald@example.org>", Some("Herald, Inc.")),
        ("通知 <herald@example.org>", Some("通知")),
    ];
    for (text, name) in cases {
        let settings = read(with("from", json!(text)), Value::Null).ok().unwrap();
        assert_eq!(settings.from.name.as_deref(), name, "{text}");
        assert_eq!(settings.from.email.to_string(), "herald@example.org");
    }
}

#[test]
fn auth_plain_equals_the_vector() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/vectors/smtp.json")).unwrap();
    let row = rows.iter().find(|row| row["name"] == "auth-plain-rfc4616").unwrap();
    let text = |name: &str| row["inputs"][name].as_str().unwrap().to_owned();
    let credentials = Credentials { username: text("username"), password: text("password") };
    assert_eq!(credentials.plain(), row["expected"]["initial_response"].as_str().unwrap());
}
