//! What a dry run tells.

use std::collections::BTreeMap;
use std::time::Duration;

use herald_channels::provider;
use herald_shared::db::dry_run::Carrier;
use herald_shared::db::plans::View;
use herald_shared::domain::forecast::{Way, takes};
use herald_shared::domain::price::Amount;
use herald_shared::domain::reach::Reach;
use herald_shared::domain::steps::Rung;
use herald_shared::domain::{Channel, Steps, Wait};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// What a call takes where nothing is known of the account yet.
const CALL: Duration = Duration::from_millis(200);

/// The answer.
#[derive(Serialize)]
pub(super) struct Told {
    recipients: People,
    channels: Vec<Step>,
    price: Price,
    /// When it would begin.
    starts_at: Timestamp,
    /// When the last of tier 1 would have gone out; `null`: no account could carry it now.
    ends_at: Option<Timestamp>,
    /// When the last ladder would end if nobody read or answered.
    ladders_end_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct People {
    total: i64,
    duplicates: i64,
    /// Whom no channel of any tier reaches.
    unreachable: i64,
}

/// One channel of one tier.
#[derive(Serialize)]
struct Step {
    tier: u8,
    /// How many times the tier has come up with this one.
    round: u8,
    channel: Channel,
    /// To whom it goes out at once; 0 in later tiers.
    first: i64,
    /// Whom it could reach: most it will be used for.
    reachable: i64,
    suppressed: BTreeMap<String, i64>,
    /// Deliveries of the tenant that go out before.
    waiting_before: i64,
    accounts: Vec<Account>,
    price: Price,
}

#[derive(Serialize)]
struct Account {
    id: Uuid,
    name: String,
    /// Its part of the work.
    share: f64,
    /// Whether new work would go there now.
    usable: bool,
}

#[derive(Serialize)]
struct Price {
    /// Of what goes out at once.
    first: String,
    /// When every tier and channel is used for everybody it can reach.
    at_most: String,
}

/// What is known.
pub(super) struct Facts<'a> {
    pub(super) view: &'a View,
    pub(super) steps: Steps,
    /// Everybody gets the same text.
    pub(super) general: bool,
    pub(super) unreachable: i64,
    pub(super) carriers: Vec<Carrier>,
    pub(super) waiting: BTreeMap<Channel, i64>,
    pub(super) now: Timestamp,
}

impl Facts<'_> {
    pub(super) fn told(&self, reaches: &[Reach]) -> Told {
        let counts = &self.view.recipients;
        let starts_at = self.view.send_at.map_or(self.now, |at| at.max(self.now));
        let mut longest = reaches.iter().filter(|reach| reach.first > 0).map(|reach| self.takes(reach));
        let longest = longest.try_fold(Duration::ZERO, |most, one| Some(most.max(one?)));
        let ends_at = longest.and_then(|longest| starts_at.checked_add(longest).ok());
        let steps = self.steps.with(&self.view.tiers);
        let waits: Duration = steps.filter_map(|(_, tier)| tier.wait).map(Wait::duration).sum();
        let price = |count: fn(&Reach) -> i64| -> Amount {
            reaches.iter().map(|reach| price(&self.carried_by(reach.slot.channel()), count(reach))).sum()
        };
        Told {
            recipients: People {
                total: counts.total,
                duplicates: counts.duplicates,
                unreachable: self.unreachable,
            },
            price: Price {
                first: price(|reach| reach.first).to_string(),
                at_most: price(|reach| reach.reachable).to_string(),
            },
            channels: reaches.iter().map(|reach| self.step(reach)).collect(),
            starts_at,
            ends_at,
            ladders_end_at: ends_at.and_then(|at| at.checked_add(waits).ok()),
        }
    }

    fn step(&self, reach: &Reach) -> Step {
        let channel = reach.slot.channel();
        let place = usize::from(reach.slot.tier()).saturating_sub(1);
        let rung = self.steps.as_slice().get(place).copied().unwrap_or(Rung { tier: 1, round: 1 });
        let carriers = self.carried_by(channel);
        let account = |(carrier, share): &(&Carrier, f64)| Account {
            id: carrier.uid,
            name: carrier.name.clone(),
            share: (share * 1000.0).round() / 1000.0,
            usable: carrier.usable,
        };
        Step {
            tier: rung.tier,
            round: rung.round,
            channel,
            first: reach.first,
            reachable: reach.reachable,
            suppressed: reach.suppressed.clone(),
            waiting_before: self.waiting_before(channel),
            accounts: carriers.iter().map(account).collect(),
            price: Price {
                first: price(&carriers, reach.first).to_string(),
                at_most: price(&carriers, reach.reachable).to_string(),
            },
        }
    }

    fn waiting_before(&self, channel: Channel) -> i64 {
        self.waiting.get(&channel).copied().unwrap_or(0)
    }

    /// The accounts that share a channel's work with their parts: of those in use the first order; where none is, that of all.
    fn carried_by(&self, channel: Channel) -> Vec<(&Carrier, f64)> {
        let own: Vec<&Carrier> = self.carriers.iter().filter(|carrier| carrier.channel == channel).collect();
        let usable: Vec<&Carrier> = own.iter().copied().filter(|carrier| carrier.usable).collect();
        let able = if usable.is_empty() { own } else { usable };
        let Some(order) = able.first().map(|carrier| carrier.order) else { return Vec::new() };
        let sharing: Vec<&Carrier> = able.into_iter().filter(|carrier| carrier.order == order).collect();
        let all: f64 = sharing.iter().map(|carrier| carrier.part).sum();
        sharing.into_iter().map(|carrier| (carrier, carrier.part / all.max(f64::MIN_POSITIVE))).collect()
    }

    fn takes(&self, reach: &Reach) -> Option<Duration> {
        let channel = reach.slot.channel();
        let way = |(carrier, share): (&Carrier, f64)| {
            let spec = provider(&carrier.provider)?.spec();
            let known = (carrier.usual_ms > 0.0).then(|| Duration::from_secs_f64(carrier.usual_ms / 1000.0));
            Some(Way {
                share,
                limits: carrier.limits,
                used_today: carrier.used_today,
                call: known.unwrap_or(CALL),
                at_once: carrier.limits.concurrency.unwrap_or(spec.concurrency),
                batch: if self.general { spec.batch } else { spec.personal },
            })
        };
        let carriers = self.carried_by(channel).into_iter().filter(|(carrier, _)| carrier.usable);
        let ways: Vec<Way> = carriers.filter_map(way).collect();
        takes(reach.first + self.waiting_before(channel), &ways)
    }
}

/// What `count` messages cost, each account's part at its own price.
fn price(carriers: &[(&Carrier, f64)], count: i64) -> Amount {
    let mut left = count;
    let last = carriers.len().saturating_sub(1);
    let part = |(i, (carrier, share)): (usize, &(&Carrier, f64))| {
        let own = if i == last { left } else { ((count as f64 * share).round() as i64).min(left) };
        left -= own;
        Amount::read(&carrier.price).unwrap_or_default().times(own)
    };
    carriers.iter().enumerate().map(part).sum()
}
