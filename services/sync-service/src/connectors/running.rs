//! What of a connector this program can run: everything that the start needs, asked when it is declared and at the start.

use std::collections::BTreeMap;

use super::definition::{ConnectorDefinition, Misfit, Source, TableName};
use super::store::{Declared, Known};
use crate::processors;
use crate::service::CAPTURED_SERVICE;
use crate::transformers::Transformers;

/// The tables that user-service lets capture, in the schema that SQLite gives them. Each has the topic of its own name.
const CAPTURED_TABLES: [&str; 2] = ["users", "user_events"];
/// The schema of an embedded service's tables.
const EMBEDDED_SCHEMA: &str = "main";
/// Where tables stand in a declaration.
const TABLES: &str = "/config/table.include.list";

impl ConnectorDefinition {
    /// Everything for which its tables could not be captured and told: a service or a table that nobody captures, a topic
    /// that no processor handles. Of a database that this program cannot read, only the topics can be looked at.
    pub fn misfits(&self, transformers: &Transformers) -> Vec<Misfit> {
        misfits(Some(&self.source), &self.tables, |table| Some(transformers.routed(&self.topic_of(table))))
    }
}

/// As [`ConnectorDefinition::misfits`], of what is known of a declaration that may have other problems; `topic` is none
/// where these hide it.
pub(super) fn misfits(
    source: Option<&Source>,
    tables: &[TableName],
    topic: impl Fn(&TableName) -> Option<String>,
) -> Vec<Misfit> {
    let refused = |pointer: &str, detail: String| Misfit { pointer: pointer.to_owned(), detail };
    let mut found = Vec::new();
    let embedded = match source {
        Some(Source::Sqlite { service }) if service != CAPTURED_SERVICE => {
            let detail = format!("{service:?} lets nobody capture its tables; {CAPTURED_SERVICE} does");
            found.push(refused("/config/database.service", detail));
            false
        }
        Some(Source::Sqlite { .. }) => true,
        Some(Source::Postgres { .. }) | None => false,
    };
    for table in tables {
        let ours = CAPTURED_TABLES.contains(&table.table.as_str());
        if embedded && !(ours && table.schema == EMBEDDED_SCHEMA) {
            let known = CAPTURED_TABLES.map(|table| format!("{EMBEDDED_SCHEMA}.{table}")).join(" and ");
            found.push(refused(TABLES, format!("{table} is not captured; of {CAPTURED_SERVICE} these are: {known}")));
        }
        if embedded && !ours {
            continue; // There is no topic that it should come under.
        }
        let Some(topic) = topic(table) else { continue };
        if !processors::handles(&topic) {
            let known = processors::topics_of_changes().join(" and ");
            let detail = format!(
                "{table} comes under the topic {topic}, which no processor handles; {known} are handled: rename it by a transform"
            );
            found.push(refused(TABLES, detail));
        } else if embedded && topic != table.table {
            found.push(refused(
                TABLES,
                format!("{table} comes under the topic {topic}, which has rows of another kind"),
            ));
        }
    }
    found
}

/// What keeps connectors of embedded services from being run, by name; those without anything are not in it. The oldest
/// declaration of a table counts: a second capture would tell the same copies twice.
pub(crate) fn troubles(known: &[Known], transformers: &Transformers) -> BTreeMap<String, Vec<Misfit>> {
    let mut oldest: Vec<&Known> = known.iter().collect();
    oldest.sort_by_key(|known| (known.declared_at, &known.name));
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    let mut troubles = BTreeMap::new();
    for known in oldest {
        let misfits = match &known.declared {
            Declared::Refused { misfits, .. } => misfits.clone(),
            Declared::Read(definition) if definition.is_embedded() => {
                let mut misfits = definition.misfits(transformers);
                for table in &definition.tables {
                    if let Some(other) = taken.get(table.table.as_str()) {
                        let detail = format!("{table} is captured by {other} already");
                        misfits.push(Misfit { pointer: TABLES.to_owned(), detail });
                    }
                }
                if misfits.is_empty() {
                    taken.extend(definition.tables.iter().map(|table| (table.table.as_str(), known.name.as_str())));
                }
                misfits
            }
            Declared::Read(_) => Vec::new(),
        };
        if !misfits.is_empty() {
            troubles.insert(known.name.clone(), misfits);
        }
    }
    troubles
}
