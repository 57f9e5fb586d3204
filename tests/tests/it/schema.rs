//! The schema against the code: one state graph, one set of codes, statements that fit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_shared::db::replan::Replan;
use herald_shared::db::{Hot, PoolSize};
use herald_shared::domain::approval::Opinion;
use herald_shared::domain::events;
use herald_shared::domain::ladder::{Place, Reports, Step, max_late, verdict};
use herald_shared::domain::outcome::Outcome;
use herald_shared::domain::reminder::{Known, Who};
use herald_shared::domain::{
    Channel, DeliveryStatus, EventKind, FirstTiers, LadderResult, Lane, OnUnknown, PlanStatus, Proof, Slot,
};
use herald_tests::{Database, Servers};
use tokio_postgres::{Client, SimpleQueryMessage};

async fn migrated() -> (Database, Client) {
    let database = Database::create(Servers::shared().await).await;
    let client = database.connect().await.unwrap();
    (database, client)
}

const PLAN: &str = "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expanded, expires_at, finished_at,
    n_recipients, title, content, tiers) VALUES (1, now(), 1, $1, 0, 0, '{17}', $2, now(), now(), 1, 't', '{}', '[]')";

/// A plan; one that is not expanded does not finish by itself when nothing in it is open.
fn plan(status: PlanStatus, expanded: bool) -> String {
    PLAN.replace("$1", &status.code().to_string()).replace("$2", &expanded.to_string())
}

/// Whether a statement is taken; whatever it did is undone.
async fn is_taken(client: &mut Client, before: &str, statement: &str) -> bool {
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(before).await.unwrap_or_else(|error| panic!("{before}: {error:?}"));
    let taken = transaction.batch_execute(statement).await;
    if let Err(error) = &taken {
        let constraint = error.as_db_error().and_then(|error| error.constraint()).unwrap_or_default();
        assert!(
            constraint.ends_with("_graph") || constraint.ends_with("_status_check"),
            "{statement}: {error:?}"
        );
    }
    transaction.rollback().await.unwrap();
    taken.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_moves_deliveries_along_the_declared_graph_only() {
    let (database, mut client) = migrated().await;
    let stored = DeliveryStatus::ALL
        .iter()
        .filter(|status| !matches!(status, DeliveryStatus::Queued | DeliveryStatus::Sending));
    for from in stored {
        for to in DeliveryStatus::ALL {
            for newer in [false, true] {
                let before = format!(
                    "{}; INSERT INTO delivery (plan_id, slot, no, status, reason) VALUES (1, 17, 1, {}, 'blocked')",
                    plan(PlanStatus::Running, false),
                    from.code()
                );
                let step = i32::from(newer);
                let statement =
                    format!("UPDATE delivery SET status = {}, attempt = attempt + {step}", to.code());
                let taken = is_taken(&mut client, &before, &statement).await;
                assert_eq!(taken, from.may_become(*to, newer), "{from} -> {to}, newer attempt: {newer}");
            }
        }
    }
    let before = format!(
        "{}; INSERT INTO delivery (plan_id, slot, no, attempt) VALUES (1, 17, 1, 2)",
        plan(PlanStatus::Running, false)
    );
    assert!(
        !is_taken(&mut client, &before, "UPDATE delivery SET status = 3, attempt = 1").await,
        "attempts never go back"
    );
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_moves_plans_along_the_declared_graph_only() {
    let (database, mut client) = migrated().await;
    for from in PlanStatus::ALL {
        for to in PlanStatus::ALL.iter().filter(|to| *to != from) {
            let before = plan(*from, true);
            let taken =
                is_taken(&mut client, &before, &format!("UPDATE plan SET status = {}", to.code())).await;
            assert_eq!(taken, from.may_become(*to), "{from} -> {to}");
        }
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_tells_of_plans_what_is_declared() {
    let (database, client) = migrated().await;
    let statement = client.prepare("SELECT plan_event($1, $2)").await.unwrap();
    for from in PlanStatus::ALL {
        for to in PlanStatus::ALL.iter().filter(|to| from.may_become(**to)) {
            let codes = [from, to].map(|status| i32::from(status.code()));
            let row = client.query_one(&statement, &[&codes[0], &codes[1]]).await.unwrap();
            let expected = events::of_plan(*from, *to).map(EventKind::code);
            assert_eq!(row.get::<_, Option<i16>>(0), expected, "{from} -> {to}");
        }
    }
    database.remove().await;
}

fn sql_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            sql_files(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|end| end == "sql") {
            found.push(entry.path());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_can_be_prepared_on_the_migrated_schema() {
    let (database, client) = migrated().await;
    let mut files = Vec::new();
    sql_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src/db/sql"), &mut files);
    assert!(files.len() > 30, "only {} statements were found", files.len());
    let mut problems = Vec::new();
    for file in files {
        let sql = std::fs::read_to_string(&file).unwrap();
        if !sql.starts_with("-- ") {
            problems.push(format!("{}: does not begin with a comment", file.display()));
        }
        if let Err(error) = client.prepare(&sql).await {
            problems.push(format!("{}: {error:?}", file.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    database.remove().await;
}

/// Workers keep one plan per connection, and the first may be made while hardly anything waits. It must not outlive that.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_planned_on_a_nearly_empty_queue_is_planned_anew_when_it_gets_slow() {
    let (database, _) = migrated().await;
    database.rows("ALTER TABLE job SET (autovacuum_enabled = false)", &[]).await;
    let jobs = |from: i32, to: i32| {
        format!(
            "INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
             SELECT -n, 1, n, 1, 18, 1, 1, 1, 1, now() FROM generate_series({from}, {to}) AS n"
        )
    };
    database.rows(&jobs(1, 3), &[]).await;
    database.rows("ANALYZE job", &[]).await;
    let pool = herald_shared::db::connect(&database.url, PoolSize(1), Hot::Keyed).unwrap();
    let client = pool.get().await.unwrap();
    let claim = include_str!("../../../shared/src/db/sql/claim/claim.sql");
    client.batch_execute(&format!("PREPARE claim AS {claim}")).await.unwrap();
    let by_key = async || {
        let explain = "EXPLAIN EXECUTE claim(NULL, NULL, NULL, NULL, NULL, NULL, NULL)";
        let lines = client.simple_query(explain).await.unwrap();
        lines.iter().any(|line| match line {
            SimpleQueryMessage::Row(row) => {
                row.get(0).is_some_and(|text| text.contains("Index Cond: (id = s.id)"))
            }
            _ => false,
        })
    };
    assert!(!by_key().await, "with three jobs all of them are read");
    database.rows(&jobs(4, 20_000), &[]).await;
    let replan = Replan::default();
    replan.judge(&client, Duration::from_millis(4), 0).await;
    assert!(!by_key().await, "what is quick is left as it is");
    replan.judge(&client, Duration::from_millis(20), 12).await;
    assert!(by_key().await, "what is slow is planned anew, for the table as it is now");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_has_a_comment() {
    let database = Database::create(Servers::shared().await).await;
    let missing = database
        .rows(
            "SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
               LEFT JOIN LATERAL (SELECT attname, attnum FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                                  UNION ALL SELECT NULL, 0) AS a ON true
              WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
                AND coalesce(col_description(c.oid, a.attnum), CASE WHEN a.attnum = 0 THEN obj_description(c.oid, 'pg_class') END) IS NULL
              ORDER BY 1",
            &[],
        )
        .await;
    let missing: Vec<String> = missing.iter().map(|row| row.get(0)).collect();
    assert!(missing.is_empty(), "without a comment: {missing:?}");
    database.remove().await;
}

async fn comment(database: &Database, table: &str, column: &str) -> String {
    let sql = "SELECT col_description($1::text::regclass, attnum) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attname = $2";
    database.rows(sql, &[&table, &column]).await[0].get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_in_the_comments_are_those_of_the_code() {
    let (database, client) = migrated().await;
    let codes = |all: Vec<(i16, &'static str)>| all;
    let stored =
        |status: &&DeliveryStatus| !matches!(status, DeliveryStatus::Queued | DeliveryStatus::Sending);
    let enums = [
        ("plan", "status", codes(PlanStatus::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
        ("plan", "lane", codes(Lane::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
        ("plan", "on_unknown", codes(OnUnknown::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
        (
            "delivery",
            "status",
            codes(DeliveryStatus::ALL.iter().filter(stored).map(|v| (v.code(), v.as_str())).collect()),
        ),
        ("recipient", "result", codes(LadderResult::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
        ("plan", "untils", codes(Proof::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
        ("approval", "opinion", codes(Opinion::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
        ("attempt", "outcome", codes(Outcome::ALL.iter().map(|v| (v.code(), v.as_str())).collect())),
    ];
    for (table, column, codes) in enums {
        let text = comment(&database, table, column).await;
        for (code, word) in codes {
            assert!(
                text.contains(&format!("{code} {word}")),
                "{table}.{column}: {code} {word} is not in: {text}"
            );
        }
    }
    for channel in Channel::ALL {
        let row = client.query_one("SELECT address_kind($1)", &[&i32::from(channel.code())]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), channel.address_kind(), "{channel}");
        let row =
            client.query_one("SELECT channel_reports($1)", &[&i32::from(channel.code())]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), Reports::of(*channel) as i32, "{channel}");
        let row = client.query_one("SELECT job_units($1)", &[&i32::from(channel.code())]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), channel.job_units(), "{channel}");
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_opens_the_next_channel_by_the_declared_rule() {
    let (database, client) = migrated().await;
    let slots: Vec<Slot> = [
        (1, Channel::Wecom),
        (1, Channel::Email),
        (1, Channel::Sms),
        (2, Channel::Email),
        (10, Channel::Inbox),
        (10, Channel::Webhook),
    ]
    .map(|(tier, channel)| Slot::new(tier, channel))
    .to_vec();
    let codes: Vec<i16> = slots.iter().map(|slot| slot.code()).collect();
    let statement = client.prepare("SELECT next_in_tier($1, $2, $3)").await.unwrap();
    for first in
        [&[][..], &[1], &[2], &[10], &[1, 10], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]].map(FirstTiers::from_codes)
    {
        for &ended in &slots {
            let row = client.query_one(&statement, &[&codes, &first.codes(), &ended.code()]).await.unwrap();
            let next = first.next(&slots, ended, DeliveryStatus::Failed).map(Slot::code);
            assert_eq!(row.get::<_, Option<i16>>(0), next, "{first:?} {ended:?}");
        }
    }
    database.remove().await;
}

/// What the database makes of a place, from the same facts as it gathers them (`step_ladders`).
async fn stored_verdict(
    client: &Client,
    statement: &tokio_postgres::Statement,
    place: &Place<'_>,
) -> Option<i32> {
    use DeliveryStatus as D;
    let most = |rank: &dyn Fn(&(Reports, D)) -> i32| place.deliveries.iter().map(rank).max().unwrap_or(0);
    let best = most(&|(_, status)| match status {
        D::Delivered => 2,
        D::Sent => 1,
        _ => 0,
    });
    let counts_as = most(&|(reports, status)| match (status, reports) {
        (D::Delivered, _) | (D::Sent, Reports::Nothing) => 2,
        (D::Sent, Reports::Failures) if place.due => 2,
        (D::Sent, _) => 1,
        _ => 0,
    });
    let (made, standing) = (
        !place.deliveries.is_empty(),
        place
            .deliveries
            .iter()
            .any(|(_, status)| matches!(status, D::Pending | D::Sent | D::Delivered | D::Unknown)),
    );
    let (until, proved) =
        (i32::from(place.until.code()), place.proved.map_or(0, |proof| i32::from(proof.code())));
    let Place { is_last, reached, due, late, .. } = *place;
    client
        .query_one(
            statement,
            &[&until, &is_last, &proved, &best, &counts_as, &made, &standing, &reached, &due, &late],
        )
        .await
        .unwrap()
        .get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_moves_ladders_by_the_declared_rule() {
    use DeliveryStatus as D;
    let (database, client) = migrated().await;
    for lane in Lane::ALL {
        let row = client
            .query_one("SELECT extract(epoch FROM max_late($1))::bigint", &[&i32::from(lane.code())])
            .await;
        assert_eq!(row.unwrap().get::<_, i64>(0), max_late(*lane).as_secs() as i64, "{lane}");
    }
    let statement =
        client.prepare("SELECT ladder_verdict($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)").await.unwrap();
    let stored = [D::Pending, D::Sent, D::Delivered, D::Failed, D::Unknown, D::Suppressed];
    let reports = [Reports::Nothing, Reports::Failures, Reports::BothWays];
    let one = stored.iter().flat_map(|status| reports.map(|reports| vec![(reports, *status)]));
    let two = stored.map(|status| vec![(Reports::Failures, D::Failed), (Reports::Nothing, status)]);
    for deliveries in one.chain(two).chain([Vec::new()]) {
        for until in Proof::ALL {
            for proved in [None, Some(Proof::Read), Some(Proof::Acknowledged)] {
                for bits in 0..16 {
                    let bit = |n: u32| bits >> n & 1 == 1;
                    let (is_last, reached, due, late) = (bit(0), bit(1), bit(2), bit(3));
                    let deliveries = deliveries.as_slice();
                    let place = Place { until: *until, is_last, proved, deliveries, reached, due, late };
                    let expected = match verdict(&place) {
                        Step::Stay => None,
                        Step::Next => Some(0),
                        Step::End(result) => Some(i32::from(result.code())),
                    };
                    assert_eq!(stored_verdict(&client, &statement, &place).await, expected, "{place:?}");
                }
            }
        }
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_leaves_people_out_of_reminders_by_the_declared_rule() {
    let (database, mut client) = migrated().await;
    for who in Who::ALL {
        for bits in 0..8 {
            let (reached, read, answered) = (bits & 1 == 1, bits & 2 == 2, bits & 4 == 4);
            let time = |is: bool| if is { "now()" } else { "NULL" };
            let status = if reached { DeliveryStatus::Sent } else { DeliveryStatus::Failed };
            let transaction = client.transaction().await.unwrap();
            let facts = format!(
                "{}; UPDATE plan SET slots = '{{17, 2049, 2052}}';
                 INSERT INTO recipient (plan_id, no, addresses, read_at, answered_at) VALUES (1, 1, '{{}}', {}, {});
                 INSERT INTO reminder (plan_id, step, who, slots) VALUES (1, 128, {}, '{{2049, 2052}}');
                 INSERT INTO delivery (plan_id, slot, no, status, reason) VALUES (1, 17, 1, {}, 'x'), (1, 2049, 1, 3, NULL), (1, 2052, 1, 0, NULL)",
                plan(PlanStatus::Running, false),
                time(read),
                time(answered),
                who.code(),
                status.code()
            );
            transaction.batch_execute(&facts).await.unwrap();
            let over =
                transaction.query_one("SELECT reminder_over(1, 2052::smallint, 1)", &[]).await.unwrap();
            let known = Known { reached, read, answered };
            assert_eq!(over.get::<_, bool>(0), who.is_over(known), "{who} {known:?}");
            transaction.rollback().await.unwrap();
        }
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_at_once_or_again_is_harmless() {
    let servers = Servers::shared().await;
    let database = Database::empty(servers).await;
    let migrate = || {
        let url = database.url.clone();
        std::thread::spawn(move || {
            let env = [
                ("DATABASE_URL", url.as_str()),
                ("AMQP_URL", "amqp://nowhere"),
                ("HERALD_MASTER_KEY", herald_tests::system::MASTER_KEY),
            ];
            herald_tests::process::command("herald-api", &["migrate"], &env).unwrap()
        })
    };
    let runs = [migrate(), migrate()];
    let mut printed = runs.map(|run| run.join().unwrap().trim().to_owned());
    printed.sort();
    assert_eq!(printed[1], r#"{"applied":[]}"#, "one does it, the other waits and finds it done");
    assert!(printed[0].contains("0001_main_job"), "{printed:?}");
    database.remove().await;
}
