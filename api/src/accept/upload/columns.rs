//! What the first row of a file calls its columns, in English or Chinese.

use herald_shared::domain::Channel;

/// Columns that are fields of a recipient, each with what a Chinese sheet may call it; the first of them is what the template says.
const FIELDS: [(&str, &[&str]); 7] = [
    ("key", &["工号", "编号", "员工编号", "人员编号", "员工号"]),
    ("name", &["姓名", "名字", "收件人", "接收人"]),
    ("email", &["邮箱", "电子邮箱", "邮件", "电子邮件", "邮箱地址"]),
    ("phone", &["手机", "手机号", "手机号码", "电话", "电话号码", "联系电话"]),
    ("locale", &["语言"]),
    ("time_zone", &["时区"]),
    ("url", &["回调地址", "网址"]),
];
/// Columns that are one of `ids`.
const IDS: [(Channel, &[&str]); 6] = [
    (Channel::Wecom, &["企业微信", "企业微信账号", "企微", "企微账号"]),
    (Channel::Dingtalk, &["钉钉", "钉钉账号"]),
    (Channel::Feishu, &["飞书", "飞书账号"]),
    (Channel::Welink, &["WeLink账号"]),
    (Channel::Wechat, &["微信", "微信账号", "公众号"]),
    (Channel::Inbox, &["站内信", "收件箱"]),
];

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// A field of the recipient.
    Field(&'static str),
    /// One of `ids`.
    Id(&'static str),
    /// Everything else is a variable.
    Variable,
}

/// A column of the file.
#[derive(Debug)]
pub(super) struct Column {
    /// As the first row calls it.
    pub(super) label: String,
    pub(super) role: Role,
    /// It is called a phone in Chinese: numbers without `+` are mainland China's.
    pub(super) chinese_phone: bool,
}

impl Column {
    pub(super) fn of(label: &str) -> Column {
        let is = |name: &str, others: &[&str]| name.eq_ignore_ascii_case(label) || others.contains(&label);
        let field = FIELDS.iter().find(|(name, others)| is(name, others)).map(|(name, _)| Role::Field(name));
        let id = || {
            let found = IDS.iter().find(|(channel, others)| is(channel.address_kind(), others));
            found.map(|(channel, _)| Role::Id(channel.address_kind()))
        };
        let role = field.or_else(id).unwrap_or(Role::Variable);
        let chinese_phone = role == Role::Field("phone") && !label.is_ascii();
        Column { label: label.to_owned(), role, chinese_phone }
    }

    /// What it is called in a recipient.
    pub(super) fn name(&self) -> &str {
        match self.role {
            Role::Field(name) | Role::Id(name) => name,
            Role::Variable => &self.label,
        }
    }

    /// Whether it says who somebody is or where they can be reached.
    pub(super) fn names_somebody(&self) -> bool {
        match self.role {
            Role::Field(name) => !["name", "locale", "time_zone"].contains(&name),
            Role::Id(_) => true,
            Role::Variable => false,
        }
    }

    /// A cell as a recipient has it.
    pub(super) fn value(&self, text: &str) -> String {
        if self.chinese_phone
            && let Some(number) = mainland_mobile(text)
        {
            return number;
        }
        text.to_owned()
    }
}

/// Titles of a template sheet: fields and channels whose column people fill in.
pub fn titles(chinese: bool) -> Vec<String> {
    let fields = FIELDS.iter().filter(|(name, _)| *name != "url").map(|(name, others)| (*name, others[0]));
    let ids = IDS.iter().take(3).map(|(channel, others)| (channel.address_kind(), others[0]));
    fields.chain(ids).map(|(english, own)| if chinese { own } else { english }.to_owned()).collect()
}

/// A mobile number of mainland China as people write it, in E.164.
fn mainland_mobile(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|char| !matches!(char, ' ' | '-' | '\u{a0}')).collect();
    let is = digits.len() == 11
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.starts_with('1')
        && ('3'..='9').contains(&char::from(digits.as_bytes()[1]));
    is.then(|| format!("+86{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_english_and_chinese_names() {
        for (label, role) in [
            ("email", Role::Field("email")),
            ("Email", Role::Field("email")),
            ("手机号", Role::Field("phone")),
            ("工号", Role::Field("key")),
            ("企业微信", Role::Id("wecom")),
            ("WeCom", Role::Id("wecom")),
            ("房间", Role::Variable),
            ("e mail", Role::Variable),
        ] {
            assert_eq!(Column::of(label).role, role, "{label}");
        }
    }

    #[test]
    fn numbers_under_a_chinese_title_are_mainland_chinas() {
        let chinese = Column::of("手机");
        assert_eq!(chinese.value("138 0013-8000"), "+8613800138000");
        for other in ["+8613800138000", "01088886666", "13105550100 ext", "12345678901"] {
            assert_eq!(chinese.value(other), other);
        }
        assert_eq!(Column::of("phone").value("13105550100"), "13105550100", "perhaps of Los Angeles");
    }

    #[test]
    fn the_template_s_titles_are_known() {
        for chinese in [false, true] {
            let titles = titles(chinese);
            assert!(titles.iter().all(|title| Column::of(title).role != Role::Variable), "{titles:?}");
        }
    }

    #[test]
    fn no_name_means_two_things() {
        let others = FIELDS.iter().map(|(_, names)| names).chain(IDS.iter().map(|(_, names)| names));
        let mut seen = std::collections::BTreeSet::new();
        assert!(others.flat_map(|names| names.iter()).all(|name| seen.insert(name)));
    }
}
