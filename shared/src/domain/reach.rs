//! Whom a plan would reach by which channel, found without sending: what a dry run tells of its people. Pure.

use std::collections::BTreeMap;

use super::{DeliveryStatus, FirstTiers, Reason, Slot};

/// People who are alike in what they can be reached by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alike {
    /// The address kinds they have.
    pub kinds: Vec<String>,
    /// Address kind to the reason why nothing is sent there.
    pub skips: BTreeMap<String, String>,
    /// How many they are.
    pub people: i64,
}

/// What a slot of a plan comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Tier and channel.
    pub slot: Slot,
    /// People who can be reached there.
    pub reachable: i64,
    /// Those of them to whom it goes out at once: in tier 1, in mode `first` those who start with this channel.
    pub first: i64,
    /// Reason to people who are left out there.
    pub suppressed: BTreeMap<String, i64>,
}

/// Looks at all people of a plan: slot by slot, and how many can be reached by none.
#[must_use]
pub fn reach(slots: &[Slot], first: FirstTiers, people: &[Alike]) -> (Vec<Reach>, i64) {
    let mut reaches: Vec<Reach> = slots
        .iter()
        .map(|&slot| Reach { slot, reachable: 0, first: 0, suppressed: BTreeMap::new() })
        .collect();
    let mut unreachable = 0;
    for alike in people {
        let mut reached = false;
        for reach in &mut reaches {
            match left_out(alike, reach.slot) {
                None => {
                    reach.reachable += alike.people;
                    reached = true;
                }
                Some(reason) => *reach.suppressed.entry(reason.to_owned()).or_default() += alike.people,
            }
        }
        for slot in starts(slots, first, alike) {
            reaches
                .iter_mut()
                .filter(|reach| reach.slot == slot)
                .for_each(|reach| reach.first += alike.people);
        }
        unreachable += if reached { 0 } else { alike.people };
    }
    (reaches, unreachable)
}

/// Why nothing goes out to them in `slot`, if nothing does.
fn left_out(alike: &Alike, slot: Slot) -> Option<&str> {
    let kind = slot.channel().address_kind();
    match alike.skips.get(kind) {
        Some(reason) => Some(reason),
        None if alike.kinds.iter().any(|own| own == kind) => None,
        None => Some(Reason::NoAddress.as_str()),
    }
}

/// The slots by which something goes out to them at once.
fn starts(slots: &[Slot], first: FirstTiers, alike: &Alike) -> Vec<Slot> {
    let opened = |opening: Slot| {
        let mut next = Some(opening);
        while let Some(slot) = next.filter(|slot| left_out(alike, *slot).is_some()) {
            next = first.next(slots, slot, DeliveryStatus::Suppressed);
        }
        next
    };
    first.openings(slots).filter_map(opened).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Channel::{self, Email, Inbox, Wecom};
    use crate::domain::{Lane, Mode, Steps, Tier};

    fn alike(kinds: &[&str], skip: Option<&str>, people: i64) -> Alike {
        let skips = skip.iter().map(|kind| ((*kind).to_owned(), "duplicate".to_owned())).collect();
        Alike { kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(), skips, people }
    }

    fn looked_at(mode: Mode, people: &[Alike]) -> (Vec<(Channel, i64, i64)>, i64) {
        let tier = |mode, channels: &[Channel]| Tier { channels: channels.to_vec(), mode, ..Tier::default() };
        let tiers = [tier(mode, &[Wecom, Email]), tier(Mode::All, &[Inbox])];
        let slots: Vec<Slot> =
            [(1, Wecom), (1, Email), (2, Inbox)].map(|(tier, channel)| Slot::new(tier, channel)).to_vec();
        let steps = Steps::of(&tiers, Lane::Normal, 0);
        let (reaches, unreachable) = reach(&slots, FirstTiers::of(&tiers, &steps), people);
        (
            reaches.iter().map(|reach| (reach.slot.channel(), reach.reachable, reach.first)).collect(),
            unreachable,
        )
    }

    #[test]
    fn all_channels_of_the_first_tier_go_out_at_once_or_the_first_that_reaches() {
        let people = [
            alike(&["wecom", "email"], None, 5),
            alike(&["email", "inbox"], None, 3),
            alike(&["wecom", "email"], Some("wecom"), 2),
            alike(&["inbox"], None, 7),
            alike(&["phone"], None, 1),
        ];
        let all = looked_at(Mode::All, &people);
        assert_eq!(all, (vec![(Wecom, 5, 5), (Email, 10, 10), (Inbox, 10, 0)], 1));
        let first = looked_at(Mode::First, &people);
        assert_eq!(first, (vec![(Wecom, 5, 5), (Email, 10, 5), (Inbox, 10, 0)], 1));
    }

    #[test]
    fn everybody_is_reached_or_left_out_for_a_reason() {
        let slots = [Slot::new(1, Email)];
        let people = [alike(&["email"], None, 5), alike(&["email"], Some("email"), 2), alike(&[], None, 4)];
        let (reaches, unreachable) = reach(&slots, FirstTiers::default(), &people);
        let suppressed = BTreeMap::from([("duplicate".to_owned(), 2), ("no_address".to_owned(), 4)]);
        assert_eq!((&reaches[0].suppressed, reaches[0].reachable, unreachable), (&suppressed, 5, 6));
    }
}
