//! What a plan asks for beyond the common, as stored in `plan.terms`: NULL for most plans, so that they pay nothing for it.

use serde::{Deserialize, Serialize};

use super::Wait;

/// The rules of one plan; every field is optional. Field names are those of the HTTP contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How late a step of a ladder may fire (rule 16); by priority when absent. SQL reads it too (`max_late`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_late: Option<Wait>,
}

impl Terms {
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
        let late = Terms { max_late: Some(Wait::seconds(60)) };
        assert_eq!(late.stored(), Some(&late));
        assert_eq!(serde_json::to_value(&late).unwrap(), serde_json::json!({"max_late": "PT1M"}));
    }

    #[test]
    fn terms_of_a_newer_build_are_read_for_what_is_known() {
        let terms: Terms = serde_json::from_str(r#"{"max_late": "1h", "to_come": true}"#).unwrap();
        assert_eq!(terms.max_late, Some(Wait::seconds(3600)));
    }
}
