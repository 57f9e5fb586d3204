//! A seeded schedule of faults against a running fleet under load, and an oracle that checks every promise.
//!
//! `schedule` says what goes wrong and when, `inject` does it to the `fleet` while `load` sends and keeps its own log of
//! answers; `oracle` compares that log, the database and what the providers received. docs/FAULTS.md has figures.
//!
//! `make test` runs the short form, `make faults SECONDS=600 SEED=1` any other.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the run, at the line that wanted it")]

mod fleet;
mod inject;
mod load;
mod oracle;
mod proxy;
mod report;
mod schedule;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use herald_tests::Servers;

use crate::load::Load;
use crate::schedule::Shape;
use crate::world::World;

/// Two of what must be able to lose one, and enough workers that two are up while one is away.
const SHAPE: Shape = Shape { apis: 2, dispatchers: 2, workers: 3, tenants: 3 };
const SHORT_SECONDS: u64 = 40;
const SHORT_SEED: u64 = 1;

/// What to run.
struct Settings {
    seconds: u64,
    seed: u64,
    short: bool,
    /// Programs of another build, to run side by side with this one.
    old: Option<PathBuf>,
}

impl Settings {
    /// The short run, unless `make faults` says what else.
    fn from_env() -> Settings {
        let number = |name: &str, default: u64| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
            Err(_) => default,
        };
        let old = std::env::var_os("OLD_BIN_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        old.iter().for_each(|folder| fleet::assert_build(folder));
        let short = std::env::var_os("FAULTS_SECONDS").is_none();
        let (seconds, seed) = (number("FAULTS_SECONDS", SHORT_SECONDS), number("FAULTS_SEED", SHORT_SEED));
        Settings { seconds, seed, short, old }
    }

    fn again(&self) -> String {
        let old = self.old.as_ref().map(|folder| format!(" OLD_BIN_DIR={}", folder.display()));
        match self.short {
            true => "make test ARGS=\"--test faults\"".to_owned(),
            false => {
                format!("make faults SECONDS={} SEED={}{}", self.seconds, self.seed, old.unwrap_or_default())
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_is_kept() {
    let settings = Settings::from_env();
    let (servers, _turn) = Servers::breakable().await;
    let world = Arc::new(World::start(servers, SHAPE, settings.old.clone()).await);
    let faults = schedule::plan(settings.seed, settings.seconds, SHAPE, settings.short);
    eprintln!("{} faults; the same again: {}", faults.len(), settings.again());
    let load = Load::new();
    let watched = world.clone();
    let supervisor = tokio::spawn(async move { watched.fleet.supervise().await });
    let sending = tokio::spawn(load.clone().run(world.clone(), settings.seed));
    let injected = inject::run(&world, &load, faults).await;
    let since = Instant::now();
    load.stop();
    sending.await.unwrap();
    let mut findings = oracle::judge(&world, &load, &injected, since).await;
    supervisor.abort();
    world.fleet.stop_all().await;
    oracle::afterwards(&world, &load, &injected, &mut findings);
    eprintln!("{}", report::table(&world, &settings, &injected, &findings));
    if findings.problems.is_empty() {
        world.database.remove().await;
        drop(std::fs::remove_dir_all(&world.fleet.folder));
        return;
    }
    let kept = report::keep(&world);
    let problems = findings.problems.join("\n  ");
    panic!("promises were broken:\n  {problems}\n{kept}\nthe same again: {}", settings.again());
}
