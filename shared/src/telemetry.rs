//! Logs: structured, to standard error, JSON or for people.

use tracing_subscriber::EnvFilter;

use crate::config::{Common, LogFormat};

/// Installs the process's log subscriber and panic hook (a panic is a log line too). Call once, first.
pub fn init(config: &Common) {
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
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
