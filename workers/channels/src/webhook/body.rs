//! The JSON that a webhook receives.

use herald_shared::domain::ids::recipient_uuid;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Call, Target};

/// Absent values are `null`, so that every message has the same fields.
#[derive(Serialize)]
struct Payload<'a> {
    id: Uuid,
    plan: Uuid,
    number: String,
    /// The subject as this recipient gets it, which is the title where there is none.
    title: &'a str,
    text: Option<&'a str>,
    html: Option<&'a str>,
    link: Option<&'a str>,
    /// The recipient's page.
    page: Option<String>,
    acknowledge: Option<Acknowledge<'a>>,
    /// `null` in a reminder.
    tier: Option<u8>,
    /// Which reminder it is, from 1.
    reminder: Option<u8>,
    priority: &'static str,
    recipient: Recipient<'a>,
    variables: Option<&'a Map<String, Value>>,
    metadata: Option<&'a Value>,
    sent_at: Timestamp,
}

#[derive(Serialize)]
struct Acknowledge<'a> {
    /// Takes an answer, `{"option": ..., "text": ...}`.
    url: Option<String>,
    options: &'a Value,
}

#[derive(Serialize)]
struct Recipient<'a> {
    id: Uuid,
    key: Option<&'a str>,
    name: Option<&'a str>,
}

/// Renders and serialises the call's message to `target`. The same on every attempt but for `sent_at`.
///
/// # Errors
/// Why the content does not render, in words.
pub(super) fn serialise(call: &Call, target: &Target, sent_at: Timestamp) -> Result<Vec<u8>, String> {
    let message = &call.message;
    let rendered = call.render(target).map_err(|problem| problem.to_string())?;
    let links = call.links(target);
    let options = message.acknowledgement.as_ref().and_then(|wanted| wanted.get("options"));
    let payload = Payload {
        id: call.delivery(target),
        plan: message.plan.uuid(),
        number: message.plan.number(),
        title: &rendered.subject,
        text: rendered.text.as_deref(),
        html: rendered.html.as_deref(),
        link: rendered.link.as_deref(),
        page: links.map(|(links, holder)| links.page(holder)),
        acknowledge: options.map(|options| Acknowledge {
            url: links.map(|(links, holder)| links.acknowledge(holder)),
            options,
        }),
        tier: call.slot.of_ladder().map(|step| message.steps.place(step).tier),
        reminder: call.slot.reminder(),
        priority: message.lane.as_str(),
        recipient: Recipient {
            id: recipient_uuid(message.plan, target.no),
            key: target.key.as_deref(),
            name: target.name.as_deref(),
        },
        variables: target.variables.as_ref().filter(|_| !message.protected),
        metadata: message.metadata.as_ref(),
        sent_at,
    };
    serde_json::to_vec(&payload).map_err(|error| error.to_string())
}
