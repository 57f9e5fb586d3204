//! What must not be left when a test has ended: the job protocol's invariants, and the privacy of logs.

use serde_json::Value;

use crate::Database;

/// The word in everything that is private in a test.
const CANARY: &str = "canary";

/// Queries that must give nothing; the first line of each says what it means when they do.
const INVARIANTS: [&str; 9] = [
    include_str!("invariants/job_left.sql"),
    include_str!("invariants/attempt_open.sql"),
    include_str!("invariants/plan_not_over.sql"),
    include_str!("invariants/delivery_not_final.sql"),
    include_str!("invariants/counters.sql"),
    include_str!("invariants/recipients.sql"),
    include_str!("invariants/attempts.sql"),
    include_str!("invariants/first.sql"),
    include_str!("invariants/ladders.sql"),
];

/// By key for each plan, however few plans have most of the rows: left to itself PostgreSQL read every recipient for each.
/// What is forbidden has so high a price that it would compile the queries first, for three seconds with nothing to read.
const BY_KEY: &str = "SET enable_seqscan = off; SET jit = off";

/// Breaches of the invariants in a database at rest.
///
/// # Panics
/// When it cannot be asked.
pub async fn database(database: &Database) -> Vec<String> {
    let mut problems = Vec::new();
    let client = database.connect().await.expect("the test database can be reached");
    client.batch_execute(BY_KEY).await.expect("a session may choose how it reads");
    for sql in INVARIANTS {
        let what = sql.lines().next().unwrap_or_default().trim_start_matches("-- ");
        let rows = client.query(&format!("{sql} LIMIT 5"), &[]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        problems.extend(rows.iter().map(|row| format!("{what} {}", row.get::<_, String>(0))));
    }
    problems
}

/// A process may have 150 MB whatever it is given.
#[must_use]
pub fn memory(name: &str, peak_mb: u64) -> Option<String> {
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
#[must_use]
pub fn private(place: &str, text: &str) -> Vec<String> {
    let leaks = |line: &&str| line.to_lowercase().contains(CANARY) || line.contains("hk_");
    text.lines()
        .filter(leaks)
        .map(|line| format!("{place} holds something private: {line}"))
        .take(3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_not_be_in_a_log_is_found() {
        let line = |level: &str, words: &str| format!(r#"{{"level":"{level}","message":"{words}"}}"#);
        let expected = ["parked".to_owned()];
        assert_eq!(log("x", &line("INFO", "fine"), &expected), Vec::<String>::new());
        assert_eq!(log("x", &line("ERROR", "parked a message"), &expected), Vec::<String>::new());
        let bad =
            [line("ERROR", "broken"), line("INFO", "to Canary@example.org"), line("WARN", "key hk_abc")];
        for text in bad.iter().map(String::as_str).chain(["thread 'main' panicked"]) {
            assert_eq!(log("x", text, &expected).len(), 1, "{text}");
        }
    }

    #[test]
    fn too_much_memory_is_found() {
        assert!(memory("x", 149).is_none() && memory("x", 150).is_some());
    }
}
