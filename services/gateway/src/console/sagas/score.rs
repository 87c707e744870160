//! The attempts as bars on one axis. Long silences are rests: folded, with their length on the axis.

use madrigal_core::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::super::marks::shape;
use super::super::words::{clock_millis, span};
use super::one::{Try, all_tries, steps};
use super::shapes::voice_of;

/// A silence longer than this many milliseconds is a rest.
const REST_MILLIS: i64 = 1_000;
/// How wide a rest is drawn, as the weight of some 50 ms.
const REST_WEIGHT: f64 = 4.0;
/// The first and the last per cent of the width.
const EDGES: (f64, f64) = (3.0, 92.0);
/// The most attempts that are drawn; the list says all.
const MOST: usize = 60;

/// A stretch of time and where it is drawn.
#[derive(Debug, PartialEq)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
    left: f64,
    right: f64,
    rest: bool,
}

/// The lanes of all steps that were tried.
pub(super) fn draw(saga: &Value) -> Markup {
    let mut tries = all_tries(saga);
    tries.truncate(MOST);
    let stretches = fold(&tries);
    if stretches.is_empty() {
        return html! {};
    }
    let tried = steps(saga)
        .iter()
        .filter_map(|step| step["name"].as_str())
        .filter(|name| tries.iter().any(|one| one.step == *name));
    html! {
        div.score.wide-only role="img" aria-label="Timeline of the attempts; the list below says the same" {
            div.who { small { "Time, long rests drawn short" } }
            svg.axis aria-hidden="true" { (axis(&stretches)) }
            @for name in tried {
                div.who { span.voice { (shape(&format!("note v-{}", voice_of(name)), &format!("n-{}", voice_of(name)))) (name) } }
                svg class={ "v-" (voice_of(name)) } aria-hidden="true" {
                    @for rest in stretches.iter().filter(|stretch| stretch.rest) {
                        rect.fold x={ (percent(rest.left)) } width={ (percent(rest.right - rest.left)) } y="0" height="100%" {}
                    }
                    line.lane x1="0" x2="100%" y1="45" y2="45" {}
                    @for one in tries.iter().filter(|one| one.step == name) { (bar(one, &stretches)) }
                }
            }
        }
    }
}

fn axis(stretches: &[Stretch]) -> Markup {
    let (first, last) = (stretches.first(), stretches.last());
    html! {
        @for rest in stretches.iter().filter(|stretch| stretch.rest) {
            rect.rest x=(percent(rest.left + 0.5)) width=(percent(rest.right - rest.left - 1.0)) y="22" height="5" {}
            text.dim x=(percent(f64::midpoint(rest.left, rest.right))) y="13" text-anchor="middle" { (span(rest.to.since(rest.from))) }
        }
        @if let Some(first) = first { text.dim x=(percent(first.left)) y="33" { (clock_millis(first.from)) } }
        @if let Some(last) = last { text.dim x=(percent(last.right)) y="33" text-anchor="end" { (clock_millis(last.to)) } }
    }
}

fn bar(one: &Try<'_>, stretches: &[Stretch]) -> Markup {
    let left = place(one.started, stretches);
    let right = one.ended.map_or(left, |ended| place(ended, stretches)).max(left + 0.6);
    let class = match one.outcome {
        Some("failed" | "rejected") => "fail",
        Some("unknown") | None => "unk",
        Some(_) if one.undo => "dur soft",
        Some(_) => "dur",
    };
    let word = if one.undo { format!("undo {}", one.number) } else { one.outcome.unwrap_or("under way").to_owned() };
    html! {
        rect class=(class) x=(percent(left)) width=(percent(right - left)) y="20" height="16" rx="2" {}
        text class=(if one.undo { "dim" } else { "" }) x=(percent(left)) y="13" { (word) }
    }
}

/// Per cent with two digits, as an attribute.
fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

/// Cuts the time into stretches between starts and ends; those without an attempt under way and longer than a second fold.
fn fold(tries: &[Try<'_>]) -> Vec<Stretch> {
    let mut moments: Vec<_> = tries.iter().flat_map(|one| [Some(one.started), one.ended]).flatten().collect();
    moments.sort_unstable();
    moments.dedup();
    let mut weighed = Vec::new();
    for pair in moments.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let busy = tries.iter().any(|one| one.started <= from && one.ended.is_some_and(|ended| ended >= to));
        let millis = (to.as_micros() - from.as_micros()) / 1_000;
        let rest = !busy && millis > REST_MILLIS;
        #[expect(clippy::cast_precision_loss, reason = "a width on the screen")]
        let weight = if rest { REST_WEIGHT } else { (1.0 + millis as f64).ln().max(0.6) };
        weighed.push((from, to, weight, rest));
    }
    let all: f64 = weighed.iter().map(|(.., weight, _)| weight).sum();
    let mut left = EDGES.0;
    let mut stretches = Vec::new();
    for (from, to, weight, rest) in weighed {
        let right = left + weight / all * (EDGES.1 - EDGES.0);
        stretches.push(Stretch { from, to, left, right, rest });
        left = right;
    }
    stretches
}

fn place(at: Timestamp, stretches: &[Stretch]) -> f64 {
    let within = stretches.iter().find(|stretch| stretch.from <= at && at <= stretch.to);
    let Some(stretch) = within else { return EDGES.0 };
    if at == stretch.from { stretch.left } else { stretch.right }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_silences_fold_and_bars_keep_their_order() {
        let attempt =
            |start: &str, end: &str| json!({"startedAt": start, "endedAt": end, "outcome": "done", "detail": null});
        let saga = json!({"steps": [
            {"name": "reserve-inventory", "attempts": [attempt("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.010Z")], "undo": []},
            {"name": "process-payment", "attempts": [attempt("2026-11-22T10:05:00Z", "2026-11-22T10:05:00.500Z")], "undo": []},
        ]});
        let stretches = fold(&all_tries(&saga));
        assert_eq!(stretches.iter().map(|stretch| stretch.rest).collect::<Vec<_>>(), [false, true, false]);
        assert!(stretches.windows(2).all(|pair| (pair[0].right - pair[1].left).abs() < 1e-9));
        assert!((stretches[0].left - 3.0).abs() < 1e-9 && (stretches[2].right - 92.0).abs() < 1e-9);
        let drawn = draw(&saga).into_string();
        assert!(drawn.contains("4 min 59 s"), "{drawn}");
        assert_eq!(draw(&json!({"steps": []})).into_string(), "");
    }
}
