//! Rule 14: nothing goes out in quiet hours, on the recipient's clock; afterwards it does, once.

use herald_loadtest::standins::webhook;
use herald_shared::domain::quiet::{QuietHours, Window};
use herald_shared::domain::{Channel, Wait, local_time};
use herald_tests::tenant::Plan;
use herald_tests::{Database, Options, SOON, Servers, System, Tenant, wait_until};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start;

/// Where it is quiet now, and where it is not: nine hours later.
const QUIET: &str = "UTC";
const LOUD: &str = "Asia/Tokyo";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// From an hour ago to an hour from now, on the clock of [`QUIET`].
fn now_quiet(channels: &[&str]) -> Value {
    let minute = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    let now = Timestamp::now();
    let mut window = json!({"from": minute(now - HOUR), "to": minute(now + HOUR)});
    if !channels.is_empty() {
        window["channels"] = json!(channels);
    }
    json!({"time_zone": QUIET, "windows": [window], "spread": "10m"})
}

async fn put(tenant: &Tenant, settings: &Value) -> herald_tests::Answer {
    let body = settings.to_string().into_bytes();
    tenant.http.call(Method::PUT, "/v1/settings/quiet-hours", &[], Some(body)).await
}

async fn quiet_now(tenant: &Tenant, channels: &[&str]) {
    let set = put(tenant, &now_quiet(channels)).await;
    assert_eq!(set.status, 200, "{}", set.text);
}

/// People in turn where it is quiet, where it is not, and without a zone: the tenant's counts.
fn people(count: usize) -> Vec<Value> {
    let zone = |no: usize| [json!(QUIET), json!(LOUD), Value::Null][no % 3].clone();
    (0..count).map(|no| json!({"key": format!("canary-{no}"), "time_zone": zone(no)})).collect()
}

fn plan(count: usize) -> Value {
    json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "recipients": people(count)})
}

async fn sent(tenant: &Tenant, plan: &Plan) -> i64 {
    tenant.plan(plan).await["deliveries"]["sent"].as_i64().unwrap()
}

async fn until_sent(tenant: &Tenant, plan: &Plan, count: i64) {
    wait_until(&format!("{count} are sent"), SOON, async || sent(tenant, plan).await == count).await;
}

/// What waits is due at the end of the window and not all at once; then the night is over.
async fn morning(system: &System, plan: &Plan) {
    let waits = "SELECT count(*) FROM job WHERE plan_id = $1 AND kind = 1 AND state = 0 AND due_at > now() + interval '30 minutes'
                    AND due_at BETWEEN rested_until AND rested_until + interval '10 minutes'
                    AND rested_until BETWEEN now() + interval '58 minutes' AND now() + interval '61 minutes'";
    let rows = system.database.rows(waits, &[&plan.internal()]).await;
    assert!(rows[0].get::<_, i64>(0) > 0, "nothing waits for the end");
    // A claimed job with nothing left in it goes when its worker drops it.
    let others = "SELECT count(*) FROM job WHERE plan_id = $1 AND rested_until IS NULL AND kind = 1";
    wait_until("all that is left waits for the end", SOON, async || {
        system.database.rows(others, &[&plan.internal()]).await[0].get::<_, i64>(0) == 0
    })
    .await;
    let db = system.database.connect().await.unwrap();
    db.execute("DELETE FROM quiet_window", &[]).await.unwrap();
    let over = "UPDATE job SET due_at = now(), rested_until = now() WHERE plan_id = $1 AND kind = 1";
    db.execute(over, &[&plan.internal()]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_delivery_waits_for_the_end_on_the_clock_of_its_recipient() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    quiet_now(&tenant, &["inbox"]).await;
    let made = tenant.send(&plan(300)).await;
    until_sent(&tenant, &made, 100).await;
    // Urgent ones and those that ignore it go through.
    let mut urgent = plan(9);
    urgent["priority"] = "urgent".into();
    let mut ignoring = plan(9);
    ignoring["quiet"] = "ignore".into();
    for body in [urgent, ignoring] {
        let through = tenant.send(&body).await;
        tenant.until(&through, "finished", SOON).await;
    }
    assert_eq!(sent(&tenant, &made).await, 100, "the others still wait");
    assert_eq!(tenant.plan(&made).await["status"], "running");
    morning(&system, &made).await;
    let finished = tenant.until(&made, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["sent"], &finished["recipients"]["reached"]),
        (&json!(300), &json!(300))
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_what_is_on_its_way_already_is_put_off_in_the_claim() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    // The API has just looked and knows of no quiet hours: these jobs are born published.
    let before = tenant.send(&plan(1)).await;
    tenant.until(&before, "finished", SOON).await;
    let minute = |at: Timestamp| {
        let at = at.to_zoned(TimeZone::UTC);
        i32::from(at.hour()) * 60 + i32::from(at.minute())
    };
    let (from, to) = (minute(Timestamp::now() - HOUR), minute(Timestamp::now() + HOUR));
    let window = format!(
        "INSERT INTO quiet_window (tenant_id, channel, begins, ends) SELECT id, 10, {from}, {to} FROM tenant"
    );
    system.database.run(&window).await;
    let made = tenant.send(&plan(300)).await;
    until_sent(&tenant, &made, 100).await;
    wait_until("nothing is in work", SOON, async || tenant.plan(&made).await["deliveries"]["pending"] == 200)
        .await;
    morning(&system, &made).await;
    let finished = tenant.until(&made, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 300);
    let attempts = "SELECT max(d.attempt)::bigint FROM delivery d";
    assert_eq!(system.database.number(attempts).await, 1, "waiting costs no attempt");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_law_of_the_channel_gives_way_to_nobody() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    quiet_now(&tenant, &["inbox"]).await;
    system.database.run("UPDATE quiet_window SET law = true").await;
    let mut urgent = plan(3);
    urgent["priority"] = "urgent".into();
    let made = tenant.send(&urgent).await;
    until_sent(&tenant, &made, 1).await;
    wait_until("the others wait", SOON, async || tenant.plan(&made).await["deliveries"]["pending"] == 2)
        .await;
    morning(&system, &made).await;
    tenant.until(&made, "finished", SOON).await;
    // The tenant's own setting does not lift it, and does not show it.
    system.database.run("INSERT INTO quiet_window (tenant_id, channel, begins, ends, law) SELECT id, 10, 1, 2, true FROM tenant").await;
    let shown = put(&tenant, &json!({"time_zone": "UTC", "windows": []})).await.expect(200).json();
    assert_eq!(shown["windows"], json!([]));
    assert_eq!(system.database.number("SELECT count(*) FROM quiet_window WHERE law").await, 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_quiet_time_makes_no_step_late() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let key = webhook::Key::random();
    let options = webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() };
    let hooks = webhook::start(options).await.unwrap();
    tenant.webhook(key.text()).await;
    quiet_now(&tenant, &["webhook"]).await;
    let body = json!({
        "title": "Canary", "content": {"text": "canary"}, "max_late": "1s",
        "recipients": [{"key": "canary", "url": hooks.url("/canary")}],
        "tiers": [{"channels": ["inbox"], "until": "read", "wait": "1s"}, {"channels": ["webhook"]}],
    });
    let made = tenant.send(&body).await;
    // Tier 1 is on another channel. Tier 2 comes when it is due, and waits.
    until_sent(&tenant, &made, 1).await;
    wait_until("tier 2 has come", SOON, async || tenant.plan(&made).await["deliveries"]["pending"] == 1)
        .await;
    let age = "UPDATE delivery SET created_at = now() - interval '1 hour' WHERE status = 0";
    system.database.run(age).await;
    morning(&system, &made).await;
    let finished = tenant.until(&made, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 2, "{finished}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_are_set_by_the_tenant_and_by_the_operator() {
    let (system, tenant) = start(Options::default()).await;
    let path = "/v1/settings/quiet-hours";
    let none = tenant.http.get(path).await.expect(200).json();
    assert_eq!(none, json!({"time_zone": "UTC", "windows": [], "spread": "PT10M"}));
    let settings = json!({
        "time_zone": "Asia/Shanghai", "spread": "5m",
        "windows": [{"from": "20:00", "to": "08:00", "channels": ["sms", "voice"]}, {"from": "22:00", "to": "07:00"}],
    });
    let set = put(&tenant, &settings).await.expect(200).json();
    assert_eq!((&set["windows"], &set["spread"]), (&settings["windows"], &json!("PT5M")));
    assert_eq!(tenant.http.get(path).await.expect(200).json(), set);
    for (body, pointers) in [
        (json!({"windows": []}), vec!["/time_zone"]),
        (json!({"time_zone": "UTC"}), vec!["/windows"]),
        (
            json!({"time_zone": "Mars", "windows": [{"from": "22:00", "to": "22:00"}]}),
            vec!["/time_zone", "/windows/0"],
        ),
        (
            json!({"time_zone": "UTC", "windows": [{"from": "22", "to": "24:30", "channels": ["pigeon"]}], "spread": "5h"}),
            vec!["/spread", "/windows/0/channels/0", "/windows/0/from", "/windows/0/to"],
        ),
        (
            json!({"time_zone": "UTC", "windows": [{"from": "08:00", "to": "20:00"}, {"from": "20:00", "to": "08:00"}]}),
            vec!["/windows"],
        ),
        (json!({"time_zone": "UTC", "windows": [], "days": []}), vec!["/days"]),
    ] {
        assert_eq!(put(&tenant, &body).await.expect(422).pointers(), pointers, "{body}");
    }
    let command = [
        "tenant",
        "quiet",
        &tenant.name,
        "--time-zone",
        "Europe/Berlin",
        "--window",
        "21:00-06:30=wecom",
        "--spread",
        "0s",
    ];
    system.command(&command).unwrap();
    let shown = tenant.http.get(path).await.expect(200).json();
    assert_eq!(
        shown,
        json!({"time_zone": "Europe/Berlin", "windows": [{"from": "21:00", "to": "06:30", "channels": ["wecom"]}], "spread": "PT0S"})
    );
    system.command(&["tenant", "quiet", &tenant.name]).unwrap();
    assert_eq!(tenant.http.get(path).await.expect(200).json(), none);
    assert!(system.command(&["tenant", "quiet", "nobody"]).is_err());
    assert!(system.command(&["tenant", "quiet", &tenant.name, "--time-zone", "Mars"]).is_err());
    assert!(system.command(&["tenant", "quiet", &tenant.name, "--window", "22-07"]).is_err());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_the_database_knows_the_same_ends_as_the_code() {
    let database = Database::create(Servers::shared().await).await;
    let db = database.connect().await.unwrap();
    db.execute(
        "INSERT INTO tenant (uid, name, time_zone) VALUES (gen_random_uuid(), 'canary', 'Asia/Shanghai')",
        &[],
    )
    .await
    .unwrap();
    let tenant: i64 = database.number("SELECT id FROM tenant").await;
    let zones = [
        "UTC",
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    ];
    let random = |below: i64| fastrand::i64(0..below);
    for _ in 0..40 {
        let windows: Vec<String> = (0..=random(2))
            .map(|_| {
                let (from, long) = (random(1440), random(900) + 1);
                let minute = |at: i64| format!("{:02}:{:02}", at / 60 % 24, at % 60);
                format!("{}-{}", minute(from), minute(from + long))
            })
            .collect();
        let windows: Vec<Window> = windows.iter().map(|text| text.parse().unwrap()).collect();
        db.execute("DELETE FROM quiet_window", &[]).await.unwrap();
        for window in &windows {
            let add = "INSERT INTO quiet_window (tenant_id, channel, begins, ends) VALUES ($1, 1, $2, $3) ON CONFLICT DO NOTHING";
            db.execute(add, &[&tenant, &window.from.of_day(), &window.to.of_day()]).await.unwrap();
        }
        let hours = QuietHours { time_zone: "Asia/Shanghai".to_owned(), windows, spread: Wait::seconds(0) };
        for name in zones {
            // Around the nights on which clocks are turned, and any time.
            let near =
                [1_774_742_400, 1_792_886_400, 1_772_953_200, 1_793_509_200, 1_775_318_400, 1_791_043_200]
                    [fastrand::usize(0..6)];
            let at = if random(2) == 0 {
                near + random(100_000) - 50_000
            } else {
                1_700_000_000 + random(200_000_000)
            };
            let since = Timestamp::from_second(at).unwrap();
            let ask = "SELECT quiet_until($1, 1, $2, $3, false)";
            let found: Option<Timestamp> = db.query_one(ask, &[&tenant, &name, &since]).await.unwrap().get(0);
            let expected = hours.until(Channel::Email, &local_time::zone(name).unwrap(), since);
            assert_eq!(found, expected, "{since} in {name}: {:?}", hours.windows);
            // A zone that the database does not know is the tenant's.
            let foreign: Option<Timestamp> =
                db.query_one(ask, &[&tenant, &"Mars/Olympus", &since]).await.unwrap().get(0);
            assert_eq!(
                foreign,
                hours.until(Channel::Email, &local_time::zone("Asia/Shanghai").unwrap(), since)
            );
            let excepted = "SELECT quiet_until($1, 1, $2, $3, true) IS NULL";
            assert!(db.query_one(excepted, &[&tenant, &name, &since]).await.unwrap().get::<_, bool>(0));
        }
    }
    database.remove().await;
}
