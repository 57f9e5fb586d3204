//! Rows of deliveries.

use std::collections::VecDeque;

use herald_shared::db::deliveries::Delivery;
use herald_shared::db::exports::Person;
use herald_shared::db::plans::Outline;
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::{PlanRef, delivery_uuid, recipient_uuid};
use herald_shared::domain::{DeliveryStatus, Slot, Steps};

use super::PAGE;
use crate::export::{Cell, Words};
use crate::routes::deliveries::{Filter, place};

/// A plan's deliveries, slot by slot.
pub(super) struct Deliveries {
    tenant_id: i64,
    plan: PlanRef,
    slots: VecDeque<Slot>,
    steps: Steps,
    status: Option<DeliveryStatus>,
    words: Words,
    after: i32,
}

impl Deliveries {
    pub(super) fn new(
        (tenant_id, plan): (i64, PlanRef),
        outline: Outline,
        filter: Filter,
        words: Words,
    ) -> Self {
        let Outline { mut slots, steps } = outline;
        slots.retain(|slot| filter.channel.is_none_or(|channel| slot.channel() == channel));
        slots.sort_unstable();
        Deliveries { tenant_id, plan, slots: slots.into(), steps, status: filter.status, words, after: 0 }
    }

    pub(super) fn titles(words: Words) -> Vec<String> {
        let titles = [
            ("Number", "编号"),
            ("Name", "姓名"),
            ("Channel", "渠道"),
            ("Tier", "级"),
            ("Status", "状态"),
            ("Reason", "原因"),
            ("Attempts", "尝试次数"),
            ("Account", "账号"),
            ("Provider message id", "服务商消息编号"),
            ("Queued at (UTC)", "进入队列时间 (UTC)"),
            ("Sent at (UTC)", "发送时间 (UTC)"),
            ("Delivered at (UTC)", "送达时间 (UTC)"),
            ("Updated at (UTC)", "更新时间 (UTC)"),
            ("Id", "ID"),
            ("Recipient", "收件人 ID"),
            ("Round", "轮次"),
        ];
        titles.map(|(english, chinese)| words.pick(english, chinese).to_owned()).into()
    }

    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Vec<Vec<Cell>>>, db::Error> {
        let Some(&slot) = self.slots.front() else { return Ok(None) };
        let place = place(self.tenant_id, self.plan, slot);
        let found = db::deliveries::page(client, place, self.after, self.status, (PAGE, PAGE)).await?;
        let positions: Vec<i32> = found.iter().map(|delivery| delivery.no).collect();
        let mut people = db::exports::people(client, (self.tenant_id, self.plan.id), &positions).await?;
        let end = match positions.last() {
            Some(last) if positions.len() == PAGE.unsigned_abs() as usize => Some(*last),
            // Some of the rows that were read did not match, or the slot's end has come.
            _ => db::deliveries::page_end(client, place, self.after, PAGE).await?,
        };
        if end.is_none() {
            self.slots.pop_front();
        }
        self.after = end.unwrap_or(0);
        let row = |delivery: Delivery| {
            let person = people.remove(&delivery.no).unwrap_or_default();
            self.row(slot, delivery, person)
        };
        Ok(Some(found.into_iter().map(row).collect()))
    }

    fn row(&self, slot: Slot, delivery: Delivery, person: Person) -> Vec<Cell> {
        let rung = self.steps.place(slot.tier());
        let delivered = delivery.status == DeliveryStatus::Delivered;
        vec![
            person.key.into(),
            person.name.into(),
            Cell::Text(self.words.channel(slot.channel()).to_owned()),
            self.words.reminder(slot).map_or_else(|| Cell::Number(rung.tier.into()), Cell::Text),
            Cell::Text(self.words.delivery(delivery.status).to_owned()),
            delivery.reason.into(),
            Cell::Number(delivery.attempts.into()),
            delivery.account.map(|account| account.to_string()).into(),
            delivery.provider_ref.into(),
            Cell::Time(delivery.created_at),
            delivery.sent_at.into(),
            delivered.then_some(delivery.updated_at).into(),
            Cell::Time(delivery.updated_at),
            Cell::Text(delivery_uuid(self.plan, slot.code(), delivery.no).to_string()),
            Cell::Text(recipient_uuid(self.plan, delivery.no).to_string()),
            Cell::Number(rung.round.into()),
        ]
    }
}
