//! `docs/problems/*.md` as pages: where the `type` of a problem points.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderMap;
use madrigal_http::problem;
use maud::{PreEscaped, html};
use pulldown_cmark::{Event, Options, Parser};

use crate::console::frame;
use crate::security::{Fixed, STRICT};

/// Code and text of every page, by code; written by the build script.
const TEXTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/problem_pages.rs"));

/// The codes of all problems that have a page, sorted.
pub fn problem_codes() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(code, _)| *code)
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/docs/problems", get(async |asked: HeaderMap| list().answer(&asked)))
        .route("/docs/problems/{code}", get(one))
}

/// Pages are made when they are read, which is seldom: nobody's memory holds all of them.
async fn one(Path(code): Path<String>, asked: HeaderMap) -> Response {
    match TEXTS.iter().find(|(known, _)| *known == code) {
        Some((code, text)) => page(code, text).answer(&asked),
        None => problem::not_found(format_args!("page about a problem {code:?}")).into_response(),
    }
}

fn page(code: &str, text: &str) -> Fixed {
    let body = html! {
        p.crumbs { a href="/docs/problems" { "Problems" } " / " code { (code) } }
        article.panel.prose { (PreEscaped(rendered(text))) }
    };
    fixed(frame::bare(&format!("{code} · Problems"), "/docs/problems", &body))
}

fn list() -> Fixed {
    let body = html! {
        header { div {
            h1 { "Problems" }
            p { "Every refusal of the API is a problem document (RFC 9457). Its " code { "type" } " points to one of these pages." }
        } }
        div.panel {
            table.data.fold.compact {
                thead { tr { th scope="col" { "Code" } th scope="col" { "In short" } } }
                tbody {
                    @for (code, text) in TEXTS {
                        tr {
                            th scope="row" { a href={ "/docs/problems/" (code) } { code { (code) } } }
                            td { (in_short(text)) }
                        }
                    }
                }
            }
        }
    };
    fixed(frame::bare("Problems", "/docs/problems", &body))
}

fn fixed(page: maud::Markup) -> Fixed {
    Fixed::new("text/html; charset=utf-8", STRICT, page.into_string())
}

/// The page as HTML. The texts are our own, and still no HTML inside of them is passed on.
fn rendered(text: &str) -> String {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES)
        .filter(|event| !matches!(event, Event::Html(_) | Event::InlineHtml(_)));
    let mut html = String::with_capacity(text.len() * 2);
    pulldown_cmark::html::push_html(&mut html, events);
    html
}

/// The first sentence after the heading, without marks.
fn in_short(text: &str) -> String {
    let paragraph = text.split("\n\n").map(str::trim).find(|part| !part.is_empty() && !part.starts_with('#'));
    let plain = paragraph.or_else(|| text.split_once('\n').map(|(_, rest)| rest)).unwrap_or_default();
    let plain =
        plain.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join(" ").replace(['*', '`'], "");
    match plain.find(". ") {
        // "409 Conflict. Another user has …": the status is a sentence of its own, so one more.
        Some(end) if end < 40 => match plain[end + 2..].find(". ") {
            Some(next) => plain[..=end + 2 + next].to_owned(),
            None => plain,
        },
        Some(end) => plain[..=end].to_owned(),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_inside_of_a_text_is_dropped() {
        let html = rendered("# a\n\n**b** <script>x</script> `c`\n\n<div>d</div>\n");
        assert!(html.contains("<strong>b</strong>") && html.contains("<code>c</code>"), "{html}");
        assert!(!html.contains("script") && !html.contains("div"), "{html}");
    }

    #[test]
    fn the_short_form_is_the_status_and_one_sentence() {
        let text = "# user-exists\n\n**409 Conflict.** Another user has\nthis `name`. More.\n\nSecond.\n";
        assert_eq!(in_short(text), "409 Conflict. Another user has this name.");
    }
}
