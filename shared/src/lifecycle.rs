//! Owns a process's tasks: the first to end unasked (error, panic, return) stops the process loudly.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The tasks of one process and its stop signal.
#[derive(Default)]
pub struct Process {
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: CancellationToken,
}

impl Process {
    /// A process that stops on SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn with_signals() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let process = Process::default();
        let stop = process.stop();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            tracing::info!("stopping: finishing what is in hand");
            stop.cancel();
        });
        Ok(process)
    }

    /// The signal every task watches between units of work.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task under this process. It must end soon after the stop signal, and not before.
    pub fn spawn(
        &mut self,
        name: &'static str,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits for the stop signal or the first task that ends unasked, then for the rest, at most `limit`.
    ///
    /// # Errors
    /// The first task's error or panic; or which tasks were still running when the limit came.
    pub async fn run(mut self, limit: Duration) -> anyhow::Result<()> {
        let mut first = Ok(());
        tokio::select! {
            () = self.stop.cancelled() => {}
            ended = self.tasks.join_next() => {
                first = match ended {
                    _ if self.stop.is_cancelled() => Ok(()),
                    None => Ok(()),
                    Some(Ok((name, Ok(())))) => Err(anyhow::anyhow!("task {name} ended unasked")),
                    Some(Ok((name, Err(error)))) => Err(error.context(format!("task {name} failed"))),
                    Some(Err(panic)) => Err(anyhow::Error::new(panic).context("a task panicked")),
                };
                if let Err(error) = &first {
                    tracing::error!(error = format!("{error:#}"), "stopping the process");
                }
                self.stop.cancel();
            }
        }
        let drained = tokio::time::timeout(limit, drain(&mut self.tasks)).await;
        let late = self.tasks.len();
        match drained {
            Ok(rest) => first.and(rest),
            Err(_) => {
                let words = format!("{late} tasks were still running {limit:?} after the stop signal");
                first.and(Err(anyhow::anyhow!(words)))
            }
        }
    }
}

async fn drain(tasks: &mut JoinSet<(&'static str, anyhow::Result<()>)>) -> anyhow::Result<()> {
    let mut first = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let result = match ended {
            Ok((name, result)) => {
                result.map_err(|error| error.context(format!("task {name} failed while stopping")))
            }
            Err(panic) => Err(anyhow::Error::new(panic).context("a task panicked while stopping")),
        };
        first = first.and(result);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_one_task_stops_the_rest_and_fails_the_process() {
        let mut process = Process::default();
        let stop = process.stop();
        process.spawn("steady", async move {
            stop.cancelled().await;
            Ok(())
        });
        process.spawn("bad", async { panic!("broken") });
        let error = process.run(Duration::from_secs(5)).await.unwrap_err();
        assert!(format!("{error:#}").contains("panicked"), "{error:#}");
    }

    #[tokio::test]
    async fn a_stuck_task_fails_the_drain() {
        let mut process = Process::default();
        process.spawn("stuck", std::future::pending());
        process.stop().cancel();
        assert!(process.run(Duration::from_millis(10)).await.is_err());
    }

    #[tokio::test]
    async fn a_clean_stop_is_ok() {
        let mut process = Process::default();
        let stop = process.stop();
        process.spawn("steady", async move {
            stop.cancelled().await;
            Ok(())
        });
        process.stop().cancel();
        process.run(Duration::from_secs(5)).await.unwrap();
    }
}
