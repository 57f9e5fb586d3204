//! What became of reminders, person by person: one result for each round (rule 23).

use herald_shared::db::recipients::{OnChannel as Found, Recipient};
use herald_shared::domain::{Channel, DeliveryStatus, Reason};
use jiff::Timestamp;
use serde::Serialize;

/// One reminder, as one person got it.
#[derive(Serialize)]
pub(super) struct Round {
    /// Which one, from 1.
    reminder: u8,
    result: Option<&'static str>,
    reason: Option<String>,
    channels: Vec<On>,
}

#[derive(Serialize)]
struct On {
    channel: Channel,
    status: DeliveryStatus,
    reason: Option<String>,
    at: Timestamp,
}

fn on(found: &Found) -> On {
    let Found { slot, status, reason, at, .. } = found;
    On { channel: slot.channel(), status: *status, reason: reason.clone(), at: *at }
}

/// Takes what belongs to reminders out of a person's deliveries.
pub(super) fn take(person: &mut Recipient) -> Vec<Round> {
    let own = |on: &mut Found| on.slot.reminder().is_some();
    let all: Vec<Found> = person.channels.extract_if(.., own).collect();
    let rounds = all.chunk_by(|a, b| a.slot.reminder() == b.slot.reminder());
    let round = |found: &[Found]| {
        let (result, reason) = result(person, found);
        let reminder = found.first().and_then(|on| on.slot.reminder()).unwrap_or_default();
        Round { reminder, result, reason, channels: found.iter().map(on).collect() }
    };
    rounds.map(round).collect()
}

/// The best of what a round came to; nothing while something of it is open, or unknown and nothing better.
fn result(person: &Recipient, found: &[Found]) -> (Option<&'static str>, Option<String>) {
    use DeliveryStatus as D;
    let with = |status: D| found.iter().find(|on| on.status == status);
    if found.iter().any(|on| !on.status.is_final()) {
        return (None, None);
    }
    let needless = |on: &&Found| on.reason.as_deref() == Some(Reason::AlreadyRead.as_str());
    let out = with(D::Delivered).or(with(D::Sent));
    if let Some(on) = out.or(found.iter().find(needless)) {
        let since = |at: Option<Timestamp>| at.is_some_and(|at| out.is_none() || at >= on.at);
        let word = match (since(person.answered_at), since(person.read_at)) {
            (true, _) => "acknowledged",
            (_, true) => "read",
            _ if out.is_none() => "not_needed",
            _ if on.status == D::Delivered => "delivered",
            _ => "sent",
        };
        return (Some(word), None);
    }
    if with(D::Unknown).is_some() {
        return (None, None);
    }
    let ended = [(D::Cancelled, "recalled"), (D::Expired, "expired"), (D::Failed, "exhausted")];
    let ended = ended.into_iter().find_map(|(status, word)| Some((with(status)?, word)));
    let ended = ended.or(found.first().map(|on| (on, "unreachable")));
    ended.map_or((None, None), |(on, word)| (Some(word), on.reason.clone()))
}
