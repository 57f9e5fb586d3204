//! Plans that start at a time on somebody's clock.

use std::time::Duration;

use herald_tests::{Options, SOON};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::start;

fn plan(send_at: &str, zone: &str) -> Value {
    json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "recipients": [{"key": "canary"}],
           "send_at": send_at, "time_zone": zone})
}

/// The next moment at which Berlin's clock is turned forward, or back.
fn change(forward: bool) -> Timestamp {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let summer = Offset::constant(2);
    let found =
        berlin.following(Timestamp::now()).take(3).find(|change| (change.offset() == summer) == forward);
    found.expect("the clock is turned twice a year").timestamp()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_24_a_local_time_is_kept_across_the_change_of_the_clock() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    // Half an hour after the change: half past two, which is left out in spring and comes twice in autumn.
    for (forward, on_clock) in [(true, "skipped"), (false, "twice")] {
        let change = change(forward);
        let date = change.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).date();
        let night = tenant.send(&plan(&format!("{date}T02:30:00"), "Europe/Berlin")).await;
        let sent: Timestamp = night.body["send_at"].as_str().unwrap().parse().unwrap();
        let half = SignedDuration::from_mins(30);
        assert_eq!(sent, if forward { change + half } else { change - half }, "{}", night.body);
        assert_eq!(night.body["schedule"]["on_clock"], on_clock);
        assert_eq!(tenant.plan(&night).await["schedule"], night.body["schedule"]);

        // A series at nine: what is between two times is an hour less, or more.
        let mut nine = plan("", "");
        let before = date.yesterday().unwrap();
        nine["recurrence"] = json!({"rrule": "FREQ=DAILY;COUNT=2", "start": format!("{before}T09:00:00"), "time_zone": "Europe/Berlin"});
        for name in ["send_at", "time_zone"] {
            nine.as_object_mut().unwrap().remove(name);
        }
        let pattern = tenant.send(&nine).await;
        let first: Timestamp = pattern.body["send_at"].as_str().unwrap().parse().unwrap();
        nine["recurrence"]["start"] = format!("{date}T09:00:00").into();
        let next = tenant.send(&nine).await;
        let second: Timestamp = next.body["send_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(second.duration_since(first), SignedDuration::from_hours(if forward { 23 } else { 25 }));
        for plan in [night, pattern, next] {
            let stopped =
                tenant.http.post(&format!("{}/stop", plan.path()), &json!({})).await.expect(200).json();
            assert_eq!(stopped["status"], "stopped");
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_time_that_comes_starts_the_plan() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let soon = Timestamp::now() + Duration::from_secs(2);
    let local = soon.to_zoned(TimeZone::get("Asia/Shanghai").unwrap()).datetime();
    let local = local.with().subsec_nanosecond(0).build().unwrap();
    let made = tenant.send(&plan(&local.to_string(), "Asia/Shanghai")).await;
    assert_eq!(made.body["status"], "scheduled");
    let finished = tenant.until(&made, "finished", SOON).await;
    let time = |name: &str| finished[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time("started_at") >= time("send_at"), "{finished}");
    system.finish().await;
}
