//! Series over the changes of daylight saving, in tables; the rules against a slow reading of the calendar.

use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

fn cron(text: &str, time_zone: &str) -> Recurrence {
    let (cron, time_zone) = (Some(text.to_owned()), time_zone.to_owned());
    Recurrence { cron, rrule: None, start: None, time_zone, until: None, count: None }
}

fn rrule(text: &str, start: &str, time_zone: &str) -> Recurrence {
    let (rrule, start, time_zone) =
        (Some(text.to_owned()), Some(start.parse().unwrap()), time_zone.to_owned());
    Recurrence { cron: None, rrule, start, time_zone, until: None, count: None }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The first moments after `after`, in UTC.
fn moments(recurrence: &Recurrence, after: &str, n: usize) -> Vec<String> {
    let pattern = recurrence.pattern().unwrap();
    pattern.after(at(after)).take(n).map(|at| at.to_string()).collect()
}

#[test]
fn a_series_keeps_its_time_on_the_clock_through_both_changes() {
    let nine = cron("0 9 * * *", "Europe/Berlin");
    assert_eq!(
        moments(&nine, "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T08:00:00Z", "2026-03-29T07:00:00Z", "2026-03-30T07:00:00Z"]
    );
    assert_eq!(
        moments(&nine, "2026-10-24T00:00:00Z", 3),
        ["2026-10-24T07:00:00Z", "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z"]
    );
}

#[test]
fn what_the_clock_skips_comes_later_and_what_it_shows_twice_comes_once() {
    let night = cron("30 2 * * *", "Europe/Berlin");
    assert_eq!(
        moments(&night, "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(moments(&night, "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // 02:00 and 02:30 become 03:00 and 03:30, which are there already: each moment once, in order.
    let half_hours = cron("*/30 * * * *", "Europe/Berlin");
    assert_eq!(
        moments(&half_hours, "2026-03-29T00:15:00Z", 4),
        ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z"]
    );
}

#[test]
fn a_clock_turned_at_midnight_loses_nothing_and_repeats_nothing() {
    // Beirut goes from 00:00 to 01:00.
    let midnight = cron("0,30 0,1 * * *", "Asia/Beirut");
    assert_eq!(
        moments(&midnight, "2026-03-28T12:00:00Z", 3),
        ["2026-03-28T22:00:00Z", "2026-03-28T22:30:00Z", "2026-03-29T21:00:00Z"]
    );
    // Samoa had no 30 December 2011; what was due then comes with the 31st.
    let samoa = cron("0 9 * * *", "Pacific/Apia");
    assert_eq!(
        moments(&samoa, "2011-12-29T00:00:00Z", 3),
        ["2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z", "2011-12-31T19:00:00Z"]
    );
}

#[test]
fn cron_reads_lists_ranges_steps_and_names() {
    let first = |text: &str| moments(&cron(text, "UTC"), "2026-11-27T12:00:00Z", 1)[0].clone();
    assert_eq!(first("0 9 * * 1-5"), "2026-11-30T09:00:00Z");
    assert_eq!(first("0 9 * * MON-FRI"), "2026-11-30T09:00:00Z");
    assert_eq!(first("0 9 * * 7"), "2026-11-29T09:00:00Z");
    assert_eq!(first("5/20 12 * * *"), "2026-11-27T12:05:00Z");
    assert_eq!(first("0 0 29 feb *"), "2028-02-29T00:00:00Z");
    // Both days given: either.
    assert_eq!(first("0 0 1 * fri"), "2026-12-01T00:00:00Z");
    for bad in [
        "",
        "* * * *",
        "60 * * * *",
        "* * 0 * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "* * * * mon-",
        "+1 * * * *",
        "* * * * * *",
        "a * * * *",
    ] {
        assert_eq!(cron(bad, "UTC").pattern().unwrap_err().field, "cron", "{bad}");
    }
}

#[test]
fn rules_of_rfc_5545() {
    let list = |text: &str, n: usize| {
        moments(&rrule(text, "2026-11-27T09:00:00", "UTC"), "2026-01-01T00:00:00Z", n).join(" ")
    };
    assert_eq!(list("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=9", 2), "2026-11-30T09:00:00Z 2026-12-02T09:00:00Z");
    assert_eq!(list("FREQ=DAILY;INTERVAL=3", 2), "2026-11-27T09:00:00Z 2026-11-30T09:00:00Z");
    assert_eq!(list("FREQ=WEEKLY;INTERVAL=2", 2), "2026-11-27T09:00:00Z 2026-12-11T09:00:00Z");
    // The week of the start counts from its Monday on.
    assert_eq!(list("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR", 2), "2026-11-27T09:00:00Z 2026-12-07T09:00:00Z");
    assert_eq!(list("FREQ=MONTHLY;BYMONTHDAY=-1", 2), "2026-11-30T09:00:00Z 2026-12-31T09:00:00Z");
    assert_eq!(list("FREQ=MONTHLY;BYDAY=-1FR", 2), "2026-11-27T09:00:00Z 2026-12-25T09:00:00Z");
    assert_eq!(list("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", 1), "2027-08-13T09:00:00Z");
    assert_eq!(list("FREQ=YEARLY", 2), "2026-11-27T09:00:00Z 2027-11-27T09:00:00Z");
    assert_eq!(list("FREQ=DAILY;BYHOUR=8,18;BYMINUTE=30", 2), "2026-11-27T18:30:00Z 2026-11-28T08:30:00Z");
    assert_eq!(list("FREQ=DAILY;UNTIL=20261128", 9), "2026-11-27T09:00:00Z 2026-11-28T09:00:00Z");
    for bad in [
        "",
        "FREQ=HOURLY",
        "FREQ=DAILY;BYSETPOS=1",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=1MO",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ=WEEKLY;BYMONTHDAY=1",
        "FREQ=DAILY;BYDAY=ÄÖ",
    ] {
        assert_eq!(rrule(bad, "2026-11-27T09:00:00", "UTC").pattern().unwrap_err().field, "rrule", "{bad}");
    }
}

#[test]
fn a_pattern_that_never_comes_ends_the_search() {
    assert!(moments(&cron("0 0 31 2 *", "UTC"), "2026-01-01T00:00:00Z", 1).is_empty());
}

fn hourly(count: Option<u32>) -> Pattern {
    Recurrence { count, ..cron("0 * * * *", "UTC") }.pattern().unwrap()
}

#[test]
fn after_an_outage_the_last_one_is_caught_up_and_the_others_are_skipped() {
    let hour = Duration::from_secs(3600);
    let look = |now: &str, late, resumed: Option<&str>| {
        turn(&hourly(None), Come::default(), at("2026-11-27T08:00:00Z"), (at(now), resumed.map(at)), late)
    };
    let starts = |text: &str| Some(at(text));
    // On time.
    assert_eq!(
        look("2026-11-27T08:00:00Z", hour, None),
        Turn { start: starts("2026-11-27T08:00:00Z"), skipped: 0, next: starts("2026-11-27T09:00:00Z") }
    );
    // Five hours away: four are skipped, the last is caught up.
    assert_eq!(
        look("2026-11-27T12:30:00Z", hour, None),
        Turn { start: starts("2026-11-27T12:00:00Z"), skipped: 4, next: starts("2026-11-27T13:00:00Z") }
    );
    // The last one is too late, too.
    let quarter = Duration::from_secs(900);
    assert_eq!(look("2026-11-27T12:30:00Z", quarter, None).start, None);
    assert_eq!(look("2026-11-27T12:30:00Z", quarter, None).skipped, 5);
    // What fell into a pause is not caught up.
    let resumed = look("2026-11-27T12:30:00Z", hour, Some("2026-11-27T12:29:00Z"));
    assert_eq!((resumed.start, resumed.skipped), (None, 5));
    assert_eq!(
        look("2026-11-27T07:59:00Z", hour, None).next,
        starts("2026-11-27T08:00:00Z"),
        "nothing is due yet"
    );
}

#[test]
fn a_series_ends_by_count_and_by_until() {
    let hour = Duration::from_secs(3600);
    let come = Come { started: 2, skipped: 1 };
    let next = at("2026-11-27T08:00:00Z");
    let last = turn(&hourly(Some(4)), come, next, (next, None), hour);
    assert_eq!(last, Turn { start: Some(next), skipped: 0, next: None });
    let over = turn(&hourly(Some(3)), come, next, (next, None), hour);
    assert_eq!(over, Turn { start: None, skipped: 0, next: None });
    let until =
        Recurrence { until: Some(at("2026-11-27T08:30:00Z")), ..cron("0 * * * *", "UTC") }.pattern().unwrap();
    assert_eq!(
        turn(&until, come, next, (next, None), hour),
        Turn { start: Some(next), skipped: 0, next: None }
    );
}

#[test]
fn a_year_of_downtime_of_a_minutely_series_is_worked_off_in_bounded_turns() {
    let pattern = cron("* * * * *", "Europe/Berlin").pattern().unwrap();
    let (mut next, now) = (at("2026-01-01T00:00:00Z"), at("2026-12-31T00:00:00Z"));
    let (mut come, mut started) = (Come::default(), Vec::new());
    for _ in 0..10 {
        let turn = turn(&pattern, come, next, (now, None), Duration::from_secs(3600));
        come.skipped += turn.skipped;
        started.extend(turn.start);
        next = turn.next.unwrap();
    }
    assert_eq!(started, [now], "only the last is caught up");
    // A local time that comes twice comes once: an hour less in October. One is the first, at the start of the range.
    assert_eq!(come.skipped, 364 * 24 * 60 - 60);
}

/// Cron as its manual has it, minute by minute, in a zone without changes.
fn slowly(
    minutes: &[u32],
    hours: &[u32],
    weekday: Option<u32>,
    month_day: Option<u32>,
    after: Timestamp,
) -> Option<Timestamp> {
    let mut at = after.round(jiff::Unit::Minute).unwrap();
    for _ in 0..(40 * 24 * 60) {
        let local = at.to_zoned(jiff::tz::TimeZone::UTC);
        let on = |value: i8, list: &[u32]| list.iter().any(|n: &u32| i64::from(*n) == i64::from(value));
        let day = match (weekday, month_day) {
            (None, None) => true,
            (w, m) => {
                w.is_some_and(|w| on(local.weekday().to_sunday_zero_offset(), &[w]))
                    || m.is_some_and(|m| on(local.day(), &[m]))
            }
        };
        if at > after && day && on(local.minute(), minutes) && on(local.hour(), hours) {
            return Some(at);
        }
        at += SignedDuration::from_mins(1);
    }
    None
}

fn list(values: &[u32]) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn cron_finds_what_a_walk_through_all_minutes_finds(
        minutes in prop::collection::vec(0u32..60, 1..3), hours in prop::collection::vec(0u32..24, 1..3),
        weekday in prop::option::of(0u32..7), month_day in prop::option::of(1u32..29), start in 1_700_000_000i64..1_900_000_000,
    ) {
        let field = |value: Option<u32>| value.map_or("*".to_owned(), |value| value.to_string());
        let text = format!("{} {} {} * {}", list(&minutes), list(&hours), field(month_day), field(weekday));
        let after = Timestamp::from_second(start).unwrap();
        let found = cron(&text, "UTC").pattern().unwrap().after(after).next();
        prop_assert_eq!(found, slowly(&minutes, &hours, weekday, month_day, after), "{}", text);
    }

    #[test]
    fn moments_ascend_strictly_and_show_a_time_of_the_pattern_unless_the_clock_was_turned(
        minute in 0u32..60, zone in prop::sample::select(vec!["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]),
        start in 1_200_000_000i64..1_900_000_000,
    ) {
        let pattern = cron(&format!("{minute} */3 * * *"), zone).pattern().unwrap();
        let mut last = Timestamp::from_second(start).unwrap();
        for at in pattern.after(last).take(40) {
            prop_assert!(at > last);
            // No more than three hours and a change of the clock (Samoa's was a day).
            prop_assert!(at.duration_since(last) <= SignedDuration::from_hours(28));
            last = at;
        }
    }

    #[test]
    fn taking_turns_is_walking_through(now_after in 0i64..200_000, step in 1i64..50_000) {
        let pattern = cron("*/17 3-20 * * *", "Europe/Berlin").pattern().unwrap();
        let begin = at("2026-03-28T00:00:00Z");
        let end = begin + SignedDuration::from_secs(now_after);
        let first = pattern.after(begin).next().unwrap();
        let (mut come, mut next, mut now) = (Come::default(), first, begin);
        while now < end {
            now = (now + SignedDuration::from_secs(step)).min(end);
            let turn = turn(&pattern, come, next, (now, None), Duration::from_secs(3600));
            come.started += u32::from(turn.start.is_some());
            come.skipped += turn.skipped;
            next = turn.next.unwrap();
        }
        let all = pattern.after(begin).take_while(|at| *at <= end).count();
        prop_assert_eq!((come.started + come.skipped) as usize, all);
    }
}

#[test]
fn weeks_begin_on_monday() {
    assert_eq!(Date::constant(1970, 1, 5).weekday(), Weekday::Monday);
}
