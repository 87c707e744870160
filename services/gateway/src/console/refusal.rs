//! What is said where something was refused or did not work: what was not done, why, what helps, the trace's id.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::frame;
use super::marks::{Tone, message};
use crate::inside::Refused;

/// A refusal of the pages themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// The heading.
    pub(crate) title: &'static str,
    /// What was not done, and why.
    pub(crate) what: &'static str,
    /// What helps.
    pub(crate) helps: &'static str,
}

/// A page that says so, for whoever asks: nothing of a session is in it.
pub(crate) fn page(Page { status, title, what, helps }: Page) -> Response {
    let main = html! {
        header { div { h1 { (title) } p { (what) } } }
        (message(Tone::Bad, "no", &html! { p { (helps) } p { a href="/" { "To the overview" } } }))
    };
    frame::answer(status, &frame::bare(title, "", &main))
}

/// An answer of the API that was an error, in words. `not_done` says what did not happen, as in "The saga was not paused."
pub(crate) fn told(refused: &Refused, not_done: &str) -> Markup {
    let unknown = refused.problem["outcome"] == "unknown" || refused.code() == "upstream-unknown";
    let later = refused.problem["retryable"] == true;
    let (tone, glyph) = match (unknown, later) {
        (true, _) => (Tone::Wait, "unk"),
        (false, true) => (Tone::Wait, "clock"),
        (false, false) => (Tone::Bad, "fail"),
    };
    let done = if unknown { "It is not known whether this had its effect." } else { not_done };
    let wait = refused.headers.get(http::header::RETRY_AFTER).and_then(|after| after.to_str().ok());
    let wait = wait.filter(|after| after.len() < 6 && after.bytes().all(|digit| digit.is_ascii_digit()));
    message(
        tone,
        glyph,
        &html! {
            p { b { (done) } " " (sentence(refused)) }
            @if refused.fields().next().is_some() {
                ul.dots {
                    @for (pointer, detail) in refused.fields() { li { code { (field(pointer)) } " " (detail) } }
                }
            }
            @if let Some(seconds) = wait { p { "Try again in " (seconds) " s." } }
            @else if later && !unknown { p { "Trying again may help." } }
            p.tiny {
                (refused.status.as_u16())
                @if is_code(refused.code()) {
                    " " a href={ "/docs/problems/" (refused.code()) } { (refused.code()) }
                }
                @if !refused.trace_id().is_empty() { " trace " code { (refused.trace_id()) } }
            }
        },
    )
}

/// A whole page's content about an answer that was an error.
pub(crate) fn content(title: &str, refused: &Refused, not_done: &str) -> Markup {
    html! {
        header { div { h1 { (title) } } }
        (told(refused, not_done))
    }
}

/// A whole page's content about fields of an address that nothing can be shown for: the field, and what is expected of it.
pub(crate) fn not_understood(title: &str, wrong: &[(&str, String)]) -> Markup {
    html! {
        header { div { h1 { (title) } } }
        (message(Tone::Bad, "fail", &html! {
            p { b { "Nothing was looked for." } }
            ul.dots { @for (name, expected) in wrong { li { code { (name) } " " (expected) } } }
        }))
    }
}

fn sentence(refused: &Refused) -> &str {
    if refused.detail().is_empty() { refused.title() } else { refused.detail() }
}

fn field(pointer: &str) -> &str {
    if pointer.is_empty() { "the request" } else { pointer.trim_start_matches('/') }
}

fn is_code(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
