//! The score: a lane per voice on one axis of time. Long silences are rests: folded, with their length on the axis. All
//! positions are computed here: per cent across, pixels down.

use madrigal_core::Timestamp;
use maud::{Markup, html};

use super::super::marks::shape;
use super::super::words::span;
use crate::story::Moment;

/// The voices in their order, which never changes.
const VOICES: [&str; 5] = ["user", "catalog", "order", "payment", "notification"];
/// A silence longer than this many microseconds is a rest.
const REST_MICROS: i64 = 1_000_000;
/// How wide a rest is drawn, as the weight of some 50 ms.
const REST_WEIGHT: f64 = 4.0;
/// The first and the last per cent of the width.
const EDGES: (f64, f64) = (2.0, 94.0);
/// The most moments that are drawn: the first; the table says all.
const MOST: usize = 80;
/// How much of the width a letter takes, in per cent of some 800 px.
const LETTER: f64 = 0.78;

/// A stretch of time and where it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
    left: f64,
    right: f64,
    rest: bool,
}

pub(super) fn draw(timeline: &[Moment]) -> Markup {
    let moments = &timeline[..timeline.len().min(MOST)];
    let stretches = fold(moments);
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return html! {} };
    html! {
        div.score.wide-only role="img" aria-label="Score of the order; the table below says the same" {
            div.who { small { "Time since the first" } }
            svg.axis aria-hidden="true" {
                @for rest in stretches.iter().filter(|stretch| stretch.rest) {
                    rect.rest x=(percent(rest.left + 0.3)) width=(percent(rest.right - rest.left - 0.6)) y="22" height="5" {}
                    text.dim x=(percent(f64::midpoint(rest.left, rest.right))) y="13" text-anchor="middle" {
                        (span(rest.to.since(rest.from)))
                    }
                }
                text.dim x=(percent(first.left)) y="33" { "0" }
                text.dim x=(percent(last.right)) y="33" text-anchor="end" { (span(last.to.since(first.from))) }
            }
            @for voice in VOICES.iter().filter(|voice| moments.iter().any(|moment| moment.voice == **voice)) {
                div.who { span.voice { (shape(&format!("note v-{voice}"), &format!("n-{voice}"))) (voice) } }
                svg class={ "v-" (voice) } aria-hidden="true" {
                    @for rest in stretches.iter().filter(|stretch| stretch.rest) {
                        rect.fold x=(percent(rest.left)) width=(percent(rest.right - rest.left)) y="0" height="100%" {}
                    }
                    line.lane x1="0" x2="100%" y1="45" y2="45" {}
                    (lane(moments, voice, &stretches))
                }
            }
        }
    }
}

/// Attempts as bars, events as notes, and those words that do not stand in each other's way.
fn lane(moments: &[Moment], voice: &str, stretches: &[Stretch]) -> Markup {
    let mut free = 0.0;
    html! {
        @for moment in moments.iter().filter(|moment| moment.voice == voice) {
            @let left = place(moment.at, stretches);
            @if moment.step.is_some() {
                @let right = moment.until.map_or(left, |until| place(until, stretches)).max(left + 0.6);
                rect class=(look(moment)) x=(percent(left)) width=(percent(right - left)) y="20" height="16" rx="2" {}
            } @else {
                svg x=(percent(left)) y="21" overflow="visible" { use href={ "#n-" (voice) } x="-7" width="14" height="14" {} }
            }
            @let word = word(moment);
            @match room(&mut free, left, &word) {
                Some(anchor) => text x=(percent(left)) y="13" text-anchor=(anchor) { (word) },
                None => {},
            }
        }
    }
}

/// Where the word goes from its mark, to the right or else to the left, where there is room for it; takes the room.
fn room(free: &mut f64, left: f64, word: &str) -> Option<&'static str> {
    #[expect(clippy::cast_precision_loss, reason = "a width on the screen")]
    let width = (word.chars().count() as f64 + 2.0) * LETTER;
    let (anchor, until) = if left >= *free && left + width <= 100.0 {
        ("start", left + width)
    } else if left - width >= *free {
        ("end", left + LETTER)
    } else {
        return None;
    };
    *free = until;
    Some(anchor)
}

fn look(moment: &Moment) -> &'static str {
    match moment.outcome.as_deref() {
        Some("failed" | "rejected") => "fail",
        Some("unknown" | "interrupted" | "running") => "unk",
        // Pale, so that the notes of what was recorded meanwhile stand out on it.
        _ => "dur soft",
    }
}

/// A step's name, or an event's in words: `OrderCreated` is "order created".
fn word(moment: &Moment) -> String {
    if let Some(step) = &moment.step {
        return if moment.kind == "undo" { format!("undo of {step}") } else { step.clone() };
    }
    let mut words = String::new();
    for letter in moment.kind.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// Per cent with two digits, as an attribute.
fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

/// Cuts the time at every beginning and end; stretches in which nothing runs and that last longer than a second fold.
fn fold(moments: &[Moment]) -> Vec<Stretch> {
    let mut cuts: Vec<_> = moments.iter().flat_map(|moment| [Some(moment.at), moment.until]).flatten().collect();
    cuts.sort_unstable();
    cuts.dedup();
    if let [only] = cuts[..] {
        return vec![Stretch { from: only, to: only, left: EDGES.0, right: EDGES.1, rest: false }];
    }
    let weighed: Vec<_> = cuts.windows(2).map(|pair| weigh(moments, pair[0], pair[1])).collect();
    let all: f64 = weighed.iter().map(|(.., weight, _)| weight).sum();
    let mut left = EDGES.0;
    let stretches = weighed.into_iter().map(|(from, to, weight, rest)| {
        let right = left + weight / all * (EDGES.1 - EDGES.0);
        let stretch = Stretch { from, to, left, right, rest };
        left = right;
        stretch
    });
    stretches.collect()
}

fn weigh(moments: &[Moment], from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp, f64, bool) {
    let runs = |moment: &Moment| moment.at <= from && moment.until.is_some_and(|until| until >= to);
    let micros = to.as_micros() - from.as_micros();
    let rest = micros > REST_MICROS && !moments.iter().any(runs);
    #[expect(clippy::cast_precision_loss, reason = "a width on the screen")]
    let weight = if rest { REST_WEIGHT } else { (1.0 + micros as f64 / 1_000.0).ln().max(0.4) };
    (from, to, weight, rest)
}

fn place(at: Timestamp, stretches: &[Stretch]) -> f64 {
    let within = stretches.iter().find(|stretch| stretch.from <= at && at <= stretch.to);
    within.map_or(EDGES.0, |stretch| if at == stretch.from { stretch.left } else { stretch.right })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(voice: &str, kind: &str, at: &str, until: Option<&str>) -> Moment {
        Moment {
            at: at.parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            voice: voice.to_owned(),
            kind: kind.to_owned(),
            text: String::new(),
            id: at.to_owned(),
            step: until.map(|_| kind.to_owned()),
            outcome: until.map(|_| "done".to_owned()),
            saga_id: None,
            stream: None,
        }
    }

    #[test]
    fn long_silences_are_rests_and_time_only_goes_to_the_right() {
        let moments = [
            moment("catalog", "reserve-inventory", "2026-11-22T10:00:00Z", Some("2026-11-22T10:00:00.010Z")),
            moment("order", "OrderCreated", "2026-11-22T10:00:00.020Z", None),
            moment("order", "OrderShipped", "2026-11-24T10:00:00.020Z", None),
        ];
        let stretches = fold(&moments);
        assert_eq!(stretches.iter().map(|stretch| stretch.rest).collect::<Vec<_>>(), [false, false, true]);
        assert!(stretches.windows(2).all(|pair| pair[0].left < pair[0].right && pair[0].right <= pair[1].left));
        assert!((stretches[0].left - EDGES.0).abs() < 1e-9 && (stretches[2].right - EDGES.1).abs() < 1e-9);
        let drawn = draw(&moments).into_string();
        assert!(drawn.contains("2 d 0 h") && drawn.contains("order shipped"), "{drawn}");
        let (catalog, order) = (drawn.find("#n-catalog").unwrap(), drawn.find("#n-order").unwrap());
        assert!(catalog < order, "voices keep their order");
    }

    #[test]
    fn a_single_moment_and_none_can_be_drawn() {
        assert_eq!(draw(&[]).into_string(), "");
        let drawn = draw(&[moment("order", "OrderImported", "2026-11-22T10:00:00Z", None)]).into_string();
        assert!(drawn.contains("order imported") && !drawn.contains("NaN"), "{drawn}");
    }

    #[test]
    fn words_that_would_cover_each_other_are_left_to_the_table() {
        let at = |micros: i64| format!("2026-11-22T10:00:00.{micros:06}Z");
        let moments: Vec<_> = (0..20).map(|number| moment("order", "OrderItemAdded", &at(number), None)).collect();
        let drawn = draw(&moments).into_string();
        let words = drawn.matches(">order item added<").count();
        assert!((1..8).contains(&words) && drawn.matches("#n-order").count() == 21, "{words}");
    }
}
