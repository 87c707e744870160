//! A connector's declaration, read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::router::{RegexRouter, RouterError};
use super::running;
use crate::transformers::Transformers;

/// The class of connectors of embedded services.
pub const SQLITE_CLASS: &str = "madrigal.connector.sqlite.SqliteConnector";
/// The class of connectors of PostgreSQL.
pub const POSTGRES_CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";
/// The only transform.
const REGEX_ROUTER: &str = "org.apache.kafka.connect.transforms.RegexRouter";
/// What is shown in the place of a password.
const HIDDEN: &str = "********";
/// The longest name of a connector, in letters.
const MAX_LETTERS: usize = 100;
/// The most tables and transforms of a connector.
const MAX_NAMES: usize = 100;

/// Something in a declaration that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where, as a JSON pointer into the declaration.
    pub pointer: String,
    /// What is wrong; never a secret value.
    pub detail: String,
}

/// A table of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// `public`; of SQLite `main`.
    pub schema: String,
    /// `users`.
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// Where a connector captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The tables of this embedded service.
    Sqlite {
        /// `user-service`.
        service: String,
    },
    /// A PostgreSQL database.
    Postgres {
        /// The host.
        hostname: String,
        /// The port.
        port: u16,
        /// The role.
        user: String,
        /// The database.
        dbname: String,
    },
}

/// A connector whose declaration was accepted.
#[derive(Debug, Clone)]
pub struct ConnectorDefinition {
    /// Its name.
    pub name: String,
    /// Where it captures.
    pub source: Source,
    /// The first part of its topics' names.
    pub topic_prefix: String,
    /// What it captures.
    pub tables: Vec<TableName>,
    /// Its transforms, in order.
    routers: Vec<RegexRouter>,
    /// The configuration as it was declared, the password hidden.
    shown: Map<String, Value>,
}

impl ConnectorDefinition {
    /// Reads a declaration: `{"name", "config": {…}}`. A password is checked to be there and then forgotten: no part of
    /// this service keeps it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(declared: &Value) -> Result<Self, Vec<Misfit>> {
        Reading::default().definition(declared, None)
    }

    /// As [`ConnectorDefinition::read`], with everything that the next start asks: see [`ConnectorDefinition::misfits`].
    ///
    /// # Errors
    /// Everything that is wrong with it, of both kinds at once.
    pub fn read_for(declared: &Value, transformers: &Transformers) -> Result<Self, Vec<Misfit>> {
        Reading::default().definition(declared, Some(transformers))
    }

    /// Whether it captures tables of an embedded service, as this program can; any other is kept and not run.
    pub const fn is_embedded(&self) -> bool {
        matches!(self.source, Source::Sqlite { .. })
    }

    /// The topic that the changes of `table` come under.
    pub fn topic_of(&self, table: &TableName) -> String {
        topic_of(&self.topic_prefix, &self.routers, table)
    }

    /// The class.
    pub const fn class(&self) -> &'static str {
        match self.source {
            Source::Sqlite { .. } => SQLITE_CLASS,
            Source::Postgres { .. } => POSTGRES_CLASS,
        }
    }

    /// The configuration as it was declared, the password hidden.
    pub const fn shown(&self) -> &Map<String, Value> {
        &self.shown
    }

    /// The declaration as it is kept: without a secret.
    pub fn declared(&self) -> Value {
        serde_json::json!({ "name": self.name, "config": self.shown })
    }
}

/// The keys that both classes have, and the keys of each.
const COMMON: &[&str] =
    &["connector.class", "tasks.max", "database.server.name", "topic.prefix", "table.include.list", "transforms"];
const OF_SQLITE: &[&str] = &["database.service"];
const OF_POSTGRES: &[&str] = &[
    "database.hostname",
    "database.port",
    "database.user",
    "database.password",
    "database.dbname",
    "plugin.name",
    "publication.autocreate.mode",
];

#[derive(Default)]
struct Reading {
    misfits: Vec<Misfit>,
    /// Keys that are known, whatever their values.
    known: BTreeSet<String>,
}

impl Reading {
    fn definition(
        mut self,
        declared: &Value,
        transformers: Option<&Transformers>,
    ) -> Result<ConnectorDefinition, Vec<Misfit>> {
        let Some(declared) = declared.as_object() else {
            self.refuse("", "a connector is an object with name and config");
            return Err(self.misfits);
        };
        for key in declared.keys().filter(|key| !["name", "config"].contains(&key.as_str())) {
            self.refuse(&format!("/{}", escaped(key)), "there is no such field");
        }
        let name = self.name(declared.get("name"));
        let Some(config) = declared.get("config").and_then(Value::as_object) else {
            self.refuse("/config", "the configuration is missing: an object of texts");
            return Err(self.misfits);
        };
        let texts = self.texts(config);
        self.known.extend(COMMON.iter().map(|&key| key.to_owned()));
        let source = self.source(&texts);
        let topic_prefix = self.topic_prefix(&texts);
        let tables = self.tables(&texts);
        let before = self.misfits.len();
        let routers = self.transforms(&texts);
        let all_routers = self.misfits.len() == before;
        if let Some(transformers) = transformers {
            let prefix = topic_prefix.as_deref().filter(|_| all_routers);
            let topic = |table: &TableName| Some(transformers.routed(&topic_of(prefix?, &routers, table)));
            let found = running::misfits(source.as_ref(), &tables, topic);
            self.misfits.extend(found);
        }
        self.checked_tasks(&texts);
        for key in config.keys().filter(|key| !self.known.contains(*key)).cloned().collect::<Vec<_>>() {
            self.refuse(&pointer(&key), "this setting is not known here");
        }
        match (name, source, topic_prefix) {
            (Some(name), Some(source), Some(topic_prefix)) if self.misfits.is_empty() => {
                let shown = shown(config);
                Ok(ConnectorDefinition { name, source, topic_prefix, tables, routers, shown })
            }
            _ => Err(self.misfits),
        }
    }

    fn refuse(&mut self, pointer: &str, detail: impl Into<String>) {
        self.misfits.push(Misfit { pointer: pointer.to_owned(), detail: detail.into() });
    }

    fn name(&mut self, given: Option<&Value>) -> Option<String> {
        const RULE: &str = "a name has 1 to 100 letters a to z or A to Z, digits, underscores and hyphens, and dots only \
                            inside: it stands in the connector's URL";
        let Some(name) = given.and_then(Value::as_str) else {
            self.refuse("/name", RULE);
            return None;
        };
        let mut wrong = Vec::new();
        let letters = name.chars().count();
        if !(1..=MAX_LETTERS).contains(&letters) {
            wrong.push(format!("it has {letters} letters"));
        }
        let other = |letter: &char| !letter.is_ascii_alphanumeric() && !"._-".contains(*letter);
        if let Some(letter) = name.chars().find(other) {
            wrong.push(format!("it has {letter:?}"));
        }
        if name.starts_with('.') || name.ends_with('.') {
            wrong.push("it begins or ends with a dot".to_owned());
        }
        if wrong.is_empty() {
            return Some(name.to_owned());
        }
        self.refuse("/name", format!("{}; {RULE}", wrong.join(", ")));
        None
    }

    /// Every value as text; numbers and flags are taken as Kafka Connect takes them.
    fn texts(&mut self, config: &Map<String, Value>) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (key, value) in config {
            match value {
                Value::String(text) => drop(texts.insert(key.clone(), text.trim().to_owned())),
                Value::Number(_) | Value::Bool(_) => drop(texts.insert(key.clone(), value.to_string())),
                _ => self.refuse(&pointer(key), "a setting is a text"),
            }
        }
        texts
    }

    fn source(&mut self, texts: &BTreeMap<String, String>) -> Option<Source> {
        match texts.get("connector.class").map(String::as_str) {
            Some(SQLITE_CLASS) => {
                self.known.extend(OF_SQLITE.iter().map(|&key| key.to_owned()));
                let service = self.needed(texts, "database.service")?;
                Some(Source::Sqlite { service })
            }
            Some(POSTGRES_CLASS) => {
                self.known.extend(OF_POSTGRES.iter().map(|&key| key.to_owned()));
                self.postgres(texts)
            }
            other => {
                // With an unknown class nobody can say whose keys these are.
                self.known.extend(OF_SQLITE.iter().chain(OF_POSTGRES).map(|&key| key.to_owned()));
                let said = other.map_or_else(|| "it is missing".to_owned(), |class| format!("{class:?} is not known"));
                let detail = format!("{said}; known are {SQLITE_CLASS} and {POSTGRES_CLASS}");
                self.refuse(&pointer("connector.class"), detail);
                None
            }
        }
    }

    fn postgres(&mut self, texts: &BTreeMap<String, String>) -> Option<Source> {
        let hostname = self.needed(texts, "database.hostname");
        let user = self.needed(texts, "database.user");
        let dbname = self.needed(texts, "database.dbname");
        drop(self.needed(texts, "database.password"));
        let port = match texts.get("database.port").map(|port| port.parse::<u16>()) {
            None => Some(5432),
            Some(Ok(port)) if port > 0 => Some(port),
            Some(_) => {
                self.refuse(&pointer("database.port"), "a port is a number from 1 to 65535");
                None
            }
        };
        self.one_of(texts, "plugin.name", &["pgoutput"]);
        self.one_of(texts, "publication.autocreate.mode", &["filtered", "all_tables", "disabled"]);
        Some(Source::Postgres { hostname: hostname?, port: port?, user: user?, dbname: dbname? })
    }

    fn topic_prefix(&mut self, texts: &BTreeMap<String, String>) -> Option<String> {
        let (new, old) = (texts.get("topic.prefix"), texts.get("database.server.name"));
        let (key, prefix) = match (new, old) {
            (Some(new), Some(old)) if new != old => {
                let detail = "it is the old name of topic.prefix, which says otherwise: set one";
                self.refuse(&pointer("database.server.name"), detail);
                return None;
            }
            (Some(prefix), _) => ("topic.prefix", prefix),
            (None, Some(prefix)) => ("database.server.name", prefix),
            (None, None) => {
                self.refuse(&pointer("topic.prefix"), "it is missing (its old name is database.server.name)");
                return None;
            }
        };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if prefix.is_empty() || prefix.len() > 100 || !prefix.bytes().all(letter) {
            self.refuse(&pointer(key), "a topic prefix has 1 to 100 letters, digits, underscores and hyphens");
            return None;
        }
        Some(prefix.clone())
    }

    fn tables(&mut self, texts: &BTreeMap<String, String>) -> Vec<TableName> {
        const KEY: &str = "table.include.list";
        let Some(list) = texts.get(KEY).filter(|list| !list.is_empty()) else {
            self.refuse(&pointer(KEY), "it is missing: tables as schema.table, with commas between them");
            return Vec::new();
        };
        let mut tables: Vec<TableName> = Vec::new();
        for name in list.split(',').map(str::trim) {
            let word = |part: &str| {
                !part.is_empty()
                    && part.len() <= 63
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            match name.split_once('.') {
                Some((schema, table)) if word(schema) && word(table) => {
                    let table = TableName { schema: schema.to_owned(), table: table.to_owned() };
                    if tables.contains(&table) {
                        self.refuse(&pointer(KEY), format!("{table} stands in it twice"));
                    } else {
                        tables.push(table);
                    }
                }
                _ => self.refuse(&pointer(KEY), format!("{name:?} is not schema.table; patterns are not known here")),
            }
        }
        if tables.len() > MAX_NAMES {
            self.refuse(&pointer(KEY), format!("at most {MAX_NAMES} tables"));
        }
        tables
    }

    fn transforms(&mut self, texts: &BTreeMap<String, String>) -> Vec<RegexRouter> {
        let aliases = texts.get("transforms").map(String::as_str).unwrap_or_default();
        let aliases: Vec<&str> = aliases.split(',').map(str::trim).filter(|alias| !alias.is_empty()).collect();
        if aliases.len() > MAX_NAMES {
            self.refuse(&pointer("transforms"), format!("at most {MAX_NAMES} transforms"));
            return Vec::new();
        }
        let mut routers = Vec::new();
        for (index, alias) in aliases.iter().enumerate() {
            if aliases[..index].contains(alias) {
                self.refuse(&pointer("transforms"), format!("{alias} stands in it twice"));
                continue;
            }
            let keys = ["type", "regex", "replacement"].map(|part| format!("transforms.{alias}.{part}"));
            self.known.extend(keys.iter().cloned());
            let [kind, regex, replacement] = keys;
            match texts.get(&kind).map(String::as_str) {
                Some(REGEX_ROUTER) => {}
                Some(_) => self.refuse(&pointer(&kind), format!("only {REGEX_ROUTER} is known here")),
                None => self.refuse(&pointer(&kind), "it is missing"),
            }
            let (Some(pattern), Some(text)) = (self.needed(texts, &regex), self.needed(texts, &replacement)) else {
                continue;
            };
            match RegexRouter::new(&pattern, &text) {
                Ok(router) => routers.push(router),
                Err(error @ RouterError::Regex(_)) => self.refuse(&pointer(&regex), error.to_string()),
                Err(error @ RouterError::Replacement(_)) => self.refuse(&pointer(&replacement), error.to_string()),
            }
        }
        routers
    }

    fn checked_tasks(&mut self, texts: &BTreeMap<String, String>) {
        if texts.get("tasks.max").is_some_and(|tasks| tasks.parse::<u32>() != Ok(1)) {
            self.refuse(&pointer("tasks.max"), "one log is read by one task: 1");
        }
    }

    fn needed(&mut self, texts: &BTreeMap<String, String>, key: &str) -> Option<String> {
        let found = texts.get(key).filter(|text| !text.is_empty() && text.len() <= 1_000).cloned();
        if found.is_none() {
            self.refuse(&pointer(key), "it is missing: a text of 1 to 1000 bytes");
        }
        found
    }

    fn one_of(&mut self, texts: &BTreeMap<String, String>, key: &str, allowed: &[&str]) {
        if texts.get(key).is_some_and(|text| !allowed.contains(&text.as_str())) {
            self.refuse(&pointer(key), format!("one of {}", allowed.join(", ")));
        }
    }
}

/// A configuration as it may be shown: a password is hidden.
pub(super) fn shown(config: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = config.clone();
    if let Some(password) = shown.get_mut("database.password") {
        *password = Value::from(HIDDEN);
    }
    shown
}

fn topic_of(prefix: &str, routers: &[RegexRouter], table: &TableName) -> String {
    let whole = format!("{prefix}.{}.{}", table.schema, table.table);
    routers.iter().fold(whole, |topic, router| router.routed(&topic).unwrap_or(topic))
}

fn pointer(key: &str) -> String {
    format!("/config/{}", escaped(key))
}

/// A field's name in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
