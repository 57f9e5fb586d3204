//! Tier mode `first`: which channel a person starts with, and which comes next. The database opens the next one wherever a delivery
//! ends (`open_next_channels` in shared/migrations), by the same rule; a test compares the two.

use super::{DeliveryStatus, Mode, Slot, Steps, Tier};

/// The steps of a plan that use several channels one after the other, in the order of the plan's slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstTiers(u128);

impl FirstTiers {
    /// Of a plan with these tiers and steps. A tier with one channel has nothing to put in order.
    #[must_use]
    pub fn of(tiers: &[Tier], steps: &Steps) -> Self {
        let ordered = |tier: &Tier| tier.mode == Mode::First && tier.channels.len() > 1;
        FirstTiers(
            steps.with(tiers).filter(|(_, tier)| ordered(tier)).fold(0, |bits, (no, _)| bits | 1 << no),
        )
    }

    /// The numbers of these steps, as the database keeps them.
    #[must_use]
    pub fn codes(self) -> Vec<i16> {
        (1..128i16).filter(|no| self.0 >> no & 1 == 1).collect()
    }

    /// Reads [`FirstTiers::codes`].
    #[must_use]
    pub fn from_codes(codes: &[i16]) -> Self {
        let bit = |code: &i16| u32::try_from(*code).ok().and_then(|no| 1u128.checked_shl(no)).unwrap_or(0);
        FirstTiers(codes.iter().map(bit).fold(0, |bits, bit| bits | bit))
    }

    /// Whether the channels of this slot's step are used one after the other.
    #[must_use]
    pub const fn holds(self, slot: Slot) -> bool {
        slot.tier() < 128 && self.0 >> slot.tier() & 1 == 1
    }

    /// The slots that a plan with `slots` starts with: those of tier 1, in mode `first` only the first one.
    pub fn openings(self, slots: &[Slot]) -> impl Iterator<Item = Slot> {
        let follows = move |i: usize| i > 0 && self.holds(slots[i]) && slots[i - 1].tier() == slots[i].tier();
        (0..slots.len()).filter(move |&i| slots[i].tier() == 1 && !follows(i)).map(|i| slots[i])
    }

    /// The slot that opens for a recipient whose delivery in `ended` came to `status`.
    ///
    /// Only a failure for good or a suppression opens the next one: an unknown outcome may have arrived, and what was withdrawn or
    /// expired is over.
    #[must_use]
    pub fn next(self, slots: &[Slot], ended: Slot, status: DeliveryStatus) -> Option<Slot> {
        let failed = matches!(status, DeliveryStatus::Failed | DeliveryStatus::Suppressed);
        if !failed || !self.holds(ended) {
            return None;
        }
        let place = slots.iter().position(|slot| *slot == ended)?;
        slots.get(place + 1).copied().filter(|next| next.tier() == ended.tier())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Channel::{self, Email, Inbox, Webhook, Wecom};
    use crate::domain::Lane;

    fn tier(mode: Mode, channels: &[Channel]) -> Tier {
        Tier { channels: channels.to_vec(), mode, ..Tier::default() }
    }

    fn of(tiers: &[Tier]) -> (FirstTiers, Vec<Slot>) {
        let steps = Steps::of(tiers, Lane::Normal, 0);
        (FirstTiers::of(tiers, &steps), steps.slots(tiers))
    }

    #[test]
    fn a_plan_opens_the_first_channel_of_an_ordered_tier_and_all_of_the_others() {
        let both = [tier(Mode::First, &[Wecom, Email]), tier(Mode::All, &[Webhook, Inbox])];
        let cases = [
            (&[tier(Mode::All, &[Email, Webhook])][..], &[][..], vec![(1, Email), (1, Webhook)]),
            (&[tier(Mode::First, &[Email])], &[], vec![(1, Email)]),
            (&[tier(Mode::First, &[Webhook, Email, Inbox])], &[1], vec![(1, Webhook)]),
            (&both, &[1], vec![(1, Wecom)]),
            (&[tier(Mode::All, &[Email]), tier(Mode::First, &[Webhook, Email])], &[2], vec![(1, Email)]),
        ];
        for (tiers, codes, expected) in cases {
            let (first, slots) = of(tiers);
            assert_eq!((&first.codes()[..], FirstTiers::from_codes(codes)), (codes, first), "{tiers:?}");
            let opened: Vec<(u8, Channel)> =
                first.openings(&slots).map(|slot| (slot.tier(), slot.channel())).collect();
            assert_eq!(opened, expected, "{tiers:?}");
        }
    }

    #[test]
    fn the_next_channel_opens_after_a_failure_and_nothing_else() {
        use DeliveryStatus as D;
        let tiers = [tier(Mode::First, &[Wecom, Email]), tier(Mode::All, &[Webhook, Inbox])];
        let (first, all) = of(&tiers);
        for status in D::ALL {
            let opens = matches!(status, D::Failed | D::Suppressed);
            let next = first.next(&all, Slot::new(1, Wecom), *status);
            assert_eq!(next, opens.then_some(Slot::new(1, Email)), "{status}");
        }
        let last = [(1, Email), (2, Webhook), (2, Inbox), (1, Inbox)];
        for (tier, channel) in last {
            assert_eq!(first.next(&all, Slot::new(tier, channel), D::Failed), None, "{tier} {channel}");
        }
    }
}
