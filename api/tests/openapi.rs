//! The OpenAPI document says what the router does: routes, scopes and closed lists are compared with the code.

use std::collections::BTreeSet;

use herald_api::auth::Scope;
use herald_api::docs::OPENAPI;
use herald_api::error::Kind;
use herald_api::routes::{OPS, table};
use herald_channels::registry;
use herald_shared::domain::outcome::Outcome;
use herald_shared::domain::{
    Channel, DeliveryStatus, EventKind, LadderResult, Lane, OnUnknown, PlanStatus, Reason,
};
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(OPENAPI).expect("openapi.json is JSON")
}

type Entry = (String, String, Option<String>);

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let routes: BTreeSet<Entry> = table()
        .iter()
        .map(|route| {
            let scope = route.scope.map(|scope| scope.to_string());
            (route.path.to_owned(), route.method.as_str().to_lowercase(), scope)
        })
        .chain(OPS.iter().map(|path| ((*path).to_owned(), "get".to_owned(), None)))
        .collect();
    let mut documented: BTreeSet<Entry> = BTreeSet::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scope = operation["x-scope"].as_str().map(str::to_owned);
            assert_eq!(scope.is_some(), operation["security"] != serde_json::json!([]), "{method} {path}");
            documented.insert((path.clone(), method.clone(), scope));
        }
    }
    assert_eq!(routes, documented);
}

#[test]
fn closed_lists_are_the_code_s() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let words = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect()
    };
    let same = |pointer: &str, code: Vec<&str>| {
        let list = schemas.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert_eq!(words(list), code, "{pointer}");
    };
    same("/Channel/enum", Channel::ALL.iter().map(|word| word.as_str()).collect());
    same("/PlanStatus/enum", PlanStatus::ALL.iter().map(|word| word.as_str()).collect());
    same("/DeliveryStatus/enum", DeliveryStatus::ALL.iter().map(|word| word.as_str()).collect());
    same("/Result/enum", LadderResult::ALL.iter().map(|word| word.as_str()).collect());
    same("/Reason/enum", Reason::ALL.iter().map(|word| word.as_str()).collect());
    same("/Scope/enum", Scope::ALL.iter().map(|word| word.as_str()).collect());
    let events = EventKind::ALL.iter().filter(|kind| kind.is_for_asking());
    same("/EventKind/enum", events.map(|kind| kind.as_str()).collect());
    same("/Plan/properties/priority/enum", Lane::ALL.iter().map(|word| word.as_str()).collect());
    same("/Plan/properties/on_unknown/enum", OnUnknown::ALL.iter().map(|word| word.as_str()).collect());
    same("/Attempt/properties/outcome/enum", Outcome::ALL.iter().map(|word| word.as_str()).collect());
    let kinds: Vec<String> =
        Kind::ALL.iter().map(|kind| format!("urn:herald:problem:{}", kind.describe().0)).collect();
    same("/Problem/properties/type/enum", kinds.iter().map(String::as_str).collect());
    let providers = registry().iter().map(|provider| provider.spec().provider).collect();
    same("/AccountRequest/properties/provider/enum", providers);
}

#[test]
fn every_reference_leads_somewhere() {
    fn visit(node: &Value, root: &Value) {
        match node {
            Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("references stay in the document");
                    assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                map.values().for_each(|value| visit(value, root));
            }
            Value::Array(items) => items.iter().for_each(|item| visit(item, root)),
            _ => {}
        }
    }
    let document = document();
    visit(&document, &document);
}
