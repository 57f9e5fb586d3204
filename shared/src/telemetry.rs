//! Logs: structured, to standard error, JSON or for people.

use tracing_subscriber::EnvFilter;

use crate::config::{Common, LogFormat};

/// Installs the process's log subscriber and panic hook (a panic is a log line too). Call once, first.
pub fn init(config: &Common) {
    // The broker library reports every lost connection at ERROR, many lines each; our own one line says what it means.
    let quiet = if config.log_filter.contains("lapin") { "" } else { ",lapin=off" };
    let filter = EnvFilter::try_new(format!("{}{quiet}", config.log_filter));
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,lapin=off"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).init(),
        LogFormat::Pretty => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(panic = %panic, "a task panicked: the process stops");
        before(panic);
    }));
}
