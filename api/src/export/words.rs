//! What exports call things, in the reader's language.

use herald_shared::domain::{Channel, DeliveryStatus, Rung, Slot};

use crate::extract::Language;

/// Words of a language. English ones are the API's own.
#[derive(Debug, Clone, Copy)]
pub struct Words(pub Language);

impl Words {
    /// One or the other.
    #[must_use]
    pub const fn pick(self, english: &'static str, chinese: &'static str) -> &'static str {
        match self.0 {
            Language::English => english,
            Language::Chinese => chinese,
        }
    }

    /// A channel.
    #[must_use]
    pub const fn channel(self, channel: Channel) -> &'static str {
        let chinese = match channel {
            Channel::Email => "邮件",
            Channel::Sms => "短信",
            Channel::Voice => "语音",
            Channel::Wecom => "企业微信",
            Channel::Dingtalk => "钉钉",
            Channel::Feishu => "飞书",
            Channel::Welink => "WeLink",
            Channel::Wechat => "微信",
            Channel::Webhook => "Webhook",
            Channel::Inbox => "站内信",
        };
        self.pick(channel.as_str(), chinese)
    }

    /// A channel, with its tier where there are several, and the round after the first.
    #[must_use]
    pub fn slot(self, slot: Slot, rung: Option<Rung>) -> String {
        let channel = self.channel(slot.channel());
        if let Some(reminder) = self.reminder(slot) {
            return format!("{reminder}: {channel}");
        }
        match rung {
            None => channel.to_owned(),
            Some(Rung { tier, round: 1 }) => format!("{tier}. {channel}"),
            Some(Rung { tier, round }) => format!("{tier}. {channel} ({round})"),
        }
    }

    /// The name of the reminder that a slot belongs to.
    #[must_use]
    pub fn reminder(self, slot: Slot) -> Option<String> {
        slot.reminder().map(|no| format!("{} {no}", self.pick("reminder", "提醒")))
    }

    /// Where a delivery is.
    #[must_use]
    pub const fn delivery(self, status: DeliveryStatus) -> &'static str {
        let chinese = match status {
            DeliveryStatus::Pending => "待发送",
            DeliveryStatus::Queued => "排队中",
            DeliveryStatus::Sending => "发送中",
            DeliveryStatus::Sent => "已发送",
            DeliveryStatus::Delivered => "已送达",
            DeliveryStatus::Failed => "失败",
            DeliveryStatus::Unknown => "结果未知",
            DeliveryStatus::Suppressed => "未发送",
            DeliveryStatus::Cancelled => "已取消",
            DeliveryStatus::Expired => "已过期",
        };
        self.pick(status.as_str(), chinese)
    }

    /// Where a recipient is.
    #[must_use]
    pub fn reach(self, reach: &str) -> String {
        let chinese = match reach {
            "pending" => "处理中",
            "reached" => "已触达",
            "unreachable" => "未触达",
            "cancelled" => "已取消",
            "unknown" => "结果未知",
            other => other,
        };
        match self.0 {
            Language::English => reach.to_owned(),
            Language::Chinese => chinese.to_owned(),
        }
    }

    /// A status with its reason.
    #[must_use]
    pub fn with_reason(self, status: &str, reason: Option<&str>) -> String {
        match reason {
            Some(reason) => format!("{status} ({reason})"),
            None => status.to_owned(),
        }
    }
}
