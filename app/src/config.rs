//! What is set, and where it came from: flags over environment over file over default.
//!
//! Every key is listed in `madrigal.example.toml`. Variables are `MADRIGAL_` and the key with `__` between its parts, as
//! in `MADRIGAL_ORDER__LISTEN`. Unknown keys are refused; every problem is reported at once.

mod consistency;
mod problems;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use madrigal_http::Limits;
use serde::{Deserialize, Serialize};

pub use self::consistency::ConsistencySection;
use crate::cli::{Service, Settings};
use crate::exit::Ended;

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "madrigal.toml";
/// Variables with our prefix that are no keys: they are the command line's.
const NOT_KEYS: [&str; 6] = ["config", "token", "require", "master_key", "master_key_file", "log"];

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data directory. Default `data`.
    pub data: PathBuf,
    /// Where the shop listens. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The shop that commands talk to. Default `http://127.0.0.1:8080`.
    pub url: String,
    /// Logs.
    pub log: LogSection,
    /// How much is taken at once.
    pub limits: LimitsSection,
    /// The console: the pages for people.
    pub console: ConsoleSection,
    /// user-service.
    pub user: UserSection,
    /// catalog-service.
    pub catalog: CatalogSection,
    /// order-service.
    pub order: OrderSection,
    /// payment-service.
    pub payment: PaymentSection,
    /// notification-service.
    pub notification: NotificationSection,
    /// analytics-service.
    pub analytics: AnalyticsSection,
    /// sync-service.
    pub sync: SyncSection,
    /// The monitor of copies.
    pub consistency: ConsistencySection,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,madrigal_saga=debug`. Default `info`.
    pub level: String,
    /// One JSON document per line instead of text. Default false.
    pub json: bool,
}

/// How much is taken at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// How many requests per second one caller (a token's subject, else an address) may send; more are refused with 429.
    /// Services are not limited. At least 1. Default 20000.
    pub requests_per_second: NonZeroU32,
    /// How many requests are answered at the same time; more are refused with 503. Default 4096.
    pub in_flight: usize,
}

impl LimitsSection {
    /// The edge's limits with these values.
    pub fn of_edge(&self) -> Limits {
        Limits { in_flight: self.in_flight, per_caller_per_second: self.requests_per_second, ..Limits::default() }
    }
}

/// The console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleSection {
    /// Names by which browsers reach the pages, beside this machine's own and `listen`. Default none.
    pub hosts: Vec<String>,
    /// Whether browsers reach the pages over TLS; cookies are then never sent without it. Default false.
    pub secure: bool,
}

/// user-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8081`.
    pub url: String,
    /// Memory of one password hash in KiB. Default 19456 (19 MiB).
    pub hash_memory_kib: u32,
}

/// catalog-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8082`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8082`.
    pub url: String,
    /// The file of synonyms. Default empty: `synonyms/products.txt` in the service's own directory.
    pub synonyms: PathBuf,
}

/// order-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8083`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8083`.
    pub url: String,
    /// Working days from confirmation to the estimated delivery. Default 3.
    pub delivery_working_days: u32,
    /// Seconds in which an order must be placed, or it is given up. Default 30.
    pub placing_limit_seconds: u64,
}

/// payment-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8084`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8084`.
    pub url: String,
}

/// notification-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8085`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8085`.
    pub url: String,
}

/// analytics-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnalyticsSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8086`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8086`.
    pub url: String,
}

/// sync-service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncSection {
    /// Where it listens when it runs alone. Default `127.0.0.1:8087`.
    pub listen: SocketAddr,
    /// Where its neighbours find it. Default `http://127.0.0.1:8087`.
    pub url: String,
    /// Whether it follows `orders` and `products`: nobody's copy hangs on it, it measures and shows. Default true.
    pub facts: bool,
    /// What happens to rows on their way to copies, in this order. Default nothing.
    pub transformers: Vec<serde_json::Value>,
}

impl Default for Config {
    fn default() -> Self {
        let at = |port: u16| (SocketAddr::from(([127, 0, 0, 1], port)), format!("http://127.0.0.1:{port}"));
        let limits = Limits::default();
        let (listen, url) = at(8080);
        let [user, catalog, order, payment, notification, analytics, sync] =
            [8081, 8082, 8083, 8084, 8085, 8086, 8087].map(at);
        Self {
            data: PathBuf::from("data"),
            listen,
            url,
            log: LogSection { level: "info".to_owned(), json: false },
            limits: LimitsSection { requests_per_second: limits.per_caller_per_second, in_flight: limits.in_flight },
            console: ConsoleSection { hosts: Vec::new(), secure: false },
            user: UserSection { listen: user.0, url: user.1, hash_memory_kib: 19_456 },
            catalog: CatalogSection { listen: catalog.0, url: catalog.1, synonyms: PathBuf::new() },
            order: OrderSection { listen: order.0, url: order.1, delivery_working_days: 3, placing_limit_seconds: 30 },
            payment: PaymentSection { listen: payment.0, url: payment.1 },
            notification: NotificationSection { listen: notification.0, url: notification.1 },
            analytics: AnalyticsSection { listen: analytics.0, url: analytics.1 },
            sync: SyncSection { listen: sync.0, url: sync.1, facts: true, transformers: Vec::new() },
            consistency: ConsistencySection::default(),
        }
    }
}

/// The settings with their sources.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    figment: Figment,
}

/// One value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The key, as in `order.listen`.
    pub key: String,
    /// The value, as TOML.
    pub value: String,
    /// As in `default`, `madrigal.toml`, `environment` or `flag`.
    pub source: String,
}

impl Config {
    /// Loads the settings; `listen` is the flag of the command that listens.
    ///
    /// # Errors
    /// [`Ended::Usage`] with every problem, each naming its key.
    pub fn load(settings: &Settings, listen: Option<(SocketAddr, Option<Service>)>) -> anyhow::Result<Loaded> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()).profile("default"));
        let file = settings.config.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
        if let Some(file) = &file {
            if !file.is_file() {
                return Err(Ended::Usage(format!("the configuration file {} is not there", file.display())).into());
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Env::prefixed("MADRIGAL_").ignore(&NOT_KEYS).split("__"));
        let mut flags = figment::value::Dict::new();
        let mut flag = |key: &str, value: String| {
            figment::util::nest(key, value.into()).into_dict().into_iter().for_each(|nested| flags.extend(nested));
        };
        if let Some(data) = &settings.data {
            flag("data", data.display().to_string());
        }
        if let Some(url) = &settings.url {
            flag("url", url.clone());
        }
        if let Some((listen, service)) = listen {
            flag(listen_key(service), listen.to_string());
        }
        figment = figment.merge(Serialized::globals(flags));
        let problems = problems::of(&figment, &Self::default());
        if !problems.is_empty() {
            return Err(Ended::Usage(format!("the configuration has problems:\n  {}", problems.join("\n  "))).into());
        }
        let config = figment.extract().map_err(|error| Ended::Usage(format!("the configuration is wrong: {error}")))?;
        Ok(Loaded { config, figment })
    }

    /// The settings of a file alone, over the defaults: for the test of the example.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_file(file: &Path) -> anyhow::Result<Self> {
        let settings = Settings { config: Some(file.to_owned()), ..Settings::default() };
        Ok(Self::load(&settings, None)?.config)
    }
}

impl Loaded {
    /// Each value and where it came from, by key.
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins = Vec::new();
        let values = serde_json::to_value(&self.config).unwrap_or_default();
        leaves("", &values, &mut |key, value| {
            let source = self.figment.find_metadata(key).map_or_else(|| "default".to_owned(), source_of);
            origins.push(Origin { key: key.to_owned(), value: value.to_string(), source });
        });
        origins
    }
}

fn source_of(metadata: &figment::Metadata) -> String {
    let name = metadata.name.to_string();
    if let Some(figment::Source::File(file)) = &metadata.source {
        return file.display().to_string();
    }
    match name {
        name if name.contains("environment") => "environment".to_owned(),
        name if name.contains("figment::value") || name.contains("BTreeMap") => "flag".to_owned(),
        _ => "default".to_owned(),
    }
}

const fn listen_key(service: Option<Service>) -> &'static str {
    match service {
        None | Some(Service::Gateway) => "listen",
        Some(Service::UserService) => "user.listen",
        Some(Service::CatalogService) => "catalog.listen",
        Some(Service::OrderService) => "order.listen",
        Some(Service::PaymentService) => "payment.listen",
        Some(Service::NotificationService) => "notification.listen",
        Some(Service::AnalyticsService) => "analytics.listen",
        Some(Service::SyncService) => "sync.listen",
    }
}

/// Calls `found` with every leaf below a JSON object, by dotted key.
fn leaves(prefix: &str, value: &serde_json::Value, found: &mut impl FnMut(&str, &serde_json::Value)) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                leaves(&key, value, found);
            }
        }
        leaf => found(prefix, leaf),
    }
}

#[cfg(test)]
mod tests;
