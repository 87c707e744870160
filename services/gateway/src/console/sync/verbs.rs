//! Trying parked keys again, one or all of a cause, and leaving a change out with a reason.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::confirm::Act;
use super::super::frame::see_other;
use super::super::heard::Heard;
use super::super::live::Asker;
use super::super::marks::{Tone, message};
use super::super::pages::SYNC;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{number, plural, segment};
use super::parked::Cause;
use super::read_parked;

/// The most keys that are tried again by one press.
const AT_ONCE: usize = 100;
const BACK: &str = "/sync#parked";
const LEAF: Leaf<'static> = Leaf { title: "Confirm", current: SYNC, live: None };

/// Trying one key again.
pub(super) fn retry(id: &str) -> Act {
    Act {
        verb: "Retry".to_owned(),
        title: format!("Retry key {id}?"),
        effects: vec![
            "The copies are told this key’s row as its owner has it now, which covers every change that waits."
                .to_owned(),
            "If that fails again, all of them stay parked and nothing is lost.".to_owned(),
        ],
        action: "/sync/parked/retry".to_owned(),
        fields: BTreeMap::from([("id", id.to_owned())]),
        reason: false,
        evidence: false,
        typed: None,
    }
}

/// Leaving the first change of a key out.
pub(super) fn skip(id: &str) -> Act {
    Act {
        verb: "Skip first".to_owned(),
        title: format!("Skip the first change of {id}?"),
        effects: vec![
            "This one change will never be applied to the copies. The later ones of the key go on.".to_owned(),
            "The monitor will then call the row divergent, until it is repaired. The reason stays listed.".to_owned(),
        ],
        action: "/sync/parked/skip".to_owned(),
        fields: BTreeMap::from([("id", id.to_owned())]),
        reason: true,
        evidence: false,
        typed: Some(id.to_owned()),
    }
}

/// Trying all keys of a cause again.
pub(super) fn retry_all(cause: &Cause) -> Act {
    let keys = i64::try_from(cause.keys.len().min(AT_ONCE)).unwrap_or(0);
    Act {
        verb: format!("Retry all {}", number(keys)),
        title: format!("Retry {}?", plural(keys, "key", "keys")),
        effects: vec![
            format!("They are parked for this cause: {}", cause.cause),
            "The copies are told the row of each key as its owner has it now, one key after the other.".to_owned(),
            "Keys for which that fails again stay parked; nothing is lost.".to_owned(),
        ],
        action: "/sync/parked/retry-all".to_owned(),
        fields: BTreeMap::from([("cause", cause.cause.clone())]),
        reason: false,
        evidence: false,
        typed: None,
    }
}

/// What is said after a verb.
pub(super) fn done(visit: &Visit) -> Option<Markup> {
    let count = |field: &str| visit.query.get(field).parse::<i64>().unwrap_or(0);
    let (applied, waiting) = (count("applied"), count("waiting"));
    let what = match visit.query.get("said") {
        "retry" => "Tried again",
        "skip" => "Left out, with your reason",
        "retry-all" => "All were tried again",
        _ => return None,
    };
    let (tone, sign) = if waiting > 0 { (Tone::Wait, "park") } else { (Tone::Ok, "done") };
    let rest = match waiting {
        0 => "None of them waits any more.".to_owned(),
        waiting => format!("{}; the cause stands below.", plural(waiting, "change still waits", "changes still wait")),
    };
    Some(html! {
        div role="status" tabindex="-1" data-arrive {
            (message(tone, sign, &html! { p { b { (what) ". " } (plural(applied, "change was applied", "changes were applied")) ". " (rest) } }))
        }
    })
}

/// `GET /sync/parked/{verb}`: the question.
pub(super) async fn ask(visit: Visit, Path(verb): Path<String>) -> Response {
    let about = if verb == "retry-all" { "cause" } else { "id" };
    let about = visit.query.get(about).to_owned();
    either(asked(&visit, &verb, &about, None).await)
}

async fn asked(visit: &Visit, verb: &str, about: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    let act = match verb {
        "retry" if !about.is_empty() => retry(about),
        "skip" if !about.is_empty() => skip(about),
        "retry-all" => match read_parked(&Asker::of(visit)).await {
            Heard::Said(parked) => match parked.causes.iter().find(|cause| cause.cause == about) {
                Some(cause) => retry_all(cause),
                None => return Ok(see_other(BACK)),
            },
            silence => return Ok(visit.page(LEAF, &not_there(&silence))),
        },
        _ => return Ok(see_other(BACK)),
    };
    let main = act.page(visit, said, &html! {}, BACK);
    let status = if said.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(visit.page_as(status, LEAF, &main))
}

fn not_there<T>(silence: &Heard<T>) -> Markup {
    html! {
        header { div { h1 { "What is parked cannot be shown" } } }
        (silence.instead("Sync", "Nothing was done."))
    }
}

/// `POST /sync/parked/{verb}`.
pub(super) async fn act(visit: Visit, Path(verb): Path<String>) -> Response {
    either(acted(&visit, &verb).await)
}

async fn acted(visit: &Visit, verb: &str) -> Paged {
    visit.require_operator()?;
    let (id, cause) = (visit.form.get("id").to_owned(), visit.form.get("cause").to_owned());
    let wrong = |text: &str| message(Tone::Bad, "fail", &html! { p { b { "Nothing was done." } " " (text) } });
    let body = match verb {
        "retry-all" => return all_retried(visit, &cause).await,
        "retry" => json!({}),
        "skip" if !skip(&id).is_typed(visit) => {
            return asked(visit, verb, &id, Some(&wrong("What was typed is not the key."))).await;
        }
        "skip" => json!({ "reason": visit.form.get("reason") }),
        _ => return Ok(see_other(BACK)),
    };
    match visit.post(path(&id, verb), &body).send().await {
        Ok(told) => {
            visit.console.standing.forget();
            Ok(back(verb, settled(&told.body)))
        }
        Err(refused) => asked(visit, verb, &id, Some(&refusal::told(&refused, "Nothing was done."))).await,
    }
}

/// All keys of a cause, one after the other. Ends at the first refusal: what failed for one fails for the next.
async fn all_retried(visit: &Visit, cause: &str) -> Paged {
    let parked = match read_parked(&Asker::of(visit)).await {
        Heard::Said(parked) => parked,
        silence => return Ok(visit.page(LEAF, &not_there(&silence))),
    };
    let Some(cause) = parked.causes.into_iter().find(|known| known.cause == cause) else { return Ok(see_other(BACK)) };
    let mut sum = (0, 0);
    for (at, key) in cause.keys.iter().take(AT_ONCE).enumerate() {
        match visit.post(path(&key.id, "retry"), &json!({})).send().await {
            Ok(told) => {
                let (applied, waiting) = settled(&told.body);
                sum = (sum.0 + applied, sum.1 + waiting);
            }
            // Somebody else has cleared it meanwhile.
            Err(refused) if refused.code() == "nothing-parked" => {}
            Err(refused) => {
                let tried = plural(i64::try_from(at).unwrap_or(0), "key was tried", "keys were tried");
                let told = refusal::told(&refused, &format!("{tried} before this; the others were not."));
                return asked(visit, "retry-all", &cause.cause, Some(&told)).await;
            }
        }
    }
    visit.console.standing.forget();
    Ok(back("retry-all", sum))
}

fn path(id: &str, verb: &str) -> String {
    format!("/v1/sync/parked/{}/{verb}", segment(id))
}

/// How many changes were applied, and how many still wait.
fn settled(body: &Value) -> (i64, i64) {
    (body["applied"].as_i64().unwrap_or(0), body["waiting"].as_i64().unwrap_or(0))
}

fn back(verb: &str, (applied, waiting): (i64, i64)) -> Response {
    see_other(&format!("/sync?said={verb}&applied={applied}&waiting={waiting}"))
}
