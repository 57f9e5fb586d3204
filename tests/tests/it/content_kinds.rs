//! Signatures, films, and messages that are links.

use herald_loadtest::standins::smtp;
use herald_tests::{Options, SOON, wait_for, wait_until};
use reqwest::Method;
use serde_json::json;

use crate::support::{assert_correct, start_mail};

/// Where links lead, see `options::PROFILE`.
const BASE: &str = "https://m.herald.test";

/// The text of the newest of `of` mails.
async fn text(server: &smtp::Handle, of: usize) -> String {
    wait_for("the mail has arrived", SOON, async || {
        server.read(|received| received.first.get(of - 1).cloned())
    })
    .await
    .data
    .split(|byte| *byte == b'\n')
    .map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
    .collect::<Vec<_>>()
    .join("\n")
    .replace("=\n", "")
    .replace("=3D", "=")
}

fn token(text: &str) -> String {
    let (_, rest) = text.split_once(&format!("{BASE}/m/")).unwrap_or_else(|| panic!("no link in {text}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_ends_the_mail_and_stands_on_the_right_of_the_page() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let body = json!({
        "title": "Canary drill", "recipients": ["canary@example.org"],
        "content": {"text": "Canary text", "html": "<p>Canary text</p>", "signature": "Canary <Facilities>", "video": "https://video.example.org/canary"},
        "acknowledgement": {"options": ["Canary seen"]},
    });
    let plan = tenant.send(&body).await;
    let mail = text(&server, 1).await;
    let lines =
        "Canary text\n\nhttps://video.example.org/canary\n\nCanary <Facilities>\n\nhttps://m.herald.test/m/";
    assert!(mail.contains(lines), "{mail}");
    assert!(mail.contains("<p align=\"right\">Canary &lt;Facilities&gt;</p>"), "{mail}");
    let page = system.client(None).await.get(&format!("/m/{}", token(&mail))).await.expect(200).text;
    assert!(
        page.contains(
            "<div class=\"text\">Canary text</div><p class=\"signature\">Canary &lt;Facilities&gt;</p>"
        ),
        "{page}"
    );
    assert!(page.contains("href=\"https://video.example.org/canary\">Watch video</a>"), "{page}");
    tenant.until(&plan, "finished", SOON).await;
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_message_leads_on_by_a_page_that_counts() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let body = json!({
        "title": "Canary survey", "type": "link", "recipients": ["canary@example.org"],
        "content": {"text": "Canary text", "link": "https://survey.example.org/?a=1&b=2"},
    });
    let plan = tenant.send(&body).await;
    assert_eq!(plan.body["type"], "link");
    let mail = text(&server, 1).await;
    assert!(!mail.contains("survey.example.org"), "{mail}");
    let (token, browser) = (token(&mail), system.client(None).await);
    let page = browser.get(&format!("/m/{token}")).await.expect(200);
    let on = "<meta http-equiv=\"refresh\" content=\"1;url=https://survey.example.org/?a=1&amp;b=2\">";
    assert!(page.text.contains(on), "{}", page.text);
    // Whoever only fetches the page, as previews do, is no reader.
    assert_eq!(tenant.plan(&plan).await["recipients"]["read"], 0);
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let image = format!("/m/{token}/seen.gif");
    let seen = browser.call(Method::GET, &image, &[("cookie", &cookie)], None).await;
    assert_eq!(seen.status, 200);
    wait_until("they are counted", SOON, async || tenant.plan(&plan).await["recipients"]["read"] == 1).await;
    tenant.until(&plan, "finished", SOON).await;
    system.finish().await;
}
