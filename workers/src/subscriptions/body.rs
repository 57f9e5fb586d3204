//! The JSON that tells of an event: the same in every call about it, and without addresses.

use herald_shared::db::subscriptions::Event;
use herald_shared::domain::ids::{delivery_uuid, recipient_uuid};
use herald_shared::domain::{Channel, EventKind, PlanStatus, Slot};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// `{"type", "timestamp", "data"}`, as Standard Webhooks suggests, and the `webhook-id`, for those who keep the body only.
pub(super) fn of(subscription: Uuid, event: &Event) -> Vec<u8> {
    let whole = json!({"id": event.uid, "type": event.kind, "timestamp": event.at.to_string(), "data": data(subscription, event)});
    whole.to_string().into_bytes()
}

fn data(subscription: Uuid, event: &Event) -> Value {
    let Some(plan) = event.plan else { return json!({"subscription": subscription}) };
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| {
        data.insert(name.to_owned(), value);
    };
    put("plan", json!(plan.uuid()));
    put("number", json!(plan.number()));
    put("reference", json!(event.reference));
    if event.no != 0 {
        put("recipient", json!(recipient_uuid(plan, event.no)));
        put("key", json!(event.key));
    }
    if let Ok(slot) = Slot::from_code(event.slot) {
        put("delivery", json!(delivery_uuid(plan, event.slot, event.no)));
        put("channel", json!(slot.channel()));
        put("tier", json!(slot.tier()));
    }
    match event.kind {
        EventKind::DeliverySent => put("status", json!("sent")),
        EventKind::DeliveryDelivered => put("status", json!("delivered")),
        EventKind::DeliveryFailed => put("status", json!("failed")),
        EventKind::DeliveryUnknown => put("status", json!("unknown")),
        _ => {}
    }
    for (name, value) in event.data.as_object().into_iter().flatten() {
        put(name, spoken(name, value));
    }
    Value::Object(data)
}

/// Codes as the API's words.
fn spoken(name: &str, value: &Value) -> Value {
    let code = value.as_i64().and_then(|code| i16::try_from(code).ok());
    match (name, code) {
        ("status", Some(code)) => PlanStatus::from_code(code).map_or(Value::Null, |status| json!(status)),
        ("channel", Some(code)) => Channel::from_code(code).map_or(Value::Null, |channel| json!(channel)),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use herald_shared::domain::ids::PlanRef;

    use super::*;

    #[test]
    fn an_event_is_told_in_the_api_s_words() {
        let plan = PlanRef { created_ms: 1_700_000_000_000, id: 7 };
        let event = Event {
            uid: Uuid::nil(),
            kind: EventKind::DeliveryFailed,
            at: "2026-11-21T06:00:00.5Z".parse().unwrap(),
            plan: Some(plan),
            slot: 17,
            no: 3,
            data: json!({"reason": "exhausted", "attempt": 8}),
            reference: Some("ticket-42".to_owned()),
            key: None,
        };
        let told: Value = serde_json::from_slice(&of(Uuid::nil(), &event)).unwrap();
        let expected = json!({
            "id": Uuid::nil(), "type": "delivery.failed", "timestamp": "2026-11-21T06:00:00.5Z",
            "data": {
                "plan": plan.uuid(), "number": plan.number(), "reference": "ticket-42", "recipient": recipient_uuid(plan, 3), "key": null,
                "delivery": delivery_uuid(plan, 17, 3), "channel": told["data"]["channel"], "tier": 1, "status": "failed",
                "reason": "exhausted", "attempt": 8
            }
        });
        assert_eq!(told, expected);
        let read = Event { kind: EventKind::RecipientRead, slot: 0, data: json!({"channel": null}), ..event };
        let told: Value = serde_json::from_slice(&of(Uuid::nil(), &read)).unwrap();
        assert_eq!((&told["data"]["channel"], &told["data"]["delivery"]), (&Value::Null, &Value::Null));
        let finished = Event { kind: EventKind::PlanFinished, no: 0, data: json!({"status": 6}), ..read };
        let told: Value = serde_json::from_slice(&of(Uuid::nil(), &finished)).unwrap();
        assert_eq!((&told["data"]["status"], &told["data"]["recipient"]), (&json!("finished"), &Value::Null));
    }
}
