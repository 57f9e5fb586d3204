//! The program `herald-loadtest`; see `herald-loadtest --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match herald_loadtest::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("herald-loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
