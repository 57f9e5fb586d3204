//! `send_at` with `time_zone`, `recurrence`, `expires_at`, `expires_after`: when a plan goes out, and when it is given up.

use std::time::Duration;

use herald_shared::db::drafts::never;
use herald_shared::domain::{Lane, LocalTime, Recurrence, Terms, Wait, ladder, local_time};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::terms::duration;
use crate::json::{Field, Object, parse_local, parse_time};
use crate::problems::Problems;

/// How far `send_at` may lie in the past: clocks differ, requests wait.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// The longest `expires_after`: a year.
const MAX_LIFE: Wait = Wait::seconds(366 * 86_400);
/// Characters of a cron expression or a rule.
const MAX_RULE: usize = 500;
/// Occurrences a series may count.
const MAX_COUNT: i32 = 1_000_000;
/// Characters of an IANA name.
const MAX_ZONE: usize = 64;

/// When a plan goes out, and when it is given up.
pub(super) struct Schedule {
    /// When to start; of a plan that recurs, the first time.
    pub(super) send_at: Option<Timestamp>,
    /// When to give up; [`never`] where that is counted from a start that is still to come.
    pub(super) expires_at: Timestamp,
    /// `send_at` as it was written, if that was a local time.
    pub(super) schedule: Option<LocalTime>,
    /// How long after its start it is given up.
    pub(super) expires_after: Option<Wait>,
    /// When it recurs.
    pub(super) recurrence: Option<Recurrence>,
}

impl Schedule {
    /// Notes in a plan's terms what is said again or needed later.
    pub(super) fn note(&self, terms: &mut Terms) {
        terms.schedule = self.schedule.clone();
        terms.expires_after = self.expires_after;
        terms.recurrence = self.recurrence.clone();
    }
}

/// What the schedule is read against.
pub(super) struct Frame {
    /// The time.
    pub(super) now: Timestamp,
    /// The plan's priority.
    pub(super) lane: Lane,
    /// How long its tiers wait together.
    pub(super) waits: Duration,
    /// It is a draft.
    pub(super) draft: bool,
}

/// Reads the schedule.
pub(super) fn read(plan: &mut Object<'_>, frame: &Frame, problems: &mut Problems) -> Option<Schedule> {
    let recurrence =
        plan.take("recurrence").map(|field| (field.clone(), recurrence(&field, frame.now, problems)));
    let (send_at, schedule) = match &recurrence {
        Some((_, first)) => {
            for name in ["send_at", "time_zone"] {
                if let Some(field) = plan.take(name) {
                    field.refuse(
                        problems,
                        "goes with a plan that goes out once: recurrence says when, and in which zone",
                    );
                }
            }
            (first.as_ref().map(|(at, _)| *at), None)
        }
        None => send_at(plan, frame.now, problems),
    };
    let expires_after = plan.take("expires_after").and_then(|field| duration(&field, MAX_LIFE, problems));
    let start = send_at.map_or(frame.now, |at| at.max(frame.now));
    let expires_at = expires_at(plan, (start, expires_after, recurrence.is_some()), frame, problems);
    Some(Schedule {
        send_at,
        expires_at: expires_at?,
        schedule,
        expires_after,
        recurrence: recurrence.and_then(|(_, first)| first).map(|(_, recurrence)| recurrence),
    })
}

/// `send_at`: a moment, or a local time with its zone.
fn send_at(
    plan: &mut Object<'_>,
    now: Timestamp,
    problems: &mut Problems,
) -> (Option<Timestamp>, Option<LocalTime>) {
    let zone = plan.take("time_zone").map(|field| (field.clone(), zone(&field, problems)));
    let Some(field) = plan.take("send_at") else {
        if let Some((field, _)) = zone {
            field.refuse(problems, "is given without send_at, whose zone it is");
        }
        return (None, None);
    };
    let local = field.string(&mut Problems::default()).and_then(|text| parse_local(&text));
    let (at, schedule) = match (local, zone) {
        (Some(local), Some((_, Some((name, zone))))) => match local_time::moment(local, &zone) {
            Ok((at, on_clock)) => (at, Some(LocalTime { local, time_zone: name, on_clock })),
            Err(_) => {
                field.refuse(problems, "is beyond the calendar");
                return (None, None);
            }
        },
        // Its zone is refused already.
        (Some(_), Some((_, None))) => return (None, None),
        (Some(_), None) => {
            field.refuse(problems, "has neither an offset nor time_zone beside it: give one, such as \"time_zone\": \"Asia/Shanghai\"");
            return (None, None);
        }
        (None, zone) => {
            let at = field.time(problems);
            if let (Some(_), Some((zone, _))) = (at, zone) {
                zone.refuse(problems, "goes with a local time; send_at has an offset already");
            }
            let Some(at) = at else { return (None, None) };
            (at, None)
        }
    };
    if now.duration_since(at) > LATE {
        field.refuse(problems, "is more than a minute in the past; leave it out to send at once");
    }
    (Some(at), schedule)
}

/// An IANA zone by its name.
fn zone(field: &Field<'_>, problems: &mut Problems) -> Option<(String, TimeZone)> {
    let name = field.line(MAX_ZONE, problems)?;
    let zone = local_time::zone(&name);
    if zone.is_none() {
        field.refuse(problems, "is not an IANA time zone such as Asia/Shanghai");
    }
    zone.map(|zone| (name, zone))
}

/// `recurrence`, with its first time from now on.
fn recurrence(field: &Field<'_>, now: Timestamp, problems: &mut Problems) -> Option<(Timestamp, Recurrence)> {
    let before = problems.count();
    let mut object = field.object(problems)?;
    let cron = object.take("cron").and_then(|field| field.line(MAX_RULE, problems));
    let rrule = object.take("rrule").and_then(|field| field.line(MAX_RULE, problems));
    let zone_at = object.pointer("time_zone");
    let zone = object.require("time_zone", problems).and_then(|field| zone(&field, problems));
    let start = object.take("start").and_then(|field| start(&field, zone.as_ref(), problems));
    let until = object.take("until").and_then(|field| until(&field, zone.as_ref(), problems));
    let count = object.take("count").and_then(|field| field.integer(1, MAX_COUNT, problems));
    let pointers = [
        ("cron", object.pointer("cron")),
        ("rrule", object.pointer("rrule")),
        ("start", object.pointer("start")),
    ];
    if cron.is_some() && start.is_some() {
        problems.add(object.pointer("start"), "goes with rrule; a cron expression has no start");
    }
    object.finish(problems);
    if problems.count() > before {
        return None;
    }
    let (time_zone, _) = zone?;
    let count = count.and_then(|count| u32::try_from(count).ok());
    let recurrence = Recurrence { cron, rrule, start, time_zone, until, count };
    match recurrence.pattern() {
        Ok(pattern) => {
            let first = pattern.after(now).next();
            if first.is_none() {
                field.refuse(problems, "has no time from now on");
            }
            first.map(|at| (at, recurrence))
        }
        Err(fault) => {
            let at =
                pointers.into_iter().find(|(name, _)| *name == fault.field).map_or(zone_at, |(_, at)| at);
            problems.add(at, fault.detail);
            None
        }
    }
}

/// The first date and time of a rule, on the zone's clock.
fn start(field: &Field<'_>, zone: Option<&(String, TimeZone)>, problems: &mut Problems) -> Option<DateTime> {
    let text = field.string(problems)?;
    let moment = || parse_time(&text).zip(zone).map(|(at, (_, zone))| at.to_zoned(zone.clone()).datetime());
    let start = parse_local(&text).or_else(moment);
    if start.is_none() && zone.is_some() {
        field.refuse(problems, "must be a date and time such as 2026-12-01T09:00:00");
    }
    start
}

/// The end of a series: a moment, or a time on the zone's clock.
fn until(field: &Field<'_>, zone: Option<&(String, TimeZone)>, problems: &mut Problems) -> Option<Timestamp> {
    let text = field.string(problems)?;
    match (parse_local(&text), zone) {
        (Some(local), Some((_, zone))) => local_time::moment(local, zone).ok().map(|(at, _)| at),
        (Some(_), None) => None,
        (None, _) => field.time(problems),
    }
}

/// After this nothing is sent: a plan whose account never comes back ends too.
fn expires_at(
    plan: &mut Object<'_>,
    (start, after, recurs): (Timestamp, Option<Wait>, bool),
    frame: &Frame,
    problems: &mut Problems,
) -> Option<Timestamp> {
    let Some(field) = plan.take("expires_at") else {
        // Of a draft, and of every occurrence of a series, it is counted when that starts.
        let later = frame.draft || recurs;
        let at = if later { Some(never()) } else { expiry(start, after, frame.lane, frame.waits) };
        if at.is_none() {
            problems.add(plan.pointer("send_at"), "is too far in the future");
        }
        return at;
    };
    if recurs {
        field.refuse(problems, "would end every occurrence at the same time: give expires_after, which counts from the start of each");
    } else if after.is_some() {
        field.refuse(problems, "is given beside expires_after: give one of the two");
    }
    let at = field.time(problems)?;
    if at <= start {
        field.refuse(problems, "must be after send_at and in the future");
    }
    Some(at)
}

/// When a plan that starts at `start` is given up: so long after it as it says, else by its priority and what its tiers wait.
pub(crate) fn expiry(
    start: Timestamp,
    after: Option<Wait>,
    lane: Lane,
    waits: Duration,
) -> Option<Timestamp> {
    start.checked_add(ladder::life(after, lane, waits)).ok()
}
