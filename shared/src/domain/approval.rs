//! Approval: who must agree before a plan goes out, and when a tenant's rule asks for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Channel, Lane, words};

/// Steps a plan or a tenant's rule may have.
pub const MAX_STEPS: usize = 3;
/// Approvers of one step; any one of them decides it.
pub const MAX_APPROVERS: usize = 20;

/// Somebody with an address: an approver, or the sender of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// E.164 phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Ids by channel, such as `wecom`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
}

impl Person {
    /// Address kind to address, as recipients have them.
    #[must_use]
    pub fn addresses(&self) -> BTreeMap<String, String> {
        let mut addresses = self.ids.clone();
        for (channel, address) in [(Channel::Email, &self.email), (Channel::Sms, &self.phone)] {
            if let Some(address) = address {
                addresses.insert(channel.address_kind().to_owned(), address.clone());
            }
        }
        addresses
    }

    /// Whether both are reached at the same mail address: then they are one person.
    #[must_use]
    pub fn shares_mail(&self, other: &Person) -> bool {
        let lower = |person: &Person| person.email.as_deref().map(str::to_lowercase);
        lower(self).is_some_and(|email| lower(other) == Some(email))
    }

    /// What they are called on a page: the name, else the mail address.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.name.as_deref().or(self.email.as_deref())
    }
}

words! {
    /// What an approver says.
    Opinion, "opinion", {
        /// It may go out.
        Approved = 1: "approved",
        /// It may not.
        Rejected = 2: "rejected",
    }
}

/// One decision: the first of its approvers who decides, decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalStep {
    /// Who may decide, 1..=20.
    pub approvers: Vec<Person>,
    /// By which channels they are asked.
    pub channels: Vec<Channel>,
}

/// The steps of a plan, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// 1..=6; none only in a draft that leaves them to the tenant's rule.
    pub steps: Vec<ApprovalStep>,
}

/// Why a plan that needs approval cannot have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It asks for its tenant's approvers, and there are none.
    Approvers,
    /// Nobody but the sender could decide this step, from 1.
    Others(usize),
}

impl Approval {
    /// What a plan needs: the steps its tenant's rules ask for and its own after them (a step both have is decided once), the sender
    /// being nobody's approver. `None`: nobody has to agree.
    ///
    /// # Errors
    /// [`Lack`] when there is nobody who could.
    pub fn needed(
        own: Option<&Approval>,
        rules: Option<&ApprovalRules>,
        sender: Option<&Person>,
        asked: bool,
    ) -> Result<Option<Approval>, Lack> {
        if own.is_none() && !asked {
            return Ok(None);
        }
        let own = own.map_or(&[][..], |own| own.steps.as_slice());
        let rule = rules.filter(|_| asked || own.is_empty()).map_or(&[][..], |rules| rules.steps.as_slice());
        let more = own.iter().filter(|step| !rule.contains(step));
        let mut steps: Vec<ApprovalStep> = rule.iter().chain(more).cloned().collect();
        for (step, no) in steps.iter_mut().zip(1..) {
            step.approvers.retain(|approver| !sender.is_some_and(|sender| sender.shares_mail(approver)));
            if step.approvers.is_empty() {
                return Err(Lack::Others(no));
            }
        }
        if steps.is_empty() { Err(Lack::Approvers) } else { Ok(Some(Approval { steps })) }
    }
}

/// When the plans of a tenant need approval, whatever they say themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApprovalRules {
    /// With more people than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_over: Option<i32>,
    /// That use one of these channels in some tier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
    /// Of one of these priorities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Lane>,
    /// By whom: 1..=3 steps.
    pub steps: Vec<ApprovalStep>,
}

impl ApprovalRules {
    /// Whether a plan with so many people, these channels and this priority needs approval. Any one condition is enough.
    #[must_use]
    pub fn asks(&self, recipients: usize, mut channels: impl Iterator<Item = Channel>, lane: Lane) -> bool {
        let many = |over| recipients > usize::try_from(over).unwrap_or(0);
        self.recipients_over.is_some_and(many)
            || self.priorities.contains(&lane)
            || channels.any(|channel| self.channels.contains(&channel))
    }
}

/// Which approver of which step of which round of a plan: what the link to an approver's page holds as `no`, 26 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// `plan.epoch` when approval was asked for, its lowest 18 bits: an edit ends the round.
    pub round: i32,
    /// 1..=6.
    pub step: i16,
    /// 1..=20.
    pub approver: i16,
}

impl Seat {
    const ROUND: i32 = (1 << 18) - 1;

    /// As a number.
    #[must_use]
    pub fn pack(self) -> i32 {
        (self.round & Self::ROUND) << 8 | i32::from(self.step & 7) << 5 | i32::from(self.approver & 31)
    }

    /// Reads the number.
    #[must_use]
    pub fn unpack(packed: i32) -> Seat {
        let field = |shift: u32, mask: i32| packed >> shift & mask;
        let small = |value: i32| i16::try_from(value).unwrap_or(0);
        Seat { round: field(8, Self::ROUND), step: small(field(5, 7)), approver: small(field(0, 31)) }
    }

    /// Whether it belongs to the round that began at `epoch`.
    #[must_use]
    pub fn is_of(self, epoch: i32) -> bool {
        self.round == epoch & Self::ROUND
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step(email: &str) -> ApprovalStep {
        let approver = Person { email: Some(email.to_owned()), ..Person::default() };
        ApprovalStep { approvers: vec![approver], channels: vec![Channel::Email] }
    }

    #[test]
    fn any_condition_of_a_rule_is_enough() {
        let rules = ApprovalRules {
            recipients_over: Some(500),
            channels: vec![Channel::Voice],
            priorities: vec![Lane::Urgent],
            steps: vec![step("a@example.org")],
        };
        let asks = |people, channel, lane| rules.asks(people, [Channel::Email, channel].into_iter(), lane);
        assert!(!asks(500, Channel::Sms, Lane::Normal));
        assert!(asks(501, Channel::Sms, Lane::Normal));
        assert!(asks(1, Channel::Voice, Lane::Bulk));
        assert!(asks(1, Channel::Email, Lane::Urgent));
        assert!(!ApprovalRules::default().asks(1_000_000, [Channel::Voice].into_iter(), Lane::Urgent));
    }

    #[test]
    fn the_tenant_s_steps_come_first_and_none_twice() {
        let (a, b, c) = (step("a@example.org"), step("b@example.org"), step("c@example.org"));
        let rules = ApprovalRules { steps: vec![a.clone(), b.clone()], ..ApprovalRules::default() };
        let own = Approval { steps: vec![c.clone(), a.clone()] };
        let needed = |own, asked| {
            Approval::needed(own, Some(&rules), None, asked).map(|needed| needed.map(|needed| needed.steps))
        };
        assert_eq!(needed(Some(&own), true), Ok(Some(vec![a.clone(), b.clone(), c.clone()])));
        assert_eq!(needed(Some(&own), false), Ok(Some(vec![c, a.clone()])), "no condition of the rule holds");
        assert_eq!(needed(None, true), Ok(Some(vec![a.clone(), b.clone()])));
        assert_eq!(needed(None, false), Ok(None));
        assert_eq!(needed(Some(&Approval::default()), false), Ok(Some(vec![a, b])), "the tenant's approvers");
    }

    #[test]
    fn nobody_approves_their_own_message() {
        let sender = Person { email: Some("A@example.org".to_owned()), ..Person::default() };
        let mut own = Approval { steps: vec![step("b@example.org"), step("a@example.org")] };
        let needed = |own: &Approval| Approval::needed(Some(own), None, Some(&sender), false);
        assert_eq!(needed(&own), Err(Lack::Others(2)));
        own.steps[1].approvers.push(step("c@example.org").approvers.remove(0));
        let steps = needed(&own).unwrap().unwrap().steps;
        assert_eq!(steps[1], step("c@example.org"));
        assert_eq!(needed(&Approval::default()), Err(Lack::Approvers));
    }

    #[test]
    fn one_mail_address_is_one_person() {
        let person = |email: Option<&str>| Person { email: email.map(str::to_owned), ..Person::default() };
        assert!(person(Some("Li@example.org")).shares_mail(&person(Some("li@Example.org"))));
        assert!(!person(None).shares_mail(&person(None)));
        assert!(!person(Some("li@example.org")).shares_mail(&person(Some("han@example.org"))));
    }

    proptest! {
        #[test]
        fn a_seat_reads_back_what_it_packs(epoch in 0i32..i32::MAX, step in 1i16..=6, approver in 1i16..=20) {
            let seat = Seat::unpack(Seat { round: epoch, step, approver }.pack());
            prop_assert_eq!((seat.step, seat.approver), (step, approver));
            prop_assert!(seat.is_of(epoch) && !seat.is_of(epoch ^ 1));
            prop_assert!(seat.pack() < 1 << 26);
        }
    }
}
