//! `POST /v1/templates`: what each kind needs, and that a wrong template is refused where it is wrong.

use herald_api::accept::{Saved, saved, variables};
use herald_api::json::Document;
use herald_api::problems::Place;
use herald_shared::domain::TemplateKind;
use serde_json::{Value, json};

type Found = Vec<(String, String)>;

fn read(body: &Value, before: Option<(&str, TemplateKind)>) -> Result<Saved, Found> {
    let text = body.to_string();
    let document = Document::parse(text.as_bytes()).unwrap();
    saved(&document, before).map_err(|problems| {
        let list = problems.into_list().into_iter();
        list.map(|problem| match problem.place {
            Place::Pointer(pointer) => (pointer, problem.detail),
            other => panic!("{other:?} in a body"),
        })
        .collect()
    })
}

fn template(kind: &str, content: Value) -> Value {
    json!({"name": "water", "kind": kind, "title": "Water in {{ building }}", "content": content})
}

#[test]
fn each_kind_has_its_parts() {
    for (kind, content, pointers) in [
        ("text", json!({"text": "t", "subject": "s", "link": "https://e.org"}), &[][..]),
        ("text", json!({"text": "t", "html": "<p>"}), &["/content/html"]),
        ("text", json!({"html": "<p>"}), &["/content/text", "/content/html"]),
        ("rich", json!({"text": "t", "html": "<p>"}), &[]),
        ("rich", json!({"html": "<p>"}), &["/content/text"]),
        ("rich", json!({"text": "t"}), &["/content/html"]),
        ("voice", json!({"text": "t"}), &[]),
        (
            "voice",
            json!({"text": "t", "subject": "s", "link": "https://e.org"}),
            &["/content/subject", "/content/link"],
        ),
        ("voice", json!({"text": "see {{ link }}"}), &["/content/text"]),
        ("song", json!({"text": "t"}), &["/kind"]),
    ] {
        let found = read(&template(kind, content.clone()), None).err().unwrap_or_default();
        let at: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(at, pointers, "{kind} {content}: {found:?}");
    }
}

#[test]
fn a_wrong_template_says_the_line_and_the_column() {
    let body = json!({"name": "n", "kind": "rich", "title": "{{ building", "content": {"text": "one\ntwo {% if %}", "html": "<p>{{ a | nosuch }}"}});
    let found = read(&body, None).unwrap_err();
    let at: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(at, ["/title", "/content/text"], "{found:?}");
    assert!(found[1].1.contains("line 2, column"), "{found:?}");
}

#[test]
fn name_and_kind_stay() {
    let change = json!({"title": "t", "content": {"text": "x"}, "version": 3});
    let read_change = |more: &[(&str, Value)]| {
        let mut body = change.clone();
        more.iter().for_each(|(name, value)| body[*name] = value.clone());
        read(&body, Some(("water", TemplateKind::Text)))
    };
    let good = read_change(&[("name", json!("water")), ("kind", json!("text"))]).unwrap();
    assert_eq!((good.name.as_str(), good.version), ("water", Some(3)));
    for (name, value) in
        [("name", json!("fire")), ("kind", json!("rich")), ("version", json!(0)), ("id", json!("x"))]
    {
        let found = read_change(&[(name, value)]).unwrap_err();
        assert_eq!((found.len(), found[0].0.as_str()), (1, format!("/{name}").as_str()), "{found:?}");
    }
}

#[test]
fn names_are_lines_and_no_ids() {
    for name in ["", "a\nb", "0199a1b2-0000-7000-8000-000000000000", &"x".repeat(101)] {
        let mut body = template("text", json!({"text": "t"}));
        body["name"] = json!(name);
        let found = read(&body, None).unwrap_err();
        assert_eq!(found[0].0, "/name", "{name}");
    }
}

#[test]
fn variables_are_those_somebody_must_give() {
    let body = template(
        "text",
        json!({"text": "{{ name }} {{ 房间 }} {{ link }} {% for i in range(3) %}{{ i }}{% endfor %}"}),
    );
    let good = read(&body, None).unwrap();
    assert_eq!(variables(&good.title, &good.content), ["building", "房间"]);
}

#[test]
fn a_text_is_not_repeated_at_will() {
    for (text, line) in [
        ("one\n{{ 'x' * 99999999 }}", "line 2"),
        ("{{ name * n }}", "line 1"),
        ("{{ name * 100 * 100 }}", "line 1"),
    ] {
        let found = read(&template("text", json!({ "text": text })), None).unwrap_err();
        assert_eq!((found.len(), found[0].0.as_str()), (1, "/content/text"), "{text}: {found:?}");
        assert!(found[0].1.contains(line), "{found:?}");
    }
    for text in ["2 * 3 = {{ 2 * 3 }}", "{{ price * 100 }}", "{{ price|float * count|int }}", "{{ '*' }}"] {
        assert!(read(&template("text", json!({ "text": text })), None).is_ok(), "{text}");
    }
}
