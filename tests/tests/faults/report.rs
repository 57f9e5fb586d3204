//! One table of a run, and where to look when a promise was broken.

use std::fmt::Write as _;

use herald_tests::servers::tool;

use crate::Settings;
use crate::inject::Injected;
use crate::oracle::Findings;
use crate::world::World;

/// Tables that tell what happened.
const TABLES: [&str; 8] =
    ["tenant", "account", "plan", "recipient", "delivery", "attempt", "job", "worker_incarnation"];

/// The figures.
pub(crate) fn table(world: &World, settings: &Settings, injected: &Injected, findings: &Findings) -> String {
    let faults: u32 = injected.by_kind.values().sum();
    let mut text = format!("\n{} s, seed {}, {faults} faults\n", settings.seconds, settings.seed);
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<28} {value}").expect("text grows");
    line("plans asked for", findings.requests.to_string());
    line("plans accepted (202)", findings.accepted.to_string());
    line("deliveries", findings.deliveries.to_string());
    line("sent", findings.sent.to_string());
    line("lost", findings.lost.to_string());
    line("duplicated", format!("{} (under hold {})", findings.duplicated, findings.duplicated_hold));
    line("unknown outcomes", format!("{} (bound {})", findings.unknown, findings.unknown_bound));
    line("left unknown under hold", findings.left_unknown.to_string());
    line("recovered (no answer, there)", findings.recovered.to_string());
    line("tenants mixed", findings.mixed.to_string());
    line(
        "most webhook calls in 1 s",
        format!("{} (violations {})", findings.most_calls, findings.quota_violations),
    );
    let seconds = |time: std::time::Duration| format!("{:.1} s", time.as_secs_f64());
    line("all final after the last", findings.settled_in.map_or("never".to_owned(), seconds));
    if let Some((time, fault)) = &injected.slowest {
        line("slowest recovery", format!("{} after {:?} at {:?}", seconds(*time), fault.kind, fault.place));
    }
    line("most memory (MB)", list(&world.fleet.memory()));
    line("faults", list(&injected.by_kind));
    line("hit in the middle of", list(&injected.steps));
    text
}

fn list<K: std::fmt::Debug, N: std::fmt::Display>(counts: &std::collections::BTreeMap<K, N>) -> String {
    counts.iter().map(|(what, count)| format!("{what:?} {count}")).collect::<Vec<_>>().join(", ")
}

/// Copies the database next to the logs; says where they are.
pub(crate) fn keep(world: &World) -> String {
    let folder = world.fleet.folder.display();
    let directory = world.servers.directory().expect("these servers are ours");
    let mut text = format!("logs and database (*.csv) are in {folder}");
    for table in TABLES {
        let copy = format!("\\copy {table} TO '{folder}/{table}.csv' CSV HEADER");
        if let Err(error) = tool(directory, &["psql", "-d", &world.database.name, "-c", &copy]) {
            write!(text, "\n{table} is missing: {error:#}").expect("text grows");
        }
    }
    text
}
