//! The main job: accepted, and there.

use herald_loadtest::standins::webhook;
use herald_tests::{Options, SOON};
use serde_json::json;

use crate::support::{assert_correct, start, start_mail};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_plan_arrives_by_mail_in_chinese_and_english() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    let plan = tenant
        .send(&json!({
            "title": "Canary 停水通知 Water is off",
            "content": {"text": "您好 {{ name }}，canary 14:00 停水。", "html": "<p>Hello {{ name }}, canary no water in {{ room }}.</p>"},
            "recipients": [{"name": "李雷 Li Lei", "email": "canary-li@example.org", "variables": {"room": "<301>"}}],
            "priority": "urgent",
        }))
        .await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 1, "{finished}");
    assert_eq!(finished["recipients"]["reached"], 1, "{finished}");
    assert!(finished["started_at"].is_string() && finished["finished_at"].is_string(), "{finished}");
    let delivery = tenant.delivery(&plan).await;
    assert_eq!(delivery["status"], "sent");
    assert_eq!(delivery["attempts"][0]["outcome"], "sent", "{delivery}");
    assert_correct(&server);
    let received = server.received();
    let mail = &received.first[0];
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("canary-sender@example.org", &["canary-li@example.org".to_owned()][..])
    );
    let id = delivery["id"].as_str().unwrap();
    assert!(mail.header("Message-ID").unwrap().contains(id), "the Message-ID names the delivery");
    assert_eq!(mail.header("MIME-Version").as_deref(), Some("1.0"));
    assert!(mail.header("Date").is_some() && mail.header("To").is_some());
    assert!(mail.header("From").unwrap().contains("Herald"));
    let subject = mail.header("Subject").unwrap();
    assert!(subject.is_ascii() && subject.contains("=?utf-8?"), "{subject}");
    assert!(mail.header("Content-Type").unwrap().starts_with("multipart/alternative"));
    let body = decoded_parts(mail.body());
    assert!(body.contains("您好 李雷 Li Lei，canary 14:00 停水。"), "{body}");
    assert!(body.contains("Hello 李雷 Li Lei, canary no water in &lt;301&gt;."), "{body}");
    system.finish().await;
}

/// The parts of a multipart body as text, whatever their transfer encoding.
fn decoded_parts(body: &[u8]) -> String {
    use base64::Engine as _;
    let text = String::from_utf8_lossy(body).into_owned();
    let mut all = String::new();
    for part in text.split("\r\n--") {
        let (head, content) = part.split_once("\r\n\r\n").unwrap_or((part, ""));
        let head = head.to_lowercase();
        if head.contains("base64") {
            let packed: String = content.split_whitespace().collect();
            let bytes = base64::engine::general_purpose::STANDARD.decode(packed).unwrap();
            all += &String::from_utf8_lossy(&bytes);
        } else if head.contains("quoted-printable") {
            all += &unquoted(content);
        } else {
            all += content;
        }
    }
    all
}

fn unquoted(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut pieces = joined.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_plan_arrives_by_webhook_with_a_good_signature() {
    let key = webhook::Key::random();
    let server = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    let (system, tenant) = start(Options::default()).await;
    tenant.webhook(key.text()).await;
    let plan = tenant
        .send(&json!({
            "title": "Canary hook", "content": {"text": "Hello {{ name }} 你好 {{ 房间 }} canary"}, "channels": ["webhook"],
            "recipients": [{"key": "canary-1", "name": "Han", "url": server.url("/canary"), "variables": {"房间": "301"}}],
            "metadata": {"ticket": "canary-42"}, "priority": "urgent",
        }))
        .await;
    tenant.until(&plan, "finished", SOON).await;
    let received = server.received();
    assert_eq!(received.violations, Vec::<String>::new());
    let delivery = tenant.delivery(&plan).await;
    let request = &received.first[0];
    assert_eq!(request.id, delivery["id"].as_str().unwrap());
    let body = request.json().unwrap();
    assert_eq!(body["text"], "Hello Han 你好 301 canary");
    assert_eq!(body["metadata"]["ticket"], "canary-42");
    assert_eq!(body["plan"], plan.id);
    assert_eq!(body["number"], plan.body["number"]);
    assert_eq!(body["priority"], "urgent");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_plan_arrives_in_the_inbox() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = tenant
        .send(&json!({
            "title": "Canary inbox", "content": {"text": "Hello {{ name }} canary"}, "channels": ["inbox"],
            "recipients": [{"key": "canary-han", "name": "韩梅梅"}, {"name": "Li", "ids": {"inbox": "canary-li"}}],
        }))
        .await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 2, "{finished}");
    for (owner, text) in [("canary-han", "Hello 韩梅梅 canary"), ("canary-li", "Hello Li canary")] {
        let items = tenant.http.all(&format!("/v1/inbox/{owner}")).await;
        assert_eq!(items.len(), 1, "{owner}");
        assert_eq!(items[0]["text"], text);
        assert_eq!(items[0]["title"], "Canary inbox");
        assert_eq!(items[0]["plan"], plan.id);
    }
    assert!(tenant.http.all("/v1/inbox/canary-nobody").await.is_empty());
    system.finish().await;
}
