//! PostgreSQL and RabbitMQ: crashed, stopped, wiped, in alarm, hanging up.

use herald_tests::servers::tool;

use super::Injector;
use crate::schedule::{Fault, Kind};

/// What `deploy/local` starts a broker with.
const MEMORY: &str = "0.4";
const DISK: &str = "256MB";

impl Injector {
    pub(super) async fn server(&self, fault: &Fault) {
        match fault.kind {
            Kind::PostgresCrash => self.tell(&["restart-postgres", "--immediate"]).await,
            Kind::PostgresAway => {
                self.tell(&["stop-postgres", "--immediate"]).await;
                tokio::time::sleep(fault.length).await;
                self.tell(&["start-postgres"]).await;
            }
            Kind::PostgresHangUp => self.hang_up().await,
            Kind::PostgresBackend => self.kill_backend().await,
            Kind::PostgresFull => {
                let small = self.world.servers.small().expect("it was looked for before");
                if let Err(error) = small.fill() {
                    self.problem(format!("could not fill the file system: {error}"));
                }
                tokio::time::sleep(fault.length).await;
                if let Err(error) = small.free() {
                    self.problem(format!("could not free the file system: {error}"));
                }
            }
            Kind::RabbitStop => {
                self.rabbit(&["stop_app"]).await;
                tokio::time::sleep(fault.length).await;
                self.rabbit(&["start_app"]).await;
            }
            Kind::RabbitKill => {
                self.tell(&["kill-broker"]).await;
                tokio::time::sleep(fault.length).await;
                self.tell(&["start-broker"]).await;
            }
            Kind::RabbitWipe => self.tell(&["wipe-broker"]).await,
            Kind::RabbitMemory => {
                self.rabbit(&["set_vm_memory_high_watermark", "0.00001"]).await;
                tokio::time::sleep(fault.length).await;
                self.rabbit(&["set_vm_memory_high_watermark", MEMORY]).await;
            }
            Kind::RabbitDisk => {
                self.rabbit(&["set_disk_free_limit", "100000GB"]).await;
                tokio::time::sleep(fault.length).await;
                self.rabbit(&["set_disk_free_limit", DISK]).await;
            }
            _ => self.rabbit(&["close_all_connections", "fault"]).await,
        }
    }

    async fn hang_up(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        match self.world.database.connect().await {
            Ok(client) => drop(client.execute(sql, &[]).await),
            Err(error) => self.problem(format!("could not hang up: {error}")),
        }
    }

    async fn kill_backend(&self) {
        let sql = "SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                    ORDER BY state <> 'active', random() LIMIT 1";
        let Ok(client) = self.world.database.connect().await else { return };
        if let Ok(Some(row)) = client.query_opt(sql, &[]).await {
            // It may have ended by itself meanwhile.
            drop(
                tokio::process::Command::new("kill")
                    .args(["-KILL", &row.get::<_, i32>(0).to_string()])
                    .status()
                    .await,
            );
        }
    }

    /// A command of `deploy/servers`; it takes seconds.
    async fn tell(&self, words: &'static [&'static str]) {
        let servers = self.world.servers;
        tokio::task::spawn_blocking(move || drop(servers.tell(words))).await.unwrap();
    }

    async fn rabbit(&self, words: &'static [&'static str]) {
        let directory = self.world.servers.directory().expect("these servers are ours").to_owned();
        let words = [&["rabbitmqctl"], words].concat();
        let told = tokio::task::spawn_blocking(move || tool(&directory, &words)).await.unwrap();
        if let Err(error) = told {
            self.problem(format!("rabbitmqctl: {error:#}"));
        }
    }
}
