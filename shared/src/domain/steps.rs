//! Steps: a ladder's tiers as they are gone through, one round after the other (rules 9 and 10 of docs/ESCALATION.md). A step is a number
//! in the slots of deliveries; what people read is its tier, as declared, and its round.

use super::{Lane, Slot, Tier};

/// One round of one tier, a rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// The tier as declared, from 1.
    pub tier: u8,
    /// How many times this tier has come up with this one, from 1.
    pub round: u8,
}

/// The steps of a plan, first to last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps(Vec<Rung>);

impl Steps {
    /// Steps a ladder may have; their numbers end at 127, above are rounds outside the ladder.
    pub const MAX: usize = 100;
    /// How many more times a tier or a whole ladder may come up.
    pub const MAX_REPEAT: u8 = 5;

    /// Of a plan of this priority: tiers that are for other priorities only do not exist, and all comes `repeat` times more.
    #[must_use]
    pub fn of(tiers: &[Tier], lane: Lane, repeat: u8) -> Self {
        let mut steps: Vec<Rung> = Vec::new();
        for _ in 0..=repeat {
            for (tier, declared) in (1u8..).zip(tiers).filter(|(_, declared)| declared.exists_for(lane)) {
                for _ in 0..=declared.repeat {
                    let before = steps.iter().filter(|step| step.tier == tier).count();
                    steps.push(Rung { tier, round: u8::try_from(before + 1).unwrap_or(u8::MAX) });
                }
            }
        }
        Steps(steps)
    }

    /// First to last.
    #[must_use]
    pub fn as_slice(&self) -> &[Rung] {
        &self.0
    }

    /// With their numbers and what is declared of them.
    pub fn with<'a>(&'a self, tiers: &'a [Tier]) -> impl Iterator<Item = (u8, &'a Tier)> {
        self.with_places(tiers).map(|(no, place)| (no, &tiers[place]))
    }

    /// With their numbers and the positions of their tiers, from 0. No more than there may be: longer ladders are refused.
    pub fn with_places<'a>(&'a self, tiers: &'a [Tier]) -> impl Iterator<Item = (u8, usize)> + use<'a> {
        let place = |step: &Rung| usize::from(step.tier).checked_sub(1);
        let steps = self.0.iter().take(Self::MAX + 1);
        (1..)
            .zip(steps)
            .filter_map(move |(no, step)| Some((no, place(step).filter(|place| *place < tiers.len())?)))
    }

    /// The slots of all steps, in order.
    #[must_use]
    pub fn slots(&self, tiers: &[Tier]) -> Vec<Slot> {
        let of = |(no, tier): (u8, &Tier)| {
            tier.channels.iter().map(move |&channel| Slot::new(no, channel)).collect()
        };
        self.with(tiers).flat_map(|step| -> Vec<Slot> { of(step) }).collect()
    }

    /// What the database keeps: by step, tier * 64 + round; `None` where every tier comes up once, so that steps are tiers.
    #[must_use]
    pub fn codes(&self) -> Option<Vec<i16>> {
        let plain = (1..).zip(&self.0).all(|(no, step)| *step == Rung { tier: no, round: 1 });
        (!plain)
            .then(|| self.0.iter().map(|step| i16::from(step.tier) * 64 + i16::from(step.round)).collect())
    }

    /// Reads [`Steps::codes`].
    #[must_use]
    pub fn from_codes(codes: Option<&[i16]>) -> Self {
        let step = |&code: &i16| {
            Some(Rung { tier: u8::try_from(code >> 6).ok()?, round: u8::try_from(code & 63).ok()? })
        };
        Steps(codes.unwrap_or_default().iter().filter_map(step).collect())
    }

    /// Tier and round of a step; one that is not listed is a tier of that number.
    #[must_use]
    pub fn place(&self, step: u8) -> Rung {
        let listed = usize::from(step).checked_sub(1).and_then(|i| self.0.get(i));
        listed.copied().unwrap_or(Rung { tier: step, round: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Channel, Only};

    fn tier(channel: Channel, repeat: u8) -> Tier {
        Tier { channels: vec![channel], repeat, ..Tier::default() }
    }

    fn places(steps: &Steps) -> Vec<(u8, u8)> {
        steps.as_slice().iter().map(|step| (step.tier, step.round)).collect()
    }

    #[test]
    fn rule_09_tiers_and_ladders_come_up_again() {
        let tiers = [tier(Channel::Wecom, 1), tier(Channel::Email, 0)];
        assert_eq!(places(&Steps::of(&tiers, Lane::Normal, 0)), [(1, 1), (1, 2), (2, 1)]);
        let twice = Steps::of(&tiers, Lane::Normal, 1);
        assert_eq!(places(&twice), [(1, 1), (1, 2), (2, 1), (1, 3), (1, 4), (2, 2)]);
        assert_eq!(twice.place(5), Rung { tier: 1, round: 4 });
        let channels: Vec<(u8, Channel)> =
            twice.slots(&tiers).iter().map(|slot| (slot.tier(), slot.channel())).collect();
        let (wecom, email) = (Channel::Wecom, Channel::Email);
        assert_eq!(channels, [(1, wecom), (2, wecom), (3, email), (4, wecom), (5, wecom), (6, email)]);
    }

    #[test]
    fn rule_10_a_tier_for_other_priorities_does_not_exist() {
        let paid = Tier {
            only: Some(Only { priorities: Some(vec![Lane::Urgent]), hours: None }),
            ..tier(Channel::Sms, 0)
        };
        let tiers = [paid, tier(Channel::Email, 0)];
        assert_eq!(places(&Steps::of(&tiers, Lane::Urgent, 0)), [(1, 1), (2, 1)]);
        let normal = Steps::of(&tiers, Lane::Normal, 0);
        assert_eq!(places(&normal), [(2, 1)]);
        assert_eq!(normal.slots(&tiers), [Slot::new(1, Channel::Email)]);
    }

    #[test]
    fn what_is_stored_reads_back() {
        let tiers = [tier(Channel::Wecom, 5), tier(Channel::Email, 0)];
        let steps = Steps::of(&tiers, Lane::Normal, 5);
        assert_eq!(Steps::from_codes(steps.codes().as_deref()), steps);
        let plain = Steps::of(&[tier(Channel::Wecom, 0), tier(Channel::Email, 0)], Lane::Normal, 0);
        assert_eq!(plain.codes(), None);
        assert_eq!(Steps::from_codes(None).place(2), Rung { tier: 2, round: 1 });
    }
}
