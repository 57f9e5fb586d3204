//! The sorts of plans that are sent.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::Tenancy;

/// A sort of plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// One urgent webhook.
    Urgent,
    /// One urgent webhook that must not go out twice.
    UrgentHold,
    /// Mail to many; every fifth later.
    Mail,
    /// Mail to some that must not go out twice.
    MailHold,
    /// Inbox messages for a crowd; beyond 1000 a dispatcher expands them.
    Bulk,
    /// Two channels for each.
    Both,
}

impl Sort {
    pub(crate) const ALL: [Sort; 6] =
        [Sort::Urgent, Sort::UrgentHold, Sort::Mail, Sort::MailHold, Sort::Bulk, Sort::Both];

    /// Between two of them, for a tenant.
    pub(crate) fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Sort::Urgent => 350,
            Sort::UrgentHold => 900,
            Sort::Mail => 2500,
            Sort::MailHold => 4500,
            Sort::Bulk => 6000,
            Sort::Both => 3000,
        })
    }

    /// How many people it goes to.
    pub(crate) fn people(self, rng: &mut fastrand::Rng) -> usize {
        match self {
            Sort::Urgent | Sort::UrgentHold => 1,
            Sort::Mail => rng.usize(50..200),
            Sort::MailHold => rng.usize(10..50),
            Sort::Bulk => rng.usize(300..1600),
            Sort::Both => rng.usize(5..40),
        }
    }

    /// Whether an unknown outcome is to be left to a person.
    pub(crate) fn holds(self) -> bool {
        matches!(self, Sort::UrgentHold | Sort::MailHold)
    }

    fn channels(self) -> &'static [&'static str] {
        match self {
            Sort::Urgent | Sort::UrgentHold => &["webhook"],
            Sort::Mail | Sort::MailHold => &["email"],
            Sort::Bulk => &["inbox"],
            Sort::Both => &["email", "inbox"],
        }
    }

    /// Deliveries of a plan to so many.
    pub(crate) fn deliveries(self, people: usize) -> usize {
        people * self.channels().len()
    }

    /// The request's body. The tenant's name is in every address, the request's number in the metadata.
    pub(crate) fn body(self, who: &Tenancy, number: usize, people: usize, rng: &mut fastrand::Rng) -> String {
        let name = &who.name;
        let person = |no: usize| match self {
            Sort::Urgent | Sort::UrgentHold => json!({"url": who.hook.url(&format!("/{name}/{number}"))}),
            _ => {
                let address = format!("{name}-{number}-{no}@example.org");
                json!({"key": format!("{name}-{number}-{no}"), "email": address, "name": format!("Canary {no}")})
            }
        };
        let recipients: Vec<Value> = (1..=people).map(person).collect();
        let priority = match self {
            Sort::Urgent | Sort::UrgentHold => "urgent",
            Sort::Bulk => "bulk",
            Sort::Mail | Sort::MailHold | Sort::Both => "normal",
        };
        let mut body = json!({
            "title": format!("Canary of {name}"), "content": {"text": "Canary text for {{ name }}."},
            "recipients": recipients, "channels": self.channels(), "priority": priority,
            "on_unknown": if self.holds() { "hold" } else { "resend" }, "metadata": {"log": number.to_string()},
        });
        if matches!(self, Sort::Urgent | Sort::UrgentHold) {
            body["content"]["text"] = "Canary text.".into();
        }
        if self == Sort::Mail && rng.u8(..5) == 0 {
            body["send_at"] = (Timestamp::now() + SignedDuration::from_secs(3)).to_string().into();
        }
        body.to_string()
    }
}
