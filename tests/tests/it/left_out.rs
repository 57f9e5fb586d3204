//! Members that a sent batch call left out: what settle and late outcomes make of them, at the statements themselves.

use std::time::Duration;

use herald_shared::db::settle::{self, Done, LeftOut, Release};
use herald_shared::db::{self, Client, Hot, PoolSize};
use herald_shared::domain::outcome::Outcome;
use herald_shared::domain::settle::Fate;
use herald_shared::domain::{Channel, Class, DeliveryStatus, Lane, Reason, Slot};
use herald_tests::{Database, Servers};

/// A plan of ten on WeCom, all in one open call of run 1, job 5.
const BEFORE: &str = "
    INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
    VALUES (1, now(), 1, 4, 1, 1, '{20}', now() + interval '1 day', 10, 't', '{}', '[]');
    INSERT INTO recipient (plan_id, no, addresses) SELECT 1, no, '{}' FROM generate_series(1, 10) AS no;
    INSERT INTO delivery (plan_id, slot, no) SELECT 1, 20, no FROM generate_series(1, 10) AS no;
    UPDATE plan SET expanded = true;
    INSERT INTO worker_incarnation DEFAULT VALUES;
    INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, state, due_at, token, incarnation_id)
    VALUES (5, 1, 1, 1, 20, 1, 10, 1, 10, 2, now(), 1, 1);
    INSERT INTO attempt (plan_id, slot, lo, number, hi, job_id, incarnation_id, account_id) VALUES (1, 20, 1, 1, 10, 5, 1, 1)";

async fn before() -> (Database, Client) {
    let database = Database::create(Servers::shared().await).await;
    database.run(BEFORE).await;
    let client = db::connect(&database.url, PoolSize(1), Hot::Keyed).unwrap().get().await.unwrap();
    (database, client)
}

fn left_out(no: i32, class: Class, fate: Fate) -> LeftOut {
    let outcome = if class == Class::Transient { Outcome::Transient } else { Outcome::Permanent };
    LeftOut { no, outcome, code: "invaliduser".to_owned(), detail: "not a member".to_owned(), fate, class }
}

/// The call was sent; 2 and 3 are no members, 7 and 9 may be tried again.
fn done() -> Done {
    let invalid = Fate::Final(DeliveryStatus::Failed, Some(Reason::InvalidAddress));
    let again = Fate::Retry(Duration::from_secs(60));
    Done {
        plan_id: 1,
        tenant_id: 1,
        slot: Slot::new(1, Channel::Wecom),
        lane: Lane::Normal,
        lo: 1,
        number: 1,
        incarnation: 1,
        outcome: Some(Outcome::Sent),
        code: None,
        detail: None,
        provider_ref: Some("m1".to_owned()),
        fate: Fate::Final(DeliveryStatus::Sent, None),
        width: 10,
        provider: "wecom-app",
        class: None,
        except: vec![
            left_out(2, Class::PermanentRecipient, invalid),
            left_out(3, Class::PermanentRecipient, invalid),
            left_out(7, Class::Transient, again),
            left_out(9, Class::Transient, again),
        ],
    }
}

fn release() -> Release {
    Release { job: 5, token: 1, rest: Vec::new(), delay: Duration::ZERO, drop_account: false }
}

/// Status and attempt of each, `no` 1 to 10.
async fn deliveries(database: &Database) -> Vec<(i16, i16)> {
    let rows = database.rows("SELECT status, attempt FROM delivery ORDER BY no", &[]).await;
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

const SENT: (i16, i16) = (3, 1);
const FAILED: (i16, i16) = (5, 1);
const AGAIN: (i16, i16) = (0, 2);

#[tokio::test(flavor = "multi_thread")]
async fn each_gets_their_own_fate_and_the_call_stays_one_attempt() {
    let (database, mut client) = before().await;
    for repeated in [false, true] {
        let settled = settle::settle_and_mark(&mut client, &[done()], &[release()], 1, &[]).await.unwrap().0;
        assert_eq!(settled.late.is_empty(), !repeated, "a repetition finds the call closed");
        let expected = [SENT, FAILED, FAILED, SENT, SENT, SENT, AGAIN, SENT, AGAIN, SENT];
        assert_eq!(deliveries(&database).await, expected);
        let jobs = database.rows("SELECT attempt, units, lo, hi, members, state FROM job", &[]).await;
        assert_eq!(jobs.len(), 1, "one new job for both, and the old one is gone");
        assert_eq!((jobs[0].get::<_, i16>(0), jobs[0].get::<_, i32>(1)), (2, 2));
        assert_eq!(jobs[0].get::<_, Vec<i32>>("members"), [7, 9]);
        let counts = database.rows("SELECT n_open, n_sent, n_failed, status FROM plan", &[]).await;
        assert_eq!([0, 1, 2].map(|i| counts[0].get::<_, i32>(i)), [2, 6, 2]);
        assert_eq!(
            database.number("SELECT count(*) FROM attempt WHERE outcome = 0 AND provider_ref = 'm1'").await,
            1
        );
        let noted =
            "SELECT count(*) FROM attempt_exception WHERE lo = 1 AND number = 1 AND code = 'invaliduser'";
        assert_eq!(database.number(noted).await, 4);
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_runs_call_is_not_touched() {
    let (database, mut client) = before().await;
    let other = Done { incarnation: 2, ..done() };
    let settled = settle::settle_and_mark(&mut client, &[other], &[], 2, &[]).await.unwrap().0;
    assert_eq!(settled.late, [0]);
    assert_eq!(deliveries(&database).await, [(0, 1); 10]);
    assert_eq!(database.number("SELECT count(*) FROM attempt_exception").await, 0);
    database.remove().await;
}

/// The call was given up as unknown; `resent`: and those it went to wait for a second one.
async fn given_up(database: &Database, resent: bool) {
    database.run("UPDATE attempt SET ended_at = now(), outcome = 3").await;
    if resent {
        database.run("UPDATE delivery SET attempt = 2; UPDATE job SET attempt = 2, state = 0, incarnation_id = NULL").await;
    } else {
        database.run("UPDATE delivery SET status = 6; DELETE FROM job").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_late_truth_about_a_call_knows_whom_it_left_out() {
    let (database, mut client) = before().await;
    given_up(&database, false).await;
    assert!(settle::late(&mut client, &done()).await.unwrap());
    let unknown = (6, 1);
    let expected = [SENT, FAILED, FAILED, SENT, SENT, SENT, unknown, SENT, unknown, SENT];
    assert_eq!(deliveries(&database).await, expected);
    assert_eq!(database.number("SELECT count(*) FROM attempt_exception").await, 4);
    assert!(settle::late(&mut client, &done()).await.unwrap(), "a repetition is no news");
    database.remove().await;

    let (database, mut client) = before().await;
    given_up(&database, true).await;
    assert!(settle::late(&mut client, &done()).await.unwrap());
    let sent = (3, 2);
    let expected = [sent, AGAIN, AGAIN, sent, sent, sent, AGAIN, sent, AGAIN, sent];
    assert_eq!(
        deliveries(&database).await,
        expected,
        "the resend goes to those who were left out, to nobody else"
    );
    assert_eq!(database.number("SELECT count(*) FROM job").await, 1);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_news_that_leaves_nobody_out_ends_the_resend() {
    let (database, mut client) = before().await;
    given_up(&database, true).await;
    assert!(settle::late(&mut client, &Done { except: Vec::new(), ..done() }).await.unwrap());
    assert_eq!(deliveries(&database).await, [(3, 2); 10]);
    assert_eq!(database.number("SELECT count(*) FROM job").await, 0);
    assert_eq!(database.number("SELECT count(*) FROM plan WHERE status = 6").await, 1);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_news_of_what_a_person_has_settled_is_no_second_message() {
    let whole = || Done { except: Vec::new(), ..done() };
    for (settled, first, used) in [
        ("status = 3, sent_at = now()", false, true),
        ("status = 5, reason = 'timeout'", false, true),
        ("status = 3, sent_at = now()", true, true),
        // The next channel was opened for it: that is the second message.
        ("status = 5, reason = 'timeout'", true, false),
    ] {
        let (database, mut client) = before().await;
        if first {
            database
                .run("UPDATE plan SET slots = '{20,17}', first_tiers = '{1}'; UPDATE recipient SET open = 1, addresses = '{\"email\": \"x\"}'")
                .await;
        }
        given_up(&database, false).await;
        database.run(&format!("UPDATE delivery SET {settled}")).await;
        assert_eq!(settle::late(&mut client, &whole()).await.unwrap(), used, "{settled} {first}");
        assert_eq!(
            database.number("SELECT count(*) FROM attempt WHERE outcome = 0").await,
            1,
            "the truth is kept"
        );
        let moved = "SELECT count(*) FROM delivery WHERE slot = 20 AND (status, attempt) IN ((3, 1), (5, 1))";
        assert_eq!(database.number(moved).await, 10, "a person's word stands");
        database.remove().await;
    }
}
