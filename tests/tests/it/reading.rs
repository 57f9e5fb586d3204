//! Reading and answering: the recipient's page, its image, the mail's image, answers, the inbox, and the way out of a mailing.

use herald_loadtest::standins::{smtp, webhook};
use herald_tests::tenant::Plan;
use herald_tests::{Answer, Client, Options, SOON, System, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{assert_correct, start, start_mail};

/// Where links lead, see `options::PROFILE`.
const BASE: &str = "https://m.herald.test";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A plan that asks for an answer.
fn asking(channel: &str, people: Value) -> Value {
    json!({
        "title": "Canary drill", "content": {"text": "Canary: are you safe?", "html": "<p>Canary: are <b>you</b> safe?</p>"},
        "channels": [channel], "recipients": people,
        "acknowledgement": {"options": ["Safe", "需要帮助"], "other": true},
    })
}

/// A mail's text with its encoding undone, as far as these texts need it.
fn readable(mail: &smtp::Mail) -> String {
    String::from_utf8_lossy(&mail.data).replace("=\r\n", "").replace("=3D", "=")
}

/// What follows `prefix` up to the end of the link.
pub(crate) fn token(text: &str, prefix: &str) -> String {
    let (_, rest) =
        text.split_once(&format!("{BASE}{prefix}")).unwrap_or_else(|| panic!("no {prefix} in {text}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

async fn only_mail(server: &smtp::Handle, of: u64) -> smtp::Mail {
    herald_tests::wait_for("the mail has arrived", SOON, async || {
        server.read(|received| (received.mails >= of).then(|| received.first[of as usize - 1].clone()))
    })
    .await
}

/// The recipient's browser.
struct Reader {
    http: Client,
    token: String,
}

impl Reader {
    async fn new(system: &mut System, token: String) -> Self {
        assert_eq!(token.len(), 24, "{token}");
        Reader { http: system.client(None).await, token }
    }

    async fn page(&self, language: &str) -> Answer {
        self.http
            .call(Method::GET, &format!("/m/{}", self.token), &[("accept-language", language)], None)
            .await
    }

    async fn image(&self, headers: &[(&str, &str)]) -> Answer {
        self.http.call(Method::GET, &format!("/m/{}/seen.gif", self.token), headers, None).await
    }

    async fn answer(&self, body: &Value) -> Answer {
        self.http.post(&format!("/m/{}/acknowledge", self.token), body).await
    }

    async fn form(&self, body: &str) -> Answer {
        let path = format!("/m/{}/acknowledge", self.token);
        self.http.call(Method::POST, &path, &[FORM], Some(body.as_bytes().to_vec())).await
    }
}

/// Read, acknowledged and the answers of a plan.
async fn counts(tenant: &Tenant, plan: &Plan) -> (Value, Value, Value) {
    let now = tenant.plan(plan).await;
    (now["recipients"]["read"].clone(), now["recipients"]["acknowledged"].clone(), now["answers"].clone())
}

async fn person(tenant: &Tenant, plan: &Plan, query: &str) -> Vec<Value> {
    tenant.http.all(&format!("{}/recipients?{query}", plan.path())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_has_link_image_and_way_out_and_only_looking_counts_as_reading() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let plan =
        tenant.send(&asking("email", json!([{"key": "canary-1", "email": "canary-1@example.org"}]))).await;
    let mail = only_mail(&server, 1).await;
    let text = readable(&mail);
    assert_eq!(text.matches(&format!("{BASE}/m/")).count(), 3, "text, and HTML twice: {text}");
    assert_eq!(mail.header("list-unsubscribe-post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert!(mail.header("list-unsubscribe").unwrap().starts_with(&format!("<{BASE}/u/")));
    let reader = Reader::new(&mut system, token(&text, "/m/")).await;
    // A link preview: the page and all it names, without cookies. A browser that fetches ahead.
    let page = reader.page("en").await.expect(200);
    drop(reader.image(&[]).await.expect(200));
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    drop(reader.image(&[("cookie", &cookie), ("sec-purpose", "prefetch;prerender")]).await.expect(200));
    drop(reader.image(&[("cookie", "herald_visit=AAAAAAAAAAAAAAAAAAAAAAAA")]).await.expect(200));
    let path = format!("/m/{}/seen.gif", reader.token);
    drop(reader.http.call(Method::HEAD, &path, &[("cookie", &cookie)], None).await.expect(200));
    assert_eq!(counts(&tenant, &plan).await.0, 0, "nobody has looked at it");
    let image = reader.image(&[("cookie", &format!("other=1; {cookie}"))]).await.expect(200);
    assert_eq!((image.header("content-type"), image.header("cache-control")), ("image/gif", "no-store"));
    assert_eq!(counts(&tenant, &plan).await.0, 1);
    let read = person(&tenant, &plan, "read=true").await;
    assert_eq!((read.len(), &read[0]["read_channel"]), (1, &json!("email")));
    assert!(person(&tenant, &plan, "read=false").await.is_empty());
    let again = read[0]["read_at"].clone();
    drop(reader.image(&[("cookie", &cookie)]).await.expect(200));
    assert_eq!(person(&tenant, &plan, "").await[0]["read_at"], again, "once");
    assert_eq!(counts(&tenant, &plan).await.0, 1);
    // The image of another mail, for the mail itself.
    let second =
        tenant.send(&asking("email", json!([{"key": "canary-1", "email": "canary-1@example.org"}]))).await;
    let text = readable(&only_mail(&server, 2).await);
    drop(reader.http.get(&format!("/o/{}.gif", token(&text, "/o/"))).await.expect(200));
    drop(reader.http.get(&format!("/o/{}.gif", token(&text, "/m/"))).await.expect(200));
    assert_eq!(counts(&tenant, &second).await.0, 1);
    let history = Reader::new(&mut system, token(&text, "/m/")).await.page("zh").await.expect(200).text;
    assert!(history.contains("您读过的消息") && history.contains("Canary drill"), "{history}");
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_in_the_reader_s_language_and_keeps_to_itself() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let mut body = asking("email", json!(["canary-1@example.org"]));
    body["content"] = json!({"html": "<p>Canary &lt;here&gt;</p><script>alert(1)</script><img src=\"https://canary.example.org/x\">", "link": "https://example.org/?a=1&b=2"});
    tenant.send(&body).await;
    let reader = Reader::new(&mut system, token(&readable(&only_mail(&server, 1).await), "/m/")).await;
    for (language, words) in [
        ("zh-CN,en;q=0.5", ["请回复", "提交回复", "打开链接"]),
        ("de,en-GB;q=0.7,zh;q=0.2", ["Your answer, please", "Send answer", "Open link"]),
    ] {
        let page = reader.page(language).await.expect(200);
        for word in words {
            assert!(page.text.contains(word), "{language}: {}", page.text);
        }
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; img-src 'self' data:; style-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            [page.header("cache-control"), page.header("referrer-policy")],
            ["no-store", "no-referrer"]
        );
        assert!(page.header("x-robots-tag").contains("noindex"));
        let cookie = page.header("set-cookie");
        assert!(
            ["HttpOnly", "SameSite=Lax", "Secure", &format!("Path=/m/{}", reader.token)]
                .iter()
                .all(|part| cookie.contains(part)),
            "{cookie}"
        );
        assert!(
            page.text.contains("Canary &lt;here&gt;")
                && page.text.contains("https://example.org/?a=1&amp;b=2")
        );
        assert!(!page.text.contains("<script") && !page.text.contains("canary.example.org"), "{}", page.text);
    }
    for bad in ["AAAAAAAAAAAAAAAAAAAAAAAA", "short", "%00", &reader.token.to_lowercase()] {
        let page = reader.http.get(&format!("/m/{bad}")).await.expect(404);
        assert!(page.text.contains("No message here") && page.text.contains("没有找到消息"), "{}", page.text);
        drop(reader.http.get(&format!("/o/{bad}.gif")).await.expect(200));
        drop(reader.http.get(&format!("/u/{bad}")).await.expect(404));
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_answer_stands() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let people = json!(["canary-1@example.org", "canary-2@example.org", "canary-3@example.org"]);
    let plan = tenant.send(&asking("email", people)).await;
    let mut readers = Vec::new();
    for mail in 1..=3 {
        readers
            .push(Reader::new(&mut system, token(&readable(&only_mail(&server, mail).await), "/m/")).await);
    }
    let [one, two, three] = readers.as_slice() else { panic!("three mails") };
    for (wrong, pointer) in [
        (json!({"option": "Sad"}), "/option"),
        (json!({"option": "other"}), "/text"),
        (json!({"option": "other", "text": "a\u{0}b"}), "/text"),
    ] {
        assert_eq!(one.answer(&wrong).await.expect(422).pointers(), [pointer]);
    }
    let refused = one.form("option=other&text=").await.expect(422);
    assert!(
        refused.text.contains("Please write a few words.") && refused.text.contains("checked"),
        "{}",
        refused.text
    );
    drop(one.form(&format!("option=other&text={}", "x".repeat(20_000))).await.expect(413));
    assert_eq!(
        counts(&tenant, &plan).await,
        (json!(0), json!(0), json!({"Safe": 0, "需要帮助": 0, "other": 0}))
    );
    let told = one.answer(&json!({"option": "other", "text": "on my way\n路上"})).await.expect(200).json();
    assert_eq!((&told["answer"], &told["answer_text"]), (&json!("other"), &json!("on my way\n路上")));
    let second = one.answer(&json!({"option": "Safe"})).await.expect(409).json();
    assert_eq!(second["type"], "urn:herald:problem:answered");
    // A form ends on the page; a second one is told so and changes nothing.
    let page = two.form("option=%E9%9C%80%E8%A6%81%E5%B8%AE%E5%8A%A9&text=").await.expect(200);
    assert!(page.text.contains("Your answer") && page.text.contains("需要帮助"), "{}", page.text);
    assert!(two.form("option=Safe&text=").await.expect(409).text.contains("first answer stands"));
    // Many at once: one wins.
    let body = json!({"option": "Safe"});
    let (a, b, c) = tokio::join!(three.answer(&body), three.answer(&body), three.answer(&body));
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409]);
    assert_eq!(
        counts(&tenant, &plan).await,
        (json!(3), json!(3), json!({"Safe": 1, "需要帮助": 1, "other": 1}))
    );
    assert_eq!(person(&tenant, &plan, "answered=true").await.len(), 3);
    drop(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.expect(200));
    let gone = one.page("en").await.expect(410);
    assert!(gone.text.contains("Message withdrawn") && gone.text.contains("消息已撤回"), "{}", gone.text);
    assert_eq!(two.answer(&body).await.expect(410).json()["type"], "urn:herald:problem:withdrawn");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_where_to_answer_and_everybody_has_their_own_link() {
    let key = webhook::Key::random();
    let hooks = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    let (mut system, tenant) = start(Options::default()).await;
    tenant.webhook(key.text()).await;
    let same = hooks.url("/same");
    let plan = tenant
        .send(&asking("webhook", json!([{"key": "canary-1", "url": same}, {"key": "canary-2", "url": same}])))
        .await;
    tenant.until(&plan, "finished", SOON).await;
    let bodies: Vec<Value> =
        hooks.read(|received| received.first.iter().map(|request| request.json().unwrap()).collect());
    assert_eq!(bodies.len(), 2, "neither repeats the other");
    let pages: Vec<&str> = bodies.iter().map(|body| body["page"].as_str().unwrap()).collect();
    assert_ne!(pages[0], pages[1]);
    for (body, page) in bodies.iter().zip(&pages) {
        assert_eq!(
            body["acknowledge"],
            json!({"url": format!("{page}/acknowledge"), "options": ["Safe", "需要帮助"]})
        );
        assert!(body["text"].as_str().unwrap().ends_with(&format!("\n{page}")), "{body}");
    }
    let reader = Reader::new(&mut system, token(pages[0], "/m/")).await;
    drop(reader.answer(&json!({"option": "Safe"})).await.expect(200));
    assert_eq!(person(&tenant, &plan, "answered=true").await[0]["read_channel"], "webhook");
    // Links outlive processes, and the master key they were made under.
    system.set_env(
        "HERALD_MASTER_KEY",
        &format!("t2:{}=,{}", "A".repeat(43), herald_tests::system::MASTER_KEY),
    );
    system.command(&["rekey"]).unwrap();
    system.set_env("HERALD_MASTER_KEY", &format!("t2:{}=", "A".repeat(43)));
    system.restart().await;
    let http = system.client(None).await;
    drop(http.get(pages[0].strip_prefix(BASE).unwrap()).await.expect(200));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_in_the_inbox_counts() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = tenant.send(&asking("inbox", json!([{"key": "canary-1"}, {"key": "canary-2"}]))).await;
    tenant.until(&plan, "finished", SOON).await;
    let inbox = tenant.http.all("/v1/inbox/canary-1").await;
    let path = format!("/v1/inbox/canary-1/{}/read", inbox[0]["id"].as_str().unwrap());
    let first = tenant.http.post(&path, &json!({})).await.expect(200).json();
    assert_eq!(tenant.http.post(&path, &json!({})).await.expect(200).json(), first);
    drop(tenant.http.post(&path.replace("canary-1", "canary-2"), &json!({})).await.expect(404));
    assert_eq!(tenant.http.all("/v1/inbox/canary-1").await[0]["read_at"], first["read_at"]);
    let read = person(&tenant, &plan, "read=true").await;
    assert_eq!(
        (read.len(), &read[0]["key"], &read[0]["read_channel"]),
        (1, &json!("canary-1"), &json!("inbox"))
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribed_gets_only_urgent_mail() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let people = json!(["Canary-1@example.org", "canary-2@example.org"]);
    let body = |priority: &str| json!({"title": "Canary offer", "content": {"text": "canary"}, "recipients": people, "priority": priority});
    let plan = tenant.send(&body("bulk")).await;
    tenant.until(&plan, "finished", SOON).await;
    let to_one = |mail: &&smtp::Mail| mail.to[0].eq_ignore_ascii_case("canary-1@example.org");
    let way_out = server
        .read(|received| received.first.iter().find(to_one).unwrap().header("list-unsubscribe"))
        .unwrap();
    let path = format!("/u/{}", token(&way_out, "/u/"));
    let http = system.client(None).await;
    // Following the link asks; only the click leaves.
    assert!(http.get(&path).await.expect(200).text.contains("退订"));
    let sent = |status: &'static str, plan: Plan| {
        let tenant = &tenant;
        async move { tenant.until(&plan, "finished", SOON).await["deliveries"][status].clone() }
    };
    assert_eq!(sent("sent", tenant.send(&body("normal")).await).await, 2);
    for _ in 0..2 {
        drop(
            http.call(Method::POST, &path, &[FORM], Some(b"List-Unsubscribe=One-Click".to_vec()))
                .await
                .expect(200),
        );
    }
    let later = tenant.send(&body("normal")).await;
    let done = tenant.until(&later, "finished", SOON).await;
    assert_eq!(
        (&done["deliveries"]["sent"], &done["deliveries"]["suppressed"]),
        (&json!(1), &json!(1)),
        "{done}"
    );
    let left: Vec<Value> =
        tenant.deliveries(&later).await.into_iter().filter(|one| one["status"] == "suppressed").collect();
    assert_eq!((left.len(), &left[0]["reason"]), (1, &json!("unsubscribed")));
    assert_eq!(sent("sent", tenant.send(&body("urgent")).await).await, 2, "what is urgent does not ask");
    let urgent = server.read(|received| received.first.last().unwrap().header("list-unsubscribe"));
    assert_eq!(urgent, None);
    let other = system.tenant("canary-second").await;
    other.smtp(server.addr()).await;
    let theirs = other.send(&body("normal")).await;
    assert_eq!(
        other.until(&theirs, "finished", SOON).await["deliveries"]["sent"],
        2,
        "another tenant's mailing is another"
    );
    system.finish().await;
}
