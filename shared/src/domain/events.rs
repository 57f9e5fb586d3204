//! What a tenant's own systems can be told of, in which order, and when they are told again. Pure.

use std::collections::HashSet;
use std::time::Duration;

use super::{PlanStatus, words};

words! {
    /// What happened.
    EventKind, "event", {
        /// Nothing: somebody wants to see a call.
        Test = 0: "subscription.test",
        /// Its owner halted it.
        PlanPaused = 1: "plan.paused",
        /// It goes on after a pause.
        PlanResumed = 2: "plan.resumed",
        /// Nothing in it is open any more.
        PlanFinished = 3: "plan.finished",
        /// Its owner withdrew it.
        PlanRecalled = 4: "plan.recalled",
        /// Its owner ended its ladders.
        PlanStopped = 5: "plan.stopped",
        /// Its time was over before everything was sent.
        PlanExpired = 6: "plan.expired",
        /// A second person let it go out.
        PlanApproved = 7: "plan.approved",
        /// That person refused it.
        PlanRejected = 8: "plan.rejected",
        /// It was finished, and something of it is sent again.
        PlanReopened = 9: "plan.reopened",
        /// A provider accepted it.
        DeliverySent = 10: "delivery.sent",
        /// A provider reported that it arrived.
        DeliveryDelivered = 11: "delivery.delivered",
        /// It will not be sent any more.
        DeliveryFailed = 12: "delivery.failed",
        /// A provider may or may not have accepted it.
        DeliveryUnknown = 13: "delivery.unknown",
        /// First proof of reading.
        RecipientRead = 20: "recipient.read",
        /// They have answered.
        RecipientAcknowledged = 21: "recipient.acknowledged",
    }
}

impl EventKind {
    /// Whether a subscription can ask for it.
    #[must_use]
    pub fn is_for_asking(self) -> bool {
        self != EventKind::Test
    }
}

/// What a change of a plan's status is told as; `None`: not at all. The migrations hold the same table (`plan_event`).
#[must_use]
pub fn of_plan(before: PlanStatus, after: PlanStatus) -> Option<EventKind> {
    use PlanStatus as P;
    Some(match (before, after) {
        (_, P::Paused) => EventKind::PlanPaused,
        (P::Paused, P::Scheduled | P::Running) => EventKind::PlanResumed,
        (_, P::Finished) => EventKind::PlanFinished,
        (_, P::Recalled) => EventKind::PlanRecalled,
        (_, P::Stopped) => EventKind::PlanStopped,
        (_, P::Expired) => EventKind::PlanExpired,
        (P::AwaitingApproval, P::Scheduled | P::Running) => EventKind::PlanApproved,
        (_, P::Rejected) => EventKind::PlanRejected,
        (P::Finished, P::Running) => EventKind::PlanReopened,
        _ => return None,
    })
}

/// No wait before another call is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long to wait after `failures` failed calls in a row (from 1): 5 s, 20 s, 80 s ... a day with a `base` of 5 s, a tenth more or
/// less by `roll` (0..1), so that many do not come back at once. A receiver's own wish is heeded up to a day.
#[must_use]
pub fn wait(base: Duration, failures: u32, wish: Option<Duration>, roll: f64) -> Duration {
    let factor = 4u32.saturating_pow(failures.saturating_sub(1).min(15));
    let own = base.saturating_mul(factor).min(LONGEST).mul_f64(0.9 + roll.clamp(0.0, 1.0) / 5.0);
    own.max(wish.unwrap_or_default()).min(LONGEST)
}

/// Where one event of a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nobody was told yet.
    Waiting,
    /// Being told, or not to be told again now: what follows it waits.
    Held,
    /// Told.
    Told,
}

/// An event as far as its order goes.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its plan.
    pub plan: i64,
    /// Its recipient; 0: it is of the plan.
    pub no: i32,
    /// Where it is.
    pub progress: Progress,
}

/// The first event that may be told now: what happened to one recipient is told in order, and what happened to a plan after
/// everything before it and before everything after it.
#[must_use]
pub fn next(places: &[Place]) -> Option<usize> {
    let (mut people, mut plans, mut closed) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, place) in places.iter().enumerate().filter(|(_, place)| place.progress != Progress::Told) {
        let follows = closed.contains(&place.plan)
            || if place.no == 0 {
                plans.contains(&place.plan)
            } else {
                people.contains(&(place.plan, place.no))
            };
        if place.progress == Progress::Waiting && !follows {
            return Some(index);
        }
        plans.insert(place.plan);
        people.insert((place.plan, place.no));
        if place.no == 0 {
            closed.insert(place.plan);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_grow_from_seconds_to_a_day() {
        let base = Duration::from_secs(5);
        let seconds = |failures| wait(base, failures, None, 0.5).as_secs();
        assert_eq!([1, 2, 3, 4, 8].map(seconds), [5, 20, 80, 320, 81_920]);
        assert_eq!([9, 100, u32::MAX].map(seconds), [86_400; 3]);
        let wish = |seconds| wait(base, 1, Some(Duration::from_secs(seconds)), 0.5).as_secs();
        assert_eq!([1, 7, 1_000_000].map(wish), [5, 7, 86_400]);
        assert!(wait(base, 1, None, 0.0) < wait(base, 1, None, 1.0));
    }

    fn place(plan: i64, no: i32, progress: Progress) -> Place {
        Place { plan, no, progress }
    }

    #[test]
    fn a_plan_s_own_events_stand_between_those_of_its_people() {
        use Progress::{Held, Told, Waiting};
        assert_eq!(next(&[place(1, 1, Held), place(1, 1, Waiting), place(1, 2, Waiting)]), Some(2));
        assert_eq!(next(&[place(1, 1, Held), place(1, 0, Waiting), place(1, 2, Waiting)]), None);
        assert_eq!(next(&[place(1, 1, Told), place(1, 0, Waiting)]), Some(1));
        assert_eq!(next(&[place(1, 0, Held), place(1, 2, Waiting), place(2, 2, Waiting)]), Some(2));
        assert_eq!(next(&[]), None);
    }

    proptest! {
        #[test]
        fn nothing_overtakes_what_it_follows(events in prop::collection::vec((1i64..3, 0i32..3, 0u8..3), 0..30)) {
            let mut places: Vec<Place> = events.iter().map(|&(plan, no, state)| {
                place(plan, no, if state == 0 { Progress::Held } else { Progress::Waiting })
            }).collect();
            while let Some(chosen) = next(&places) {
                let Place { plan, no, .. } = places[chosen];
                for before in places[..chosen].iter().filter(|p| p.plan == plan && p.progress != Progress::Told) {
                    prop_assert!(no != 0 && before.no != 0 && before.no != no, "{before:?} before {no}");
                }
                places[chosen].progress = Progress::Told;
            }
            // Nothing that could be told was left: the first that is held of each plan holds what is left of it.
            for plan in 1..3 {
                let first = places.iter().find(|p| p.plan == plan && p.progress != Progress::Told);
                prop_assert!(first.is_none_or(|p| p.progress == Progress::Held));
            }
        }
    }
}
