//! Files: uploaded, carried by mails, listed and handed out by pages, gone with the plans that use them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_loadtest::standins::smtp;
use herald_tests::{Client, Options, SOON, System, Tenant, wait_for, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{assert_correct, start_mail};

/// A name that needs encoding wherever it stands.
const NAME: &str = "施工图纸（三号楼） \"v2\".pdf";

/// A PDF of more than one piece, whatever its bytes look like, and a picture that looks like text.
fn files() -> [(&'static str, Vec<u8>); 2] {
    let noise = (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes());
    let pdf: Vec<u8> = b"%PDF-1.7\r\n.\r\n\n.\n".iter().copied().chain(noise).collect();
    [(NAME, pdf), ("plan.png", b"\x89PNG\r\n\x1a\nplain words\n.\n--\n".to_vec())]
}

async fn upload(http: &Client, name: &str, bytes: &[u8]) -> herald_tests::Answer {
    let query: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    http.call(Method::POST, &format!("/v1/files?name={query}"), &[], Some(bytes.to_vec())).await
}

/// Uploads both; their ids.
async fn upload_all(tenant: &Tenant) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, bytes) in files() {
        let file = upload(&tenant.http, name, &bytes).await.expect(201);
        let told = file.json();
        assert_eq!((&told["name"], &told["size"]), (&json!(name), &json!(bytes.len())), "{told}");
        assert_eq!(tenant.http.get(file.header("location")).await.expect(200).json(), told);
        ids.push(told["id"].as_str().unwrap().to_owned());
    }
    ids
}

fn plan(files: &[String]) -> Value {
    json!({
        "title": "Canary works", "channels": ["email", "inbox"],
        "content": {"text": "Canary plans attached.", "html": "<p>Canary plans attached.</p>", "attachments": files},
        "recipients": [{"key": "E1", "name": "李雷", "email": "canary-1@example.org"}, {"key": "E2", "email": "canary-2@example.org"}],
    })
}

/// The parts behind a mail's text, decoded: the name as written and the bytes.
fn attached(mail: &smtp::Mail) -> Vec<(String, Vec<u8>)> {
    let kind = mail.header("content-type").unwrap();
    assert!(kind.starts_with("multipart/mixed"), "{kind}");
    let boundary = kind.split_once("boundary=\"").unwrap().1.split('"').next().unwrap();
    let text = std::str::from_utf8(mail.body()).unwrap();
    let (parts, end) = text.split_once(&format!("--{boundary}--\r\n")).unwrap();
    assert_eq!(end, "");
    let parts: Vec<&str> = parts.split(&format!("--{boundary}\r\n")).skip(1).collect();
    assert!(parts[0].starts_with("Content-Type: multipart/alternative"), "the words come first");
    let part = |part: &&str| {
        let (headers, body) = part.split_once("\r\n\r\n").unwrap();
        let base64: String = body.split_whitespace().collect();
        (name(&headers.replace("\r\n ", " ")), STANDARD.decode(base64).unwrap())
    };
    parts[1..].iter().map(part).collect()
}

/// A file's name in the headers of its part: in quotes, or in numbered pieces of percent-encoded UTF-8 (RFC 2231).
fn name(headers: &str) -> String {
    let line =
        headers.split("\r\n").find(|line| line.starts_with("Content-Disposition: attachment;")).unwrap();
    let values = line.split("; ").skip(1).map(|pair| pair.split_once('=').unwrap().1.trim_end_matches(';'));
    let whole: String = values.collect();
    let encoded = whole.strip_prefix("utf-8''");
    encoded.map_or(whole.trim_matches('"').to_owned(), |encoded| {
        let (mut bytes, mut rest) = (Vec::new(), encoded.as_bytes());
        while let Some((byte, after)) = rest.split_first() {
            let escaped = *byte == b'%';
            let hex = || u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap();
            bytes.push(if escaped { hex() } else { *byte });
            rest = if escaped { &after[2..] } else { after };
        }
        String::from_utf8(bytes).unwrap()
    })
}

/// The page of a message in an inbox, which says it since an inbox carries no files.
async fn page(tenant: &Tenant, owner: &str) -> String {
    let inbox = tenant.http.all(&format!("/v1/inbox/{owner}")).await;
    let text = inbox[0]["text"].as_str().unwrap().to_owned();
    format!("/m/{}", text.rsplit_once("/m/").unwrap().1.trim())
}

/// What a reader gets: status, disposition, bytes.
async fn fetch(reader: &Client, path: &str) -> (u16, String, Vec<u8>) {
    let answer = reader.open(path, &[]).await;
    let header =
        |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    assert_eq!(header("x-content-type-options"), "nosniff");
    let (status, disposition) = (answer.status().as_u16(), header("content-disposition"));
    (status, disposition, answer.bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_by_mail_stand_on_the_page_and_go_with_the_plan() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    tenant.inbox().await;
    let ids = upload_all(&tenant).await;
    let sent = tenant.send(&plan(&ids)).await;
    wait_until("both have a mail", SOON, async || server.read(|received| received.mails) == 2).await;
    let (first, second) = server.read(|received| (received.first[0].clone(), received.first[1].clone()));
    let expected = files().map(|(name, bytes)| (name.to_owned(), bytes));
    for mail in [&first, &second] {
        let got = attached(mail);
        assert_eq!(got.iter().map(|(name, _)| name).collect::<Vec<_>>(), [NAME, "plan.png"]);
        assert!(got == expected, "the bytes are what was uploaded");
        assert!(!String::from_utf8_lossy(&mail.data).contains("/m/"), "nobody needs the page for them");
    }
    assert_correct(&server);
    tenant.until(&sent, "finished", SOON).await;
    on_the_page(&mut system, &tenant, &expected).await;
    let content = tenant.http.get(&format!("{}/content", sent.path())).await.expect(200).json();
    assert_eq!(content["content"]["attachments"], json!(ids));
    let copy = tenant.http.post(&format!("{}/copy", sent.path()), &json!({})).await.expect(201).json();
    let copy = format!("/v1/plans/{}", copy["id"].as_str().unwrap());
    gone(&mut system, &tenant, &ids, [&sent.path(), &copy]).await;
    system.finish().await;
}

async fn on_the_page(system: &mut System, tenant: &Tenant, expected: &[(String, Vec<u8>)]) {
    let (page, reader) = (page(tenant, "E1").await, system.client(None).await);
    let token = page.trim_start_matches("/m/");
    for (language, word) in [("zh-CN", "附件"), ("en", "Attachments")] {
        let shown = reader.call(Method::GET, &page, &[("accept-language", language)], None).await.expect(200);
        let list = format!(
            "<h2>{word}</h2><ul><li><a href=\"{token}/files/1\">施工图纸（三号楼） &quot;v2&quot;.pdf (400 kB)</a></li>\
             <li><a href=\"{token}/files/2\">plan.png (25 B)</a></li></ul>"
        );
        assert!(shown.text.contains(&list), "{}", shown.text);
    }
    for (n, (_, bytes)) in (1..).zip(expected) {
        let (status, disposition, got) = fetch(&reader, &format!("{page}/files/{n}")).await;
        assert!((status, &got) == (200, bytes), "{status}: {} bytes", got.len());
        let written = if n == 1 { "filename*=UTF-8''%E6%96%BD%E5%B7%A5" } else { "filename=\"plan.png\"" };
        assert!(disposition.starts_with("attachment;") && disposition.contains(written), "{disposition}");
    }
    for nothing in ["0", "3", "x"] {
        assert_eq!(reader.get(&format!("{page}/files/{nothing}")).await.status, 404, "{nothing}");
    }
}

/// Purges both plans: files stay while one of them is there, and go with the last.
async fn gone(system: &mut System, tenant: &Tenant, ids: &[String], plans: [&str; 2]) {
    let (page, reader) = (page(tenant, "E1").await, system.client(None).await);
    for plan in plans {
        for id in ids {
            assert_eq!(tenant.http.delete(&format!("/v1/files/{id}")).await.status, 409, "a plan uses it");
        }
        assert_eq!(tenant.http.post(&format!("{plan}/bin"), &json!({})).await.status, 200);
        assert!([404, 410].contains(&reader.get(&format!("{page}/files/1")).await.status));
        assert_eq!(tenant.http.delete(plan).await.status, 200);
    }
    assert_eq!(system.database.number("SELECT count(*) FROM plan_file").await, 0);
    // Another dispatcher tidies when it starts; the one there is, once a minute.
    system.add_dispatcher();
    wait_until("the files are gone", SOON, async || {
        system.database.number("SELECT count(*) FROM file").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_refused_that_are_not_what_they_say_or_not_there() {
    let (mut system, tenant, server) = start_mail(Options::default().env("HERALD_MAX_FILE_MB", "1")).await;
    tenant.inbox().await;
    for (name, bytes, status) in [
        ("plan.pdf", &b"MZ\x90 a program"[..], 422),
        ("plan.exe", b"%PDF-1.7", 422),
        ("../plan.pdf", b"%PDF-1.7", 422),
        ("plan.pdf", b"", 422),
        ("plan.pdf", &vec![b'%'; 1024 * 1024 + 1], 413),
    ] {
        let refused = upload(&tenant.http, name, bytes).await.expect(status);
        assert!(!refused.json()["detail"].as_str().unwrap().is_empty(), "{name}");
    }
    let nameless = tenant.http.call(Method::POST, "/v1/files", &[], Some(b"%PDF-1.7".to_vec())).await;
    assert!(nameless.expect(422).text.contains("Content-Disposition"));
    let by_header =
        [("content-disposition", "attachment; filename=\"plan.pdf\""), ("idempotency-key", "once")];
    let post =
        async || tenant.http.call(Method::POST, "/v1/files", &by_header, Some(b"%PDF-1.7".to_vec())).await;
    let (file, again) = (post().await.expect(201), post().await.expect(201));
    assert_eq!((file.json(), again.header("idempotent-replayed")), (again.json(), "true"));
    let id = file.json()["id"].as_str().unwrap().to_owned();
    let stranger = system.tenant("canary-stranger").await;
    assert_eq!(stranger.http.get(&format!("/v1/files/{id}")).await.status, 404);
    plans_are_refused(&tenant, &stranger, &id).await;
    // A draft uses it as any plan does, until it is written without it.
    let mut draft = plan(std::slice::from_ref(&id));
    draft["draft"] = true.into();
    let made = tenant.http.post("/v1/plans", &draft).await.expect(201).json();
    let path = format!("/v1/plans/{}", made["id"].as_str().unwrap());
    assert_eq!(tenant.http.delete(&format!("/v1/files/{id}")).await.status, 409);
    draft["content"]["attachments"] = json!([]);
    assert_eq!(tenant.http.put(&path, &draft).await.status, 200);
    assert_eq!(tenant.http.delete(&format!("/v1/files/{id}")).await.status, 204);
    assert_eq!(tenant.http.delete(&format!("/v1/files/{id}")).await.status, 404);
    drop(server);
    system.finish().await;
}

async fn plans_are_refused(tenant: &Tenant, stranger: &Tenant, id: &str) {
    let nobody_s = "019bd2a2-1f00-7b3c-9a44-0d1e2f3a4b5c";
    let link = json!({"text": "x", "link": "https://example.org", "attachments": [id]});
    for (changes, pointers) in [
        (
            json!({"text": "x", "attachments": [nobody_s, id, "x"]}),
            vec!["/content/attachments/0", "/content/attachments/2"],
        ),
        (json!({"text": "x", "attachments": [id, id]}), vec!["/content/attachments/1"]),
        (json!({"text": "x", "attachments": vec![id; 11]}), vec!["/content/attachments"]),
        (link.clone(), vec!["/content/attachments"]),
    ] {
        let mut body = plan(&[]);
        body["content"] = changes;
        if body["content"] == link {
            body["type"] = "link".into();
        }
        let refused = tenant.http.post("/v1/plans", &body).await.expect(422);
        assert!(
            pointers.iter().all(|pointer| refused.pointers().contains(&(*pointer).to_owned())),
            "{}",
            refused.text
        );
    }
    stranger.inbox().await;
    let mut theirs = plan(&[id.to_owned()]);
    theirs["channels"] = json!(["inbox"]);
    assert_eq!(
        stranger.http.post("/v1/plans", &theirs).await.expect(422).pointers(),
        ["/content/attachments/0"]
    );
    let template =
        json!({"name": "t", "kind": "text", "title": "t", "content": {"text": "t", "attachments": [id]}});
    assert_eq!(
        tenant.http.post("/v1/templates", &template).await.expect(422).pointers(),
        ["/content/attachments"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_protected_or_sensitive_no_file_stays_behind() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let ids = upload_all(&tenant).await;
    let mut body = plan(&ids);
    (body["protected"], body["sensitive"], body["channels"]) = (true.into(), true.into(), json!(["email"]));
    let sent = tenant.send(&body).await;
    let mail =
        wait_for("a mail", SOON, async || server.read(|received| received.first.first().cloned())).await;
    let text = String::from_utf8_lossy(&mail.data).into_owned();
    assert!(!text.contains("multipart/mixed") && text.contains("/m/"), "they are on the page: {text}");
    assert!(mail.data.len() < 10_000);
    tenant.until(&sent, "finished", SOON).await;
    // Nobody was let in: the question comes instead of the file.
    let token =
        crate::mailbox::token(&crate::mailbox::letter(&server, "canary-1@example.org", 1).await, "/m/");
    let asked = system.client(None).await.get(&format!("/m/{token}/files/1")).await.expect(200);
    assert!(asked.text.contains(&format!("action=\"../../{token}/code\"")), "{}", asked.text);
    // When its pages close.
    system.database.run("UPDATE plan SET expires_at = now() WHERE terms ? 'sensitive'").await;
    let left =
        "SELECT (SELECT count(*) FROM plan_file) + (SELECT count(*) FROM file WHERE remove_at > now())";
    wait_until("its files are free to go", SOON, async || system.database.number(left).await == 0).await;
    system.finish().await;
}
