//! When a plan goes out and when it is given up: local times, series, ends.

use herald_shared::db::drafts::never;
use herald_shared::domain::{OnClock, Wait};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{bad, good, now, refused_at};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn rule_24_a_local_time_needs_its_zone_and_is_told_as_it_was_understood() {
    for (local, zone, utc, on_clock) in [
        ("2026-12-01T09:00:00", "Asia/Shanghai", "2026-12-01T01:00:00Z", OnClock::Once),
        ("2026-12-01T09:00", "Asia/Shanghai", "2026-12-01T01:00:00Z", OnClock::Once),
        ("2027-03-28T02:30:00", "Europe/Berlin", "2027-03-28T01:30:00Z", OnClock::Skipped),
        ("2027-10-31T02:30:00", "Europe/Berlin", "2027-10-31T00:30:00Z", OnClock::Twice),
    ] {
        let draft = good(json!({ "send_at": local, "time_zone": zone }));
        assert_eq!(draft.send_at, Some(at(utc)), "{local} {zone}");
        let schedule = draft.terms.schedule.unwrap();
        assert_eq!((schedule.on_clock, schedule.time_zone.as_str()), (on_clock, zone));
        assert_eq!(draft.expires_at, at(utc) + SignedDuration::from_hours(72), "counted from the start");
    }
    refused_at(json!({ "send_at": "2026-12-01T09:00:00" }), &["/send_at"]);
    refused_at(json!({ "send_at": "2026-12-01T09:00:00", "time_zone": "Mars/Olympus" }), &["/time_zone"]);
    refused_at(
        json!({ "send_at": "2026-12-01T09:00:00+08:00", "time_zone": "Asia/Shanghai" }),
        &["/time_zone"],
    );
    refused_at(json!({ "time_zone": "Asia/Shanghai" }), &["/time_zone"]);
    refused_at(json!({ "send_at": "2026-11-21T09:00:00", "time_zone": "Asia/Shanghai" }), &["/send_at"]);
    refused_at(json!({ "send_at": "2026-13-01T09:00:00", "time_zone": "Asia/Shanghai" }), &["/send_at"]);
}

#[test]
fn a_plan_is_given_up_so_long_after_its_start() {
    let draft = good(json!({ "expires_after": "30m" }));
    assert_eq!(draft.expires_at, now() + SignedDuration::from_mins(30));
    let later = good(json!({ "expires_after": "PT1H", "send_at": "2026-12-01T08:00:00Z" }));
    assert_eq!(later.expires_at, at("2026-12-01T09:00:00Z"));
    assert_eq!(later.terms.expires_after, Some(Wait::seconds(3600)));
    assert_eq!(
        good(json!({ "expires_after": "30m", "draft": true })).expires_at,
        never(),
        "counted when it is sent"
    );
    refused_at(json!({ "expires_after": "30m", "expires_at": "2026-12-01T09:00:00Z" }), &["/expires_at"]);
    refused_at(json!({ "expires_after": "0s" }), &["/expires_after"]);
    refused_at(json!({ "expires_after": "P400D" }), &["/expires_after"]);
}

fn recurs(recurrence: Value) -> Value {
    json!({ "recurrence": recurrence })
}

#[test]
fn a_series_begins_with_its_first_time_from_now_on() {
    let draft = good(recurs(json!({ "cron": "0 9 * * 1-5", "time_zone": "Asia/Shanghai" })));
    // Now is Saturday evening there.
    assert_eq!(draft.send_at, Some(at("2026-11-23T01:00:00Z")));
    assert_eq!(draft.expires_at, never(), "every occurrence is given up by itself");
    let rule = json!({ "rrule": "FREQ=WEEKLY;BYDAY=MO,WE", "start": "2026-11-25T09:00:00", "time_zone": "Europe/Berlin",
        "until": "2027-01-01T00:00:00", "count": 9 });
    let draft = good(recurs(rule));
    assert_eq!(draft.send_at, Some(at("2026-11-25T08:00:00Z")));
    let recurrence = draft.terms.recurrence.unwrap();
    assert_eq!(recurrence.until, Some(at("2026-12-31T23:00:00Z")), "on the zone's clock");
    assert_eq!(recurrence.count, Some(9));
    let offset =
        json!({ "rrule": "FREQ=DAILY", "start": "2026-11-25T09:00:00Z", "time_zone": "Europe/Berlin" });
    assert_eq!(good(recurs(offset)).send_at, Some(at("2026-11-25T09:00:00Z")));
}

#[test]
fn what_is_wrong_with_a_series_is_told_at_its_place() {
    let zone = "Asia/Shanghai";
    for (recurrence, pointer) in [
        (json!({ "cron": "0 9 * * 8", "time_zone": zone }), "/recurrence/cron"),
        (json!({ "time_zone": zone }), "/recurrence/cron"),
        (json!({ "cron": "0 9 * * *" }), "/recurrence/time_zone"),
        (json!({ "cron": "0 9 * * *", "time_zone": "nowhere" }), "/recurrence/time_zone"),
        (json!({ "rrule": "FREQ=DAILY", "time_zone": zone }), "/recurrence/start"),
        (
            json!({ "rrule": "FREQ=SECONDLY", "start": "2026-12-01T09:00:00", "time_zone": zone }),
            "/recurrence/rrule",
        ),
        (
            json!({ "cron": "0 9 * * *", "start": "2026-12-01T09:00:00", "time_zone": zone }),
            "/recurrence/start",
        ),
        (json!({ "cron": "0 9 * * *", "time_zone": zone, "count": 0 }), "/recurrence/count"),
        (json!({ "cron": "0 9 * * *", "time_zone": zone, "until": "soon" }), "/recurrence/until"),
        (json!({ "cron": "0 9 * * *", "time_zone": zone, "until": "2026-11-01T00:00:00Z" }), "/recurrence"),
        (json!({ "cron": "0 0 31 2 *", "time_zone": zone }), "/recurrence"),
        (json!({ "cron": "0 9 * * *", "time_zone": zone, "every": 2 }), "/recurrence/every"),
    ] {
        refused_at(recurs(recurrence), &[pointer]);
    }
    let mut both = recurs(json!({ "cron": "0 9 * * *", "time_zone": zone }));
    both["send_at"] = "2026-12-01T09:00:00Z".into();
    both["expires_at"] = "2027-12-01T09:00:00Z".into();
    let problems = bad(both);
    let pointers: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/send_at", "/expires_at"]);
}
