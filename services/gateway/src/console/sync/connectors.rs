//! What captures the owners' changes.

use maud::{Markup, html};
use serde_json::Value;

use super::super::heard::Heard;
use super::super::marks::{Tone, empty, mark, note};
use super::super::words::{number, told_moment};
use super::lag::{Lag, place};

/// All connectors.
pub(super) fn panel(connectors: &Heard<Vec<Value>>, lags: Option<&Vec<Lag>>) -> Markup {
    html! {
        section.panel #connectors aria-labelledby="h-connectors" {
            header { h2 #h-connectors { "Connectors" } small { a href="/sync/connectors" { "Declare a connector" } } }
            @match connectors {
                Heard::Said(items) if items.is_empty() => (empty("None is declared, so no change is captured.")),
                Heard::Said(items) => table.data.fold {
                    thead { tr {
                        th scope="col" { "Connector" } th scope="col" { "State" } th scope="col" { "Tables → topics" } th.num scope="col" { "Position" }
                        th.num scope="col" { "Changes waiting" }
                        th scope="col" { "Declared, UTC" }
                    } }
                    tbody { @for item in items { (row(item, lags.map_or(&[], Vec::as_slice))) } }
                },
                silence => div.pad { (silence.instead("Sync", "Its connectors cannot be shown.")) },
            }
        }
    }
}

fn row(item: &Value, lags: &[Lag]) -> Markup {
    let text = |field: &str| item[field].as_str().unwrap_or_default();
    let tables = item["tables"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        tr {
            th scope="row" { (note(source(item))) " " (text("name")) small { (kind(text("class"))) } }
            td data-l="State" { (state(text("state"))) @if let Some(detail) = item["detail"].as_str() { small { (detail) } } }
            td data-l="Tables" {
                @for table in tables {
                    div { code { (table["table"].as_str().unwrap_or_default()) } " → " code { (table["topic"].as_str().unwrap_or_default()) } }
                }
            }
            @match place(text("name"), lags) {
                Some((end, waiting)) => {
                    td.num data-l="Position" { (number(end)) }
                    td.num data-l="Waiting" { (number(waiting)) }
                }
                None => {
                    td.num data-l="Position" { span.dim { "not told" } }
                    td.num data-l="Waiting" { span.dim { "not told" } }
                }
            }
            td data-l="Declared" { (told_moment(text("declaredAt"))) }
        }
    }
}

/// Whose tables: of an embedded connector the service that it names.
fn source(item: &Value) -> &str {
    item["config"]["database.service"].as_str().unwrap_or("sync-service")
}

fn kind(class: &str) -> &str {
    match class.rsplit('.').next().unwrap_or_default() {
        "SqliteConnector" => "tables of an embedded service, captured by triggers",
        "PostgresConnector" => "PostgreSQL, pgoutput",
        _ => class,
    }
}

fn state(state: &str) -> Markup {
    match state {
        "running" => mark(Tone::Ok, "run", "streaming"),
        "snapshot" => mark(Tone::Wait, "clock", "telling every row"),
        "retrying" => mark(Tone::Wait, "clock", "tries again"),
        "stalled" => mark(Tone::Bad, "stuck", "stalled"),
        "failed" => mark(Tone::Bad, "fail", "cannot run"),
        "unavailable" => mark(Tone::Calm, "no", "kept, not run"),
        "idle" => mark(Tone::Calm, "pause", "idle"),
        other => mark(Tone::Calm, "unk", other),
    }
}
