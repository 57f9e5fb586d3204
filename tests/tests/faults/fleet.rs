//! The processes, and the supervisor that starts again what was killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use herald_tests::options::PROFILE;
use herald_tests::process::Launch;
use herald_tests::system::DRAIN;
use herald_tests::{Client, Clock, Process, Servers, inspect, program};

use crate::proxy::Proxy;
use crate::schedule::Shape;

/// What differs from the profile of the other tests: a short lease, and retries without end (whatever is failed is lost).
const FAULTS_PROFILE: [(&str, &str); 6] = [
    ("HERALD_LEASE_MS", "3000"),
    ("HERALD_MAX_ATTEMPTS", "100"),
    ("HERALD_DRAIN_SECONDS", "10"),
    ("HERALD_DISPATCHER_ADDR", "127.0.0.1:0"),
    ("HERALD_WORKER_ADDR", "127.0.0.1:0"),
    ("HERALD_API_ADDR", "127.0.0.1:0"),
];

/// How long after its connections to the database fell silent a process may still wait for one of them, twice the longest wait for an
/// answer: longer than it may take to stop.
const SILENCE_FELT: Duration = Duration::from_secs(70);

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Api,
    Dispatcher,
    Worker,
}

impl Role {
    fn program(self) -> &'static str {
        match self {
            Role::Api => "herald-api",
            Role::Dispatcher => "herald-dispatcher",
            Role::Worker => "herald-worker",
        }
    }
}

/// One process with its own ways to the servers.
pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) name: String,
    pub(crate) database: Proxy,
    pub(crate) broker: Proxy,
    env: Vec<(String, String)>,
    addr: SocketAddr,
    clock: Option<Clock>,
    running: Mutex<Running>,
}

struct Running {
    /// None while a fault keeps it down.
    process: Option<Process>,
    starts: usize,
}

/// All of them.
pub(crate) struct Fleet {
    pub(crate) members: Vec<Member>,
    pub(crate) folder: PathBuf,
    /// Another build, for half of the starts.
    old: Option<PathBuf>,
    /// What processes did that they should not have.
    problems: Mutex<Vec<String>>,
    /// The most memory any process of a kind has had, in MB.
    memory: Mutex<BTreeMap<Role, u64>>,
}

impl Fleet {
    /// Starts everything; `url` is the database, `prefix` the queues'.
    pub(crate) async fn start(
        servers: &Servers,
        url: &str,
        prefix: &str,
        shape: Shape,
        old: Option<PathBuf>,
    ) -> Fleet {
        let folder = std::env::temp_dir().join(format!("herald-{prefix}"));
        std::fs::create_dir_all(&folder).unwrap();
        let roles =
            [(Role::Api, shape.apis), (Role::Dispatcher, shape.dispatchers), (Role::Worker, shape.workers)];
        let mut members = Vec::new();
        for (role, count) in roles {
            for index in 1..=count {
                let mut member = Member::new(role, index, url, &servers.amqp_url, prefix).await;
                // One dispatcher and one worker have clocks of their own; an older build may still rely on the machine's.
                if role != Role::Api && index == count && old.is_none() {
                    member.clock = Clock::of(&member.name, &folder);
                    member.env.extend(member.clock.iter().flat_map(Clock::env));
                }
                members.push(member);
            }
        }
        let fleet = Fleet { members, folder, old, problems: Mutex::default(), memory: Mutex::default() };
        (0..fleet.members.len()).for_each(|index| fleet.launch(index));
        fleet
    }

    /// Starts a process that is down. With two builds, each start takes the other one.
    pub(crate) fn launch(&self, index: usize) {
        let member = &self.members[index];
        let mut running = member.running.lock().unwrap();
        running.starts += 1;
        let program = match &self.old {
            Some(old) if (index + running.starts).is_multiple_of(2) => old.join(member.role.program()),
            _ => program::path(member.role.program()),
        };
        let (name, folder) = (member.name.clone(), self.folder.as_path());
        let launch = Launch { program: member.role.program(), name, folder, env: &member.env };
        running.process = Some(Process::start_build(&program, &launch));
    }

    /// SIGKILL; false when it was down.
    pub(crate) fn kill(&self, index: usize) -> bool {
        let Some(mut process) = self.members[index].running.lock().unwrap().process.take() else {
            return false;
        };
        if process.exited().is_some() {
            self.problem(format!("{} had ended by itself, see its log", process.name));
            return false;
        }
        process.kill();
        true
    }

    /// Sends a signal; false when it was down.
    pub(crate) fn signal(&self, index: usize, signal: &str) -> bool {
        let running = self.members[index].running.lock().unwrap();
        running.process.as_ref().inspect(|process| process.signal(signal)).is_some()
    }

    /// SIGTERM, waited for; it must leave with exit code 0.
    pub(crate) async fn stop(&self, index: usize) {
        let taken = self.members[index].running.lock().unwrap().process.take();
        let Some(mut process) = taken else { return };
        if process.exited().is_some() {
            return self.problem(format!("{} had ended by itself, see its log", process.name));
        }
        self.note_memory(self.members[index].role, &process);
        process.signal("TERM");
        let ended = async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                if let Some(status) = process.exited() {
                    return status;
                }
            }
        };
        let ended = tokio::time::timeout(DRAIN, ended).await;
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) if self.members[index].database.was_silenced_within(SILENCE_FELT) => {
                eprintln!("{} ended with {status}: its connections had fallen silent", process.name);
            }
            Ok(status) => self.problem(format!("{} ended with {status} after SIGTERM", process.name)),
            Err(_) => self.problem(format!("{} still runs {DRAIN:?} after SIGTERM", process.name)),
        }
    }

    /// Whether there are processes with clocks of their own.
    pub(crate) fn has_clocks(&self) -> bool {
        self.members.iter().any(|member| member.clock.is_some())
    }

    /// Puts a process's clock `offset` seconds ahead, within a second.
    pub(crate) fn set_clock(&self, index: usize, offset: &str) {
        if let Some(clock) = &self.members[index].clock {
            clock.set(offset);
        }
    }

    /// Every process runs, or its last words are told.
    pub(crate) fn assert_running(&self) {
        for member in &self.members {
            let mut running = member.running.lock().unwrap();
            let Some(process) = &mut running.process else { continue };
            assert!(process.exited().is_none(), "{} ended: {}", member.name, process.tail());
        }
    }

    /// Starts again whatever ended without having been told to, and remembers that it did.
    pub(crate) async fn supervise(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            for (index, member) in self.members.iter().enumerate() {
                let ended = {
                    let mut running = member.running.lock().unwrap();
                    running.process.iter().for_each(|process| self.note_memory(member.role, process));
                    let status = running.process.as_mut().and_then(Process::exited);
                    status.inspect(|_| running.process = None)
                };
                if let Some(status) = ended {
                    self.problem(format!("{} ended by itself with {status}, see its log", member.name));
                    self.launch(index);
                }
            }
        }
    }

    /// The newest run a worker's log names: the incarnation its claims carry.
    pub(crate) fn incarnation(&self, index: usize) -> Option<i64> {
        let output = self.members[index].running.lock().unwrap().process.as_ref()?.output();
        let line = output.lines().rev().find(|line| line.contains("this run may claim jobs"))?.to_owned();
        serde_json::from_str::<serde_json::Value>(&line).ok()?["incarnation"].as_i64()
    }

    /// Somebody with that key at each API.
    pub(crate) fn clients(&self, key: Option<&str>) -> Vec<Client> {
        let apis = self.members.iter().filter(|member| member.role == Role::Api);
        apis.map(|member| Client::new(&format!("http://{}", member.addr), key)).collect()
    }

    /// Everybody's `/metrics` and health.
    pub(crate) fn pages(&self) -> Vec<(String, Client)> {
        let page =
            |member: &Member| (member.name.clone(), Client::new(&format!("http://{}", member.addr), None));
        self.members.iter().map(page).collect()
    }

    /// SIGTERM for all, one after another.
    pub(crate) async fn stop_all(&self) {
        for index in 0..self.members.len() {
            self.stop(index).await;
        }
    }

    pub(crate) fn env(&self) -> Vec<(&str, &str)> {
        self.members[0].env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(crate) fn problem(&self, what: String) {
        eprintln!("! {what}");
        self.problems.lock().unwrap().push(what);
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let told = self.problems.lock().unwrap().clone();
        let memory = self.memory();
        let large = memory.iter().filter_map(|(role, peak)| inspect::memory(role.program(), *peak));
        told.into_iter().chain(large).collect()
    }

    fn note_memory(&self, role: Role, process: &Process) {
        let mut memory = self.memory.lock().unwrap();
        let most = memory.entry(role).or_default();
        *most = process.peak_memory_mb().max(*most);
    }

    /// The most memory of any process of each kind, those that were killed included, in MB.
    pub(crate) fn memory(&self) -> BTreeMap<Role, u64> {
        self.memory.lock().unwrap().clone()
    }
}

impl Member {
    async fn new(role: Role, index: usize, url: &str, amqp_url: &str, prefix: &str) -> Member {
        let database = Proxy::start(server(url)).await;
        let broker = Proxy::start(server(amqp_url)).await;
        // Always the same port, as behind a load balancer: clients find a restarted process again.
        let addr = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
        let mut env: Vec<(String, String)> = Vec::new();
        let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
        PROFILE.iter().chain(&FAULTS_PROFILE).for_each(|(name, value)| set(name, value));
        let program = role.program().trim_start_matches("herald-");
        let name = format!("{program}-{index}");
        // Under its name the server can be asked what the process holds.
        set("DATABASE_URL", &format!("{}?application_name={name}", through(url, database.port())));
        set("AMQP_URL", &through(amqp_url, broker.port()));
        set("HERALD_QUEUE_PREFIX", prefix);
        set(&format!("HERALD_{}_ADDR", program.to_uppercase()), &addr.to_string());
        let running = Mutex::new(Running { process: None, starts: 0 });
        Member { role, name, database, broker, env, addr, clock: None, running }
    }
}

/// The address in a URL.
fn server(url: &str) -> SocketAddr {
    let (_, rest) = url.rsplit_once('@').expect("the URL has a user");
    rest.split('/').next().and_then(|address| address.parse().ok()).expect("the URL has an address")
}

/// The URL with another port.
fn through(url: &str, port: u16) -> String {
    let server = server(url);
    url.replace(&server.to_string(), &format!("{}:{port}", server.ip()))
}

/// Whether a folder has the three programs.
pub(crate) fn assert_build(folder: &Path) {
    for program in ["herald-api", "herald-dispatcher", "herald-worker"] {
        assert!(folder.join(program).exists(), "OLD_BIN_DIR: there is no {program} in {}", folder.display());
    }
}
