//! Lists as files.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use herald_tests::tenant::Plan;
use herald_tests::{Client, Options, SOON, System, Tenant, wait_for, wait_until};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::alone::bulk::insert_plan;
use crate::support::start;

/// Reads a workbook with another's code: checks the archive, prints its texts and numbers as JSON: sheets, rows, cells.
const READ: &str = r"
import io, json, sys, zipfile
from xml.etree import ElementTree
book = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))
assert book.testzip() is None and book.namelist()[0] == '[Content_Types].xml', book.namelist()
main = '{http://schemas.openxmlformats.org/spreadsheetml/2006/main}'
names = [sheet.get('name') for sheet in ElementTree.fromstring(book.read('xl/workbook.xml')).iter(main + 'sheet')]
rows = []
for number in range(len(names)):
    for _, node in ElementTree.iterparse(book.open(f'xl/worksheets/sheet{number + 1}.xml')):
        if node.tag == main + 'row':
            rows.append([[''.join(cell.itertext()), cell.get('s')] for cell in node])
            node.clear()
for part in book.namelist():
    ElementTree.fromstring(book.read(part)) if 'worksheets' not in part else None
print(json.dumps({'names': names, 'count': len(rows), 'first': rows[:10], 'last': rows[-1]}))
";

fn workbook(bytes: &[u8]) -> Value {
    let mut child = Command::new("/usr/bin/python3")
        .args(["-B", "-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "no workbook");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Records of a CSV file, which begins with a byte order mark.
fn records(text: &str) -> Vec<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            char => cell.push(char),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted, "the last line ends");
    rows
}

async fn csv(http: &Client, path: &str, language: &str) -> Vec<Vec<String>> {
    let answer = http.call(Method::GET, path, &[("accept-language", language)], None).await.expect(200);
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    records(&answer.text)
}

/// A finished plan to three people: one with a name that means harm, one without an address.
async fn finished(tenant: &Tenant) -> Plan {
    tenant.inbox().await;
    let people = json!([
        {"key": "canary-1", "name": "=HYPERLINK(\"http://x\")", "phone": "+8613800138000", "ids": {"inbox": "canary-owner"}},
        {"key": "-2", "name": "李, 雷"},
        {"name": "Canary Han", "email": "canary-han@example.org"}
    ]);
    let body = json!({"title": "Canary", "content": {"text": "canary"}, "channels": ["inbox"], "recipients": people});
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", SOON).await;
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_and_deliveries_are_files_in_the_readers_language_and_no_cell_is_a_formula() {
    let (system, tenant) = start(Options::default()).await;
    let plan = finished(&tenant).await;
    let path = plan.path();
    let people = csv(&tenant.http, &format!("{path}/recipients.csv"), "de, en;q=0.5").await;
    assert_eq!(people[0][..6], ["Number", "Name", "Addresses", "Send status", "inbox", "Read"]);
    assert_eq!(people[1][..2], ["canary-1", "'=HYPERLINK(\"http://x\")"]);
    assert_eq!(people[1][2..6], ["can***er +86***00", "reached", "sent", "unread"]);
    assert_eq!(people[2][..2], ["'-2", "李, 雷"]);
    assert_eq!(people[3][3..5], ["unreachable", "suppressed (no_address)"]);
    let chinese =
        csv(&tenant.http, &format!("{path}/recipients.csv?failed=false&reach=unreachable"), "zh-CN,zh;q=0.9")
            .await;
    assert_eq!(chinese.len(), 2, "the list's filters apply: {chinese:?}");
    assert_eq!(chinese[0][..5], ["编号", "姓名", "地址", "发送状态", "站内信"]);
    assert_eq!(chinese[1][1..5], ["Canary Han", "c***@example.org", "未触达", "未发送 (no_address)"]);
    let deliveries =
        csv(&tenant.http, &format!("{path}/deliveries.csv?status=sent&channel=inbox"), "en").await;
    assert_eq!(deliveries.len(), 3);
    assert_eq!(deliveries[0][..5], ["Number", "Name", "Channel", "Tier", "Status"]);
    assert_eq!(deliveries[2][..7], ["'-2", "李, 雷", "inbox", "1", "sent", "", "1"]);
    as_workbooks(&tenant, &path).await;
    for (wrong, status) in
        [("recipients.csv?limit=5", 422), ("deliveries.xlsx?status=gone", 422), ("recipients.pdf", 404)]
    {
        assert_eq!(tenant.http.get(&format!("{path}/{wrong}")).await.status, status, "{wrong}");
    }
    system.finish().await;
}

async fn as_workbooks(tenant: &Tenant, path: &str) {
    let answer = tenant.http.open(&format!("{path}/recipients.xlsx"), &[("accept-language", "zh")]).await;
    let headers = answer.headers();
    let file = headers["content-disposition"].to_str().unwrap();
    assert!(
        file.starts_with("attachment; filename=\"herald-") && file.ends_with("-recipients.xlsx\""),
        "{file}"
    );
    assert_eq!(
        (&headers["content-language"], &headers["vary"]),
        (&"zh".parse().unwrap(), &"accept-language".parse().unwrap())
    );
    let book = workbook(&answer.bytes().await.unwrap());
    assert_eq!((&book["names"], &book["count"]), (&json!(["收件人"]), &json!(4)));
    // The style says that it is text, whoever edits it.
    assert_eq!(book["first"][1][1], json!(["=HYPERLINK(\"http://x\")", "1"]));
    assert_eq!(book["first"][2][1], json!(["李, 雷", "0"]));
    let answer = tenant.http.open(&format!("{path}/deliveries.xlsx"), &[]).await;
    let book = workbook(&answer.bytes().await.unwrap());
    let days: f64 = book["first"][1][9][0].as_str().unwrap().parse().unwrap();
    assert!((40_000.0..80_000.0).contains(&days), "a time is a number of days: {book}");
}

/// A file whose reading can begin, as soon as there is a place for it.
async fn opened(http: &Client, path: &str) -> Response {
    wait_for("an export may begin", SOON, async || {
        Some(http.open(path, &[]).await).filter(|answer| answer.status() == 200)
    })
    .await
}

/// Reads a file to its end; its bytes where they are wanted, and how many line ends there were.
async fn drained(http: &Client, path: &str, keep: bool) -> (Vec<u8>, usize) {
    let begun = Instant::now();
    let mut answer = opened(http, path).await;
    let (mut kept, mut lines, mut size) = (Vec::new(), 0, 0);
    while let Some(chunk) = answer.chunk().await.unwrap() {
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
        size += chunk.len();
        if keep {
            kept.extend_from_slice(&chunk);
        }
    }
    eprintln!("{size} bytes in {:?}", begun.elapsed());
    (kept, lines)
}

/// The plan that [`insert_plan`] wrote, once it has finished.
async fn large(system: &System, tenant: &Tenant) -> String {
    insert_plan(system, 50_000).await;
    wait_until("the plan has finished", SOON * 6, async || {
        system.database.number("SELECT count(*) FROM plan WHERE status = 6").await == 1
    })
    .await;
    let plans = tenant.http.all("/v1/plans").await;
    format!("/v1/plans/{}", plans[0]["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_rows_are_streamed_and_two_at_a_time() {
    let (mut system, tenant) = start(Options::default().workers(2).paced()).await;
    tenant.inbox().await;
    let path = large(&system, &tenant).await;
    // Two that nobody reads keep the third waiting, and give their places back when they are closed.
    let file = format!("{path}/recipients.csv");
    let held = (opened(&tenant.http, &file).await, opened(&tenant.http, &file).await);
    let refused = tenant.http.get(&file).await.expect(503);
    assert_eq!(refused.header("retry-after"), "10");
    drop(held);
    for list in ["recipients", "deliveries"] {
        let (_, lines) = drained(&tenant.http, &format!("{path}/{list}.csv"), false).await;
        assert_eq!(lines, 50_001, "{list}");
    }
    // A rare match lies beyond many pages without any.
    let (_, lines) = drained(&tenant.http, &format!("{path}/recipients.csv?q=canary-49999"), false).await;
    assert_eq!(lines, 2);
    let (bytes, _) = drained(&tenant.http, &format!("{path}/recipients.xlsx"), true).await;
    let book = workbook(&bytes);
    assert_eq!(book["count"], 50_001);
    assert_eq!(book["last"][0], json!(["canary-50000", "0"]));
    breaks_off_for_all_to_see(&mut system, &tenant, &path).await;
    // The test's end looks at everybody's peak of memory: below 150 MB.
    system.finish().await;
}

/// A file that cannot be written to its end does not look like one that was.
async fn breaks_off_for_all_to_see(system: &mut System, tenant: &Tenant, path: &str) {
    system.expect_error("a page of an export could not be read");
    let mut answer = opened(&tenant.http, &format!("{path}/recipients.csv")).await;
    assert!(answer.chunk().await.unwrap().is_some());
    system.database.run("ALTER TABLE recipient RENAME TO elsewhere").await;
    let end = loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert!(end.is_err(), "an export that was cut looks whole");
    system.database.run("ALTER TABLE elsewhere RENAME TO recipient").await;
}
