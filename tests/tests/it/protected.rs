//! Protected plans: their pages ask for a code before they show anything.

use herald_loadtest::standins::smtp;
use herald_tests::tenant::Plan;
use herald_tests::{Answer, Client, Options, SOON, System, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::mailbox::{letter, letters, token};
use crate::support::{assert_correct, start_mail};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const READER: &str = "canary-reader@example.org";

fn plan() -> Value {
    json!({
        "title": "Your payslip", "content": {"text": "canary-secret for {{ name }}"}, "protected": true, "priority": "urgent",
        "recipients": [{"key": "E1", "name": "Li", "email": READER}], "acknowledgement": {"options": ["Seen"]},
    })
}

/// A browser at a page.
struct Browser {
    http: Client,
    path: String,
    cookies: Vec<String>,
}

impl Browser {
    async fn at(system: &mut System, text: &str) -> Browser {
        let path = format!("/m/{}", token(text, "https://m.herald.test/m/"));
        Browser { http: system.client(None).await, path, cookies: Vec::new() }
    }

    async fn call(&mut self, method: Method, below: &str, body: Option<&str>) -> Answer {
        let cookies = self.cookies.join("; ");
        let headers = [FORM, ("accept-language", "en"), ("cookie", cookies.as_str())];
        let path = format!("{}{below}", self.path);
        self.http.call(method, &path, &headers, body.map(|body| body.as_bytes().to_vec())).await
    }

    async fn page(&mut self) -> Answer {
        let answer = self.call(Method::GET, "", None).await;
        let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        self.cookies.extend(set.map(|cookie| cookie.split(';').next().unwrap().to_owned()));
        answer
    }

    async fn code(&mut self) -> Answer {
        self.call(Method::POST, "/code", Some("")).await
    }

    /// Without following the way back: the cookie is in this answer.
    async fn enter(&mut self, code: &str) -> (u16, String) {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("{}{}/enter", self.http.base(), self.path);
        let answer =
            client.post(url).header(FORM.0, FORM.1).body(format!("code={code}")).send().await.unwrap();
        let cookie = answer.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
        self.cookies.extend(cookie.iter().map(|cookie| cookie.split(';').next().unwrap().to_owned()));
        (answer.status().as_u16(), cookie.unwrap_or_default())
    }
}

/// The code in mail number `no` to the reader.
async fn code(server: &smtp::Handle, no: usize) -> String {
    let text = letter(server, READER, no).await;
    let (_, rest) = text.split_once("Your code: ").unwrap_or_else(|| panic!("no code in {text}"));
    rest.chars().take_while(char::is_ascii_digit).collect()
}

fn other_than(code: &str) -> String {
    if code == "111111" { "222222".to_owned() } else { "111111".to_owned() }
}

async fn read(tenant: &Tenant, plan: &Plan) -> (Value, Value) {
    let now = tenant.plan(plan).await;
    (now["recipients"]["read"].clone(), now["recipients"]["acknowledged"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_nothing_before_the_code_that_went_to_its_recipient() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let plan = tenant.send(&plan()).await;
    let text = letter(&server, READER, 1).await;
    assert!(text.contains("open the link to read it") && !text.contains("canary-secret"), "{text}");
    let mut browser = Browser::at(&mut system, &text).await;
    let gate = browser.page().await.expect(200);
    assert!(gate.text.contains("Send me a code") && !gate.text.contains("canary-secret"), "{}", gate.text);
    assert!(!gate.text.contains("Your payslip") && !gate.text.contains("seen.gif"), "{}", gate.text);
    assert_eq!(gate.header("set-cookie"), "");
    let acknowledge = format!("{}/acknowledge", browser.path);
    let answer = browser.http.post(&acknowledge, &json!({"option": "Seen"})).await.expect(403);
    assert_eq!(answer.json()["type"], "urn:herald:problem:protected");
    drop(browser.call(Method::POST, "/acknowledge", Some("option=Seen")).await.expect(403));
    assert_eq!(browser.enter("123456").await.0, 422, "none was sent");
    let sent = browser.code().await.expect(200).text;
    assert!(sent.contains("c***@example.org"), "{sent}");
    let right = code(&server, 2).await;
    assert_eq!(browser.enter(&other_than(&right)).await.0, 422);
    assert_eq!(read(&tenant, &plan).await, (json!(0), json!(0)));
    let (status, cookie) = browser.enter(&format!("{}+{}", &right[..3], &right[3..])).await;
    assert_eq!(status, 303);
    for part in ["HttpOnly", "SameSite=Lax", "Secure", "Max-Age=2592000", &format!("Path={}", browser.path)] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(browser.enter(&right).await.0, 422, "once");
    let page = browser.page().await.expect(200);
    assert!(page.text.contains("canary-secret for Li") && page.text.contains("seen.gif"), "{}", page.text);
    drop(browser.call(Method::GET, "/seen.gif", None).await.expect(200));
    assert_eq!(read(&tenant, &plan).await, (json!(1), json!(0)));
    drop(browser.call(Method::POST, "/acknowledge", Some("option=Seen")).await.expect(200));
    assert_eq!(read(&tenant, &plan).await, (json!(1), json!(1)));
    // Remembered here and nowhere else, until it is taken back.
    let mut other = Browser::at(&mut system, &text).await;
    assert!(other.page().await.expect(200).text.contains("Send me a code"));
    other.cookies =
        browser.cookies.iter().map(|cookie| cookie.replace("herald_pass=", "herald_pass=A")).collect();
    assert!(other.page().await.expect(200).text.contains("Send me a code"), "a cookie somebody made up");
    drop(browser.call(Method::POST, "/forget", Some("")).await.expect(200));
    assert!(browser.page().await.expect(200).text.contains("Send me a code"));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_few_short_lived_and_hard_to_guess() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let mut body = plan();
    body["acknowledgement"] = Value::Null;
    let plan = tenant.send(&body).await;
    let text = letter(&server, READER, 1).await;
    let mut browser = Browser::at(&mut system, &text).await;
    // Five tries a code; the newest counts.
    drop(browser.code().await.expect(200));
    let first = code(&server, 2).await;
    for _ in 0..5 {
        assert_eq!(browser.enter(&other_than(&first)).await.0, 422);
    }
    assert_eq!(browser.enter(&first).await.0, 422, "tried too often");
    drop(browser.code().await.expect(200));
    let second = code(&server, 3).await;
    drop(browser.code().await.expect(200));
    let third = code(&server, 4).await;
    if second != third {
        assert_eq!(browser.enter(&second).await.0, 422, "a newer one was sent");
    }
    assert!(browser.code().await.expect(429).text.contains("minutes"));
    system.database.run("UPDATE code SET created_at = created_at - interval '11 minutes'").await;
    assert_eq!(browser.enter(&third).await.0, 422, "too old");
    system.database.run("UPDATE code SET created_at = created_at - interval '1 hour'").await;
    drop(browser.code().await.expect(200));
    assert_eq!(browser.enter(&code(&server, 5).await).await.0, 303);
    assert!(browser.page().await.expect(200).text.contains("canary-secret"));
    system.database.run("UPDATE page_pass SET created_at = created_at - interval '31 days'").await;
    assert!(browser.page().await.expect(200).text.contains("Send me a code"), "thirty days");
    // Codes are not kept: neither as such nor in what carried them.
    tenant.until(&plan, "finished", SOON).await;
    let carried = "SELECT count(*) FROM plan p JOIN recipient r ON r.plan_id = p.id WHERE p.terms ->> 'internal' = 'code' AND r.variables IS NOT NULL";
    herald_tests::wait_until("what carried codes is erased", SOON, async || {
        system.database.number(carried).await == 0
    })
    .await;
    assert_eq!(letters(&server, READER).len(), 5);
    // Nobody to send a code to.
    system.database.run("UPDATE recipient SET addresses = '{\"url\": \"https://example.org\"}'").await;
    drop(browser.code().await.expect(409));
    system.finish().await;
}
