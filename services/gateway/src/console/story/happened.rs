//! The table that says all of it; on phones its only form.

use madrigal_core::Timestamp;
use maud::{Markup, html};

use super::super::marks::{Tone, empty, mark, voice};
use super::super::words::{clock_millis, day_and_clock, segment, span};
use crate::story::{Moment, OrderStory};

pub(super) fn table(story: &OrderStory, operator: bool) -> Markup {
    let Some(first) = story.timeline.first() else {
        return empty("Nothing is told: the services that know do not answer now, or the order has no events.");
    };
    let (start, mut day) = (first.at, String::new());
    html! {
        div.scroll { table.data.fold.tidy.story #happened {
            caption.visually-hidden { "Everything that happened to this order, in time" }
            thead { tr {
                th.num scope="col" { "Since the first" }
                th scope="col" { "Service" }
                th scope="col" { "What" }
                th scope="col" { "Outcome" }
                th scope="col" { "Kept as" }
            } }
            tbody {
                @for moment in &story.timeline {
                    @let today = day_and_clock(moment.at)[..10].to_owned();
                    @if today != day {
                        tr { th.dim scope="rowgroup" colspan="5" { (today) " UTC" } }
                        (remember(&mut day, today))
                    }
                    tr {
                        td.num.when data-l="Since the first" title=(clock_millis(moment.at)) { "+" (span(moment.at.since(start))) }
                        th scope="row" { (voice(&moment.voice)) }
                        td data-l="What" { (moment.text) }
                        td data-l="Outcome" { (outcome(moment)) }
                        td.dim data-l="Kept as" { (kept(moment, operator)) }
                    }
                }
            }
        } }
    }
}

/// Templates have no statements.
fn remember(day: &mut String, today: String) -> Markup {
    *day = today;
    html! {}
}

fn outcome(moment: &Moment) -> Markup {
    let took = moment.until.map_or(String::new(), |until: Timestamp| format!(" in {}", span(until.since(moment.at))));
    match moment.outcome.as_deref() {
        Some("done") if moment.kind == "undo" => mark(Tone::Calm, "undo", &format!("undone{took}")),
        Some("done") => mark(Tone::Ok, "done", &format!("done{took}")),
        Some("given" | "byHand") => mark(Tone::Calm, "done", "by hand"),
        Some("nothingToUndo") => mark(Tone::Calm, "undo", "nothing to undo"),
        Some("rejected") => mark(Tone::Bad, "no", &format!("refused{took}")),
        Some("failed") => mark(Tone::Bad, "fail", &format!("failed{took}")),
        Some("unknown") => mark(Tone::Wait, "unk", &format!("unknown{took}")),
        Some("interrupted") => mark(Tone::Wait, "unk", "interrupted"),
        Some(_) => mark(Tone::Wait, "run", "under way"),
        None => match moment.kind.as_str() {
            "PaymentDeclined" | "MailFailed" | "ConfirmedAfterRelease" => mark(Tone::Bad, "no", "recorded"),
            "operator" => mark(Tone::Calm, "run", "by hand"),
            _ => mark(Tone::Ok, "done", "durable"),
        },
    }
}

fn kept(moment: &Moment, operator: bool) -> Markup {
    let kind = match moment.kind.as_str() {
        "step" | "undo" => "an attempt",
        "saga" => "the saga’s start",
        "operator" => "an operator’s act",
        event => event,
    };
    html! {
        (kind)
        @if operator { @if let Some(stream) = &moment.stream {
            " in " a href={ "/streams?service=" (moment_service(moment)) "&stream=" (segment(stream)) } { "its stream" }
        } }
    }
}

/// Whose log has it: attempts and sagas are order-service's.
fn moment_service(moment: &Moment) -> String {
    let own = if moment.saga_id.is_some() { "order" } else { moment.voice.as_str() };
    format!("{own}-service")
}
