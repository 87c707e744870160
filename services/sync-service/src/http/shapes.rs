//! What the routes take and give.

use madrigal_contracts::copies::CopyRow;
use madrigal_core::Timestamp;
use madrigal_projection::Status;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::capture::Progress;
use crate::connectors::Declared;
use crate::queries::{CopyLag, Faring};
use crate::service::words;

/// A connector as it is declared: `{"name", "config": {…}}`, in the keys that Debezium has for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(crate) struct ConnectorBody(pub(crate) Map<String, Value>);

/// A connector.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectorDocument {
    /// Its name.
    pub(crate) name: String,
    /// `running`, `snapshot`, `retrying`, `idle`; `failed` where it cannot be run as it is declared; `unavailable` where this
    /// program has nothing to run it with.
    pub(crate) state: &'static str,
    /// More about that, where there is more.
    pub(crate) detail: Option<String>,
    /// Its class.
    pub(crate) class: String,
    /// Its tables, and the topics that their changes come under.
    pub(crate) tables: Vec<TableDocument>,
    /// Its configuration as it was declared; a password is hidden.
    #[schema(value_type = Object)]
    pub(crate) config: Map<String, Value>,
    /// When it was declared.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) declared_at: Timestamp,
}

/// A captured table.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableDocument {
    /// `main.users`.
    pub(crate) table: String,
    /// The topic, after the connector's own transforms.
    pub(crate) topic: String,
}

impl ConnectorDocument {
    /// The document of a connector, and of how it fares where it runs.
    pub(crate) fn new(one: &Faring) -> Self {
        let known = &one.known;
        let (class, tables, config) = match &known.declared {
            Declared::Read(definition) => {
                let table = |table| TableDocument { table: format!("{table}"), topic: definition.topic_of(table) };
                let tables = definition.tables.iter().map(table).collect();
                (definition.class().to_owned(), tables, definition.shown().clone())
            }
            Declared::Refused { config, .. } => {
                let class = config.get("connector.class").and_then(Value::as_str).unwrap_or_default();
                (class.to_owned(), Vec::new(), config.clone())
            }
        };
        let (state, detail) = match &one.progress {
            _ if !one.misfits.is_empty() => {
                let problems = words("", &one.misfits).join("; ");
                ("failed", Some(format!("It cannot be run as it is declared: {problems}")))
            }
            _ if known.definition().is_some_and(|definition| !definition.is_embedded()) => {
                let detail = "Checked and kept; this program has no PostgreSQL source and does not run it. The password \
                              was not kept.";
                ("unavailable", Some(detail.to_owned()))
            }
            None => ("idle", Some("It is run from the next start on.".to_owned())),
            Some(progress) => (state(progress), detail(&progress.status)),
        };
        Self { name: known.name.clone(), state, detail, class, tables, config, declared_at: known.declared_at }
    }
}

fn state(progress: &Progress) -> &'static str {
    match &progress.status {
        Status::Retrying { .. } | Status::Stalled { .. } => "retrying",
        _ if progress.snapshot_rows.is_some() => "snapshot",
        status => word(status),
    }
}

fn word(status: &Status) -> &'static str {
    match status {
        Status::Idle => "idle",
        Status::Running => "running",
        Status::Retrying { .. } => "retrying",
        Status::Stalled { .. } => "stalled",
        Status::Stopped => "stopped",
    }
}

fn detail(status: &Status) -> Option<String> {
    status.trouble().map(|(cause, since)| format!("{cause} (since {since})"))
}

/// How far a copy is behind its owner, or this service behind a topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LagDocument {
    /// The copy, as in `users.index`; none for a topic that is only followed.
    pub(crate) copy: Option<&'static str>,
    /// The connector that tells it, or the topic.
    pub(crate) source: String,
    /// `running`, `retrying`, `stalled`, `idle`, `stopped`; `silent` where the copy's keeper does not say how far it is.
    pub(crate) state: &'static str,
    /// More about that, where there is more.
    pub(crate) detail: Option<String>,
    /// Changes that it lacks; none where that is not known.
    pub(crate) behind: Option<u64>,
    /// For how many seconds it has lacked something; none where that is not known.
    pub(crate) seconds: Option<f64>,
    /// Up to which position of its source's log it has everything; none where that is not known.
    pub(crate) applied_through: Option<u64>,
    /// Where that log ends.
    pub(crate) end: u64,
    /// How many keys are parked.
    pub(crate) parked_keys: usize,
    /// Rows told so far, while it is told every row.
    pub(crate) snapshot_rows: Option<u64>,
}

impl From<CopyLag> for LagDocument {
    fn from(lag: CopyLag) -> Self {
        let (state, detail, reached) = match lag.reached {
            Ok(reached) => (word(&lag.status), detail(&lag.status), Some(reached)),
            Err(trouble) => ("silent", Some(trouble), None),
        };
        Self {
            copy: lag.copy,
            source: lag.source,
            state,
            detail,
            behind: reached.as_ref().map(|it| it.behind),
            seconds: reached.as_ref().map(|it| it.seconds),
            applied_through: reached.as_ref().map(|it| it.applied_through),
            end: lag.end,
            parked_keys: lag.parked_keys,
            snapshot_rows: lag.snapshot_rows,
        }
    }
}

/// A row of a copy as it is stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CopyRowDocument {
    /// The copy.
    pub(crate) copy: String,
    /// The row's key at its owner.
    pub(crate) key: String,
    /// The epoch of the owner's store.
    pub(crate) epoch: u16,
    /// The owner's count of the row's versions.
    pub(crate) version: u64,
    /// Whether it is a tombstone.
    pub(crate) deleted: bool,
    /// The row.
    #[schema(value_type = Option<Object>)]
    pub(crate) row: Option<Value>,
}

impl CopyRowDocument {
    /// The document of this row.
    pub(crate) fn new(copy: String, row: CopyRow) -> Self {
        let (epoch, version) = (row.version.epoch(), row.version.count());
        Self { copy, key: row.key, epoch, version, deleted: row.row.is_none(), row: row.row }
    }
}
