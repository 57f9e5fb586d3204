//! The two languages of the pages.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// Heading and text of a page without a message.
pub(super) type Notice = (&'static str, &'static str);

/// Everything a page says by itself.
pub(super) struct Words {
    pub(super) tag: &'static str,
    pub(super) open_link: &'static str,
    pub(super) watch: &'static str,
    pub(super) files: &'static str,
    pub(super) please_answer: &'static str,
    pub(super) other: &'static str,
    pub(super) your_words: &'static str,
    pub(super) send: &'static str,
    pub(super) your_answer: &'static str,
    pub(super) already: &'static str,
    pub(super) history: &'static str,
    pub(super) choose: &'static str,
    pub(super) too_long: &'static str,
    pub(super) say_more: &'static str,
    pub(super) unknown: Notice,
    pub(super) withdrawn: Notice,
    pub(super) erased: Notice,
    pub(super) closed: Notice,
    pub(super) later: Notice,
    pub(super) leave: Notice,
    pub(super) leave_button: &'static str,
    pub(super) left: Notice,
}

pub(super) static ENGLISH: Words = Words {
    tag: "en",
    open_link: "Open link",
    watch: "Watch video",
    files: "Attachments",
    please_answer: "Your answer, please",
    other: "Other",
    your_words: "In your own words",
    send: "Send answer",
    your_answer: "Your answer",
    already: "You have answered already. Your first answer stands.",
    history: "Messages you have read before",
    choose: "Please choose one of the answers.",
    too_long: "Please keep it to 500 characters of plain text.",
    say_more: "Please write a few words.",
    unknown: ("No message here", "This link is not valid. Please check that it is complete."),
    withdrawn: ("Message withdrawn", "The sender has withdrawn this message."),
    erased: ("Message erased", "The content of this message has been erased, as its sender wanted it."),
    closed: ("Message not available", "This message cannot be read at present."),
    later: ("Please try again", "This cannot be done at this moment. Please try again in a few seconds."),
    leave: (
        "Unsubscribe",
        "No more mail from this sender to your address? Urgent messages will still arrive.",
    ),
    leave_button: "Unsubscribe",
    left: ("Unsubscribed", "You will get no more mail from this sender, except urgent messages."),
};

pub(super) static CHINESE: Words = Words {
    tag: "zh",
    open_link: "打开链接",
    watch: "观看视频",
    files: "附件",
    please_answer: "请回复",
    other: "其他",
    your_words: "请填写内容",
    send: "提交回复",
    your_answer: "您的回复",
    already: "您已经回复过，以第一次回复为准。",
    history: "您读过的消息",
    choose: "请选择一个选项。",
    too_long: "请用不超过500字的纯文本填写。",
    say_more: "请填写内容。",
    unknown: ("没有找到消息", "链接无效，请检查链接是否完整。"),
    withdrawn: ("消息已撤回", "发送方已撤回这条消息。"),
    erased: ("消息已删除", "按发送方的设定，这条消息的内容已被清除。"),
    closed: ("消息暂不可用", "目前无法查看这条消息。"),
    later: ("请稍后再试", "暂时无法处理，请过几秒再试。"),
    leave: ("退订", "不再接收该发送方的邮件？紧急消息仍会送达。"),
    leave_button: "退订",
    left: ("已退订", "您将不再收到该发送方的邮件，紧急消息除外。"),
};

impl Words {
    /// In the browser's language, else in the recipient's, else English.
    pub(super) fn of(headers: &HeaderMap, locale: Option<&str>) -> &'static Words {
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        accepted.and_then(preferred).or_else(|| known(locale?)).unwrap_or(&ENGLISH)
    }

    /// The other language.
    pub(super) fn other_language(&self) -> &'static Words {
        if self.tag == CHINESE.tag { &ENGLISH } else { &CHINESE }
    }
}

/// The language we have that is wanted most; of equals the first.
fn preferred(accepted: &str) -> Option<&'static Words> {
    let mut best: Option<(f32, &'static Words)> = None;
    for range in accepted.split(',') {
        let mut parts = range.split(';');
        let Some(words) = parts.next().and_then(known) else { continue };
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
        if weight > 0.0 && best.is_none_or(|(other, _)| weight > other) {
            best = Some((weight, words));
        }
    }
    best.map(|(_, words)| words)
}

fn known(tag: &str) -> Option<&'static Words> {
    let language = tag.trim().split(['-', '_']).next()?;
    [&ENGLISH, &CHINESE].into_iter().find(|words| words.tag.eq_ignore_ascii_case(language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_wanted_most() {
        let chosen = |accepted: &str| preferred(accepted).map_or("-", |words| words.tag);
        for (accepted, tag) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
            ("en-GB,en;q=0.9,zh;q=0.3", "en"),
            ("de,zh;q=0.2,en;q=0.5", "en"),
            ("de;q=0.9, ZH-Hant", "zh"),
            ("zh;q=0, en;q=0.1", "en"),
            ("de", "-"),
            ("*", "-"),
            ("", "-"),
        ] {
            assert_eq!(chosen(accepted), tag, "{accepted}");
        }
        assert_eq!(Words::of(&HeaderMap::new(), Some("zh_CN")).tag, "zh");
        assert_eq!(Words::of(&HeaderMap::new(), None).tag, "en");
    }
}
