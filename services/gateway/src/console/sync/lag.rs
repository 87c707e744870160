//! How far every copy is behind what it is told from.

use maud::{Markup, html};
use serde_json::Value;

use super::super::consistency::names::Set;
use super::super::heard::Heard;
use super::super::marks::{Tone, empty, mark, note, spark, term};
use super::super::words::{number, plural, seconds};
use super::trends::{self, Course, Trends};

/// From so many seconds on a copy counts as late.
const LATE_SECONDS: f64 = 5.0;

/// One copy, or a topic that is only followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lag {
    copy: Option<String>,
    source: String,
    state: String,
    detail: Option<String>,
    /// `None` where the copy's keeper does not say how far it is.
    reached: Option<Reached>,
    end: u64,
    parked_keys: u64,
    snapshot_rows: Option<u64>,
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reached {
    behind: u64,
    seconds: f64,
    applied_through: u64,
}

/// Reads the answer of `GET /v1/sync/lag`, the latest copies first; before them those of which nobody says how late they are.
pub(crate) fn of(body: &Value) -> Vec<Lag> {
    let items = body["items"].as_array().or(body.as_array()).map(Vec::as_slice).unwrap_or_default();
    let mut lags: Vec<Lag> = items.iter().map(one).collect();
    let late = |lag: &Lag| lag.reached.map_or((f64::INFINITY, 0), |reached| (reached.seconds, reached.behind));
    lags.sort_by(|one, other| late(other).0.total_cmp(&late(one).0).then_with(|| late(other).1.cmp(&late(one).1)));
    lags
}

fn one(item: &Value) -> Lag {
    let text = |field: &str| item[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let count = |field: &str| item[field].as_u64().unwrap_or(0);
    Lag {
        copy: text("copy"),
        source: text("source").unwrap_or_default(),
        state: text("state").unwrap_or_default(),
        detail: text("detail"),
        reached: item["behind"].as_u64().map(|behind| Reached {
            behind,
            seconds: item["seconds"].as_f64().unwrap_or(0.0),
            applied_through: count("appliedThrough"),
        }),
        end: count("end"),
        parked_keys: count("parkedKeys"),
        snapshot_rows: item["snapshotRows"].as_u64(),
    }
}

impl Lag {
    /// By what it is remembered: the copy, or the topic where nothing is kept.
    pub(super) fn name(&self) -> &str {
        self.copy.as_deref().unwrap_or(&self.source)
    }

    /// For how long it has lacked something; `None` where that is not known.
    pub(super) fn seconds(&self) -> Option<f64> {
        self.reached.map(|reached| reached.seconds)
    }

    fn is_late(&self) -> bool {
        self.seconds().is_none_or(|seconds| seconds >= LATE_SECONDS) || self.troubled()
    }

    fn troubled(&self) -> bool {
        matches!(self.state.as_str(), "retrying" | "stalled" | "stopped")
    }

    /// Its words: the copy's, or the source's where nothing is kept.
    fn words(&self) -> &str {
        self.copy.as_deref().map_or(&self.source, |copy| Set::of(copy).words)
    }
}

/// How many copies are late.
pub(crate) fn late(lags: &[Lag]) -> i64 {
    i64::try_from(lags.iter().filter(|lag| lag.is_late()).count()).unwrap_or(i64::MAX)
}

/// How many keys are parked. Copies of one source share theirs.
pub(crate) fn parked(lags: &[Lag]) -> i64 {
    let mut most: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    for lag in lags {
        let of_source = most.entry(&lag.source).or_default();
        *of_source = lag.parked_keys.max(*of_source);
    }
    i64::try_from(most.values().sum::<u64>()).unwrap_or(i64::MAX)
}

/// Where a connector's log ends, and how many changes the copy that is furthest behind lacks; `None` where it tells no copy, or
/// nobody says how far one is.
pub(super) fn place(source: &str, lags: &[Lag]) -> Option<(i64, i64)> {
    let of_source = || lags.iter().filter(|lag| lag.source == source);
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some((
        count(of_source().map(|lag| lag.end).max()?),
        count(of_source().filter_map(|lag| lag.reached).map(|reached| reached.behind).max()?),
    ))
}

/// The sentence that answers the page's question, and what it means.
pub(super) fn sentences(lags: &[Lag]) -> (String, String) {
    let (late, keys) = (late(lags), parked(lags));
    let unknown: Vec<&str> = lags.iter().filter(|lag| lag.reached.is_none()).map(Lag::words).collect();
    let furthest = lags.iter().filter_map(|lag| Some((lag, lag.reached?))).find(|(_, reached)| reached.behind > 0);
    let answer = match (late, keys) {
        _ if lags.is_empty() => "Nothing is told to any copy".to_owned(),
        (0, 0) => "Every copy is in step".to_owned(),
        (0, keys) => format!("Every copy is in step, but for {}", plural(keys, "parked key", "parked keys")),
        (1, _) => {
            let lag = lags.iter().find(|lag| lag.is_late());
            lag.map_or_else(String::new, |lag| match lag.seconds() {
                Some(behind) => format!("{} is {} behind", capital(lag.words()), seconds(behind)),
                None => format!("How far {} is behind is not known", lag.words()),
            })
        }
        (late, _) if !unknown.is_empty() => format!("{} copies are behind, or do not say so", number(late)),
        (late, _) => format!("{} copies are behind", number(late)),
    };
    let mut meaning = match furthest {
        Some((lag, reached)) => format!("Furthest behind: {}, by {}.", lag.words(), seconds(reached.seconds)),
        None if unknown.is_empty() => "None is behind now.".to_owned(),
        None => "None of the others is behind now.".to_owned(),
    };
    if !unknown.is_empty() {
        meaning.push_str(&format!(" No answer about {}.", unknown.join(", ")));
    }
    if keys > 0 {
        let parked = plural(keys, "key is parked", "keys are parked");
        meaning.push_str(&format!(" {parked}; every other key goes on."));
    }
    (answer, meaning)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How far each copy is. `drawn` says whether the trends' points go along; else the page has them already.
pub(super) fn panel(lags: &Heard<Vec<Lag>>, trends: &Trends, drawn: bool) -> Markup {
    html! {
        section.panel #lag aria-labelledby="h-lag" {
            header { h2 #h-lag { "How far each copy is behind" } small { "the latest first" } }
            @match lags {
                Heard::Said(lags) if lags.is_empty() => (empty("No connector runs, so nothing is told to any copy.")),
                Heard::Said(lags) => table.data.tidy.fold {
                    thead { tr {
                        th scope="col" { "Source → copy" } th scope="col" { "State" } th.num scope="col" { "Behind" }
                        th scope="col" { "15 min, own scale" }
                        th.num scope="col" { "Changes waiting" }
                        th.num scope="col" { (term("applied-through", "Applied through", "Applied through: the owner’s position up to which everything is durable in this copy, but for parked keys.")) }
                        th.num scope="col" { "Parked keys" }
                    } }
                    tbody { @for lag in lags { (row(lag, &trends.of(lag.name()), drawn)) } }
                },
                silence => div.pad { (silence.instead("Sync", "How far copies are behind cannot be told.")) },
            }
        }
    }
}

fn row(lag: &Lag, samples: &[f32], drawn: bool) -> Markup {
    let count = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
    html! {
        tr.open[lag.is_late()] {
            th scope="row" {
                @match &lag.copy {
                    Some(copy) => {
                        (note(Set::of(copy).service)) " " code { (lag.source) } span.arrow aria-hidden="true" { "→" }
                        span.visually-hidden { " to " } (Set::of(copy).words) small { (copy) }
                    }
                    None => { (note("sync")) " " code { (lag.source) } small { "only followed, no copy is kept" } }
                }
            }
            td data-l="State" { (state(lag)) @if let Some(detail) = &lag.detail { small { (detail) } } }
            @match lag.reached {
                Some(reached) => {
                    td.num data-l="Behind" { @if reached.behind == 0 { "not behind" } @else { b { (seconds(reached.seconds)) } } }
                    td data-l="15 min" { (trend(lag, samples, drawn)) }
                    td.num data-l="Waiting" { (count(reached.behind)) }
                    td.num data-l="Applied through" { (count(reached.applied_through)) small { "of " (count(lag.end)) } }
                }
                None => {
                    td.num data-l="Behind" { span.dim { "not known" } }
                    td data-l="15 min" { (trend(lag, samples, drawn)) }
                    td.num data-l="Waiting" { span.dim { "not known" } }
                    td.num data-l="Applied through" { span.dim { "not known" } small { "of " (count(lag.end)) } }
                }
            }
            td.num data-l="Parked keys" { @if lag.parked_keys > 0 { a href="#parked" { (count(lag.parked_keys)) } } @else { "none" } }
        }
    }
}

/// The trend, and in words where it goes and how far it went.
fn trend(lag: &Lag, samples: &[f32], drawn: bool) -> Markup {
    let points: Vec<f64> = samples.iter().filter(|_| drawn).map(|seconds| f64::from(*seconds)).collect();
    let course = match trends::course(samples) {
        _ if samples.len() < 2 => "begins now",
        Course::Steady => "steady",
        Course::Growing => "growing",
        Course::Shrinking => "shrinking",
    };
    html! {
        (spark(Set::of(lag.name()).service.trim_end_matches("-service"), &feed(lag), &format!("seconds behind of {}", lag.words()), &points))
        small { (course) ", " (seconds(trends::most(samples))) " at most" }
    }
}

/// The name of the trend's newest point.
pub(super) fn feed(lag: &Lag) -> String {
    format!("lag-{}", lag.name())
}

fn state(lag: &Lag) -> Markup {
    let rows = lag
        .snapshot_rows
        .map(|rows| format!("told every row, {} so far", number(i64::try_from(rows).unwrap_or(i64::MAX))));
    match (lag.state.as_str(), rows) {
        ("retrying", _) => mark(Tone::Wait, "clock", "tries again"),
        ("silent", _) => mark(Tone::Bad, "unk", "no answer"),
        ("stalled", _) => mark(Tone::Bad, "stuck", "stalled"),
        ("stopped", _) => mark(Tone::Wait, "pause", "stopped"),
        (_, Some(rows)) => mark(Tone::Wait, "clock", &rows),
        ("running", None) if lag.seconds().is_some_and(|seconds| seconds >= LATE_SECONDS) => {
            mark(Tone::Wait, "clock", "catching up")
        }
        ("running", None) => mark(Tone::Ok, "run", "streaming"),
        ("idle", None) => mark(Tone::Calm, "pause", "idle"),
        (other, None) => mark(Tone::Calm, "unk", other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lags(told: &[(u64, f64, &str, u64)]) -> Vec<Lag> {
        let item = |(behind, seconds, state, parked): &(u64, f64, &str, u64)| {
            json!({"copy": "users.index", "source": "users-sqlite", "state": state, "behind": behind, "seconds": seconds,
                "appliedThrough": 10, "end": 10, "parkedKeys": parked})
        };
        of(&json!({"items": told.iter().map(item).collect::<Vec<_>>()}))
    }

    #[test]
    fn the_headline_names_the_copy_that_is_late() {
        let answer = |told: &[(u64, f64, &str, u64)]| sentences(&lags(told)).0;
        assert_eq!(answer(&[]), "Nothing is told to any copy");
        assert_eq!(answer(&[(0, 0.0, "running", 0), (3, 0.2, "running", 0)]), "Every copy is in step");
        assert_eq!(answer(&[(74_460, 372.0, "running", 0)]), "User search is 6 min 12 s behind");
        assert_eq!(answer(&[(9, 9.0, "running", 0), (9, 8.0, "running", 0)]), "2 copies are behind");
        assert_eq!(answer(&[(0, 0.0, "running", 1)]), "Every copy is in step, but for 1 parked key");
    }

    #[test]
    fn a_copy_that_does_not_say_how_far_it_is_is_late_and_the_others_are_shown() {
        let silent = json!({"copy": "users.analytics", "source": "users-sqlite", "state": "silent", "behind": null,
            "seconds": null, "appliedThrough": null, "end": 10, "parkedKeys": 0, "detail": "analytics-service: refused"});
        let other = json!({"copy": "users.index", "source": "users-sqlite", "state": "running", "behind": 0,
            "seconds": 0.0, "appliedThrough": 10, "end": 10, "parkedKeys": 0});
        let lags = of(&json!({"items": [other, silent]}));
        assert_eq!((late(&lags), lags[0].seconds(), place("users-sqlite", &lags)), (1, None, Some((10, 0))));
        let (answer, meaning) = sentences(&lags);
        assert!(answer.starts_with("How far ") && answer.ends_with(" is behind is not known"), "{answer}");
        assert!(meaning.starts_with("None of the others is behind now. No answer about "), "{meaning}");
        let trends = Trends::default();
        trends.add(&lags);
        assert_eq!((trends.of("users.analytics").len(), trends.of("users.index").len()), (0, 1));
        let page = panel(&Heard::Said(lags), &trends, true).into_string();
        assert!(page.contains("no answer") && page.contains("analytics-service: refused"), "{page}");
        assert!(page.contains("not known") && page.contains("not behind"), "{page}");
    }

    #[test]
    fn copies_of_one_source_share_their_parked_keys() {
        assert_eq!(parked(&lags(&[(0, 0.0, "running", 4), (0, 0.0, "running", 4)])), 4);
    }

    #[test]
    fn a_copy_that_is_held_up_is_late_whatever_its_seconds() {
        assert_eq!(late(&lags(&[(1, 0.1, "retrying", 0), (1, 0.1, "running", 0)])), 1);
        let page = panel(&Heard::Said(lags(&[(1, 0.1, "stalled", 0)])), &Trends::default(), true).into_string();
        assert!(page.contains("stalled") && page.contains("class=\"open\""), "{page}");
    }

    #[test]
    fn a_trend_says_in_words_what_it_draws() {
        let (trends, heard) = (Trends::default(), Heard::Said(lags(&[(9, 9.0, "running", 0)])));
        for seconds in [0.0, 4.0, 9.0] {
            trends.add(&lags(&[(9, seconds, "running", 0)]));
        }
        let page = panel(&heard, &trends, true).into_string();
        assert!(page.contains("data-points=\"0,4,9\"") && page.contains("growing, 9.0 s at most"), "{page}");
        assert!(panel(&heard, &trends, false).into_string().contains("data-points=\"\""));
    }
}
