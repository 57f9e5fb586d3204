//! `herald-api`: serves HTTP, and the operator's commands.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use herald_api::auth::Scope;
use herald_api::commands::{self, TenantLimits, TenantQuiet};
use herald_api::config::Config;
use herald_shared::telemetry;

/// Accepts message plans over HTTP and answers for them.
#[derive(Parser)]
#[command(name = "herald-api", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP (the default).
    Serve,
    /// Bring the database up to date; repeatable.
    Migrate,
    /// Tenants.
    #[command(subcommand)]
    Tenant(Tenant),
    /// API keys.
    #[command(subcommand)]
    Key(Key),
    /// Seal every stored secret under the first master key of `HERALD_MASTER_KEY`.
    Rekey,
}

#[derive(Subcommand)]
enum Tenant {
    /// Make a tenant; prints its id and first key as JSON.
    Create {
        /// Its name, unique in this installation.
        name: String,
        /// Make one more key if the tenant exists already.
        #[arg(long)]
        if_missing: bool,
    },
    /// Limit what a tenant sends over all its accounts, for the whole fleet; without options the limits are lifted.
    Limit {
        /// The tenant's name.
        name: String,
        #[command(flatten)]
        limits: TenantLimits,
    },
    /// Set when nothing is sent to a tenant's people, on their clocks; without windows there are no quiet hours.
    Quiet {
        /// The tenant's name.
        name: String,
        #[command(flatten)]
        hours: TenantQuiet,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Make a key for a tenant; prints it as JSON.
    Create {
        /// What it is for.
        name: String,
        /// The tenant's name.
        #[arg(long)]
        tenant: String,
        /// What it may do, e.g. `plans:read,plans:write`; everything when left out.
        #[arg(long, value_delimiter = ',', value_parser = scope)]
        scopes: Vec<Scope>,
    },
}

fn scope(word: &str) -> Result<Scope, String> {
    word.parse().map_err(|()| format!("use some of: {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

#[tokio::main]
async fn main() -> ExitCode {
    // Without a provider installed rustls panics at the first handshake; an earlier one is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("herald-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load()?;
    telemetry::init(&config.common);
    let common = &config.common;
    let printed = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => return herald_api::serve::run(config).await,
        Command::Migrate => commands::migrate(common).await?,
        Command::Tenant(Tenant::Create { name, if_missing }) => {
            commands::create_tenant(common, &name, if_missing).await?
        }
        Command::Tenant(Tenant::Limit { name, limits }) => {
            commands::limit_tenant(common, &name, &limits).await?
        }
        Command::Tenant(Tenant::Quiet { name, hours }) => {
            commands::quiet_tenant(common, &name, hours).await?
        }
        Command::Key(Key::Create { name, tenant, scopes }) => {
            let scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
            commands::create_key(common, &tenant, &name, &scopes).await?
        }
        Command::Rekey => commands::rekey(common).await?,
    };
    println!("{printed}");
    Ok(())
}
