//! What a plan says and by which steps it goes out, as stored in `plan.content` and `plan.tiers`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::quiet::Window;
use super::{Channel, Lane, Proof, Slot, Wait, words};

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
    /// Template variables for everybody; a recipient's own of the same name win.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Map<String, Value>>,
    /// What is said on some channels instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wordings: Vec<Content>,
    /// Which: by slot, else by channel, a number in `wordings` from 1. SQL has the same rule (`wording`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<i16, u16>,
    /// Who says it, in at most 30 characters: the last line of text and HTML, on the right of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// An absolute https URL of a film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// Of a plan of type `link`: where its pages lead. Its `link` is the recipient's page then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Public ids of its files, in order. SQL notes them (`note_plan_files`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Uuid>,
}

impl Content {
    /// Gives slots wordings of their own, where there are such: a number in `wordings` from 1, or 0 for the content itself. What nobody
    /// is given later (a reminder, say) falls back to the first slot of its channel.
    #[must_use]
    pub fn with_wordings(mut self, wordings: Vec<Content>, given: &[(Slot, u16)]) -> Content {
        self.slots.clear();
        for (slot, number) in given {
            self.slots.entry(slot.channel().code()).or_insert(*number);
        }
        for (slot, number) in given {
            if self.wording(*slot) != *number {
                self.slots.insert(slot.code(), *number);
            }
        }
        self.slots.retain(|key, number| *number > 0 || *key > 15);
        self.wordings = wordings;
        self
    }

    /// Which wording a slot says; 0 is the content itself.
    #[must_use]
    pub fn wording(&self, slot: Slot) -> u16 {
        let by = |key: i16| self.slots.get(&key).copied();
        by(slot.code()).or_else(|| by(slot.channel().code())).unwrap_or(0)
    }

    /// Whether what goes out by any of `channels` leads to the recipient's page: the plan `asks` for reading, or it has files, which only
    /// mails carry.
    pub fn leads_to_page(&self, asks: bool, channels: impl IntoIterator<Item = Channel>) -> bool {
        let carries = |channel| channel == Channel::Email;
        asks || (!self.attachments.is_empty() && !channels.into_iter().all(carries))
    }

    /// With the recipient's own link as last line wherever it is not said already: what goes out where it leads to the page.
    #[must_use]
    pub fn with_link(&self) -> Content {
        let signed = self.with_extras();
        let text = signed.text.as_ref().map(|text| match says_link(text) {
            true => text.clone(),
            false => format!("{}\n\n{{{{ link }}}}\n", text.trim_end_matches('\n')),
        });
        let html = signed.html.as_ref().map(|html| match says_link(html) {
            true => html.clone(),
            false => with_last(html, "<p><a href=\"{{ link }}\">{{ link }}</a></p>\n"),
        });
        Content { text, html, ..signed.into_owned() }
    }

    /// With video and signature written into text and HTML: what goes out by channels that have no place of their own for them.
    /// Both are plain words, never templates.
    #[must_use]
    pub fn with_extras(&self) -> Cow<'_, Content> {
        if self.video.is_none() && self.signature.is_none() {
            return Cow::Borrowed(self);
        }
        let mut content = self.clone();
        if let Some(video) = content.video.take() {
            let safe = escape(&video);
            content.append(&video, &format!("<p><a href=\"{safe}\">{safe}</a></p>\n"));
        }
        if let Some(signature) = content.signature.take() {
            content.append(&signature, &format!("<p align=\"right\">{}</p>\n", escape(&signature)));
        }
        Cow::Owned(content)
    }

    fn append(&mut self, text: &str, html: &str) {
        if let Some(body) = &mut self.text {
            *body = format!("{}\n\n{text}\n", body.trim_end_matches('\n'));
        }
        if let Some(body) = &mut self.html {
            *body = with_last(body, html);
        }
    }
}

/// HTML with something before its end.
fn with_last(html: &str, last: &str) -> String {
    let end = html.rfind("</body>").unwrap_or(html.len());
    [&html[..end], last, &html[end..]].concat()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What is sent of a protected message instead of it.
const GATE: &str =
    "这条消息受保护，请打开链接查看。\nThis message is protected: open the link to read it.\n{{ link }}\n";

impl Content {
    /// What goes out of a protected plan: subject and link. The content is shown on the page only, to those who were let in.
    #[must_use]
    pub fn gate(&self) -> Content {
        Content { subject: self.subject.clone(), text: Some(GATE.to_owned()), ..Content::default() }
    }
}

/// Whether a template prints the reserved variable `link`.
fn says_link(template: &str) -> bool {
    let prints = template.split("{{").skip(1).map(|rest| rest.trim_start_matches('-').trim_start());
    prints
        .filter_map(|rest| rest.strip_prefix("link"))
        .any(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
}

/// Whether a plan wants to know who has read it: it offers answers, or a tier waits for reading or an answer. The same rule is in
/// `sql/claim/claim.sql`.
#[must_use]
pub fn asks_for_reading(tiers: &[Tier], acknowledgement: Option<&Value>) -> bool {
    let waits = |tier: &Tier| matches!(tier.until, Some(Proof::Read | Proof::Acknowledged));
    acknowledgement.is_some() || tiers.iter().any(waits)
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
    /// In mode `first`, how long a channel that could tell may say nothing, and how long any may lack an account; `None`: 2 minutes. At most
    /// `wait`. SQL reads it too (`channel_wait`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_wait: Option<Wait>,
    /// How many more rounds it has at most, each after `wait`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeat: u8,
    /// What it is for; `None`: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
    /// Templates its channels have instead of the plan's content, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub template: BTreeMap<Channel, String>,
}

/// By reference, as `skip_serializing_if` passes it.
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Tier {
    /// Whether a plan of this priority has the tier (rule 10).
    #[must_use]
    pub fn exists_for(&self, lane: Lane) -> bool {
        let priorities = self.only.as_ref().and_then(|only| only.priorities.as_ref());
        priorities.is_none_or(|priorities| priorities.contains(&lane))
    }
}

/// What a tier is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Only {
    /// Plans of these priorities; `None`: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priorities: Option<Vec<Lane>>,
    /// Whoever's clock shows a time in this window when the tier is due for them; for the others it does not exist. SQL reads it too
    /// (`closed_tiers`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Window>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str, html: &str) -> Content {
        Content { text: Some(text.to_owned()), html: Some(html.to_owned()), ..Content::default() }
    }

    #[test]
    fn the_link_is_added_where_it_is_not_said() {
        let sent = content("Water is off.\n", "<body><p>Off</p></body>").with_link();
        assert_eq!(sent.text.as_deref(), Some("Water is off.\n\n{{ link }}\n"));
        let html = sent.html.unwrap();
        assert!(html.ends_with("<p><a href=\"{{ link }}\">{{ link }}</a></p>\n</body>"), "{html}");
    }

    #[test]
    fn the_signature_is_the_last_line_but_for_the_link() {
        let signature = Some("Facilities <3".to_owned());
        let video = Some("https://example.org/v?a=1&b=2".to_owned());
        let plain = content("Water is off.\n", "<body><p>Off</p></body>");
        assert!(matches!(plain.with_extras(), Cow::Borrowed(_)), "costs nothing where there is none");
        let sent = Content { signature, video, ..plain }.with_link();
        let text = "Water is off.\n\nhttps://example.org/v?a=1&b=2\n\nFacilities <3\n\n{{ link }}\n";
        assert_eq!(sent.text.as_deref(), Some(text));
        let html = sent.html.unwrap();
        let signed =
            "<p align=\"right\">Facilities &lt;3</p>\n<p><a href=\"{{ link }}\">{{ link }}</a></p>\n</body>";
        assert!(html.contains("v?a=1&amp;b=2\"") && html.ends_with(signed), "{html}");
        assert_eq!((sent.signature, sent.video), (None, None), "never twice");
    }

    #[test]
    fn a_text_that_says_the_link_is_left_alone() {
        for said in ["See {{ link }}", "{{link}}", "{{- link -}}", "{{ link | upper }}"] {
            let given = content(said, said);
            assert_eq!(given.with_link(), given, "{said}");
        }
        for other in ["{{ linked }}", "{{ link_2 }}", "link", "{{ name }} link }}"] {
            assert_ne!(content(other, other).with_link(), content(other, other), "{other}");
        }
    }

    #[test]
    fn files_lead_to_the_page_where_they_cannot_go_along() {
        use Channel::{Email, Inbox};
        let plain = content("a", "a");
        let filed = Content { attachments: vec![Uuid::nil()], ..plain.clone() };
        for (content, asks, channels, leads) in [
            (&plain, false, vec![Email, Inbox], false),
            (&plain, true, vec![Email], true),
            (&filed, false, vec![Email], false),
            (&filed, false, vec![Email, Inbox], true),
            (&filed, true, vec![Email], true),
        ] {
            assert_eq!(content.leads_to_page(asks, channels.clone()), leads, "{asks} {channels:?}");
        }
        assert!(filed.gate().attachments.is_empty(), "what is protected is on the page only");
    }

    #[test]
    fn each_slot_says_its_wording() {
        use Channel::{Email, Sms};
        let wordings = vec![content("a", "a"), content("b", "b")];
        let given = [
            (Slot::new(1, Email), 0),
            (Slot::new(2, Email), 1),
            (Slot::new(2, Sms), 2),
            (Slot::new(3, Sms), 2),
        ];
        let worded = content("x", "x").with_wordings(wordings, &given);
        for (slot, number) in given {
            assert_eq!(worded.wording(slot), number, "{slot:?}");
        }
        assert_eq!(worded.wording(Slot::new(128, Sms)), 2, "a reminder says what its channel said first");
        assert_eq!(worded.wording(Slot::new(128, Email)), 0);
        assert_eq!(worded.slots.len(), 2, "no more than is needed: {:?}", worded.slots);
    }

    #[test]
    fn a_plan_asks_for_reading_when_it_offers_answers_or_waits_for_them() {
        let plain = Tier { channels: vec![Channel::Email], ..Tier::default() };
        assert!(!asks_for_reading(std::slice::from_ref(&plain), None));
        let options = serde_json::json!({"options": ["Yes"], "other": false});
        assert!(asks_for_reading(std::slice::from_ref(&plain), Some(&options)));
        for (until, asks) in [(Proof::Delivered, false), (Proof::Read, true), (Proof::Acknowledged, true)] {
            let tier = Tier { until: Some(until), ..plain.clone() };
            assert_eq!(asks_for_reading(&[plain.clone(), tier], None), asks);
        }
    }
}
