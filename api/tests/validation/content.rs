//! What a plan says, and what must not be in it.

use serde_json::json;

use crate::{bad, good, refused_at, try_read};

#[test]
fn lengths_are_bounded_in_characters() {
    good(
        json!({ "title": "水".repeat(200), "content": { "text": "水".repeat(10_000), "html": "x".repeat(10_000) } }),
    );
    refused_at(json!({ "title": "水".repeat(201) }), &["/title"]);
    refused_at(json!({ "title": "" }), &["/title"]);
    refused_at(json!({ "content": { "text": "x".repeat(10_001) } }), &["/content/text"]);
    refused_at(json!({ "content": { "html": "x".repeat(10_001) } }), &["/content/html"]);
    refused_at(json!({ "content": { "text": "x", "subject": "x".repeat(201) } }), &["/content/subject"]);
    refused_at(json!({ "reference": "x".repeat(129) }), &["/reference"]);
    refused_at(json!({ "metadata": { "x": "y".repeat(20_000) } }), &["/metadata"]);
    let variables = json!({ "x": "y".repeat(20_000) });
    refused_at(
        json!({ "recipients": [{ "key": "a", "variables": variables }] }),
        &["/recipients/0/variables"],
    );
}

#[test]
fn nothing_can_be_put_into_a_header() {
    for evil in ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\u{0085}b", "a\u{2028}b", "a\u{0007}b", "a\tb"]
    {
        refused_at(json!({ "title": evil }), &["/title"]);
        refused_at(json!({ "content": { "text": "x", "subject": evil } }), &["/content/subject"]);
        refused_at(
            json!({ "recipients": [{ "email": "a@example.org", "name": evil }] }),
            &["/recipients/0/name"],
        );
        refused_at(json!({ "recipients": [{ "key": evil }] }), &["/recipients/0/key"]);
        refused_at(json!({ "reference": evil }), &["/reference"]);
    }
    let with = |value: &str| {
        json!({
            "content": { "subject": "For {{ room }}", "text": "{{ text }}" },
            "recipients": [{ "email": "a@example.org", "variables": { "room": value, "text": "one\ntwo" } }],
        })
    };
    good(with("301"));
    refused_at(with("301\r\nBcc: x@example.org"), &["/recipients/0/variables"]);
}

#[test]
fn nul_is_refused_wherever_it_stands() {
    for (changes, pointer) in [
        (json!({ "title": "a\0b" }), "/title"),
        (json!({ "content": { "text": "a\0b" } }), "/content/text"),
        (json!({ "reference": "\0" }), "/reference"),
        (json!({ "metadata": { "a": { "b": ["\0"] } } }), "/metadata/a/b/0"),
        (json!({ "metadata": { "a\0": 1 } }), "/metadata"),
        (json!({ "recipients": ["a\0@example.org"] }), "/recipients/0"),
        (json!({ "recipients": [{ "key": "a", "variables": { "x": "\0" } }] }), "/recipients/0/variables/x"),
        (json!({ "recipients": [{ "ids": { "inbox": "\0" } }] }), "/recipients/0/ids/inbox"),
        (json!({ "acknowledgement": { "options": ["\0"] } }), "/acknowledgement/options/0"),
    ] {
        let problems = bad(changes.clone());
        assert_eq!(problems[0].0, pointer, "{changes}: {problems:?}");
        assert!(problems[0].1.contains("NUL"), "{}", problems[0].1);
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let body = |title: &str, value: &str| {
        format!(
            r#"{{"title":"{title}","content":{{"text":"x"}},"recipients":[{{"key":"a","variables":{{"x":"{value}"}}}}]}}"#
        )
    };
    assert!(try_read(&body(r"\ud83d\ude00", r"\ud83d\ude00")).is_ok());
    for half in [r"\ud83d", r"\ude00", r"\ud83dx"] {
        assert_eq!(try_read(&body(half, "x")).unwrap_err()[0].0, "/title", "{half}");
        assert_eq!(try_read(&body("x", half)).unwrap_err()[0].0, "/recipients/0/variables", "{half}");
    }
    let name = r#"{"title":"x","content":{"text":"x"},"recipients":["a@example.org"],"\ud83d":1}"#;
    assert_eq!(try_read(name).unwrap_err()[0].0, "");
}

#[test]
fn a_wrong_template_says_line_and_column() {
    for (content, pointer) in [
        (json!({ "text": "one\ntwo {{ name" }), "/content/text"),
        (json!({ "text": "x", "html": "{% for %}" }), "/content/html"),
        (json!({ "text": "x", "subject": "{{ }}" }), "/content/subject"),
    ] {
        let problems = bad(json!({ "content": content }));
        assert_eq!(problems[0].0, pointer, "{problems:?}");
        assert!(problems[0].1.contains("line "), "{}", problems[0].1);
    }
    refused_at(json!({ "title": "{{" }), &["/title"]);
    refused_at(json!({ "content": { "text": "x", "link": "javascript:alert(1)" } }), &["/content/link"]);
    refused_at(json!({ "content": { "text": "x", "link": "/relative" } }), &["/content/link"]);
}

#[test]
fn what_fails_for_everybody_is_told_at_once() {
    let problems = bad(
        json!({ "content": { "text": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}" } }),
    );
    assert_eq!(problems[0].0, "/content/text");
    assert!(problems[0].1.contains("/recipients/0"), "{}", problems[0].1);
}

#[test]
fn signatures_and_videos_are_words_within_limits() {
    let with = |name: &str, value: &str| json!({ "content": { "text": "Hello", name: value } });
    let draft = good(
        json!({ "content": { "text": "Hello", "signature": "后".repeat(30), "video": "https://example.org/v" } }),
    );
    assert_eq!(draft.content.signature, Some("后".repeat(30)));
    for (name, value) in [
        ("signature", "后".repeat(31).as_str()),
        ("signature", "two\nlines"),
        ("signature", "{{ name }}"),
        ("video", "http://example.org/v"),
        ("video", "https://example.org/{{ v }}"),
        ("link", format!("https://example.org/{}", "x".repeat(181)).as_str()),
    ] {
        refused_at(with(name, value), &[&format!("/content/{name}")]);
    }
}

#[test]
fn a_link_message_has_a_link_and_little_else() {
    let link = "https://example.org/survey";
    let draft = good(json!({ "type": "link", "content": { "text": "Please", "link": link } }));
    assert_eq!(
        (draft.content.target.as_deref(), draft.content.link.as_deref()),
        (Some(link), Some("{{ link }}"))
    );
    assert_eq!(good(json!({ "type": "content" })).content.target, None);
    refused_at(json!({ "type": "film" }), &["/type"]);
    refused_at(json!({ "type": "link" }), &["/content/link"]);
    let given = json!({ "text": "x", "link": "https://example.org/{{ name }}", "signature": "S", "video": "https://example.org" });
    refused_at(
        json!({ "type": "link", "content": given }),
        &["/content/signature", "/content/video", "/content/link"],
    );
    let asks = json!({ "type": "link", "content": { "text": "x", "link": link }, "acknowledgement": { "other": true } });
    refused_at(asks, &["/acknowledgement"]);
}
