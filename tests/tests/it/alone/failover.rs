//! Two accounts of a channel: one fails in the middle, the other carries the work, and the first comes back.

use herald_loadtest::standins::smtp::{self, Behaviour};
use herald_tests::tenant::smtp_account;
use herald_tests::{Options, SOON, Tenant, wait_until};
use serde_json::{Value, json};

use crate::support::{assert_correct, duplicates, mail_to_many, start};

const PEOPLE: usize = 4000;

async fn account(
    tenant: &Tenant,
    name: &str,
    order: i32,
    millis: u64,
    at_once: u32,
) -> (smtp::Handle, String) {
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    server.script(slow(millis));
    let mut body = smtp_account(name, server.addr(), at_once);
    body["order"] = order.into();
    (server, tenant.account(body).await)
}

/// Slow enough that the plan is still going when things happen.
fn slow(millis: u64) -> Behaviour {
    Behaviour::stall_after_dot(std::time::Duration::from_millis(millis))
}

fn mails(server: &smtp::Handle) -> u64 {
    server.read(|received| received.mails)
}

async fn state(tenant: &Tenant, account: &str) -> Value {
    tenant.http.get(&format!("/v1/accounts/{account}")).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_account_carries_the_work_and_the_first_comes_back() {
    let options = Options::default().workers(2).env("HERALD_MAX_ATTEMPTS", "8").paced();
    let (mut system, tenant) = start(options).await;
    system.expect_error("an account is out of use");
    let (first, id) = account(&tenant, "first", 1, 15, 10).await;
    let (second, _) = account(&tenant, "second", 2, 60, 10).await;
    let plan = tenant.send(&mail_to_many(PEOPLE)).await;
    wait_until("the first has some", SOON, async || mails(&first) > 300).await;
    assert_eq!(mails(&second), 0, "the second is for need only");

    first.clear_scripts();
    first.script(Behaviour::refuse("451 4.3.0 the mail system is not well"));
    wait_until("the second carries the work", SOON, async || mails(&second) > 300).await;
    let down = state(&tenant, &id).await;
    assert_eq!(down["state"], "down", "{down}");
    assert!(down["reason"].as_str().unwrap().contains("451 4.3.0"), "{down}");

    let before = mails(&first);
    first.clear_scripts();
    first.script(slow(15));
    wait_until("the first is back", SOON, async || mails(&first) > before + 300).await;
    assert_eq!(state(&tenant, &id).await["state"], json!("ok"));

    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], PEOPLE, "{finished}");
    assert_eq!(mails(&first) + mails(&second), PEOPLE as u64, "nobody twice");
    assert_eq!(duplicates(&first) + duplicates(&second), 0);
    assert_correct(&first);
    assert_correct(&second);
    system.finish().await;
}

/// What an account does to fail, and what is asked of it afterwards.
struct Trouble {
    script: Behaviour,
    /// The account is out of use, with a reason that contains this; else it only loses share.
    down: Option<&'static str>,
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_get_past_an_account_that_fails_in_three_ways_and_comes_back_each_time() {
    const MANY: usize = 10_000;
    let options = Options::default().workers(2).env("HERALD_MAX_ATTEMPTS", "8").paced();
    let (mut system, tenant) = start(options).await;
    system.expect_error("an account is out of use");
    let (sick, id) = account(&tenant, "sick", 1, 60, 20).await;
    let (sound, _) = account(&tenant, "sound", 1, 60, 20).await;
    let plan = tenant.send(&mail_to_many(MANY)).await;
    wait_until("they share the work", SOON, async || mails(&sick) > 200 && mails(&sound) > 200).await;

    let troubles = [
        Trouble {
            script: Behaviour::refuse("451 4.3.0 the mail system is not well"),
            down: Some("451 4.3.0"),
        },
        Trouble { script: slow(900), down: None },
        Trouble { script: Behaviour::refuse("535 5.7.8 credentials revoked"), down: Some("535 5.7.8") },
    ];
    for Trouble { script, down } in troubles {
        let (ill, well) = (mails(&sick), mails(&sound));
        sick.clear_scripts();
        sick.script(script.clone());
        wait_until("the other carries the work", SOON, async || mails(&sound) > well + 500).await;
        let (got, carried) = (mails(&sick) - ill, mails(&sound) - well);
        assert!(got * 4 < carried, "{script:?}: {got} beside {carried}");
        if let Some(reason) = down {
            let told = state(&tenant, &id).await;
            assert_eq!(told["state"], "down", "{told}");
            assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
        }
        let before = mails(&sick);
        sick.clear_scripts();
        sick.script(slow(60));
        wait_until("it is back", SOON, async || mails(&sick) > before + 100).await;
        assert_eq!(state(&tenant, &id).await["state"], "ok");
    }

    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], MANY, "{finished}");
    assert_eq!(mails(&sick) + mails(&sound), MANY as u64, "nobody twice");
    assert_eq!(duplicates(&sick) + duplicates(&sound), 0);
    assert_correct(&sick);
    assert_correct(&sound);
    system.finish().await;
}
