//! A whole Herald of one's own.

use std::path::PathBuf;

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::metrics::Metrics;
use crate::options::{ALL, PROFILE};
use crate::process::{self, Launch, Process};
use crate::{
    Client, Database, Options, SOON, Servers, Tenant, broker, database, inspect, wait_until, within,
};

/// The master key of all tests but those that rotate it.
pub const MASTER_KEY: &str = "t1:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// Longest stop of a process, its own limit of 10 s included.
pub const DRAIN: Duration = Duration::from_secs(15);

static TURNS: Semaphore = Semaphore::const_new(ALL as usize);

/// Processes, database and queues of one test.
pub struct System {
    /// Its database.
    pub database: Database,
    /// First part of its queues' names.
    pub prefix: String,
    /// Where the broker is.
    pub amqp_url: String,
    /// The API.
    pub api: Process,
    /// Dispatchers.
    pub dispatchers: Vec<Process>,
    /// Workers.
    pub workers: Vec<Process>,
    env: Vec<(String, String)>,
    folder: PathBuf,
    expected: Vec<String>,
    started: u32,
    finished: bool,
    _turn: SemaphorePermit<'static>,
}

impl System {
    /// Starts everything and waits until it is ready.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(options: Options) -> System {
        let mut system = System::spawn(options).await;
        system.ready().await;
        system
    }

    /// Starts everything, ready or not.
    ///
    /// # Panics
    /// When a program cannot be started.
    pub async fn spawn(options: Options) -> System {
        let servers = match options.servers {
            Some(servers) => servers,
            None => Servers::shared().await,
        };
        let database = Database::create(servers).await;
        System::spawn_on(database, &servers.amqp_url, options).await
    }

    /// Starts everything on a given database.
    ///
    /// # Panics
    /// When a program cannot be started.
    pub async fn spawn_on(database: Database, amqp_url: &str, options: Options) -> System {
        let turn = TURNS.acquire_many(options.share).await.expect("nobody closes it");
        let prefix = format!("test-{}-{}", std::process::id(), database::next_number());
        let folder = std::env::temp_dir().join(format!("herald-{prefix}"));
        std::fs::create_dir_all(&folder).expect("a folder for logs can be made");
        let mut env: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
        PROFILE.iter().for_each(|(name, value)| set(name, value));
        set("DATABASE_URL", &database.url);
        set("AMQP_URL", amqp_url);
        set("HERALD_QUEUE_PREFIX", &prefix);
        ["HERALD_API_ADDR", "HERALD_DISPATCHER_ADDR", "HERALD_WORKER_ADDR"]
            .iter()
            .for_each(|name| set(name, "127.0.0.1:0"));
        env.extend(options.env);
        let launch = |program| Launch { program, name: format!("{program}.1"), folder: &folder, env: &env };
        let api = Process::start(&launch("herald-api"));
        let amqp_url = amqp_url.to_owned();
        let (dispatchers, workers, expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut system = System {
            database,
            prefix,
            amqp_url,
            api,
            dispatchers,
            workers,
            env,
            folder,
            expected,
            started: 1,
            finished: false,
            _turn: turn,
        };
        (0..options.dispatchers).for_each(|_| system.add_dispatcher());
        (0..options.workers).for_each(|_| system.add_worker());
        system
    }

    /// Waits until every process is ready.
    ///
    /// # Panics
    /// When one is not soon.
    pub async fn ready(&mut self) {
        for process in self.processes() {
            process.ready().await;
        }
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self) {
        let worker = self.launch("herald-worker");
        self.workers.push(worker);
    }

    /// Starts one more dispatcher.
    pub fn add_dispatcher(&mut self) {
        let dispatcher = self.launch("herald-dispatcher");
        self.dispatchers.push(dispatcher);
    }

    /// Stops every process and starts as many anew.
    ///
    /// # Panics
    /// When one does not stop well or does not start.
    pub async fn restart(&mut self) {
        let problems = self.stop_all().await;
        assert!(problems.is_empty(), "{problems:?}");
        let (dispatchers, workers) = (self.dispatchers.len(), self.workers.len());
        self.dispatchers.clear();
        self.workers.clear();
        self.api = self.launch("herald-api");
        (0..dispatchers).for_each(|_| self.add_dispatcher());
        (0..workers).for_each(|_| self.add_worker());
        self.ready().await;
    }

    /// Starts an API in place of one that has ended, on another port.
    ///
    /// # Panics
    /// When the one before still runs, or this one is not ready soon.
    pub async fn start_api(&mut self) {
        assert!(self.api.exited().is_some(), "the API still runs");
        self.api = self.launch("herald-api");
        self.api.ready().await;
    }

    /// Changes a variable for processes started from now on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    fn launch(&mut self, program: &'static str) -> Process {
        self.started += 1;
        let name = format!("{program}.{}", self.started);
        Process::start(&Launch { program, name, folder: &self.folder, env: &self.env })
    }

    /// Runs a command of `herald-api` in this system's environment; what it printed.
    ///
    /// # Errors
    /// Its words when it fails.
    pub fn command(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let env: Vec<(&str, &str)> =
            self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        process::command("herald-api", arguments, &env)
    }

    /// Makes a tenant with a key that may do everything.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn tenant(&mut self, name: &str) -> Tenant {
        let text = self.command(&["tenant", "create", name]).expect("a tenant can be made");
        let made: serde_json::Value = serde_json::from_str(text.trim()).expect("tenant create prints JSON");
        let key = made["key"].as_str().expect("tenant create prints a key");
        Tenant::new(name, self.client(Some(key)).await)
    }

    /// Somebody with that key.
    pub async fn client(&mut self, key: Option<&str>) -> Client {
        Client::new(&format!("http://{}", self.api.address().await), key)
    }

    /// A log line at level ERROR with these words is part of the test.
    pub fn expect_error(&mut self, words: &str) {
        self.expected.push(words.to_owned());
    }

    /// The sum of a metric over the processes that run now.
    pub async fn metric(&mut self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut sum = 0.0;
        for process in self.running() {
            let page = process.http().await.get("/metrics").await.expect(200);
            sum += Metrics::parse(&page.text).sum(name, labels);
        }
        sum
    }

    fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        std::iter::once(&mut self.api).chain(&mut self.dispatchers).chain(&mut self.workers)
    }

    fn running(&mut self) -> Vec<&mut Process> {
        self.processes().filter_map(|process| process.exited().is_none().then_some(process)).collect()
    }

    /// Ends the test: waits until everything is at rest, stops the processes, and looks for what is left.
    ///
    /// # Panics
    /// With everything that should not be.
    pub async fn finish(mut self) {
        let database = &self.database;
        let left = async || database.rows("SELECT to_jsonb(j)::text FROM job j LIMIT 5", &[]).await;
        if within(SOON, async || left().await.is_empty().then_some(())).await.is_none() {
            let jobs: Vec<String> = left().await.iter().map(|row| row.get(0)).collect();
            panic!("jobs are left:\n{}", jobs.join("\n"));
        }
        let broker = broker::connect(&self.amqp_url).await.expect("the broker can be reached");
        let waiting = async || broker::waiting(&broker, &self.prefix).await;
        wait_until("every queue is empty", SOON, async || waiting().await == 0).await;
        let mut problems = inspect::database(database).await;
        for process in self.running() {
            let page = process.http().await.get("/metrics").await.expect(200);
            problems.extend(Metrics::parse(&page.text).problems());
            problems.extend(inspect::private(&format!("/metrics of {}", process.name), &page.text));
            problems.extend(inspect::memory(&process.name, process.peak_memory_mb()));
        }
        problems.extend(self.stop_all().await);
        problems.extend(broker::remove(&broker, &self.prefix).await);
        let logs = std::fs::read_dir(&self.folder).expect("the folder of the logs can be read");
        for entry in logs.flatten() {
            let text = std::fs::read(entry.path()).unwrap_or_default();
            let name = entry.file_name().to_string_lossy().into_owned();
            problems.extend(inspect::log(&name, &String::from_utf8_lossy(&text), &self.expected));
        }
        assert!(
            problems.is_empty(),
            "{} things are not as they should be:\n{}",
            problems.len(),
            problems.join("\n")
        );
        self.database.remove().await;
        drop(std::fs::remove_dir_all(&self.folder));
        self.finished = true;
    }

    /// SIGTERM for all that run; what did not end well.
    async fn stop_all(&mut self) -> Vec<String> {
        let running = self.running();
        running.iter().for_each(|process| process.signal("TERM"));
        let mut problems = Vec::new();
        for process in running {
            let status = process.ended(DRAIN).await;
            if !status.success() {
                problems.push(format!("{} ended with {status} after SIGTERM", process.name));
            }
        }
        problems
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let tails: String = self.processes().map(|process| process.tail()).collect();
        eprintln!("{tails}(all of it in {}, database {})", self.folder.display(), self.database.name);
        assert!(std::thread::panicking(), "a test must end with finish()");
    }
}
