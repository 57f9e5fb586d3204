use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_shared::domain::ids::PlanRef;
use herald_shared::domain::{Channel, Content, Lane, Slot, Steps, template};
use serde_json::{Map, Value, json};

use super::*;
use crate::{Account, Message, NetPolicy};

fn settings() -> Settings {
    let settings = json!({"host": "mail.test", "port": 25, "tls": "none", "from": "停水通知 <herald@example.org>",
        "reply_to": "desk@example.org"});
    let account = Account {
        id: 1,
        version: 1,
        tenant_id: 1,
        name: "m".to_owned(),
        settings,
        secret: Value::Null,
        concurrency: None,
    };
    Settings::read(&account, &NetPolicy::new(Vec::new())).ok().unwrap()
}

fn call(title: &str, content: Content, name: Option<&str>) -> Call {
    let message = Message {
        plan: PlanRef { created_ms: 1_795_000_000_000, id: 7 },
        tenant_id: 1,
        title: title.to_owned(),
        content: template::compile(&content, title).unwrap(),
        lane: Lane::Normal,
        steps: Steps::default(),
        metadata: None,
        acknowledgement: None,
        attachments: Vec::new(),
        asks: false,
        protected: false,
        links: None,
    };
    let variables: Map<String, Value> = json!({"room": "三〇一"}).as_object().unwrap().clone();
    let target = Target {
        no: 3,
        key: None,
        name: name.map(str::to_owned),
        address: "li@example.org".to_owned(),
        variables: Some(variables),
    };
    Call { message: Arc::new(message), slot: Slot::new(1, Channel::Email), attempt: 1, to: vec![target] }
}

fn content(text: Option<&str>, html: Option<&str>, link: Option<&str>) -> Content {
    Content {
        subject: None,
        text: text.map(str::to_owned),
        html: html.map(str::to_owned),
        link: link.map(str::to_owned),
        ..Content::default()
    }
}

fn build(call: &Call) -> String {
    String::from_utf8(Mail::build(&settings(), call, Vec::new()).unwrap().data).unwrap()
}

/// A header's value, unfolded, encoded words decoded.
fn header(mail: &str, name: &str) -> String {
    let unfolded = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let line = unfolded.split("\r\n").find(|line| line.starts_with(&format!("{name}: "))).unwrap_or_default();
    let value = line.split_once(": ").unwrap_or_default().1;
    // White space between encoded words does not count (RFC 2047 6.2).
    value.replace("?= =?utf-8?b?", "").split("=?utf-8?b?").map(decode_word).collect()
}

fn decode_word(piece: &str) -> String {
    match piece.split_once("?=") {
        Some((encoded, rest)) => String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap() + rest,
        None => piece.to_owned(),
    }
}

#[test]
fn headers_are_complete_and_readable_again() {
    let call = call("停水：三号楼 Building 3", content(Some("hi"), None, None), Some("李雷 \"Leo\""));
    let mail = build(&call);
    assert_eq!(header(&mail, "Subject"), "停水：三号楼 Building 3");
    assert_eq!(header(&mail, "From"), "停水通知 <herald@example.org>");
    assert_eq!(header(&mail, "Reply-To"), "desk@example.org");
    assert!(header(&mail, "To").ends_with(" <li@example.org>"), "{}", header(&mail, "To"));
    assert_eq!(header(&mail, "Message-ID"), format!("<{}@example.org>", call.delivery(&call.to[0])));
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&mail, "MIME-Version"), "1.0");
    assert!(header(&mail, "Date").ends_with(" +0000"));
    assert!(mail.is_ascii(), "nothing needs 8BITMIME");
    assert!(mail.ends_with("\r\n.\r\n"));
}

#[test]
fn text_comes_before_html_and_both_are_decodable() {
    let call = call(
        "t",
        content(Some("水 {{ room }}，{{ name }}"), Some("<p>水 {{ room }}</p>"), None),
        Some("李雷"),
    );
    let mail = build(&call);
    assert!(header(&mail, "Content-Type").starts_with("multipart/alternative; boundary="));
    let plain = mail.find("Content-Type: text/plain; charset=utf-8").unwrap();
    let html = mail.find("Content-Type: text/html; charset=utf-8").unwrap();
    assert!(plain < html);
    let bodies: Vec<String> = mail
        .split("Content-Transfer-Encoding: base64\r\n\r\n")
        .skip(1)
        .map(|part| part.split("\r\n--").next().unwrap().replace("\r\n", ""))
        .map(|encoded| String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap())
        .collect();
    assert_eq!(bodies, ["水 三〇一，李雷", "<p>水 三〇一</p>"]);
}

#[test]
fn one_kind_alone_is_a_single_part() {
    let text = build(&call("t", content(Some("plain"), None, None), None));
    assert!(
        text.contains(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nplain"
        )
    );
    let html = build(&call("t", content(None, Some("<b>x</b>"), None), None));
    assert!(html.contains("Content-Type: text/html; charset=utf-8") && !html.contains("multipart"));
}

#[test]
fn the_link_is_added_where_it_is_missing() {
    let link = Some("https://example.org/?a=1&b=2");
    let mail = build(&call("t", content(Some("see"), Some("<body><p>see</p></body>"), link), None));
    assert!(mail.contains("see\r\n\r\nhttps://example.org/?a=1&b=2\r\n"));
    let html = mail.replace("=\r\n", "").replace("=3D", "=");
    assert!(html.contains("<p><a href=\"https://example.org/?a=1&amp;b=2\">"), "{html}");
    assert!(html.find("</a></p>") < html.find("</body>"));
    let there = build(&call("t", content(Some("see https://example.org/?a=1&b=2"), None, link), None));
    assert_eq!(there.matches("https://").count(), 1);
}

#[test]
fn lines_are_crlf_short_and_dot_stuffed() {
    let long = "x".repeat(5000);
    let text = format!(".\n..a\r\n.b\rlone\n{long}\n.");
    let mail = build(&call("t", content(Some(&text), Some(".\n.h"), None), None));
    let data = mail.strip_suffix("\r\n.\r\n").unwrap();
    for line in data.split("\r\n") {
        assert!(!line.contains(['\r', '\n']), "no bare CR or LF");
        assert!(line.len() <= 998);
        assert!(!line.starts_with('.') || line.starts_with(".."), "{line}");
    }
}

#[test]
fn dots_are_stuffed_as_the_vector_says() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/vectors/smtp.json")).unwrap();
    let row = rows.iter().find(|row| row["name"] == "dot-stuffing").unwrap();
    let lines: Vec<&str> =
        row["inputs"]["body_lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let stuffed = stuff((lines.join("\r\n") + "\r\n").as_bytes(), END);
    assert_eq!(stuffed, row["expected"]["wire"].as_str().unwrap().as_bytes());
    assert_eq!(stuff(b"no end", END), b"no end\r\n.\r\n");
}

#[test]
fn nothing_can_be_injected() {
    let plain = || content(Some("x"), None, None);
    let mut bad = vec![
        (call("a\r\nBcc: x@y.org", plain(), None), Class::PermanentRequest),
        (call("a\u{0}", plain(), None), Class::PermanentRequest),
        (call("t", plain(), Some("a\nBcc: x@y.org")), Class::PermanentRequest),
        (call("t", content(Some("nul\u{0}"), None, None), None), Class::PermanentRequest),
        (call(&"x".repeat(2000), plain(), None), Class::PermanentRequest),
    ];
    let mut injected = call("t", plain(), None);
    injected.to[0].address = "li@example.org>\r\nRCPT TO:<x@y.org".to_owned();
    bad.push((injected, Class::PermanentRecipient));
    for (call, class) in bad {
        let refused = Mail::build(&settings(), &call, Vec::new()).unwrap_err();
        assert_eq!(refused.class, class, "{}", call.message.title);
    }
}

#[test]
fn every_attempt_has_the_same_message_id() {
    let mut call = call("t", content(Some("x"), None, None), None);
    let first = header(&build(&call), "Message-ID");
    call.attempt = 2;
    assert_eq!(header(&build(&call), "Message-ID"), first);
}

#[test]
fn files_follow_the_words_and_the_size_is_that_of_everything() {
    let call = call("t", content(Some("hi\n.\n"), Some("<p>hi</p>"), None), None);
    let part = |name| Arc::new(Part::of(name, "application/pdf", b"%PDF-1.7".to_vec(), None));
    let mail = Mail::build(&settings(), &call, vec![part("a.pdf"), part("图.pdf")]).unwrap();
    let whole = String::from_utf8(mail.pieces().collect::<Vec<_>>().concat()).unwrap();
    assert_eq!(whole.len(), mail.size());
    let kind = header(&whole, "Content-Type");
    let boundary = kind.strip_prefix("multipart/mixed; boundary=\"").unwrap().trim_end_matches('"');
    let parts: Vec<&str> = whole.split(&format!("--{boundary}\r\n")).collect();
    assert_eq!(parts.len(), 4, "{whole}");
    assert!(parts[1].starts_with("Content-Type: multipart/alternative"), "{whole}");
    assert!(parts[2].starts_with("Content-Disposition: attachment; filename=\"a.pdf\"\r\n"), "{whole}");
    assert!(whole.ends_with(&format!("\r\n--{boundary}--\r\n.\r\n")), "{whole}");
    assert!(whole.is_ascii());
}
