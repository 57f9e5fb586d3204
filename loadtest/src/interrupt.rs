//! Ctrl-C and SIGTERM: work stops, what was made for it is removed.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the user wants the program to end. The signals are caught from the call on, not from the first poll:
/// one that comes in between must not end the program with its work left lying.
pub(crate) fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Runs `work`, or stops it when the user wants to end, so that what follows can clean up in either case.
pub(crate) async fn interruptible<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let interrupted = interrupted()?;
    tokio::select! {
        result = work => result,
        () = interrupted => anyhow::bail!("interrupted"),
    }
}
