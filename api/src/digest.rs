//! A body's fingerprint for `Idempotency-Key`: equal for bodies that are equal as parsed JSON.
//!
//! Spacing, the order of an object's fields and the spelling of a string or number do not count. Memory is bounded: an
//! object with more fields than any of ours has, or nesting deeper than any of ours, counts by its text.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA256};
use serde_json::value::RawValue;

const MAX_FIELDS: usize = 1_000;
const MAX_DEPTH: usize = 64;

/// SHA-256 of the canonical form of `json`, which must be valid JSON.
#[must_use]
pub fn of(json: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    feed(&mut context, json, 0);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Every value starts with its kind and every part with its length, so that no two values read the same.
fn feed(context: &mut Context, json: &str, depth: usize) {
    let fed = match json.as_bytes().first() {
        _ if depth > MAX_DEPTH => None,
        Some(b'{') => feed_object(context, json, depth),
        Some(b'[') => feed_list(context, json, depth),
        Some(b'"') => serde_json::from_str::<String>(json).ok().map(|text| part(context, b's', &text)),
        Some(b'-' | b'0'..=b'9') => {
            serde_json::from_str::<serde_json::Number>(json).ok().map(|n| part(context, b'n', &n.to_string()))
        }
        _ => None,
    };
    if fed.is_none() {
        part(context, b'r', json);
    }
}

fn feed_object(context: &mut Context, json: &str, depth: usize) -> Option<()> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
    if fields.len() > MAX_FIELDS {
        return None;
    }
    context.update(b"{");
    for (name, value) in fields {
        part(context, b'k', &name);
        feed(context, value.get(), depth + 1);
    }
    context.update(b"}");
    Some(())
}

fn feed_list(context: &mut Context, json: &str, depth: usize) -> Option<()> {
    use serde::Deserializer as _;
    context.update(b"[");
    let mut reader = serde_json::Deserializer::from_str(json);
    reader.deserialize_seq(Items { context, depth }).ok()?;
    context.update(b"]");
    Some(())
}

fn part(context: &mut Context, kind: u8, text: &str) {
    context.update(&[kind]);
    context.update(&text.len().to_le_bytes());
    context.update(text.as_bytes());
}

/// Feeds the items of a list one by one, so that a long list needs no memory.
struct Items<'a> {
    context: &'a mut Context,
    depth: usize,
}

impl<'de> serde::de::Visitor<'de> for Items<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<&'de RawValue>()? {
            feed(self.context, item.get(), self.depth + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn spacing_order_and_spelling_do_not_count() {
        let one = of(r#"{"a":1,"b":["x",{"c":null,"d":true}],"é":1.50}"#);
        let two = of("{ \"\\u00e9\" : 1.5, \"b\" : [ \"\\u0078\", {\"d\":true, \"c\":null} ],\n \"a\" : 1 }");
        assert_eq!(one, two);
    }

    #[test]
    fn any_other_difference_counts() {
        let base = of(r#"{"a":["1","2"]}"#);
        for other in [
            r#"{"a":["2","1"]}"#,
            r#"{"a":["12"]}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":["1",["2"]]}"#,
            r#"{"a":["1","2"],"b":null}"#,
            r#"{"b":["1","2"]}"#,
        ] {
            assert_ne!(base, of(other), "{other}");
        }
    }

    #[test]
    fn depth_and_width_are_bounded_without_failing() {
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(of(&deep), of(&deep));
        let fields: Vec<String> = (0..2_000).map(|n| format!("\"f{n}\":{n}")).collect();
        assert_ne!(of(&format!("{{{}}}", fields.join(","))), of("{}"));
    }
}
