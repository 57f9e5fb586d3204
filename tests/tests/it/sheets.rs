//! Audiences that come as workbooks.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use herald_tests::tenant::Plan;
use herald_tests::{Answer, Options, SOON, Tenant};
use reqwest::Method;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::support::start;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const XLS: &str = "application/vnd.ms-excel";
/// Made by other programs (make.py beside them), 302 people each, the same in both.
const PEOPLE_XLSX: &[u8] = include_bytes!("../../../api/tests/sheets/people.xlsx");
const PEOPLE_XLS: &[u8] = include_bytes!("../../../api/tests/sheets/people.xls");

async fn draft(tenant: &Tenant, text: &str) -> Plan {
    let body = json!({"title": "Canary", "content": {"text": text}, "channels": ["inbox"], "draft": true, "priority": "bulk"});
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    Plan { id: made["id"].as_str().unwrap().to_owned(), body: made }
}

async fn upload(tenant: &Tenant, plan: &Plan, mode: &str, kind: &str, bytes: impl Into<Vec<u8>>) -> Answer {
    let path = format!("{}/recipients?mode={mode}", plan.path());
    tenant.http.call(Method::POST, &path, &[("content-type", kind)], Some(bytes.into())).await
}

async fn people(tenant: &Tenant, plan: &Plan) -> i64 {
    tenant.plan(plan).await["recipients"]["total"].as_i64().unwrap()
}

async fn send_all(tenant: &Tenant, plan: &Plan) -> Value {
    let sent = tenant.http.call(Method::POST, &format!("{}/send", plan.path()), &[], None).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    tenant.until(plan, "finished", SOON * 2).await
}

/// A workbook with these texts and this sheet.
fn book(strings: &str, data: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let sheet = format!("<worksheet><sheetData>{data}</sheetData></worksheet>");
    for (name, text) in [
        (
            "_rels/.rels",
            "<Relationships><Relationship Id=\"a\" Type=\"x/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>",
        ),
        (
            "xl/workbook.xml",
            "<workbook><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"b\"/></sheets></workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            "<Relationships><Relationship Id=\"b\" Type=\"x/worksheet\" Target=\"worksheets/s.xml\"/></Relationships>",
        ),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/s.xml", sheet.as_str()),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `count` people with a number, a name and an address each, as spreadsheets write them: texts apart from the cells.
fn large(count: usize) -> Vec<u8> {
    let (mut strings, mut data) = ("<sst>".to_owned(), String::new());
    for title in ["工号", "姓名", "邮箱"] {
        write!(strings, "<si><t>{title}</t></si>").unwrap();
    }
    data.push_str("<row><c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c><c t=\"s\"><v>2</v></c></row>");
    for no in 0..count {
        write!(strings, "<si><t>canary {no}</t></si><si><t>canary-{no}@example.org</t></si>").unwrap();
        let (name, email) = (3 + 2 * no, 4 + 2 * no);
        write!(
            data,
            "<row><c><v>{}</v></c><c t=\"s\"><v>{name}</v></c><c t=\"s\"><v>{email}</v></c></row>",
            10_000_000 + no
        )
        .unwrap();
    }
    strings.push_str("</sst>");
    book(&strings, &data)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_rows_are_taken_in_bounded_memory_and_replaced_at_once() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, "canary").await;
    let before = system.api.peak_memory_mb();
    let told = upload(&tenant, &plan, "append", XLSX, large(200_000)).await.expect(200).json();
    assert_eq!((&told["rows"], &told["added"]), (&json!(200_000), &json!(200_000)), "{told}");
    println!("a workbook of 200,000 people: {before} MB before, {} MB at most", system.api.peak_memory_mb());
    // `finish` asserts that no process had 150 MB.
    let told = upload(&tenant, &plan, "replace", "text/csv", "工号,姓名\ncanary-a,A\ncanary-b,B\n")
        .await
        .expect(200)
        .json();
    assert_eq!((&told["added"], &told["recipients"]), (&json!(2), &json!(2)), "{told}");
    assert_eq!(system.database.number("SELECT count(*) FROM recipient").await, 2);
    assert_eq!(send_all(&tenant, &plan).await["deliveries"]["sent"], 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workbooks_of_both_kinds_are_read_with_chinese_titles_and_damaged_ones_change_nothing() {
    let (system, tenant) = start(Options::default()).await;
    tenant.inbox().await;
    let plan = draft(&tenant, "canary {{ 入职日期 | default('-') }} {{ 金额 }}").await;
    for (kind, bytes) in [(XLS, PEOPLE_XLS), (XLSX, PEOPLE_XLSX)] {
        let told = upload(&tenant, &plan, "append", kind, bytes).await.expect(200).json();
        assert_eq!((&told["rows"], &told["recipients"]), (&json!(302), &json!(302)), "{told}");
        assert_eq!(told["refused"], 0, "{told}");
    }
    let lei = &tenant.http.all(&format!("{}/recipients?q=00042", plan.path())).await[0];
    assert_eq!((&lei["key"], &lei["name"]), (&json!("00042"), &json!("李雷")));
    let phones =
        "SELECT count(*) FROM recipient WHERE addresses ->> 'phone' IN ('+8613800138000', '+8613800138001')";
    assert_eq!(
        system.database.number(phones).await,
        2,
        "no digit is lost, and +86 is known where the title is Chinese"
    );
    let formula = "<row><c t=\"inlineStr\"><is><t>工号</t></is></c></row><row><c><f>1+1</f></c></row>";
    let bomb = format!("<row>{}</row>", "<c/>".repeat(2_000_000));
    let announced = "<sst uniqueCount=\"99999999999\"></sst>";
    for (bytes, status, words) in [
        (PEOPLE_XLSX[..9_000].to_vec(), 422, "damaged"),
        (PEOPLE_XLS[..9_000].to_vec(), 422, "damaged"),
        (b"key,email\n".to_vec(), 422, "not a workbook"),
        (book("<sst></sst>", &bomb), 422, "packed more than"),
        (book(announced, ""), 422, "too many texts"),
        (book("<sst></sst>", formula), 422, "line 2, 工号: has a formula without a value"),
        (vec![7; 65 * 1024 * 1024], 413, "64 MB"),
    ] {
        let refused = upload(&tenant, &plan, "replace", XLSX, bytes).await;
        assert_eq!(refused.status, status, "{words}: {}", refused.text);
        assert!(refused.text.contains(words), "{words}: {}", refused.text);
    }
    assert_eq!(people(&tenant, &plan).await, 302);
    assert_eq!(upload(&tenant, &plan, "twice", XLSX, PEOPLE_XLSX).await.status, 422);
    let zh: &[(&str, &str)] = &[("accept-language", "zh-CN")];
    let sheet =
        tenant.http.call(Method::GET, "/v1/recipients/template?format=csv", zh, None).await.expect(200);
    assert!(sheet.text.contains("工号,姓名,邮箱,手机"), "{}", sheet.text);
    assert!(tenant.http.get("/v1/recipients/template").await.expect(200).text.starts_with("PK"));
    assert_eq!(send_all(&tenant, &plan).await["deliveries"]["sent"], 302);
    assert_eq!(tenant.http.all("/v1/inbox/00042").await[0]["text"], "canary 2026-11-28 1234.5");
    system.finish().await;
}
