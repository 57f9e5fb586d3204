//! What an approver's page says, in two languages.

use super::super::language::Words;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// It is to be decided.
    Open,
    Approved,
    Rejected,
    /// The message was changed since.
    Changed,
    Withdrawn,
    Expired,
}

/// The words of one language.
pub(super) struct AskWords {
    pub(super) heading: &'static str,
    pub(super) you: &'static str,
    pub(super) sender: &'static str,
    pub(super) number: &'static str,
    pub(super) priority: &'static str,
    pub(super) send_at: &'static str,
    pub(super) at_once: &'static str,
    pub(super) expires_at: &'static str,
    pub(super) people: &'static str,
    pub(super) answers: &'static str,
    pub(super) channel: &'static str,
    pub(super) cost: &'static str,
    pub(super) total: &'static str,
    pub(super) shown_as: &'static str,
    pub(super) not_shown: &'static str,
    pub(super) comment: &'static str,
    pub(super) approve: &'static str,
    pub(super) reject: &'static str,
    pub(super) say_why: &'static str,
    pub(super) too_long: &'static str,
    pub(super) late: &'static str,
    lines: [&'static str; 5],
    priorities: [&'static str; 3],
    channels: [&'static str; 10],
}

impl AskWords {
    /// Those of the page's language.
    pub(super) fn of(words: &Words) -> &'static AskWords {
        if words.tag == CHINESE_TAG { &CHINESE } else { &ENGLISH }
    }

    /// How a step stands, if it is not to be decided.
    pub(super) fn line(&self, line: Line) -> Option<&'static str> {
        let at = match line {
            Line::Open => return None,
            Line::Approved => 0,
            Line::Rejected => 1,
            Line::Changed => 2,
            Line::Withdrawn => 3,
            Line::Expired => 4,
        };
        Some(self.lines[at])
    }

    pub(super) fn priority_of(&self, lane: herald_shared::domain::Lane) -> &'static str {
        self.priorities[lane as usize]
    }

    pub(super) fn channel_of(&self, channel: herald_shared::domain::Channel) -> &'static str {
        self.channels[channel as usize - 1]
    }
}

const CHINESE_TAG: &str = "zh";

static ENGLISH: AskWords = AskWords {
    heading: "May this message go out?",
    you: "You are asked as",
    sender: "Sender",
    number: "Number",
    priority: "Priority",
    send_at: "To be sent",
    at_once: "as soon as it is approved",
    expires_at: "Not after",
    people: "Recipients",
    answers: "They may answer",
    channel: "Channel",
    cost: "Cost",
    total: "Together, if every channel is used",
    shown_as: "As the first recipient will see it.",
    not_shown: "This message is confidential: what differs from recipient to recipient is not shown.",
    comment: "Comment (required when you reject)",
    approve: "Approve",
    reject: "Reject",
    say_why: "Please say why you reject it.",
    too_long: "Please keep the comment to 1000 characters of plain text.",
    late: "Nothing was changed: this has been decided already, or needs no decision any more.",
    lines: [
        "Approved.",
        "Rejected.",
        "The message was changed or decided otherwise since you were asked. If it needs your approval you will be asked again.",
        "The sender has withdrawn the message.",
        "The message expired before it was approved.",
    ],
    priorities: ["urgent", "normal", "bulk"],
    channels: [
        "Mail",
        "SMS",
        "Voice call",
        "WeCom",
        "DingTalk",
        "Feishu",
        "WeLink",
        "WeChat",
        "Webhook",
        "Inbox",
    ],
};

static CHINESE: AskWords = AskWords {
    heading: "是否批准发送这条消息？",
    you: "审批人",
    sender: "发送人",
    number: "编号",
    priority: "优先级",
    send_at: "发送时间",
    at_once: "批准后立即发送",
    expires_at: "截止时间",
    people: "收件人数",
    answers: "可选回复",
    channel: "渠道",
    cost: "费用",
    total: "合计（每个渠道都使用时）",
    shown_as: "以第一位收件人看到的内容显示。",
    not_shown: "这是保密消息，不显示因人而异的内容。",
    comment: "意见（驳回时必填）",
    approve: "批准",
    reject: "驳回",
    say_why: "请填写驳回理由。",
    too_long: "请用不超过1000字的纯文本填写意见。",
    late: "未作任何更改：该消息已有审批结果，或已无需审批。",
    lines: [
        "已批准。",
        "已驳回。",
        "自请求审批以来，该消息已被修改或已另行决定；如仍需您审批，您会再次收到通知。",
        "发送方已撤回这条消息。",
        "该消息在审批前已过期。",
    ],
    priorities: ["紧急", "普通", "批量"],
    channels: ["邮件", "短信", "语音电话", "企业微信", "钉钉", "飞书", "WeLink", "微信", "Webhook", "站内信"],
};
