//! Rows of recipients.

use herald_shared::db::plans::Outline;
use herald_shared::db::recipients::{Filter, OnChannel, Recipient};
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::{PlanRef, recipient_uuid};
use herald_shared::domain::{Slot, Steps};

use super::PAGE;
use crate::export::{Cell, Words};
use crate::routes::recipients::addresses;

/// A plan's recipients, in order.
pub(super) struct Recipients {
    tenant_id: i64,
    plan: PlanRef,
    slots: Vec<Slot>,
    steps: Steps,
    filter: Filter,
    words: Words,
    after: Option<i32>,
}

impl Recipients {
    pub(super) fn new(
        (tenant_id, plan): (i64, PlanRef),
        outline: Outline,
        filter: Filter,
        words: Words,
    ) -> Self {
        let Outline { mut slots, steps } = outline;
        slots.sort_unstable();
        Recipients { tenant_id, plan, slots, steps, filter, words, after: Some(0) }
    }

    /// A column for each channel stands between what all have in common.
    pub(super) fn titles(&self) -> Vec<String> {
        let word = |english, chinese| self.words.pick(english, chinese).to_owned();
        let mut titles = vec![
            word("Number", "编号"),
            word("Name", "姓名"),
            word("Addresses", "地址"),
            word("Send status", "发送状态"),
        ];
        let several = self.slots.iter().any(|slot| slot.of_ladder().is_some_and(|step| step > 1));
        let title = |slot: &Slot| self.words.slot(*slot, several.then(|| self.steps.place(slot.tier())));
        titles.extend(self.slots.iter().map(title));
        titles.extend([
            word("Read", "阅读状态"),
            word("Read at (UTC)", "阅读时间 (UTC)"),
            word("Read on", "阅读渠道"),
            word("Answer", "答复"),
            word("Answer text", "答复内容"),
            word("Answered at (UTC)", "答复时间 (UTC)"),
            word("Id", "ID"),
        ]);
        titles
    }

    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Vec<Vec<Cell>>>, db::Error> {
        let Some(after) = self.after else { return Ok(None) };
        let of = (self.tenant_id, self.plan.id, self.slots.as_slice());
        let found = db::recipients::page(client, of, after, &self.filter, (PAGE, PAGE)).await?;
        self.after = match found.last() {
            Some(last) if found.len() == PAGE.unsigned_abs() as usize => Some(last.no),
            // Some of the rows that were read did not match, or the end has come.
            _ => db::recipients::page_end(client, (self.tenant_id, self.plan.id), after, PAGE).await?,
        };
        Ok(Some(found.into_iter().map(|person| self.row(person)).collect()))
    }

    fn row(&self, person: Recipient) -> Vec<Cell> {
        let words = self.words;
        let addresses: Vec<String> = addresses(&person).into_values().collect();
        let mut row = vec![
            person.key.into(),
            person.name.into(),
            Cell::Text(addresses.join(" ")),
            Cell::Text(words.reach(&person.reach)),
        ];
        let on = |slot: &Slot| person.channels.iter().find(|on| on.slot == *slot);
        let status = |on: &OnChannel| words.with_reason(words.delivery(on.status), on.reason.as_deref());
        row.extend(self.slots.iter().map(|slot| Cell::from(on(slot).map(status))));
        let read = if person.read_at.is_some() { ("read", "已读") } else { ("unread", "未读") };
        row.extend([
            Cell::Text(words.pick(read.0, read.1).to_owned()),
            person.read_at.into(),
            person.read_channel.map(|channel| words.channel(channel).to_owned()).into(),
            person.answer.into(),
            person.answer_text.into(),
            person.answered_at.into(),
            Cell::Text(recipient_uuid(self.plan, person.no).to_string()),
        ]);
        row
    }
}
