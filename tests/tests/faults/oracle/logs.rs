//! Invariant 11, and what processes complained about.

use std::collections::BTreeMap;

use herald_tests::inspect;
use reqwest::Method;
use serde_json::Value;

use super::Findings;
use crate::world::World;

/// ERROR lines that a fault explains: the AMQP library calls every connection that ends one, and a provider that fails takes its
/// account out of use for a while.
const EXPLAINED: [&str; 2] = ["\"target\":\"lapin::", "an account is out of use"];

/// Every log, with the runs before a kill.
pub(super) fn files(world: &World, findings: &mut Findings) {
    let mut errors: BTreeMap<String, u32> = BTreeMap::new();
    for entry in std::fs::read_dir(&world.fleet.folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        for problem in inspect::private(&format!("the log of {name}"), &text) {
            findings.breach("private", problem);
        }
        for line in text.lines() {
            complaint(line).into_iter().for_each(|what| *errors.entry(what).or_default() += 1);
        }
    }
    for (what, times) in errors {
        findings.breach("error in a log", format!("{times} times {what}"));
    }
}

/// What a line complains about, if it does and no fault explains it.
fn complaint(line: &str) -> Option<String> {
    if EXPLAINED.iter().any(|words| line.contains(words)) {
        return None;
    }
    match serde_json::from_str::<Value>(line) {
        Ok(fields) if fields["level"] == "ERROR" => {
            Some(format!("{} {}", fields["message"], fields["error"]))
        }
        Ok(_) => None,
        // A line cut off by a kill is half a line; a panic is one without JSON.
        Err(_) => line.contains("panicked").then(|| line.to_owned()),
    }
}

/// Metrics of the processes at rest.
pub(super) async fn pages(world: &World, findings: &mut Findings) {
    for (name, client) in world.fleet.pages() {
        match client.try_call(Method::GET, "/metrics", &[], None).await {
            Ok(page) => {
                for problem in inspect::private(&format!("/metrics of {name}"), &page.text) {
                    findings.breach("private", problem);
                }
            }
            Err(error) => findings.breach("behaviour", format!("{name} does not answer at rest: {error}")),
        }
    }
}
