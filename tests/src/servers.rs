//! PostgreSQL and RabbitMQ: the pair of the whole run, and one that tests may break.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::Small;
use crate::database::Template;
use crate::small;

/// The program that starts and stops servers.
const CLI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/servers");

/// A pair of servers.
pub struct Servers {
    /// Of a superuser.
    pub database_url: String,
    /// Of the default virtual host.
    pub amqp_url: String,
    pub(crate) template: OnceCell<Template>,
    /// Data directory of a pair of our own.
    directory: Option<PathBuf>,
    small: Option<Small>,
}

static SHARED: OnceCell<Servers> = OnceCell::const_new();
static BREAKABLE: OnceCell<Servers> = OnceCell::const_new();
/// Whoever breaks servers does it alone.
static BREAKING: Mutex<()> = Mutex::const_new(());

impl Servers {
    /// The pair that `make test` started; no test may disturb it.
    ///
    /// # Panics
    /// When there is none.
    pub async fn shared() -> &'static Servers {
        SHARED
            .get_or_init(async || {
                let [database_url, amqp_url] =
                    ["HERALD_TEST_DATABASE_URL", "HERALD_TEST_AMQP_URL"].map(|name| {
                        std::env::var(name).unwrap_or_else(|_| {
                            panic!("{name} is not set: run `make test`, which starts servers")
                        })
                    });
                Servers { database_url, amqp_url, template: OnceCell::new(), directory: None, small: None }
            })
            .await
    }

    /// A pair to stop, kill and wipe, started when first needed, for one test at a time. Ends with this process.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn breakable() -> (&'static Servers, MutexGuard<'static, ()>) {
        let turn = BREAKING.lock().await;
        let servers = BREAKABLE.get_or_init(async || start_own()).await;
        // A test that failed may have left one down.
        servers.tell(&["start-postgres"]);
        servers.tell(&["start-broker"]);
        (servers, turn)
    }

    /// Where these servers' data is, if they are ours to break.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// A file system of theirs that can be filled, where one can be had.
    #[must_use]
    pub fn small(&self) -> Option<&Small> {
        self.small.as_ref()
    }

    /// Gives a command of `deploy/servers`, such as `["restart-postgres", "--immediate"]`; returns when it is done.
    ///
    /// # Panics
    /// When it fails, or these servers are not ours to command.
    pub fn tell(&self, words: &[&str]) -> Value {
        let directory = self.directory.as_ref().expect("only breakable servers take commands");
        let mut arguments = vec![words[0].to_owned(), directory.display().to_string()];
        arguments.extend(words[1..].iter().map(ToString::to_string));
        run_cli(&arguments)
    }
}

/// Runs `rabbitmqctl` or `psql` on the servers in a directory, as `deploy/servers` does; what it printed.
///
/// # Errors
/// Its words when it fails.
pub fn tool(directory: &Path, words: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(CLI);
    let output = command.arg(words[0]).arg(directory).args(&words[1..]).output()?;
    let [out, err] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    anyhow::ensure!(output.status.success(), "deploy/servers {words:?}: {out}{err}");
    Ok(out)
}

fn start_own() -> Servers {
    let directory = std::env::temp_dir().join(format!("herald-breakable-{}", std::process::id()));
    let owner = std::process::id().to_string();
    let text = directory.display().to_string();
    let words = ["up", &text, "--remove", "--owner", &owner].map(str::to_owned);
    let wrapper = small::wrapper();
    let wrapped = wrapper.is_some();
    let answer = run(wrapper.map_or_else(|| Command::new(CLI), with_cli), &words);
    let pid = answer["postgres"]["pid"].as_u64().filter(|_| wrapped);
    let small = pid.map(|pid| Small::of(&directory, pid).expect("the tmpfs is there"));
    let url = |name: &str| answer[name].as_str().expect("deploy/servers prints URLs").to_owned();
    Servers {
        database_url: url("database_url"),
        amqp_url: url("amqp_url"),
        template: OnceCell::new(),
        directory: Some(directory),
        small,
    }
}

fn with_cli(mut wrapper: Command) -> Command {
    wrapper.arg(CLI);
    wrapper
}

fn run_cli(arguments: &[String]) -> Value {
    run(Command::new(CLI), arguments)
}

fn run(mut command: Command, arguments: &[String]) -> Value {
    let output = command.args(arguments).output().expect("deploy/servers can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "deploy/servers {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(text.trim()).expect("deploy/servers prints one line of JSON")
}
