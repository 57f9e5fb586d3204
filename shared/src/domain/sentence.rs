//! A ladder in words: what it does to one person, as one sentence in English and in Chinese.

use serde::Serialize;

use super::quiet::Window;
use super::{Channel, Mode, Proof, Tier, Wait};

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sentence {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Says what `tiers` do.
#[must_use]
pub fn sentence(tiers: &[Tier]) -> Sentence {
    let (mut zh, mut en) = (Vec::new(), Vec::new());
    for (i, tier) in tiers.iter().enumerate() {
        let (by_zh, by_en) = (ways(tier, ZH), ways(tier, EN));
        let (when_zh, when_en) = hours(tier);
        if i == 0 {
            zh.push(format!("先以{by_zh}发送{when_zh}"));
            en.push(format!("Send by {by_en}{when_en}"));
        } else {
            zh.push(format!("{}，再以{by_zh}发送{when_zh}", left_zh(&tiers[i - 1])));
            en.push(format!("to whoever {}, send by {by_en}{when_en}", left_en(&tiers[i - 1])));
        }
    }
    if let Some((zh_end, en_end)) = tiers.last().and_then(end) {
        zh.push(zh_end);
        en.push(en_end);
    }
    Sentence { zh: zh.join("；") + "。", en: en.join("; ") + "." }
}

/// Words between channels.
struct Joints {
    name: fn(Channel) -> &'static str,
    comma: &'static str,
    and: &'static str,
    or_else: &'static str,
}

const ZH: &Joints = &Joints { name: name_zh, comma: "、", and: "和", or_else: "，不成则以" };
const EN: &Joints = &Joints { name: name_en, comma: ", ", and: " and ", or_else: ", or else by " };

/// `WeCom and mail`, or `WeCom, or else by mail`.
fn ways(tier: &Tier, joints: &Joints) -> String {
    let names: Vec<&str> = tier.channels.iter().map(|channel| (joints.name)(*channel)).collect();
    match (tier.mode, names.split_last()) {
        (_, None) => String::new(),
        (Mode::First, _) => names.join(joints.or_else),
        (Mode::All, Some((last, []))) => (*last).to_owned(),
        (Mode::All, Some((last, rest))) => rest.join(joints.comma) + joints.and + last,
    }
}

/// When it exists, if that matters.
fn hours(tier: &Tier) -> (String, String) {
    let hours = tier.only.as_ref().and_then(|only| only.hours.as_ref());
    hours.map_or_else(Default::default, |Window { from, to, .. }| {
        (format!("（仅 {from} 至 {to}）"), format!(" (only from {from} to {to})"))
    })
}

/// Who goes on from a tier to the next.
fn left_en(tier: &Tier) -> String {
    let within = tier.wait.map_or(String::new(), |wait| format!(" within {}", time(wait, TIME_EN)));
    match tier.until {
        None | Some(Proof::Sent) => format!("could not be sent to{within}"),
        Some(Proof::Delivered) => format!("it did not reach{within}"),
        Some(Proof::Read) => format!("has not read it{within}"),
        Some(Proof::Acknowledged) => format!("has not answered{within}"),
    }
}

fn left_zh(tier: &Tier) -> String {
    let within = tier.wait.map_or(String::new(), |wait| format!("{}内", time(wait, TIME_ZH)));
    match tier.until {
        None | Some(Proof::Sent) => format!("{within}未能发出者"),
        Some(Proof::Delivered) => format!("{within}未送达者"),
        Some(Proof::Read) => format!("{within}未读者"),
        Some(Proof::Acknowledged) => format!("{within}未确认者"),
    }
}

/// What the last tier waits for.
fn end(tier: &Tier) -> Option<(String, String)> {
    let (zh, en) = match tier.until? {
        Proof::Sent => return None,
        Proof::Delivered => ("送达", "arrived"),
        Proof::Read => ("已读", "read"),
        Proof::Acknowledged => ("确认", "answered"),
    };
    let after = |unit: &[(&str, &str); 4]| tier.wait.map(|wait| time(wait, unit));
    Some((
        after(TIME_ZH).map_or_else(|| format!("至{zh}为止"), |wait| format!("至{zh}或 {wait}后为止")),
        after(TIME_EN).map_or_else(|| format!("until {en}"), |wait| format!("until {en} or {wait} later")),
    ))
}

/// Days, hours, minutes and seconds, one and several.
const TIME_EN: &[(&str, &str); 4] =
    &[(" day", " days"), (" hour", " hours"), (" minute", " minutes"), (" second", " seconds")];
const TIME_ZH: &[(&str, &str); 4] = &[(" 天", " 天"), (" 小时", " 小时"), (" 分钟", " 分钟"), (" 秒", " 秒")];

/// `1 hour 30 minutes`.
fn time(wait: Wait, units: &[(&str, &str); 4]) -> String {
    let seconds = wait.duration().as_secs();
    let parts = [seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
    let said = parts.into_iter().zip(units).filter(|(number, _)| *number > 0);
    let words =
        said.map(|(number, (one, several))| format!("{number}{}", if number == 1 { one } else { several }));
    words.collect::<Vec<_>>().join(" ")
}

const fn name_en(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "mail",
        Channel::Sms => "SMS",
        Channel::Voice => "phone call",
        Channel::Wecom => "WeCom",
        Channel::Dingtalk => "DingTalk",
        Channel::Feishu => "Feishu",
        Channel::Welink => "WeLink",
        Channel::Wechat => "WeChat",
        Channel::Webhook => "webhook",
        Channel::Inbox => "inbox",
    }
}

const fn name_zh(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "邮件",
        Channel::Sms => "短信",
        Channel::Voice => "语音电话",
        Channel::Wecom => "企业微信",
        Channel::Dingtalk => "钉钉",
        Channel::Feishu => "飞书",
        Channel::Welink => "WeLink",
        Channel::Wechat => "微信",
        Channel::Webhook => "Webhook",
        Channel::Inbox => "站内信",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Only;

    fn tier(channels: &[Channel], mode: Mode, wait: u64, until: Option<Proof>) -> Tier {
        let wait = (wait > 0).then(|| Wait::seconds(wait));
        Tier { channels: channels.to_vec(), mode, wait, until, ..Tier::default() }
    }

    #[test]
    fn ladders_are_said_in_both_languages() {
        use Channel::{Email, Inbox, Sms, Voice, Wecom};
        let by_day = Only { hours: "08:00-20:30".parse().ok(), ..Only::default() };
        let table: [(Vec<Tier>, &str, &str); 6] = [
            (
                vec![
                    tier(&[Wecom], Mode::All, 600, Some(Proof::Read)),
                    Tier { only: Some(by_day), ..tier(&[Voice], Mode::All, 0, None) },
                ],
                "Send by WeCom; to whoever has not read it within 10 minutes, send by phone call (only from 08:00 to 20:30).",
                "先以企业微信发送；10 分钟内未读者，再以语音电话发送（仅 08:00 至 20:30）。",
            ),
            (vec![tier(&[Email], Mode::All, 0, None)], "Send by mail.", "先以邮件发送。"),
            (
                vec![tier(&[Wecom, Inbox, Email], Mode::All, 0, None)],
                "Send by WeCom, inbox and mail.",
                "先以企业微信、站内信和邮件发送。",
            ),
            (
                vec![
                    tier(&[Wecom, Email], Mode::All, 600, Some(Proof::Read)),
                    tier(&[Sms, Voice], Mode::First, 5400, Some(Proof::Acknowledged)),
                ],
                "Send by WeCom and mail; to whoever has not read it within 10 minutes, send by SMS, or else by phone call; \
                 until answered or 1 hour 30 minutes later.",
                "先以企业微信和邮件发送；10 分钟内未读者，再以短信，不成则以语音电话发送；至确认或 1 小时 30 分钟后为止。",
            ),
            (
                vec![tier(&[Email], Mode::All, 0, None), tier(&[Sms], Mode::All, 0, Some(Proof::Delivered))],
                "Send by mail; to whoever could not be sent to, send by SMS; until arrived.",
                "先以邮件发送；未能发出者，再以短信发送；至送达为止。",
            ),
            (
                vec![
                    tier(&[Sms], Mode::All, 86_461, Some(Proof::Delivered)),
                    tier(&[Voice], Mode::All, 0, None),
                ],
                "Send by SMS; to whoever it did not reach within 1 day 1 minute 1 second, send by phone call.",
                "先以短信发送；1 天 1 分钟 1 秒内未送达者，再以语音电话发送。",
            ),
        ];
        for (tiers, en, zh) in table {
            assert_eq!(sentence(&tiers), Sentence { zh: zh.to_owned(), en: en.to_owned() });
        }
    }

    #[test]
    fn every_channel_has_a_name_of_its_own_in_both_languages() {
        for name in [name_en, name_zh] {
            let names: std::collections::BTreeSet<_> =
                Channel::ALL.iter().map(|channel| name(*channel)).collect();
            assert_eq!(names.len(), Channel::ALL.len());
        }
    }
}
