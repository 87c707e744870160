//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::output::Format;

mod archive;
mod bench;
mod consistency;
mod examples;
mod projections;
mod sync;
mod torture;

pub use archive::Archive;
pub use bench::BenchCommand;
pub use consistency::{ConsistencyCheck, ConsistencyCommand};
pub use projections::{Named, ProjectionsCommand};
pub use sync::{Parker, SyncCommand};
pub use torture::{Torture, TortureMode};

pub use examples::{EXAMPLES, command, parse};

/// Distributed persistence for microservices: a shop that runs, and the proof that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "madrigal", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Settings that every command takes.
    #[command(flatten)]
    pub settings: Settings,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Settings that every command takes; they win over the environment, that over the file, that over the defaults.
#[derive(Debug, Clone, Default, Args)]
pub struct Settings {
    /// The configuration file; `madrigal.toml` in the working directory if it is there.
    #[arg(long, global = true, value_name = "FILE", env = "MADRIGAL_CONFIG")]
    pub config: Option<PathBuf>,
    /// The data directory.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The shop to talk to.
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The bearer token; without one, commands make themselves an operator's token from the data directory's key.
    #[arg(long, global = true, value_name = "TOKEN", env = "MADRIGAL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// How data is printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
    /// Never asks: what is missing is an error. No command asks today, so that scripts may say it always.
    #[arg(long, global = true)]
    pub no_input: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the whole shop in one process, on embedded engines.
    Up(Up),
    /// Makes every service's stores, brings their tables to their current form, and says which steps they have seen.
    ///
    /// `up` and `serve` do the same when they start; the shop must not run. It can be repeated.
    Init,
    /// Runs one service alone.
    Serve(Serve),
    /// Places, shows, cancels and ships orders.
    #[command(subcommand)]
    Order(OrderCommand),
    /// Reads events.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Shows sagas and moves them on.
    #[command(subcommand)]
    Sagas(SagasCommand),
    /// Shows projections, builds them anew, and works on what is parked.
    #[command(subcommand)]
    Projections(ProjectionsCommand),
    /// Compares copies with their owners, and repairs what diverges.
    #[command(subcommand)]
    Consistency(ConsistencyCommand),
    /// Connectors, how far copies of users are behind, and what could not be told to them.
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Brings products, users or orders in through the public API.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Erases a person: destroys the key of everything personal, everywhere. Cannot be taken back.
    Erase {
        /// The user's id.
        user: i64,
        /// The user's name: this cannot be taken back.
        #[arg(long, value_name = "USERNAME")]
        confirm: String,
    },
    /// Issues bearer tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Shows the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Checks the set-up and says what to do.
    Doctor {
        /// Reads the logs of the data directory (the shop must not run) and says what in them is damaged, and what going
        /// on without it costs.
        #[arg(long)]
        repair: bool,
        /// Does it: copies what is damaged, and everything after it, to `damaged/` beside the log, and starts a new
        /// epoch of the log.
        #[arg(long, requires = "repair")]
        confirm: bool,
    },
    /// Measures this machine with this binary: speed, memory, and what limits them.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Kills a shop of its own again and again while customers order, and judges what is left.
    ///
    /// Everything happens in a fresh directory (--data, or below target/ or the temporary directory); no shop that runs is
    /// touched.
    Torture(Torture),
    /// Prints a completion script.
    Completions {
        /// For this shell.
        shell: Shell,
    },
}

/// Runs the whole shop in one process.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// Fills an empty shop with a few products and customers, and shows what to try.
    #[arg(long)]
    pub demo: bool,
    /// The address to listen on.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// The services that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
#[expect(missing_docs, reason = "each is the service of its name")]
pub enum Service {
    UserService,
    CatalogService,
    OrderService,
    PaymentService,
    NotificationService,
    AnalyticsService,
    SyncService,
    Gateway,
}

/// Runs one service alone.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Which.
    pub service: Service,
    /// The address to listen on.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// What can be done with orders.
#[derive(Debug, Subcommand)]
pub enum OrderCommand {
    /// Places an order.
    Place {
        /// For this user.
        #[arg(long, value_name = "ID")]
        user: i64,
        /// A product and how many, as in `mug=2`; `mug` is one.
        #[arg(long = "item", value_name = "PRODUCT[=QUANTITY]", required = true)]
        items: Vec<String>,
        /// The payment provider's token.
        #[arg(long, default_value = "tok_visa", value_name = "TOKEN")]
        payment: String,
        /// Makes a repetition of this command the same order; made up if it is not given.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Lists orders, newest first.
    List {
        /// Only those of this user.
        #[arg(long, value_name = "ID")]
        user: Option<i64>,
        /// Only those with this status, as in `confirmed`.
        #[arg(long)]
        status: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Tells what every service did about an order, in the order of time.
    Story {
        /// The order, or a saga of it.
        order: String,
    },
    /// Shows an order.
    Show {
        /// The order.
        order: String,
    },
    /// Cancels an order.
    Cancel {
        /// The order.
        order: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Hands an order to the carrier.
    Ship {
        /// The order.
        order: String,
        /// With whom.
        #[arg(long)]
        carrier: String,
        /// The carrier's number.
        #[arg(long, value_name = "NUMBER")]
        tracking: String,
    },
    /// Says that an order has arrived.
    Deliver {
        /// The order.
        order: String,
    },
}

/// What can be done with events.
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// Reads events of a service's log, oldest first.
    Read {
        /// The service's log: `order`, `catalog`, `payment`, `notification`.
        #[arg(long, default_value = "order")]
        log: String,
        /// Only this stream, as in `order-0198…`.
        #[arg(long)]
        stream: Option<String>,
        /// After this position (or, with --stream, this version).
        #[arg(long, default_value_t = 0)]
        after: u64,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: u64,
    },
    /// Appends a note to order-service's log, in a stream `note-…` that no service reads. Cannot be taken back.
    Append {
        /// The stream: `note-` and what it is about, as in `note-incident-17`.
        stream: String,
        /// What it says, as a JSON object.
        #[arg(long, value_name = "OBJECT")]
        json: String,
        /// `Note` and letters and digits.
        #[arg(long = "type", default_value = "NoteTaken", value_name = "TYPE")]
        event_type: String,
        /// Makes a repetition of this command the same note; made up if it is not given.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// The stream's name again: what is appended stays for ever.
        #[arg(long, value_name = "STREAM")]
        confirm: String,
    },
    /// Follows a service's log until interrupted.
    Tail {
        /// The service's log.
        #[arg(long, default_value = "order")]
        log: String,
        /// After this position; from now on if it is not given.
        #[arg(long)]
        after: Option<u64>,
    },
    /// Moves whole old segments of a log to its archive; they are read from there from then on. The shop must not run.
    Archive(Archive),
}

/// What can be done with sagas.
#[derive(Debug, Subcommand)]
pub enum SagasCommand {
    /// Lists sagas.
    List {
        /// Only those in this state, as in `running` or `stuck`.
        #[arg(long)]
        state: Option<String>,
        /// Only those of this definition.
        #[arg(long)]
        definition: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Shows a saga with its steps and attempts.
    Show {
        /// The saga.
        saga: String,
    },
    /// Starts nothing more until resumed.
    Pause(SagaVerb),
    /// Goes on.
    Resume(SagaVerb),
    /// Tries again now.
    Retry(SagaVerb),
    /// Undoes what was done; before the commitment only.
    Compensate(SagaVerb),
    /// Gives the saga up as it is.
    Abandon {
        /// Which, and why.
        #[command(flatten)]
        verb: SagaVerb,
        /// The saga's id again: this cannot be taken back.
        #[arg(long, value_name = "ID")]
        confirm: String,
    },
    /// Counts a step as done, with this output.
    Skip {
        /// Which, and why.
        #[command(flatten)]
        verb: SagaVerb,
        /// The step.
        #[arg(long)]
        step: String,
        /// The output that later steps see: a JSON object.
        #[arg(long, value_name = "JSON")]
        with: String,
    },
    /// Counts a step as undone, by hand.
    MarkUndone {
        /// Which, and why.
        #[command(flatten)]
        verb: SagaVerb,
        /// The step.
        #[arg(long)]
        step: String,
        /// What proves it.
        #[arg(long)]
        evidence: String,
    },
}

/// A saga and the reason for what is done to it.
#[derive(Debug, Clone, Args)]
pub struct SagaVerb {
    /// The saga.
    pub saga: String,
    /// Why; kept with the saga.
    #[arg(long)]
    pub reason: String,
}

/// What can be brought in.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Products, one JSON body per line.
    Products(ImportFile),
    /// Edits of products that were made offline, one per line: `{"productId", "version", "editedAt"?, "changes"}`. Merged
    /// where the product changed since that version; values that were not taken, and conflicts, are named.
    ProductEdits(ImportFile),
    /// Users, one JSON body per line.
    Users(ImportFile),
    /// Orders, one JSON body per line.
    Orders {
        /// The file and how to read it.
        #[command(flatten)]
        file: ImportFile,
        /// Places them as new orders, through the saga, at today's prices.
        #[arg(long)]
        live: bool,
    },
}

/// A file to import.
#[derive(Debug, Clone, Args)]
pub struct ImportFile {
    /// The file; `-` reads standard input.
    pub file: PathBuf,
    /// How many requests are under way at once; at most 4 where one brings many lines (products, past orders).
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub concurrency: u32,
    /// Writes the refused lines here too, as JSON: line, key, reason.
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Issues a token, signed with the data directory's key.
    Issue {
        /// For whom: a user's id for customers, a name for others.
        #[arg(long, value_name = "WHO")]
        subject: String,
        /// With which rights.
        #[arg(long, value_enum, default_value_t = TokenRole::Operator)]
        role: TokenRole,
        /// For so many minutes.
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=43_200))]
        minutes: u32,
    },
}

/// The rights of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "each is the role of its name")]
pub enum TokenRole {
    Customer,
    Operator,
    Service,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Shows each value and where it came from.
    Show,
}

impl Service {
    /// The service's name, as in `order-service`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserService => "user-service",
            Self::CatalogService => "catalog-service",
            Self::OrderService => "order-service",
            Self::PaymentService => "payment-service",
            Self::NotificationService => "notification-service",
            Self::AnalyticsService => "analytics-service",
            Self::SyncService => "sync-service",
            Self::Gateway => "gateway",
        }
    }
}
