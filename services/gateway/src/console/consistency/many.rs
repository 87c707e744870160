//! Repairing all rows of a pair that differ: each has its own dry run, all of them one question and one reason.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::Act;
use super::super::frame::see_other;
use super::super::marks::{Tone, message};
use super::super::pages::CONSISTENCY;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{number, plural, segment};
use super::names::PairName;
use super::report::Divergence;
use super::verbs::{outcome, repair_path, status, what_changes};
use super::{all_rows, books, record};
use crate::inside::Refused;

/// The most rows that are repaired by one press.
const AT_ONCE: usize = 50;
const LEAF: Leaf<'static> = Leaf { title: "Confirm", current: CONSISTENCY, live: None };

/// The repair of so many rows, before their dry run.
fn act_of(pair: &str, rows: usize, effects: Vec<String>) -> Act {
    let rows = plural(count(rows), "row", "rows");
    Act {
        verb: format!("Repair {rows}"),
        title: format!("Repair {rows} of {}?", PairName::of(pair).text()),
        effects,
        action: "/consistency/repair".to_owned(),
        fields: BTreeMap::from([("pair", pair.to_owned())]),
        reason: true,
        evidence: false,
        typed: None,
    }
}

/// The way to the repair of a pair's rows.
pub(super) fn link(pair: &str, rows: usize) -> Markup {
    let verb = format!("Repair {} (dry run first)", plural(count(rows.min(AT_ONCE)), "row", "rows"));
    Act { verb, ..act_of(pair, rows, Vec::new()) }.page_link_about("", &PairName::of(pair).text())
}

/// What is said after it.
pub(super) fn done(visit: &Visit) -> Option<Markup> {
    let told = |field: &str| visit.query.get(field).parse::<i64>().unwrap_or(0);
    let (done, open) = (told("done"), told("open"));
    (visit.query.get("said") == "repaired-all").then(|| {
        let (tone, sign) = if open > 0 { (Tone::Wait, "clock") } else { (Tone::Ok, "done") };
        html! {
            div role="status" tabindex="-1" data-arrive {
                (message(tone, sign, &html! { p {
                    @if done == 0 && open == 0 { b { "Nothing was done: no row of the pair is known to differ any more." } }
                    @else { b { (plural(done, "row says", "rows say")) " what the owner says. " } }
                    @if open > 0 { (plural(open, "row does", "rows do")) " not: why stands in the record below." }
                } }))
            }
        }
    })
}

/// `GET /consistency/repair?pair=…`: what it would do to each row, then the question.
pub(super) async fn ask(visit: Visit) -> Response {
    let pair = visit.query.get("pair").to_owned();
    either(asked(&visit, &pair, None).await)
}

async fn asked(visit: &Visit, pair: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    if books::is_book(pair) {
        return Ok(books::not_repaired(visit, pair, None));
    }
    let rows = match all_rows(visit).await {
        Ok(rows) => of_pair(rows, pair),
        Err(instead) => return Ok(visit.page(LEAF, &instead)),
    };
    if rows.is_empty() {
        return Ok(see_other("/consistency"));
    }
    let mut plan = Vec::new();
    for row in &rows {
        plan.push(visit.post(repair_path(&row.id), &json!({ "apply": false })).send().await.map(|told| told.body));
    }
    let would = plan.iter().filter(|planned| planned.as_ref().is_ok_and(would_repair)).count();
    let effects = vec![
        "Each row is written only if the copy still is what was seen; if somebody wrote it since, it is left alone."
            .to_owned(),
        "The owner stays as it is. Each row is checked right after.".to_owned(),
        "Who repaired them, when and why is kept in the record; what the rows said is not.".to_owned(),
    ];
    let main = if would == 0 {
        html! {
            header { div { h1 { "There is nothing to repair now" } p { "A dry run was made. Nothing was changed." } } }
            (dry_run(&rows, &plan))
            p { a.btn href="/consistency" { "Back to consistency" } }
        }
    } else {
        act_of(pair, would, effects).page(visit, said, &dry_run(&rows, &plan), "/consistency#divergent")
    };
    Ok(visit.page_as(status(said), LEAF, &main))
}

fn would_repair(plan: &Value) -> bool {
    matches!(outcome(plan).0, "wouldRepair" | "would-repair")
}

fn of_pair(rows: Vec<Divergence>, pair: &str) -> Vec<Divergence> {
    rows.into_iter().filter(|row| row.pair == pair && !row.id.is_empty()).take(AT_ONCE).collect()
}

fn dry_run(rows: &[Divergence], plan: &[Result<Value, Refused>]) -> Markup {
    html! {
        h2 { "What the repair would do" }
        table.data.fold {
            thead { tr { th scope="col" { "Row" } th scope="col" { "Would be done" } } }
            tbody {
                @for (row, planned) in rows.iter().zip(plan) {
                    tr {
                        th scope="row" { a.mono href={ "/consistency/rows/" (segment(&row.id)) } { (super::short_id(&row.key)) } }
                        td data-l="Would do" {
                            @match planned {
                                Ok(plan) if would_repair(plan) => (what_changes(row)),
                                Ok(plan) => (record::result(outcome(plan).0)),
                                Err(refused) => { "Nothing: " (refused.detail()) }
                            }
                        }
                    }
                }
            }
        }
        p.small.dim { (number(count(rows.len()))) " of at most " (number(count(AT_ONCE))) " rows in one run. This was a dry run: nothing has been changed." }
    }
}

/// `POST /consistency/repair`.
pub(super) async fn act(visit: Visit) -> Response {
    either(acted(&visit).await)
}

/// One row after the other; ends at the first that is refused, since the next would be too.
async fn acted(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let (pair, reason) = (visit.form.get("pair").to_owned(), visit.form.get("reason").to_owned());
    if books::is_book(&pair) {
        return Ok(books::not_repaired(visit, &pair, None));
    }
    if reason.is_empty() {
        return asked(visit, &pair, Some(&super::verbs::no_reason())).await;
    }
    let rows = match all_rows(visit).await {
        Ok(rows) => of_pair(rows, &pair),
        Err(instead) => return Ok(visit.page(LEAF, &instead)),
    };
    let (mut done, mut open) = (0, 0);
    for row in rows {
        match visit.post(repair_path(&row.id), &json!({ "apply": true, "reason": reason })).send().await {
            Ok(told) if matches!(outcome(&told.body).0, "repaired" | "healed") => done += 1,
            Ok(_) => open += 1,
            // It is no longer known as one that differs.
            Err(refused) if refused.status == StatusCode::NOT_FOUND => {}
            Err(refused) => {
                visit.console.standing.forget();
                let before = plural(done, "row was repaired", "rows were repaired");
                let told = refusal::told(&refused, &format!("{before} before this; the others were not."));
                return asked(visit, &pair, Some(&told)).await;
            }
        }
    }
    visit.console.standing.forget();
    Ok(see_other(&format!("/consistency?said=repaired-all&done={done}&open={open}")))
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
