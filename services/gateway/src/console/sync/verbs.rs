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
use super::parked::{Cause, Parker};
use super::read_parked;

/// The most keys that one request tries again.
const AT_ONCE: usize = 100;
const BACK: &str = "/sync#parked";
const LEAF: Leaf<'static> = Leaf { title: "Confirm", current: SYNC, live: None };

/// Trying one key again.
pub(super) fn retry(of: Parker, id: &str) -> Act {
    let how = match of {
        Parker::Sync => {
            "The copies are told this key’s row as its owner has it now, which covers every change that waits."
        }
        Parker::Analytics => "What waits of this key is taken into the figures, in its order.",
    };
    Act {
        verb: "Retry".to_owned(),
        title: format!("Retry key {id}?"),
        effects: vec![how.to_owned(), "If that fails again, what is left stays parked and nothing is lost.".to_owned()],
        action: "/sync/parked/retry".to_owned(),
        fields: BTreeMap::from([("id", id.to_owned()), ("of", of.name().to_owned())]),
        reason: false,
        evidence: false,
        typed: None,
    }
}

/// Leaving the first change of a key out.
pub(super) fn skip(of: Parker, id: &str) -> Act {
    let lost = match of {
        Parker::Sync => "The monitor will then call the row divergent, until it is repaired. The reason stays listed.",
        Parker::Analytics => {
            "Figures will lack what it tells, until the monitor repairs the order. The reason stays listed."
        }
    };
    Act {
        verb: "Skip first".to_owned(),
        title: format!("Skip the first change of {id}?"),
        effects: vec![
            "This one change will never be applied. The later ones of the key go on.".to_owned(),
            lost.to_owned(),
        ],
        action: "/sync/parked/skip".to_owned(),
        fields: BTreeMap::from([("id", id.to_owned()), ("of", of.name().to_owned())]),
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
            "What waits of each key is tried as if that key were retried alone, one key after the other.".to_owned(),
            "Keys for which that fails again stay parked; nothing is lost.".to_owned(),
        ],
        action: "/sync/parked/retry-all".to_owned(),
        fields: BTreeMap::from([("cause", cause.cause.clone()), ("of", cause.of.name().to_owned())]),
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
    let of = Parker::of(visit.query.get("of"));
    either(asked(&visit, &verb, of, &about, None).await)
}

async fn asked(visit: &Visit, verb: &str, of: Parker, about: &str, said: Option<&Markup>) -> Paged {
    visit.require_operator()?;
    let act = match verb {
        "retry" if !about.is_empty() => retry(of, about),
        "skip" if !about.is_empty() => skip(of, about),
        "retry-all" => match read_parked(&Asker::of(visit)).await {
            Heard::Said(parked) => match parked.causes.iter().find(|cause| cause.of == of && cause.cause == about) {
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
    let of = Parker::of(visit.form.get("of"));
    let wrong = |text: &str| message(Tone::Bad, "fail", &html! { p { b { "Nothing was done." } " " (text) } });
    let (path, about, body) = match verb {
        "retry-all" => (format!("/v1/{}/parked/retry", of.name()), cause.clone(), json!({ "cause": cause })),
        "retry" => (path(of, &id, verb), id.clone(), json!({})),
        "skip" if !skip(of, &id).is_typed(visit) => {
            return asked(visit, verb, of, &id, Some(&wrong("What was typed is not the key."))).await;
        }
        "skip" => (path(of, &id, verb), id.clone(), json!({ "reason": visit.form.get("reason") })),
        _ => return Ok(see_other(BACK)),
    };
    match visit.post(path, &body).send().await {
        Ok(told) => {
            visit.console.standing.forget();
            Ok(back(verb, settled(&told.body)))
        }
        Err(refused) => asked(visit, verb, of, &about, Some(&refusal::told(&refused, "Nothing was done."))).await,
    }
}

fn path(of: Parker, id: &str, verb: &str) -> String {
    format!("/v1/{}/parked/{}/{verb}", of.name(), segment(id))
}

/// How many changes were applied, and how many still wait.
fn settled(body: &Value) -> (i64, i64) {
    let of = |key: &Value| (key["applied"].as_i64().unwrap_or(0), key["waiting"].as_i64().unwrap_or(0));
    match body["items"].as_array() {
        Some(keys) => keys.iter().map(of).fold((0, 0), |sum, key| (sum.0 + key.0, sum.1 + key.1)),
        None => of(body),
    }
}

fn back(verb: &str, (applied, waiting): (i64, i64)) -> Response {
    see_other(&format!("/sync?said={verb}&applied={applied}&waiting={waiting}"))
}
