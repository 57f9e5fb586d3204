//! The page of a plan that a QR code leads to: a member says once who they are, and nobody learns who is a member.

use herald_loadtest::standins::smtp;
use herald_tests::{Answer, Client, Options, SOON};
use reqwest::Method;
use serde_json::json;

use crate::mailbox::letter;
use crate::support::start_mail;

const BASE: &str = "https://m.herald.test";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn post(http: &Client, path: &str, form: &str) -> Answer {
    http.call(Method::POST, path, &[FORM, ("accept-language", "en")], Some(form.as_bytes().to_vec())).await
}

/// The code in the second mail to somebody.
async fn code(server: &smtp::Handle, to: &str) -> String {
    let text = letter(server, to, 2).await;
    let (_, rest) = text.split_once("Your code: ").unwrap_or_else(|| panic!("no code in {text}"));
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_says_once_who_they_are_and_nobody_learns_who_is_one() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let people = json!([{"key": "canary-1", "email": "Canary-1@example.org"}, {"key": "canary-2", "email": "canary-2@example.org"}]);
    let body = json!({"title": "Canary notice", "content": {"text": "canary"}, "recipients": people, "channels": ["email"]});
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", SOON).await;
    let path = format!("{}/qr", plan.path());
    let svg = tenant.http.get(&path).await.expect(200);
    assert_eq!((svg.header("content-type"), &svg.text[..4]), ("image/svg+xml", "<svg"));
    let png = tenant.http.get(&format!("{path}?format=png")).await.expect(200);
    assert_eq!(png.header("content-type"), "image/png");
    drop(tenant.http.get(&format!("{path}?format=gif")).await.expect(422));
    let page = svg.header("x-page").strip_prefix(BASE).unwrap().to_owned();
    assert!(page.starts_with("/q/") && png.header("x-page").ends_with(&page), "{page}");
    let http = system.client(None).await;
    // It is nobody's page, and a page is nobody's group.
    drop(http.get(&page.replace("/q/", "/m/")).await.expect(404));
    drop(http.get("/q/AAAAAAAAAAAAAAAAAAAAAAAA").await.expect(404));
    let question = http.get(&page).await.expect(200).text;
    assert!(question.contains("name=\"address\"") && !question.contains("name=\"code\""), "{question}");
    let (ask, enter) = (format!("{page}/code"), format!("{page}/enter"));
    let known = post(&http, &ask, "address=canary-1%40example.org").await.expect(200).text;
    let stranger = post(&http, &ask, "address=canary-9%40example.org").await.expect(200).text;
    assert_eq!(known.replace("canary-1", "canary-9"), stranger, "nobody learns who is a member");
    let code = code(&server, "canary-1@example.org").await;
    let wrong = if code == "123456" { "654321" } else { "123456" };
    let mine = |code: &str| format!("address=canary-1%40example.org&code={code}");
    let refused = post(&http, &enter, &mine(wrong)).await.expect(422).text;
    let theirs =
        post(&http, &enter, &format!("address=canary-9%40example.org&code={code}")).await.expect(422);
    assert_eq!(refused.replace("canary-1", "canary-9"), theirs.text);
    drop(post(&http, &enter, &format!("address=canary-2%40example.org&code={code}")).await.expect(422));
    // The client follows the redirect: to one's own page, which needs no cookie.
    let own = post(&http, &enter, &mine(&code)).await.expect(200);
    assert!(own.text.contains("Canary notice"), "{}", own.text);
    drop(post(&http, &enter, &mine(&code)).await.expect(422));
    assert_eq!(server.read(|received| received.mails), 3, "strangers are sent nothing");
    let again = async || post(&http, &ask, "address=canary-7%40example.org").await.status;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(again().await);
    }
    assert!(statuses.contains(&429) && statuses[0] == 200, "{statuses:?}");
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    drop(post(&http, &ask, "address=canary-2%40example.org").await.expect(200));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_remembered_is_led_on() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let body = json!({"title": "Canary notice", "content": {"text": "canary"}, "recipients": ["canary-1@example.org"]});
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", SOON).await;
    let svg = tenant.http.get(&format!("{}/qr", plan.path())).await.expect(200);
    let page = svg.header("x-page").strip_prefix(BASE).unwrap().to_owned();
    let base = system.client(None).await.base().to_owned();
    let browser =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let send = async |path: &str, form: String| {
        let request = browser.post(format!("{base}{page}/{path}")).header(FORM.0, FORM.1).body(form);
        request.send().await.unwrap()
    };
    assert_eq!(send("code", "address=canary-1%40example.org".to_owned()).await.status(), 200);
    let code = code(&server, "canary-1@example.org").await;
    let entered = send("enter", format!("address=canary-1%40example.org&code={code}")).await;
    assert_eq!(entered.status(), 303);
    let own = entered.headers()["location"].to_str().unwrap().strip_prefix("../../m/").unwrap().to_owned();
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains(&format!("Path={page}")), "{cookie}");
    let visit = browser.get(format!("{base}{page}")).header("cookie", cookie.split(';').next().unwrap());
    let visited = visit.send().await.unwrap();
    let on = visited.headers()["location"].to_str().unwrap();
    assert_eq!((visited.status().as_u16(), on), (303, format!("../m/{own}").as_str()));
    let forged =
        browser.get(format!("{base}{page}")).header("cookie", "herald_pass=AAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(forged.send().await.unwrap().status(), 200);
    system.finish().await;
}
