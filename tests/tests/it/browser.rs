//! The recipient's page in a real browser of a phone's size: it looks right, reads and answers without script, and asks nobody else.

use std::collections::HashMap;
use std::path::Path;

use herald_loadtest::standins::webhook::{self, Handle};
use herald_tests::browser::{Browser, Look};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_for};
use serde_json::{Value, json};

use crate::support::start;

/// Links without TLS, as the test's API has none: the cookie of a page that has would not be kept.
const PUBLIC: &str = "http://m.herald.test";
/// Where pictures of the pages are put, if anywhere: `make screenshots` sets it.
const PICTURES: &str = "SCREENSHOTS";

/// What a browser's language shows of a page.
struct Language {
    browser: &'static str,
    tag: &'static str,
    form: &'static str,
    answered: &'static str,
    refused: &'static str,
}

const CHINESE: Language = Language {
    browser: "zh-CN,zh",
    tag: "zh",
    form: "请回复",
    answered: "您的回复",
    refused: "您已经回复过，以第一次回复为准。",
};
const ENGLISH: Language = Language {
    browser: "en-GB,en",
    tag: "en",
    form: "Your answer, please",
    answered: "Your answer",
    refused: "You have answered already. Your first answer stands.",
};

fn notice(url: &str) -> Value {
    json!({
        "title": "停水通知 · Water is off in Building 3",
        "content": {
            "text": "{{ name }}，您好！\n\n三号楼今天 14:00 至 18:00 停水检修，请提前储水，出门前关好水龙头。\n\nNo water in Building 3 from 14:00 to 18:00 today. Please store what you need, and close your taps before you leave.",
            "link": "https://example.org/notices/water",
        },
        "channels": ["webhook"], "acknowledgement": {"options": ["收到 Received", "需要帮助 I need help"], "other": true},
        "recipients": [{"key": "zh", "name": "李雷", "url": url}, {"key": "en", "name": "Han Meimei", "url": url}],
    })
}

/// The addresses of the pages, at this API, by the recipient's key.
async fn pages(system: &mut System, hooks: &Handle) -> HashMap<String, String> {
    let base = system.client(None).await.base().to_owned();
    let bodies: Vec<Value> =
        hooks.read(|received| received.first.iter().map(|request| request.json().unwrap()).collect());
    let page = |body: &Value| {
        let (key, page) = (body["recipient"]["key"].as_str()?, body["page"].as_str()?);
        Some((key.to_owned(), page.replace(PUBLIC, &base)))
    };
    bodies.iter().filter_map(page).collect()
}

async fn read_count(tenant: &Tenant, plan: &Plan) -> Value {
    tenant.plan(plan).await["recipients"]["read"].clone()
}

fn keep(name: &str, picture: &[u8]) {
    if let Ok(folder) = std::env::var(PICTURES) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), picture).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_shows_reads_and_answers_without_script_and_asks_nobody_else() {
    let (mut system, tenant) = start(Options::default().env("HERALD_PUBLIC_URL", PUBLIC)).await;
    let key = webhook::Key::random();
    let keys = vec![key.clone()];
    let hooks = webhook::start(webhook::Options { keys, ..webhook::Options::default() }).await.unwrap();
    tenant.webhook(key.text()).await;
    let plan = tenant.send(&notice(&hooks.url("/"))).await;
    tenant.until(&plan, "finished", SOON).await;
    let pages = pages(&mut system, &hooks).await;
    for (count, language) in [CHINESE, ENGLISH].iter().enumerate() {
        let page = &pages[language.tag];
        let look_of = Look { languages: language.browser, scripts: false };
        let (browser, second) = tokio::join!(Browser::start(look_of), Browser::start(look_of));
        browser.open("data:text/html,<title>off</title><script>document.title='on'</script>").await;
        assert_eq!(browser.title().await, "off", "no script runs in this browser");
        drop(browser.requests().await);
        assert_eq!(read_count(&tenant, &plan).await, count);
        browser.open(page).await;
        wait_for("the reading is counted", SOON, async || {
            (read_count(&tenant, &plan).await == count + 1).then_some(())
        })
        .await;
        look(&browser, language).await;
        second.open(page).await;
        answer(&browser, page, language).await;
        answer_again(&second, language).await;
        for browser in [browser, second] {
            quiet(&browser, page).await;
            browser.stop().await;
        }
    }
    let done = tenant.plan(&plan).await;
    assert_eq!((&done["recipients"]["read"], &done["recipients"]["acknowledged"]), (&json!(2), &json!(2)));
    assert_eq!(done["answers"], json!({"收到 Received": 0, "需要帮助 I need help": 2, "other": 0}));
    system.finish().await;
}

/// It is in the reader's language, fits the screen, and a finger finds its targets.
async fn look(browser: &Browser, language: &Language) {
    assert!(browser.has(&format!("html[lang={}]", language.tag)).await, "in the browser's language");
    let text = browser.text("main").await;
    for words in ["停水通知", "三号楼", "No water in Building 3", language.form, "需要帮助"] {
        assert!(text.contains(words), "{words} is missing in: {text}");
    }
    assert!(browser.width().await <= 390.0, "nothing has to be pushed about sideways");
    for target in ["label", "button", "a.link"] {
        let [x, _, width, height] = browser.place(target).await;
        assert!(height >= 44.0 && x >= 0.0 && x + width <= 390.0, "{target}: {x} {width} x {height}");
    }
    keep(&format!("page-{}.png", language.tag), &browser.picture().await);
}

/// Answers by touching.
async fn answer(browser: &Browser, page: &str, language: &Language) {
    browser.click("label:nth-of-type(2)").await;
    browser.click("button").await;
    assert!(browser.text("dl").await.contains("需要帮助 I need help"));
    assert_eq!(browser.url().await, page, "a reload sends nothing again");
    assert!(browser.text("main").await.contains(language.answered) && !browser.has("form").await);
    keep(&format!("answered-{}.png", language.tag), &browser.picture().await);
}

/// Another browser, which had the page open before the answer, is refused.
async fn answer_again(browser: &Browser, language: &Language) {
    browser.click("label:nth-of-type(3)").await;
    browser.enter("textarea", "改天 another day").await;
    if language.tag == "zh" {
        browser.dark().await;
        keep("page-dark.png", &browser.picture().await);
    }
    browser.click("button").await;
    assert_eq!(browser.text("[role=alert]").await, language.refused);
    assert!(browser.text("dl").await.contains("需要帮助 I need help"), "the first answer stands");
}

/// Nothing but the page and its image was asked for, nothing was forbidden by the policy, nothing went wrong.
async fn quiet(browser: &Browser, page: &str) {
    let requests = browser.requests().await;
    assert!(requests.iter().any(|url| url.ends_with("/seen.gif")), "the requests are seen: {requests:?}");
    // The browser's own pages (chrome:) are on its disk.
    let elsewhere =
        |url: &&String| (url.starts_with("http") || url.starts_with("ws")) && !url.starts_with(page);
    assert_eq!(requests.iter().filter(elsewhere).collect::<Vec<_>>(), Vec::<&String>::new());
    let console = browser.console().await;
    // A refused form is a 409, which the console names; that is what was asked for.
    let unexpected: Vec<&String> = console.iter().filter(|line| !line.contains("409 (Conflict)")).collect();
    assert_eq!(unexpected, Vec::<&String>::new());
}
