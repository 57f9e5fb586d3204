//! What must not be left when a test has ended: the invariants of the job protocol, and the privacy of the logs.

use serde_json::Value;

use crate::Database;

/// The word in everything that is private in a test.
const CANARY: &str = "canary";

/// Queries that must give nothing; each row is a text.
const INVARIANTS: [(&str, &str); 6] = [
    ("a job is left", "SELECT 'kind ' || kind || ' state ' || state || ' plan ' || plan_id FROM job"),
    ("an attempt is open", "SELECT 'plan ' || plan_id || ' no ' || lo FROM attempt WHERE ended_at IS NULL"),
    ("a plan is not over", "SELECT 'status ' || status || ' n_open ' || n_open FROM plan WHERE status < 6 OR finished_at IS NULL"),
    ("a delivery is not final in a plan that is", "SELECT 'plan ' || plan_id || ' no ' || no FROM delivery WHERE status = 0"),
    (
        "counters of a plan differ from a recount",
        "SELECT p.id || ': ' || to_jsonb(c) FROM plan p, LATERAL (
             SELECT count(*) AS n_deliveries, count(*) FILTER (WHERE status = 0) AS n_open, count(*) FILTER (WHERE status = 3) AS n_sent,
                    count(*) FILTER (WHERE status = 4) AS n_delivered, count(*) FILTER (WHERE status = 5) AS n_failed,
                    count(*) FILTER (WHERE status = 6) AS n_unknown, count(*) FILTER (WHERE status = 7) AS n_suppressed,
                    count(*) FILTER (WHERE status = 8) AS n_cancelled, count(*) FILTER (WHERE status = 9) AS n_expired
               FROM delivery d WHERE d.plan_id = p.id) AS c
          WHERE NOT to_jsonb(p) @> to_jsonb(c) OR (p.status = 6 AND c.n_deliveries <> p.n_recipients * cardinality(p.slots))",
    ),
    (
        "attempt numbers have gaps, or none leads to what was sent",
        "SELECT 'plan ' || d.plan_id || ' no ' || d.no FROM delivery d
          WHERE d.status IN (3, 5, 6) AND d.reason IS DISTINCT FROM 'exhausted'
            AND (SELECT count(DISTINCT a.number) FROM attempt a
                  WHERE a.plan_id = d.plan_id AND a.slot = d.slot AND a.lo BETWEEN d.no - 999 AND d.no AND a.hi >= d.no
                    AND (a.members IS NULL OR d.no = ANY(a.members)) AND a.number <= d.attempt) <> d.attempt",
    ),
];

/// Breaches of the invariants in a database at rest.
pub(crate) async fn database(database: &Database) -> Vec<String> {
    let mut problems = Vec::new();
    for (what, sql) in INVARIANTS {
        let rows = database.rows(&format!("{sql} LIMIT 5"), &[]).await;
        problems.extend(rows.iter().map(|row| format!("{what}: {}", row.get::<_, String>(0))));
    }
    problems
}

/// A process may have 150 MB whatever it is given.
pub(crate) fn memory(name: &str, peak_mb: u64) -> Option<String> {
    (peak_mb >= 150).then(|| format!("{name} has had {peak_mb} MB of memory"))
}

/// Error lines nobody expected, and private words.
pub(crate) fn log(name: &str, text: &str, expected: &[String]) -> Vec<String> {
    let mut problems = private(&format!("the log of {name}"), text);
    for line in text.lines() {
        let level = serde_json::from_str::<Value>(line)
            .map_or("not JSON".to_owned(), |line| line["level"].as_str().unwrap_or("no level").to_owned());
        let fine = matches!(level.as_str(), "INFO" | "WARN" | "DEBUG" | "TRACE");
        if !fine && !expected.iter().any(|words| line.contains(words)) {
            problems.push(format!("{name} logged: {line}"));
        }
    }
    problems
}

/// Private words in a text that must have none.
pub(crate) fn private(place: &str, text: &str) -> Vec<String> {
    let leaks = |line: &&str| line.to_lowercase().contains(CANARY) || line.contains("hk_");
    text.lines()
        .filter(leaks)
        .map(|line| format!("{place} holds something private: {line}"))
        .take(3)
        .collect()
}
