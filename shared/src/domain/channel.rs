//! Channels, lanes and slots: where a message goes and which queue it uses.

use super::reminder::FIRST_STEP as FIRST_REMINDER;
use super::{Unknown, words};

words! {
    /// A medium. The list is fixed; providers behind it are not.
    Channel, "channel", {
        /// Mail.
        Email = 1: "email",
        /// Text message.
        Sms = 2: "sms",
        /// Telephone call.
        Voice = 3: "voice",
        /// WeCom.
        Wecom = 4: "wecom",
        /// DingTalk.
        Dingtalk = 5: "dingtalk",
        /// Feishu.
        Feishu = 6: "feishu",
        /// WeLink.
        Welink = 7: "welink",
        /// WeChat.
        Wechat = 8: "wechat",
        /// A signed HTTP call to the recipient's URL.
        Webhook = 9: "webhook",
        /// The in-app inbox.
        Inbox = 10: "inbox",
    }
}

impl Channel {
    /// The key of this channel's address in `recipient.addresses`; SQL has the same table (`address_kind`).
    #[must_use]
    pub const fn address_kind(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Sms | Channel::Voice => "phone",
            Channel::Wecom => "wecom",
            Channel::Dingtalk => "dingtalk",
            Channel::Feishu => "feishu",
            Channel::Welink => "welink",
            Channel::Wechat => "wechat",
            Channel::Webhook => "url",
            Channel::Inbox => "inbox",
        }
    }

    /// Deliveries one job of this channel holds at most (never over 1000, the widest call): as many as one native batch
    /// call takes, or some tens of single calls, so that several workers share a plan.
    #[must_use]
    pub const fn job_units(self) -> i32 {
        match self {
            Channel::Inbox | Channel::Wecom | Channel::Welink => 1000,
            Channel::Email | Channel::Webhook | Channel::Sms | Channel::Voice => 50,
            Channel::Dingtalk | Channel::Feishu | Channel::Wechat => 100,
        }
    }
}

impl Channel {
    /// Provider calls that a job of `units` makes, at the batch sizes of its providers: a native batch or single calls.
    #[must_use]
    pub const fn calls(self, units: i32) -> i32 {
        match self {
            Channel::Inbox | Channel::Wecom | Channel::Welink => (units + 999) / 1000,
            Channel::Dingtalk | Channel::Feishu | Channel::Wechat => (units + 99) / 100,
            Channel::Email | Channel::Webhook | Channel::Sms | Channel::Voice => units,
        }
    }
}

words! {
    /// A priority: its own queues, connections and reserved capacity.
    Lane, "priority", {
        /// Goes first and has its own connections.
        Urgent = 0: "urgent",
        /// The default.
        Normal = 1: "normal",
        /// Waits for the others.
        Bulk = 2: "bulk",
    }
}

words! {
    /// What to do when a provider may or may not have accepted a message.
    OnUnknown, "on_unknown", {
        /// Send again (counts as an attempt).
        Resend = 0: "resend",
        /// Leave it `unknown` for a person to settle.
        Hold = 1: "hold",
        /// Ask the provider where it can be asked, else hold.
        Ask = 2: "ask",
    }
}

/// One channel in one tier, `tier * 16 + channel`: a column of the deliveries' key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    tier: u8,
    channel: Channel,
}

impl Slot {
    /// The slot of `channel` in step `tier` (1..=255).
    #[must_use]
    pub const fn new(tier: u8, channel: Channel) -> Self {
        Slot { tier, channel }
    }

    /// Reads a stored code.
    ///
    /// # Errors
    /// [`Unknown`] when its channel is none of ours or its tier is not 1..=255.
    pub fn from_code(code: i16) -> Result<Self, Unknown> {
        let bad = || Unknown { what: "slot", value: code.to_string() };
        let tier = u8::try_from(code >> 4).map_err(|_| bad())?;
        if tier == 0 {
            return Err(bad());
        }
        Ok(Slot { tier, channel: Channel::from_code(code & 15)? })
    }

    /// The smallint stored in the database.
    #[must_use]
    pub const fn code(self) -> i16 {
        (self.tier as i16) * 16 + self.channel.code()
    }

    /// The tier, from 1.
    #[must_use]
    pub const fn tier(self) -> u8 {
        self.tier
    }

    /// Which of the plan's reminders it belongs to, from 1; `None`: it is one of the ladder's.
    #[must_use]
    pub const fn reminder(self) -> Option<u8> {
        if self.tier < FIRST_REMINDER { None } else { Some(self.tier - FIRST_REMINDER + 1) }
    }

    /// The tier, from 1; `None`: it belongs to a reminder.
    #[must_use]
    pub const fn of_ladder(self) -> Option<u8> {
        if self.tier < FIRST_REMINDER { Some(self.tier) } else { None }
    }

    /// The channel.
    #[must_use]
    pub const fn channel(self) -> Channel {
        self.channel
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_reads_back_what_it_packs() {
        for tier in 1..=255 {
            for &channel in Channel::ALL {
                let slot = Slot::new(tier, channel);
                assert_eq!(Slot::from_code(slot.code()), Ok(slot));
            }
        }
        assert!(Slot::from_code(1).is_err(), "tier 0 is not a slot");
        assert!(Slot::from_code(31).is_err(), "channel 15 is not a channel");
    }
}
