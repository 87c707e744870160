//! The triggers that write the changes of a table.

use madrigal_cdc::RowVersions;

use super::tables::{Table, identifier, text};

/// A trigger: its name and its statement, as `sqlite_schema` keeps both.
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) statement: String,
}

/// The triggers of a table, which together see every change once.
pub(super) fn of(table: &Table) -> Vec<Trigger> {
    let same_key = pairwise(table, "IS", " AND ");
    let mut triggers = vec![
        table.trigger("insert", "AFTER INSERT", None, &[table.told('c', "NEW", None, true)]),
        table.trigger("delete", "AFTER DELETE", None, &[table.told('d', "OLD", Some("OLD"), false)]),
        table.trigger(
            "rekey",
            "AFTER UPDATE",
            Some(&pairwise(table, "IS NOT", " OR ")),
            &[table.told('d', "OLD", Some("OLD"), false), table.told('c', "NEW", None, true)],
        ),
    ];
    match &table.described.versions {
        RowVersions::Immutable { .. } => {
            let told = table.told('u', "NEW", Some("OLD"), true);
            triggers.push(table.trigger("update", "AFTER UPDATE", Some(&same_key), &[told]));
        }
        RowVersions::Column { column, .. } => {
            // An update that leaves the version alone is followed by the one of the table's own trigger, which raises it:
            // inside that one OLD is the row between both. BEFORE triggers run before all AFTER triggers, so the row before
            // the first is put aside here, whichever order the AFTER triggers take.
            let version = identifier(column);
            let put_aside = format!(
                "INSERT INTO changes_before (table_name, key, row_before) VALUES ({}, {}, {})",
                text(&table.described.table),
                table.key("OLD"),
                table.image("OLD"),
            );
            let unchanged = format!("{same_key} AND NEW.{version} IS OLD.{version}");
            triggers.push(table.trigger(
                "before",
                "BEFORE UPDATE",
                Some(&unchanged),
                &[table.clear_aside(), put_aside],
            ));
            let raised = format!("{same_key} AND NEW.{version} IS NOT OLD.{version}");
            let told = table.told('u', "NEW", Some("OLD"), true);
            triggers.push(table.trigger("update", "AFTER UPDATE", Some(&raised), &[told, table.clear_aside()]));
        }
    }
    triggers
}

fn pairwise(table: &Table, compare: &str, join: &str) -> String {
    let pairs = table.key_columns("").into_iter().map(|column| format!("NEW.{column} {compare} OLD.{column}"));
    let pairs: Vec<String> = pairs.collect();
    format!("({})", pairs.join(join))
}

impl Table {
    fn trigger(&self, what: &str, when: &str, only: Option<&str>, statements: &[String]) -> Trigger {
        let name = format!("changes_of_{}_{what}", self.described.table);
        let only = only.map(|condition| format!(" WHEN {condition}")).unwrap_or_default();
        let body: String = statements.iter().map(|statement| format!("  {statement};\n")).collect();
        let statement =
            format!("CREATE TRIGGER {} {when} ON {}{only}\nBEGIN\n{body}END", identifier(&name), self.name());
        Trigger { name, statement }
    }

    /// A change of the row `of`.
    fn told(&self, op: char, of: &str, before: Option<&str>, after: bool) -> String {
        let key = self.key(of);
        let before = match before {
            None => "NULL".to_owned(),
            Some(row) if op == 'u' => format!(
                "coalesce((SELECT row_before FROM changes_before WHERE table_name = {} AND key = {key}), {})",
                text(&self.described.table),
                self.image(row),
            ),
            Some(row) => self.image(row),
        };
        let after = if after { self.image(of) } else { "NULL".to_owned() };
        let table = text(&self.described.table);
        format!(
            "INSERT INTO changes (table_name, op, key, row_before, row_after) VALUES ({table}, '{op}', {key}, {before}, {after})"
        )
    }

    fn clear_aside(&self) -> String {
        let table = text(&self.described.table);
        format!("DELETE FROM changes_before WHERE table_name = {table} AND key = {}", self.key("OLD"))
    }
}
