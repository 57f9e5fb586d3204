//! What a plan asks for beyond the common, as stored in `plan.terms`: NULL for most plans, so that they pay nothing for it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::approval::{Approval, Person};
use super::quiet::QuietRule;
use super::{LocalTime, Recurrence, Wait, words};

/// Kinds of messages beside the common one, `content`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A title, a few words, and a link that is counted.
    Link,
}

/// The rules of one plan; every field is optional. Field names are those of the HTTP contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// What kind of message it is; a plan of the common kind does not say so.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// How late a step of a ladder may fire (rule 16); by priority when absent. SQL reads it too (`max_late`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_late: Option<Wait>,
    /// Who must agree before it goes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Who is told what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Person>,
    /// Payslips, codes: masked wherever anybody but a recipient looks, and erased when the plan has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    /// Pages ask who somebody is before they show anything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// API keys (internal ids) that made or changed it: they may not approve it. Kept of drafts and of plans that need approval.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<i64>,
    /// Herald made it to say something of another plan; not listed among the tenant's plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal: Option<Internal>,
    /// How many more times the whole ladder comes up, 1..=5 (rule 9).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<u8>,
    /// How many answers are enough (rule 13). SQL reads it too (`answers_counted`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enough: Option<Enough>,
    /// `send_at` as it was written, if that was a local time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<LocalTime>,
    /// How long after its start the plan is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_after: Option<Wait>,
    /// What quiet hours mean to it; SQL asks for the word `ignore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietRule>,
    /// When it recurs: the plan is a pattern. SQL asks for its presence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// How long after its end what it says, and everybody's names, addresses and variables, are kept. SQL reads it too (`keep_until`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Wait>,
    /// Public id of the plan this one shows its sender beforehand. Given by Herald, not by callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_of: Option<Uuid>,
    /// The templates its content was taken from; SQL looks for them when one is deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateUse>,
    /// The policy its tiers were taken from; SQL looks for it when one is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyUse>,
}

/// A policy as a plan took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUse {
    /// Public id.
    pub id: Uuid,
    /// Its number as shown.
    pub number: String,
    /// Its name.
    pub name: String,
    /// The version whose rules the plan has.
    pub version: i32,
}

/// A template as a plan took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateUse {
    /// Public id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The version whose words the plan has.
    pub version: i32,
}

words! {
    /// What a plan that Herald made itself is for.
    Internal, "internal", {
        /// Asks approvers.
        Approval = 1: "approval",
        /// Tells a sender what approvers said.
        Result = 2: "result",
        /// Carries a one-time code.
        Code = 3: "code",
    }
}

/// After so many answers that count nobody else is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enough {
    /// How many.
    pub count: i32,
    /// Which answers count; `None`: every option. Free answers never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
}

impl Terms {
    /// Whether nothing of the message may be shown to anybody but its recipients.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// What is stored: nothing for a plan that asks for nothing.
    #[must_use]
    pub fn stored(&self) -> Option<&Self> {
        (*self != Terms::default()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_plan_stores_nothing() {
        assert_eq!(Terms::default().stored(), None);
        let late = Terms { max_late: Some(Wait::seconds(60)), ..Terms::default() };
        assert_eq!(late.stored(), Some(&late));
        assert_eq!(serde_json::to_value(&late).unwrap(), serde_json::json!({"max_late": "PT1M"}));
    }

    #[test]
    fn terms_of_a_newer_build_are_read_for_what_is_known() {
        let terms: Terms = serde_json::from_str(r#"{"max_late": "1h", "to_come": true}"#).unwrap();
        assert_eq!(terms.max_late, Some(Wait::seconds(3600)));
    }
}
