//! The record of repairs: who, when, what, why, and what came of it.

use maud::{Markup, html};
use serde_json::Value;

use super::super::heard::Heard;
use super::super::live::Asker;
use super::super::marks::{Tone, empty, mark};
use super::super::words::{number, short_id, told_moment};
use super::names::PairName;

/// The most entries that are shown.
const SHOWN: usize = 20;

/// Reads the newest entries.
pub(super) async fn read(asker: &Asker) -> Heard<Vec<Value>> {
    let items = |body: &Value| body["items"].as_array().cloned().unwrap_or_default();
    Heard::of(asker.get("/v1/consistency/repairs").send().await, |told| items(&told.body))
}

/// The newest repairs.
pub(super) fn panel(entries: &Heard<Vec<Value>>) -> Markup {
    html! {
        section.panel #record aria-labelledby="h-record" {
            header { h2 #h-record { "Repairs" } small { "by the monitor and by people, newest first" } }
            @match entries {
                Heard::Said(entries) if entries.is_empty() => (empty("None: no row has been repaired.")),
                Heard::Said(entries) => {
                    table.data.fold {
                        thead { tr { th scope="col" { "When, UTC" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "Result" } } }
                        tbody { @for entry in entries.iter().take(SHOWN) { (row(entry)) } }
                    }
                    @if entries.len() > SHOWN { p.empty { "The newest " (number(i64::try_from(SHOWN).unwrap_or(0))) " are shown." } }
                }
                silence => div.pad { (silence.instead("The record", "Past repairs cannot be shown.")) },
            }
        }
    }
}

fn row(entry: &Value) -> Markup {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    let by = match text("by") {
        "policy" => "the monitor",
        by => by,
    };
    let key = entry["divergence"]["key"].as_str().unwrap_or_default();
    let outcome = entry["outcome"]["outcome"].as_str().or(entry["outcome"].as_str()).unwrap_or_default();
    html! {
        tr {
            th scope="row" { (told_moment(text("at"))) }
            td data-l="Who" { (by) }
            td data-l="What" {
                (PairName::of(text("pair")).text()) ", row " code title=(key) { (short_id(key)) } ", "
                (entry["divergence"]["issue"].as_str().unwrap_or("not told how it differed"))
                @if let Some(reason) = entry["reason"].as_str() { small { "“" (reason) "”" } }
            }
            td data-l="Result" { (result(outcome)) @if let Some(why) = entry["outcome"]["why"].as_str() { small { (why) } } }
        }
    }
}

/// What came of a repair.
pub(super) fn result(outcome: &str) -> Markup {
    match outcome {
        "repaired" => mark(Tone::Ok, "ok", "repaired, and equal again"),
        "healed" => mark(Tone::Ok, "ok", "was equal by itself"),
        "unverified" => mark(Tone::Wait, "wait", "could not be judged"),
        "contended" => mark(Tone::Wait, "clock", "written by somebody else meanwhile"),
        "stillDivergent" => mark(Tone::Bad, "bad", "differs still"),
        "refused" => mark(Tone::Bad, "no", "refused by the copy"),
        other => mark(Tone::Calm, "unk", other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_says_who_what_why_and_what_came_of_it_as_text() {
        let entry = json!({"pair": "orders.view", "at": "2026-11-22T10:31:22Z", "by": "operator <b>anna</b>", "reason": "<i>seen</i>",
            "divergence": {"key": "7", "issue": "different"}, "outcome": {"outcome": "repaired"}});
        let page = panel(&Heard::Said(vec![entry])).into_string();
        for text in [
            "2026-11-22 10:31:22",
            "operator &lt;b&gt;anna",
            "order views",
            "different",
            "“&lt;i&gt;seen",
            "equal again",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(panel(&Heard::Said(Vec::new())).into_string().contains("None: no row has been repaired."));
    }
}
