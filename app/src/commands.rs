//! What each command does.

mod archive;
mod bench;
mod completions;
mod consistency;
mod doctor;
mod erase;
mod events;
mod import;
mod init;
mod order;
mod projections;
mod run;
mod sagas;
mod show_config;
mod signals;
mod sync;
mod token;
mod torture;

use crate::cli::{Cli, Command};
use crate::client::{self, Shop};
use crate::config::Config;

/// Carries out a command.
///
/// # Errors
/// In words for a person; [`crate::exit::Ended`] where the exit code is not 1.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let settings = cli.settings;
    match cli.command {
        Command::Up(up) => run::up(&settings, up).await,
        Command::Init => init::init(&settings).await,
        Command::Serve(serve) => run::serve(&settings, serve).await,
        Command::Bench(command) => bench::run(&settings, command).await,
        Command::Torture(torture) => torture::run(&settings, torture).await,
        Command::Completions { shell } => completions::print(settings.output, shell),
        Command::Config(_) => show_config::show(&settings),
        Command::Token(command) => token::issue(&Config::load(&settings, None)?.config, settings.output, &command),
        Command::Doctor { repair: true, confirm } => doctor::repair(&settings, confirm),
        Command::Doctor { .. } => doctor::check(&settings).await,
        Command::Order(command) => order::run(&connect(&settings)?, settings.output, command).await,
        Command::Events(command) => events::run(&settings, command).await,
        Command::Consistency(command) => consistency::run(&connect(&settings)?, settings.output, command).await,
        Command::Sync(command) => sync::run(&connect(&settings)?, settings.output, command).await,
        Command::Projections(command) => projections::run(&connect(&settings)?, settings.output, command).await,
        Command::Sagas(command) => sagas::run(&connect(&settings)?, settings.output, command).await,
        Command::Erase { user, confirm } => erase::erase(&connect(&settings)?, settings.output, user, &confirm).await,
        Command::Import(command) => {
            let config = Config::load(&settings, None)?.config;
            import::run(&client::connect(&settings, &config)?, &config, settings.output, command).await
        }
    }
}

fn connect(settings: &crate::cli::Settings) -> anyhow::Result<Shop> {
    Ok(client::connect(settings, &Config::load(settings, None)?.config)?)
}
