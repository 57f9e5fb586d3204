//! Bad input gets a clear answer and harms nothing.

use herald_tests::{Answer, Options, SOON};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{mail, start_mail};

const TO: &str = "canary-1@example.org";

/// A request, the status it deserves, and the places that are wrong.
struct Case {
    what: &'static str,
    body: Vec<u8>,
    status: u16,
    pointers: Vec<String>,
}

fn raw(what: &'static str, body: impl Into<Vec<u8>>, status: u16, pointers: &[&str]) -> Case {
    Case { what, body: body.into(), status, pointers: pointers.iter().map(ToString::to_string).collect() }
}

/// A good plan with changes at its top level.
fn with(what: &'static str, changes: Value, pointers: &[&str]) -> Case {
    let mut body = mail([TO]);
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    raw(what, body.to_string(), 422, pointers)
}

/// A good plan to this recipient.
fn to(what: &'static str, recipient: Value, pointers: &[&str]) -> Case {
    with(what, json!({"recipients": [recipient]}), pointers)
}

fn shapes() -> Vec<Case> {
    let escaped = |text: &str| mail([TO]).to_string().replace("Canary title", text);
    vec![
        raw("nothing", "", 400, &[]),
        raw("malformed JSON", "{\"title\": \"x\",", 400, &[]),
        raw("two values", format!("{} {{}}", mail([TO])), 400, &[]),
        raw("not UTF-8", b"{\"title\": \"\xff\"}".to_vec(), 400, &[]),
        raw("not an object", "[]", 422, &[""]),
        raw("an empty object", "{}", 422, &["/content", "/recipients", "/title"]),
        raw("a NUL byte", escaped("nul \\u0000"), 422, &["/title"]),
        raw("a lone surrogate", escaped("lone \\ud800"), 422, &["/title"]),
        raw(
            "a field twice",
            mail([TO]).to_string().replacen('{', "{\"title\": \"x\", ", 1),
            422,
            &["/title"],
        ),
        raw("a million brackets", "[".repeat(1_000_000), 400, &[]),
        with("unknown fields", json!({"colour": 1, "reccurence": {}}), &["/colour", "/reccurence"]),
        with("reserved words", json!({"audience": "all", "quiet": true}), &["/audience", "/quiet"]),
        with(
            "wrong types",
            json!({"title": 5, "content": [], "priority": 7}),
            &["/content", "/priority", "/title"],
        ),
        with(
            "wrong words",
            json!({"priority": "soon", "on_unknown": "guess"}),
            &["/on_unknown", "/priority"],
        ),
        with("an empty title", json!({"title": ""}), &["/title"]),
        with("header injection in the title", json!({"title": "x\r\nBcc: canary@example.org"}), &["/title"]),
        with(
            "header injection in the subject",
            json!({"content": {"text": "x", "subject": "x\nBcc: y"}}),
            &["/content/subject"],
        ),
        with("content without text", json!({"content": {"subject": "x"}}), &["/content"]),
        with("a template that does not parse", json!({"content": {"text": "{{ name"}}), &["/content/text"]),
        with("no metadata object", json!({"metadata": "x"}), &["/metadata"]),
        with("a reference too long", json!({"reference": "x".repeat(129)}), &["/reference"]),
    ]
}

fn times_and_channels() -> Vec<Case> {
    let ago = |seconds| (Timestamp::now() - SignedDuration::from_secs(seconds)).to_string();
    vec![
        with("send_at beyond a minute ago", json!({"send_at": ago(70)}), &["/send_at"]),
        with("send_at without offset", json!({"send_at": "2030-01-01T00:00:00"}), &["/send_at"]),
        with("expires_at in the past", json!({"expires_at": ago(1)}), &["/expires_at"]),
        with("an unknown channel", json!({"channels": ["email", "pigeon"]}), &["/channels/1"]),
        with("a channel twice", json!({"channels": ["email", "email"]}), &["/channels/1"]),
        with(
            "a channel without an enabled account",
            json!({"channels": ["email", "webhook", "sms"]}),
            &["/channels/1", "/channels/2"],
        ),
        with("no channel", json!({"channels": []}), &["/channels"]),
        with(
            "channels and tiers",
            json!({"channels": ["email"], "tiers": [{"channels": ["email"]}]}),
            &["/tiers"],
        ),
        with(
            "an unknown field in a tier",
            json!({"tiers": [{"channels": ["email"], "repeat": 2}]}),
            &["/tiers/0/repeat"],
        ),
    ]
}

fn recipients() -> Vec<Case> {
    let many: Vec<String> = (0..10_001).map(|no| format!("canary-{no}@example.org")).collect();
    let bad = [
        "canary@",
        "canary@@example.org",
        "@example.org",
        "canary example.org",
        "canary@example.org\r\nRCPT TO:<x@example.org>",
    ];
    let mut mixed: Vec<Value> = bad.iter().map(|address| json!({"email": address})).collect();
    mixed.extend([json!("nonsense"), json!("+0123"), json!(5), json!({"name": "nobody"})]);
    mixed.insert(2, json!(TO));
    let pointers = [
        "/recipients/0/email",
        "/recipients/1/email",
        "/recipients/3/email",
        "/recipients/4/email",
        "/recipients/5/email",
    ];
    let pointers: Vec<&str> = pointers
        .into_iter()
        .chain(["/recipients/6", "/recipients/7", "/recipients/8", "/recipients/9"])
        .collect();
    let wants_room = |recipient: Value| json!({"content": {"text": "{{ room }}"}, "recipients": [{"email": TO, "variables": {"room": 1}}, recipient]});
    vec![
        with("an empty audience", json!({"recipients": []}), &["/recipients"]),
        with("10,001 recipients", json!({"recipients": many}), &["/recipients"]),
        with("bad addresses, all of them", json!({"recipients": mixed}), &pointers),
        to(
            "header injection in a name",
            json!({"email": TO, "name": "x\r\nBcc: y"}),
            &["/recipients/0/name"],
        ),
        to("an unknown field", json!({"email": TO, "phon": "+8613800138000"}), &["/recipients/0/phon"]),
        to(
            "NUL in a variable",
            json!({"email": TO, "variables": {"a": ["x\u{0}"]}}),
            &["/recipients/0/variables/a/0"],
        ),
        to("a phone number that is none", json!({"phone": "13800138000"}), &["/recipients/0/phone"]),
        to(
            "a time zone that is none",
            json!({"email": TO, "time_zone": "Mars/Phobos"}),
            &["/recipients/0/time_zone"],
        ),
        with(
            "a variable that somebody lacks",
            wants_room(json!({"email": "canary-2@example.org"})),
            &["/recipients/1"],
        ),
        with(
            "one person with two sets of variables",
            json!({"recipients": [{"key": "canary", "email": TO, "variables": {"a": 1}}, {"key": "canary", "variables": {"a": 2}}]}),
            &["/recipients/1"],
        ),
    ]
}

/// Every form of addresses that must not be called, where the URL is a literal.
fn targets() -> Vec<Case> {
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://192.168.1.1:8443/x",
        "https://[fd00::1]/",
        "http://93.184.216.34/",
        "ftp://example.org/",
        "https://",
    ]
    .map(|url| to("a target that must not be called", json!({"url": url}), &["/recipients/0/url"]))
    .into()
}

fn check(case: &Case, answer: &Answer) {
    assert_eq!(answer.status, case.status, "{}: {}", case.what, answer.text);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{}", case.what);
    let body = answer.json();
    assert_eq!(body["status"], case.status, "{}", case.what);
    for field in ["type", "title", "detail", "request_id"] {
        assert!(body[field].is_string(), "{}: no {field} in {}", case.what, answer.text);
    }
    if case.status == 422 {
        let mut pointers = case.pointers.clone();
        pointers.sort();
        assert_eq!(answer.pointers(), pointers, "{}: {}", case.what, answer.text);
    }
    assert!(
        !answer.text.to_lowercase().contains("canary"),
        "{}: an answer repeats what it was given: {}",
        case.what,
        answer.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_plan_is_refused_with_all_its_problems_and_leaves_no_trace() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    for case in shapes().iter().chain(&times_and_channels()).chain(&recipients()).chain(&targets()) {
        let headers = [("idempotency-key", "used for none of them")];
        let answer = tenant.http.call(Method::POST, "/v1/plans", &headers, Some(case.body.clone())).await;
        check(case, &answer);
    }
    for table in ["plan", "recipient", "delivery", "job", "idempotency"] {
        let rows = system.database.number(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows, 0, "{table} holds something");
    }
    // And it still works.
    let plan = tenant.send(&mail([TO])).await;
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(server.read(|received| received.mails), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_unread_whether_or_not_it_says_so() {
    let (system, tenant, _server) = start_mail(Options::default()).await;
    let mut body = mail([TO]);
    body["metadata"] = json!({"x": "y".repeat(20 * 1024 * 1024)});
    let body = body.to_string().into_bytes();
    let refused = tenant.http.try_call(Method::POST, "/v1/plans", &[], Some(body)).await;
    // A server may answer and close while the client still writes; then the client may see either.
    if let Ok(answer) = refused {
        assert_eq!(answer.status, 413, "{}", answer.text);
    }
    let chunked = raw_chunked(tenant.http.base(), tenant.http.key(), 20 * 1024 * 1024).await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    assert_eq!(system.database.number("SELECT count(*) FROM plan").await, 0);
    system.finish().await;
}

/// POSTs at least `bytes` bytes without saying how many; the first line of the answer.
async fn raw_chunked(base: &str, key: &str, bytes: usize) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stream = tokio::net::TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let head = format!(
        "POST /v1/plans HTTP/1.1\r\nhost: herald\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let writing = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await?;
        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
        for _ in 0..bytes / 0x10000 {
            writer.write_all(chunk.as_bytes()).await?;
        }
        // Given back, because dropping it would hang up.
        std::io::Result::Ok(writer)
    });
    let mut answer = vec![0; 4096];
    let length = reader.read(&mut answer).await.unwrap();
    drop(writing);
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_get_a_problem_and_never_a_500() {
    let (system, tenant, _server) = start_mail(Options::default()).await;
    let http = &tenant.http;
    let body = || Some(mail([TO]).to_string().into_bytes());
    let nil = "00000000-0000-0000-0000-000000000000";
    let cases = [
        (http.call(Method::POST, "/v1/plans", &[("content-type", "text/plain")], body()).await, 415),
        (http.call(Method::POST, "/v1/plans", &[("idempotency-key", "")], body()).await, 422),
        (http.call(Method::POST, "/v1/plans", &[("idempotency-key", &"x".repeat(256))], body()).await, 422),
        (http.call(Method::PUT, "/v1/plans", &[], body()).await, 405),
        (http.get("/v1/nothing").await, 404),
        (http.get("/v1/plans/nothing").await, 404),
        (http.get(&format!("/v1/plans/{nil}")).await, 404),
        (http.get("/v1/plans/01a20030-b6bf-76eb-a63b-1b8aa58118d9").await, 404),
        (http.get("/v1/deliveries/01a20030-b6bf-76eb-a63b-1b8aa58118d9").await, 404),
        (http.get("/v1/plans?limit=0").await, 422),
        (http.get("/v1/plans?limit=501").await, 422),
        (http.get("/v1/plans?cursor=nonsense").await, 422),
        (http.get("/v1/plans?status=lost").await, 422),
        (http.get("/v1/plans?q=%00").await, 422),
        (http.get("/v1/plans?colour=red").await, 422),
        (http.get("/v1/plans?created_after=yesterday").await, 422),
        (http.get("/v1/inbox/%00").await, 422),
    ];
    for (number, (answer, status)) in cases.iter().enumerate() {
        assert_eq!(answer.status, *status, "case {number}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "case {number}");
    }
    system.finish().await;
}
