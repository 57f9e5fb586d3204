//! What approvers and senders are told, in Chinese and in English: nobody knows the language of somebody who is only an address.

use herald_shared::db::notices::Notice;
use herald_shared::domain::approval::Opinion;
use herald_shared::domain::{Content, PlanStatus};
use serde_json::{Map, Value};

/// Stands for the title of a message that is nobody else's business.
const HIDDEN: &str = "***";

/// What the texts speak of.
pub(super) fn variables(notice: &Notice, url: Option<String>) -> Map<String, Value> {
    let sensitive = notice.terms.is_sensitive();
    let title = if sensitive { HIDDEN } else { notice.title.as_str() };
    let sender = notice.terms.sender.as_ref().and_then(|sender| sender.label());
    let mut variables = Map::new();
    let mut set = |name: &str, value: &str| variables.insert(name.to_owned(), value.into());
    set("title", title);
    set("number", &notice.plan.number());
    set("people", &notice.recipients.to_string());
    set("sender", sender.unwrap_or_default());
    set("url", url.as_deref().unwrap_or_default());
    set("by", notice.decided_by.as_deref().unwrap_or_default());
    set("comment", notice.comment.as_deref().unwrap_or_default());
    variables
}

/// To an approver.
pub(super) fn ask(_: &Notice) -> Content {
    Content {
        subject: Some("请审批 · Approval wanted: {{ title }}".to_owned()),
        text: Some(
            "{% if sender %}{{ sender }}的{% endif %}消息“{{ title }}”（{{ number }}，收件人 {{ people }} 人）等待您审批。请打开链接，查看内容并决定：\n{{ url }}\n\n\
             The message \"{{ title }}\"{% if sender %} from {{ sender }}{% endif %} ({{ number }}, to {{ people }} people) waits for your approval. \
             Open the link to read it and decide:\n{{ url }}\n"
                .to_owned(),
        ),
        ..Content::default()
    }
}

/// To the sender.
pub(super) fn tell(notice: &Notice) -> Content {
    let (chinese, english) = match (notice.opinion, notice.status) {
        (Some(Opinion::Rejected), _) => ("未获批准", "was rejected"),
        (_, PlanStatus::Expired) => ("在审批前已过期", "expired before it was approved"),
        _ => ("已获批准", "was approved"),
    };
    let part = |title: &str, result: &str, by: &str, colon: &str| {
        format!(
            "{title}{result}{{% if by %}}{by}{{% endif %}}{{% if comment %}}{colon}{{{{ comment }}}}{{% endif %}}"
        )
    };
    let chinese_text = part("消息“{{ title }}”（{{ number }}）", chinese, "（{{ by }}）", "：");
    let english_text = part("The message \"{{ title }}\" ({{ number }}) ", english, " by {{ by }}", ": ");
    Content {
        subject: Some(format!("{chinese} · {{{{ title }}}} {english}")),
        text: Some(format!("{chinese_text}\n\n{english_text}\n")),
        ..Content::default()
    }
}
