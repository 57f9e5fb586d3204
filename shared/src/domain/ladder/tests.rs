use proptest::prelude::*;

use super::*;
use DeliveryStatus as D;
use LadderResult as R;

fn at(until: Proof, deliveries: &[(Reports, D)]) -> Place<'_> {
    let reached = deliveries.iter().any(|(_, status)| !matches!(status, D::Suppressed | D::Pending));
    Place { until, is_last: false, proved: None, deliveries, reached, due: false, late: false }
}

const QUIET: Reports = Reports::Nothing;
const BOUNCES: Reports = Reports::Failures;
const TELLS: Reports = Reports::BothWays;

#[test]
fn rule_01_proof_is_ordered_and_each_implies_those_before() {
    for until in Proof::ALL {
        for proved in [Proof::Read, Proof::Acknowledged] {
            let place = Place { proved: Some(proved), ..at(*until, &[(TELLS, D::Pending)]) };
            let expected = if proved >= *until { Step::End(proved.into()) } else { Step::Stay };
            assert_eq!(verdict(&place), expected, "{until} {proved}");
        }
    }
}

#[test]
fn rule_03_delivered_is_judged_by_what_the_channel_reports() {
    let cases = [
        (QUIET, D::Sent, false, Step::End(R::Sent)),
        (BOUNCES, D::Sent, false, Step::Stay),
        (BOUNCES, D::Sent, true, Step::End(R::Sent)),
        (BOUNCES, D::Failed, false, Step::Next),
        (TELLS, D::Sent, false, Step::Stay),
        (TELLS, D::Sent, true, Step::Next),
        (TELLS, D::Delivered, false, Step::End(R::Delivered)),
        (QUIET, D::Unknown, false, Step::Stay),
        (QUIET, D::Unknown, true, Step::Next),
    ];
    for (reports, status, due, expected) in cases {
        let deliveries = [(reports, status)];
        let place = Place { due, ..at(Proof::Delivered, &deliveries) };
        assert_eq!(verdict(&place), expected, "{reports:?} {status} {due}");
    }
}

#[test]
fn rule_06_a_tier_that_reaches_nobody_is_left_at_once() {
    let cases: [(&[(Reports, D)], Step); 5] = [
        (&[(QUIET, D::Suppressed)], Step::Next),
        (&[(QUIET, D::Suppressed), (BOUNCES, D::Failed)], Step::Next),
        (&[(QUIET, D::Suppressed), (BOUNCES, D::Pending)], Step::Stay),
        (&[(QUIET, D::Failed), (BOUNCES, D::Unknown)], Step::Stay),
        (&[], Step::Stay),
    ];
    for (deliveries, expected) in cases {
        assert_eq!(verdict(&at(Proof::Read, deliveries)), expected, "{deliveries:?}");
    }
}

#[test]
fn rule_16_what_is_too_late_does_not_fire_and_what_held_meanwhile_counts() {
    let deliveries = [(QUIET, D::Sent)];
    let late = Place { due: true, late: true, ..at(Proof::Read, &deliveries) };
    assert_eq!(verdict(&late), Step::End(R::Overdue));
    assert_eq!(verdict(&Place { proved: Some(Proof::Read), ..late }), Step::End(R::Read));
    assert_eq!(max_late(Lane::Urgent), Duration::from_secs(3600));
}

#[test]
fn rule_23_the_last_tier_ends_the_ladder() {
    let sent = [(QUIET, D::Sent)];
    let nothing = [(QUIET, D::Suppressed)];
    let last = |deliveries| Place { is_last: true, due: true, ..at(Proof::Read, deliveries) };
    assert_eq!(verdict(&last(&sent)), Step::End(R::Exhausted));
    assert_eq!(verdict(&last(&nothing)), Step::End(R::Unreachable));
    let earlier = Place { reached: true, ..last(&nothing) };
    assert_eq!(verdict(&earlier), Step::End(R::Exhausted), "an earlier tier had gone out");
}

#[test]
fn rule_24_durations_are_read_both_ways_and_written_one_way() {
    for (text, seconds, written) in [
        ("10m", 600, "PT10M"),
        ("PT10M", 600, "PT10M"),
        ("3s", 3, "PT3S"),
        ("1h30m", 5400, "PT1H30M"),
        ("P1DT12H", 129_600, "P1DT12H"),
        ("30d", 2_592_000, "P30D"),
        ("P30D", 2_592_000, "P30D"),
        ("90m", 5400, "PT1H30M"),
        ("0s", 0, "PT0S"),
    ] {
        let wait: Wait = text.parse().unwrap();
        assert_eq!((wait, wait.to_string().as_str()), (Wait::seconds(seconds), written), "{text}");
    }
    for text in
        ["", "P", "PT", "10", "m", "-1m", "1.5h", "10m10m", "1m1h", "P10M", "P1W", "1y", "PT1D", "١m", "1mé"]
    {
        assert_eq!(text.parse::<Wait>(), Err(NoWait), "{text}");
    }
    assert_eq!("99999999999999999999d".parse::<Wait>(), Err(NoWait));
}

#[test]
fn one_tier_that_waits_for_nothing_has_no_ladder() {
    let plain = Tier { channels: vec![Channel::Email], ..Tier::default() };
    let of = |tiers: &[Tier]| Ladder::of(tiers, &Steps::of(tiers, Lane::Normal, 0));
    assert_eq!(of(std::slice::from_ref(&plain)), None);
    let read = Tier { until: Some(Proof::Read), wait: Some(Wait::seconds(3)), ..plain.clone() };
    let ladder = of(&[read, plain]).unwrap();
    assert_eq!((ladder.untils, ladder.waits), (vec![3, 1], vec![3000, 0]));
}

fn reports() -> impl Strategy<Value = Reports> {
    prop_oneof![Just(QUIET), Just(BOUNCES), Just(TELLS)]
}

/// Until, last tier, what is proved, deliveries, due, late.
type Any = (Proof, bool, Option<Proof>, Vec<(Reports, D)>, bool, bool);

fn places() -> impl Strategy<Value = Any> {
    let delivery = (reports(), proptest::sample::select(D::ALL));
    (
        proptest::sample::select(Proof::ALL),
        any::<bool>(),
        proptest::sample::select(vec![None, Some(Proof::Read), Some(Proof::Acknowledged)]),
        proptest::collection::vec(delivery, 0..4),
        any::<bool>(),
        any::<bool>(),
    )
}

proptest! {
    /// Reading or answering never makes a ladder go on that would have ended, and ends every one that waited for it.
    #[test]
    fn more_proof_never_sends_more((until, is_last, proved, deliveries, due, late) in places()) {
        let place = Place { until, is_last, proved: None, deliveries: &deliveries, reached: true, due, late };
        let with = verdict(&Place { proved, ..place });
        if proved >= Some(until) {
            prop_assert_eq!(with, Step::End(proved.unwrap().into()));
        } else if proved.is_some() {
            prop_assert_eq!(matches!(with, Step::Next), matches!(verdict(&place), Step::Next));
        }
    }

    /// A step that is due never stays: every ladder comes to its end.
    #[test]
    fn what_is_due_moves((until, is_last, proved, deliveries, _, late) in places()) {
        let place = Place { until, is_last, proved, deliveries: &deliveries, reached: true, due: true, late };
        let step = verdict(&place);
        prop_assert_ne!(step, Step::Stay);
        prop_assert!(!(is_last && step == Step::Next));
    }

    /// Nobody is called beside a delivery that stands, before the wait is over.
    #[test]
    fn nothing_goes_on_before_its_time((until, is_last, proved, deliveries, _, late) in places()) {
        let stands = deliveries.iter().any(|(_, status)| matches!(status, D::Pending | D::Queued | D::Sending | D::Sent | D::Delivered | D::Unknown));
        let place = Place { until, is_last, proved, deliveries: &deliveries, reached: true, due: false, late };
        if stands {
            prop_assert_ne!(verdict(&place), Step::Next);
        }
    }

    #[test]
    fn a_wait_reads_back_as_written(seconds in 0u64..=90 * 86_400) {
        let wait = Wait::seconds(seconds);
        prop_assert_eq!(wait.to_string().parse(), Ok(wait));
        prop_assert_eq!(serde_json::from_value::<Wait>(serde_json::json!(wait)).unwrap(), wait);
    }
}

/// What may happen to somebody on a ladder.
#[derive(Debug, Clone, Copy)]
enum Event {
    Outcome(D),
    Read,
    Answer,
    Due,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let outcome =
        proptest::sample::select(&[D::Sent, D::Delivered, D::Failed, D::Unknown, D::Suppressed][..]);
    let event = prop_oneof![
        3 => outcome.prop_map(Event::Outcome),
        1 => Just(Event::Read),
        1 => Just(Event::Answer),
        2 => Just(Event::Due),
    ];
    proptest::collection::vec(event, 0..30)
}

/// One person's way: what the database keeps of it, moved by the same rule.
struct Way<'a> {
    steps: &'a [(Proof, Reports)],
    at: usize,
    status: D,
    proved: Option<Proof>,
    reached: bool,
    ended: Option<LadderResult>,
    sent: usize,
}

impl Way<'_> {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Outcome(status) if self.status == D::Pending => self.status = status,
            Event::Read => self.proved = self.proved.max(Some(Proof::Read)),
            Event::Answer => self.proved = Some(Proof::Acknowledged),
            Event::Outcome(_) | Event::Due => {}
        }
        self.reached |= !matches!(self.status, D::Pending | D::Suppressed);
        let mut due = matches!(event, Event::Due) && self.status != D::Pending;
        while self.ended.is_none() {
            let (until, reports) = self.steps[self.at];
            let deliveries = [(reports, self.status)];
            let is_last = self.at + 1 == self.steps.len();
            let place = Place {
                until,
                is_last,
                proved: self.proved,
                deliveries: &deliveries,
                reached: self.reached,
                due,
                late: false,
            };
            match verdict(&place) {
                Step::Stay => break,
                Step::End(result) => self.ended = Some(result),
                Step::Next => {
                    (self.at, self.status, due) = (self.at + 1, D::Pending, false);
                    if self.proved.is_none_or(|proved| proved < self.steps[self.at].0) {
                        self.sent += 1;
                    }
                }
            }
        }
    }
}

proptest! {
    /// Whatever happens in whatever order, nothing is sent once the ladder has ended, and whoever has read or answered gets no later tier
    /// that waits for no more than that.
    #[test]
    fn rule_02_nothing_is_sent_after_the_end(
        steps in proptest::collection::vec((proptest::sample::select(Proof::ALL), reports()), 1..8),
        events in events(),
    ) {
        let mut way = Way { steps: &steps, at: 0, status: D::Pending, proved: None, reached: false, ended: None, sent: 1 };
        for event in events {
            let before = (way.ended, way.sent, way.proved);
            way.happens(event);
            if before.0.is_some() {
                prop_assert_eq!((before.0, before.1), (way.ended, way.sent), "after the end: {:?}", event);
            }
            if before.2 == Some(Proof::Acknowledged) {
                prop_assert_eq!(before.1, way.sent, "they had answered");
            }
        }
        for _ in 0..steps.len() {
            way.happens(Event::Outcome(D::Sent));
            way.happens(Event::Due);
        }
        prop_assert!(way.ended.is_some(), "every ladder comes to its end");
    }
}
