//! Components that every page uses: marks, voices, messages, headings, terms. See the design's list of components.

use maud::{Markup, html};

/// The colour of a verdict, a state or an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Bad,
    /// Late, unknown, waiting for somebody.
    Wait,
    /// Neither.
    Calm,
}

impl Tone {
    /// The class.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bad => "bad",
            Self::Wait => "wait",
            Self::Calm => "calm",
        }
    }
}

/// A shape of the sprite.
pub(crate) fn shape(class: &str, id: &str) -> Markup {
    html! { svg class=(class) viewBox="0 0 16 16" aria-hidden="true" { use href={ "#" (id) } {} } }
}

/// A glyph: `ok bad wait done fail no unk undo pause stuck run clock park link`.
pub(crate) fn glyph(name: &str) -> Markup {
    shape("glyph", &format!("g-{name}"))
}

/// Verdict, state or outcome: glyph and word, never the glyph alone.
pub(crate) fn mark(tone: Tone, glyph_name: &str, word: &str) -> Markup {
    html! { span class={ "mark " (tone.class()) } { (glyph(glyph_name)) (word) } }
}

/// A service's name without `-service`.
pub(crate) fn short(service: &str) -> &str {
    service.trim_end_matches("-service")
}

/// A service's name with its note.
pub(crate) fn voice(service: &str) -> Markup {
    let short = short(service);
    html! { span.voice { (note(service)) (short) } }
}

/// A service's note alone: only beside its name.
pub(crate) fn note(service: &str) -> Markup {
    let short = match short(service) {
        known @ ("user" | "catalog" | "order" | "payment" | "notification" | "analytics" | "sync") => known,
        _ => "gateway",
    };
    shape(&format!("note v-{short}"), &format!("n-{short}"))
}

/// A fact that changes how the page must be read. `body` holds paragraphs.
pub(crate) fn message(tone: Tone, glyph_name: &str, body: &Markup) -> Markup {
    html! { div class={ "msg " (tone.class()) } { (glyph(glyph_name)) div.stack.tight { (body) } } }
}

/// Why a list is empty and what to do.
pub(crate) fn empty(sentence: &str) -> Markup {
    html! { p.empty { (sentence) } }
}

/// The head of a page: one sentence that answers its question, one that says what it means, and as of when.
pub(crate) fn headline(answer: &str, meaning: &Markup, as_of: Option<&str>) -> Markup {
    html! {
        header {
            div { h1 #headline data-live="headline" { (answer) } p { (meaning) } }
            @if let Some(at) = as_of {
                p.small.dim { "As of " time.nowrap data-live="asof" { (at) } " UTC" }
            }
        }
    }
}

/// Jargon: a button that opens one plain sentence. The id must be the page's own.
pub(crate) fn term(id: &str, word: &str, sentence: &str) -> Markup {
    html! {
        button.term type="button" popovertarget={ "tip-" (id) } { (word) }
        span.tip #{ "tip-" (id) } popover { (sentence) }
    }
}

/// A figure that decides whether to read on; `to` leads deeper.
pub(crate) fn figure(to: &str, name: &str, value: &Markup, below: &Markup) -> Markup {
    html! {
        a href=(to) { span.k { (name) } span.n { (value) } span.d { (below) } }
    }
}

/// A trend that stands beside its number. `feed` is the name of its newest point in the stream; `points` may be empty.
pub(crate) fn spark(voice: &str, feed: &str, label: &str, points: &[f64]) -> Markup {
    html! {
        span class={ "spark v-" (voice) } data-feed=(feed) data-label=(label) data-points=(joined(points)) {}
    }
}

/// Points as the script reads them.
pub(crate) fn joined(points: &[f64]) -> String {
    let texts: Vec<_> = points.iter().map(|point| format!("{}", (point * 10.0).round() / 10.0)).collect();
    texts.join(",")
}
