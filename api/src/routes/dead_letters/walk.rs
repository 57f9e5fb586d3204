//! Going through a tenant's dead letters: plans newest first, within a plan along the deliveries' key.

use herald_shared::db::dead::{DeadLetter, DeadPlan, Filter};
use herald_shared::db::{self, Client};
use herald_shared::domain::ids::PlanRef;
use herald_shared::domain::{Channel, Rung, Slot};

use super::super::deliveries::place;
use crate::cursor;
use crate::error::Result;

/// Rows one query reads at most.
const SCAN: i64 = 20_000;
/// Queries one request makes at most: rare matches in large plans give a short page and a cursor to go on.
const QUERIES: usize = 50;
/// Plans looked up at once.
const PLANS: i64 = 20;

/// Where a walk is: plan, slot, recipient.
pub(super) type Position = [i64; 3];

/// A dead letter and where it is.
pub(super) struct Found {
    pub(super) plan: PlanRef,
    pub(super) slot: Slot,
    pub(super) rung: Rung,
    pub(super) letter: DeadLetter,
}

/// What is looked for.
pub(super) struct Walk<'a> {
    pub(super) db: &'a Client,
    pub(super) tenant_id: i64,
    pub(super) filter: Filter,
    pub(super) channel: Option<Channel>,
    pub(super) plan: Option<PlanRef>,
}

/// What a walk has so far.
struct Page {
    found: Vec<Found>,
    limit: i64,
    queries: usize,
}

impl Page {
    fn wanted(&self) -> i64 {
        self.limit - i64::try_from(self.found.len()).unwrap_or(i64::MAX)
    }
}

impl Walk<'_> {
    /// At most `limit` letters after a position, and where to go on.
    pub(super) async fn page(
        &self,
        after: Option<Position>,
        limit: i64,
    ) -> Result<(Vec<Found>, Option<Position>)> {
        let mut page = Page { found: Vec::new(), limit, queries: 0 };
        let mut from = after.unwrap_or([i64::MAX, 0, 0]);
        let only = self.plan.map(|plan| plan.id);
        loop {
            let plans = db::dead::plans(self.db, self.tenant_id, from[0], only, PLANS).await?;
            page.queries += 1;
            for dead in plans.iter().filter(|dead| self.plan.is_none_or(|plan| plan == dead.plan)) {
                let start = if dead.plan.id == from[0] { (from[1], from[2]) } else { (0, 0) };
                if let Some(next) = self.in_plan(dead, start, &mut page).await? {
                    return Ok((page.found, Some(next)));
                }
            }
            match plans.last() {
                Some(last) if plans.len() == usize::try_from(PLANS).unwrap_or(usize::MAX) => {
                    from = [last.plan.id - 1, 0, 0];
                }
                _ => return Ok((page.found, None)),
            }
        }
    }

    /// The letters of one plan; where to go on when the page is full.
    async fn in_plan(
        &self,
        dead: &DeadPlan,
        (first, mut after): (i64, i64),
        page: &mut Page,
    ) -> Result<Option<Position>> {
        let wanted = |slot: &&Slot| {
            i64::from(slot.code()) >= first && self.channel.is_none_or(|channel| slot.channel() == channel)
        };
        for &slot in dead.slots.iter().filter(wanted) {
            let mut no = if i64::from(slot.code()) == first { i32::try_from(after).unwrap_or(0) } else { 0 };
            after = 0;
            let at = |no: i32| [dead.plan.id, slot.code().into(), no.into()];
            loop {
                if page.queries >= QUERIES {
                    return Ok(Some(at(no)));
                }
                page.queries += 1;
                let place = place(self.tenant_id, dead.plan, slot);
                let size = (SCAN, page.wanted() + 1);
                let mut letters = db::dead::page(self.db, place, no, &self.filter, size).await?;
                let more = cursor::cut(&mut letters, page.wanted());
                let last = letters.last().map_or(no, |letter| letter.no);
                let rung = dead.steps.place(slot.tier());
                let found = |letter| Found { plan: dead.plan, slot, rung, letter };
                page.found.extend(letters.into_iter().map(found));
                if more {
                    return Ok(Some(at(last)));
                }
                match db::deliveries::page_end(self.db, place, no, SCAN).await? {
                    Some(end) => no = end,
                    None => break,
                }
            }
        }
        Ok(None)
    }
}
