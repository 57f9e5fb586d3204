//! Kinds of templates, and which channels each may serve.

use super::{Channel, words};

words! {
    /// What a template is made for.
    TemplateKind, "kind", {
        /// Plain text: short messages, chat, mail without HTML, and what a voice reads out.
        Text = 0: "text",
        /// HTML with a plain text beside it.
        Rich = 1: "rich",
        /// Made to be heard: no title, no link, nothing to look at.
        Voice = 2: "voice",
    }
}

impl TemplateKind {
    /// Whether a message of this kind can go out on `channel` as it was meant.
    #[must_use]
    pub const fn serves(self, channel: Channel) -> bool {
        match self {
            TemplateKind::Text => true,
            TemplateKind::Rich => matches!(channel, Channel::Email | Channel::Webhook | Channel::Inbox),
            TemplateKind::Voice => matches!(channel, Channel::Voice),
        }
    }

    /// The channels it may serve.
    pub fn channels(self) -> impl Iterator<Item = Channel> {
        Channel::ALL.iter().copied().filter(move |channel| self.serves(*channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_serves_what_can_show_it() {
        for (kind, count, able, unable) in [
            (TemplateKind::Text, 10, Channel::Sms, None),
            (TemplateKind::Rich, 3, Channel::Email, Some(Channel::Wecom)),
            (TemplateKind::Voice, 1, Channel::Voice, Some(Channel::Sms)),
        ] {
            assert_eq!(kind.channels().count(), count, "{kind}");
            assert!(kind.serves(able), "{kind} {able}");
            assert!(unable.is_none_or(|channel| !kind.serves(channel)), "{kind} {unable:?}");
        }
    }
}
