//! What a plan says and by which steps it goes out, as stored in `plan.content` and `plan.tiers`.

use serde::{Deserialize, Serialize};

use super::{Channel, Proof, Wait, words};

/// The message. At least one of `text` and `html` is there; each may hold template variables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Subject; the plan's title when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Plain text, at most 10,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// HTML, at most 10,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// An absolute http(s) URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

words! {
    /// How a tier uses its channels.
    #[derive(Default)]
    Mode, "mode", {
        /// All at once.
        #[default]
        All = 0: "all",
        /// The next only when the one before failed for good.
        First = 1: "first",
    }
}

/// One step of an escalation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its channels, each once.
    pub channels: Vec<Channel>,
    /// How they are used.
    pub mode: Mode,
    /// How long it waits before the next tier, from the first delivery that went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// What ends the ladder at this tier; `None`: that it could be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Proof>,
}
