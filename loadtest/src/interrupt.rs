//! Ctrl-C and SIGTERM: work stops, what was made for it is removed.

use tokio::signal::unix::{SignalKind, signal};

/// Returns when the user wants the program to end.
pub(crate) async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
    }
}

/// Runs `work`, or stops it when the user wants to end, so that what follows can clean up in either case.
pub(crate) async fn interruptible<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::select! {
        result = work => result,
        stopped = interrupted() => {
            stopped?;
            anyhow::bail!("interrupted")
        }
    }
}
