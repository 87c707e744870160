//! The frame of every page: head, rail, bar, and the headers of its answer.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, REFERRER_POLICY, VARY};
use http::{HeaderName, HeaderValue};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::pages::{Audience, RAIL};
use super::session::Who;
use super::standing::{self, Standing};
use crate::security::{self, STRICT};

/// The shapes that pages and the script refer to by id.
const SPRITE: &str = include_str!("../../assets/sprite.svg");

/// What the frame says around a page.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The title.
    pub(crate) title: &'a str,
    /// The link of the rail that the page belongs to.
    pub(crate) current: &'a str,
    /// The last line of the rail.
    pub(crate) foot: &'a str,
    /// Who reads it; `None` where that was not asked.
    pub(crate) who: Option<&'a Who>,
    /// The hidden field of the frame's own form (logging out).
    pub(crate) token: Markup,
    /// The stream of changes that the page listens to, as in `/console/live?page=overview`.
    pub(crate) live: Option<&'a str>,
    /// What the bar and the rail say of copies and sagas; operators only.
    pub(crate) standing: Option<&'a Standing>,
}

/// A whole document.
pub(crate) fn document(around: &Surroundings<'_>, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (around.title) " · Madrigal" }
                link rel="icon" href="/favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/console.css";
                // Not deferred: it sets the chosen colours before the first paint.
                script src="/assets/console.js" {}
            }
            body data-stream=[around.live] {
                (PreEscaped(SPRITE))
                a.skip href="#main" { "Skip to the page" }
                div.app {
                    (rail(around))
                    (bar(around))
                    main #main tabindex="-1" { (main) }
                }
            }
        }
    }
}

/// A document that knows of no session: the same for everybody.
pub(crate) fn bare(title: &str, current: &str, main: &Markup) -> Markup {
    let around = Surroundings { title, current, foot: "", who: None, token: html! {}, live: None, standing: None };
    document(&around, main)
}

/// The answer with a page. Nobody keeps a copy: what it says was true for one reader at one moment.
pub(crate) fn answer(status: StatusCode, page: &Markup) -> Response {
    let mut response = Response::new(Body::from(page.0.clone()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    security::harden(headers, STRICT);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("cookie"));
    // With no-referrer a browser says `Origin: null` even to ourselves, and then no form could show where it is from.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The way to another page, after a form.
pub(crate) fn see_other(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(http::header::LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds a header that may be there several times.
pub(crate) fn with(mut response: Response, name: HeaderName, value: Option<HeaderValue>) -> Response {
    if let Some(value) = value {
        response.headers_mut().append(name, value);
    }
    response
}

fn rail(around: &Surroundings<'_>) -> Markup {
    let session = around.who.and_then(Who::session);
    let sees = |audience| match audience {
        Audience::All => true,
        Audience::Known => session.is_some(),
        Audience::Operators => session.is_some_and(|session| session.is_operator()),
    };
    html! {
        aside.rail aria-label="Madrigal" {
            a.brand href="/" { (brand()) "Madrigal" }
            nav aria-label="Pages" {
                @for (at, (group, entries)) in RAIL.iter().enumerate() {
                    @if entries.iter().any(|entry| sees(entry.audience)) {
                        p id={ "nav-" (at) } { (group) }
                        ul aria-labelledby={ "nav-" (at) } {
                            @for entry in entries.iter().filter(|entry| sees(entry.audience)) {
                                li {
                                    a href=(entry.to) aria-current=[(entry.to == around.current).then_some("page")] {
                                        (entry.name) (standing::beside(around.standing, entry.to))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p.foot { (around.foot) }
        }
    }
}

fn bar(around: &Surroundings<'_>) -> Markup {
    html! {
        div.bar role="region" aria-label="State of the shop" {
            (standing::sum(around.standing))
            @if around.who.and_then(Who::session).is_some() {
                form role="search" action="/jump" method="get" {
                    label.visually-hidden for="jump" { "Go to an order, saga, user, product or trace" }
                    input #jump name="id" placeholder="Order, saga, user or product id" autocomplete="off" maxlength="200";
                    kbd aria-hidden="true" { "/" }
                }
            }
            div.tools {
                @if around.live.is_some() {
                    button.btn.quiet.small.livebtn.js-only type="button" aria-pressed="false" {
                        span.beat aria-hidden="true" {}
                        span.visually-hidden { "Pause live updates, now " }
                        span.word { "Live" }
                    }
                }
                button.btn.quiet.small.themebtn.js-only type="button" {
                    span aria-hidden="true" { "◐" } span.word { "Dark" }
                }
                (door(around))
            }
        }
    }
}

/// Logging in and out.
fn door(around: &Surroundings<'_>) -> Markup {
    html! {
        @match around.who {
            Some(Who::Known(session)) => {
                form.door method="post" action="/logout" {
                    (around.token)
                    span.small.dim.nowrap { (session.claims.role) " " (session.claims.sub) }
                    button.btn.quiet.small type="submit" { "Log out" }
                }
            }
            Some(Who::Guest(..)) => a.btn.quiet.small href="/login" { "Log in" },
            None => {}
        }
    }
}

fn brand() -> Markup {
    html! {
        svg viewBox="0 0 36 28" aria-hidden="true" {
            g stroke="currentColor" stroke-width="1.2" opacity=".55" { path d="M0 4.5h36M0 14h36M0 23.5h36" {} }
            g fill="currentColor" {
                path d="M9 18.8 14 28H4Z" {}
                path d="M18 8.3 23.6 14 18 19.7 12.4 14Z" {}
                path d="M22.5 .5h10v8h-10Z" {}
            }
        }
    }
}
