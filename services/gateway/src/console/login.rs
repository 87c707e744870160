//! Logging in and out: customers with their password, operators with a token.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use http::header::SET_COOKIE;
use maud::{Markup, html};
use serde_json::json;

use super::Console;
use super::frame::{self, see_other};
use super::marks::{Tone, message};
use super::refusal;
use super::session::{Absent, Jar, Who, known};
use super::visit::{Leaf, Visit, safe_next};
use super::words::day_and_clock;

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/login", get(form).post(log_in))
        .route("/login/operator", get(async || see_other("/login")).post(operator))
        .route("/login/demo", get(async || see_other("/login")).post(demo_operator))
        .route("/logout", get(async || see_other("/login")).post(log_out))
}

async fn form(visit: Visit) -> Response {
    let said = match (visit.query.get("why"), &visit.who) {
        ("ended", _) | (_, Who::Guest(Absent::Ended, _)) => Some(message(
            Tone::Wait,
            "clock",
            &html! { p { b { "Your log-in has ended." } " Nothing was done. Log in again to go on." } },
        )),
        ("closed", _) => Some(message(Tone::Calm, "no", &html! { p { "This page is for those who are logged in." } })),
        ("out", Who::Guest(..)) => Some(message(Tone::Ok, "done", &html! { p { "You are logged out." } })),
        _ => None,
    };
    let next = visit.query.get("next").to_owned();
    let answer = page(&visit, StatusCode::OK, &said.unwrap_or_default(), &next, "");
    match visit.who {
        // A cookie that no longer counts is of no use to anybody.
        Who::Guest(Absent::Ended | Absent::Unknown, _) => {
            frame::with(answer, SET_COOKIE, Jar::Session.clear(visit.console.secure))
        }
        _ => answer,
    }
}

async fn log_in(visit: Visit) -> Response {
    let (login, next) = (visit.form.get("login").to_owned(), visit.form.get("next").to_owned());
    let password = visit.form.iter().find(|(name, _)| *name == "password").map_or("", |(_, value)| value);
    let asked = visit.post("/v1/sessions", &json!({ "login": login, "password": password }));
    match asked.send().await {
        Ok(told) => enter(&visit, told.body["token"].as_str().unwrap_or_default(), &next),
        Err(refused) => {
            let said = refusal::told(&refused, "You are not logged in.");
            page(&visit, refused.status, &said, &next, &login)
        }
    }
}

async fn operator(visit: Visit) -> Response {
    let next = visit.form.get("next").to_owned();
    let token: String = visit.form.get("token").split_whitespace().collect();
    enter(&visit, token.strip_prefix("Bearer").unwrap_or(&token), &next)
}

async fn demo_operator(visit: Visit) -> Response {
    let next = visit.form.get("next").to_owned();
    match visit.console.demo.as_ref().and_then(|demo| demo.operator.as_ref()) {
        Some(issue) => enter(&visit, &issue(), &next),
        None => see_other("/login"),
    }
}

/// Makes the token the session, if it counts.
fn enter(visit: &Visit, token: &str, next: &str) -> Response {
    let console = &visit.console;
    let Err(absent) = known(token, &console.edge.verifier, visit.now()) else {
        let answer = see_other(safe_next(next).unwrap_or("/"));
        let answer = frame::with(answer, SET_COOKIE, Jar::Session.set(token, console.secure));
        // Whoever knew the guest's secret knows nothing of the session's.
        return frame::with(answer, SET_COOKIE, Jar::Guest.clear(console.secure));
    };
    let why = match absent {
        Absent::Ended => "This token has expired. Issue another one.",
        Absent::Never | Absent::Unknown => {
            "This is no token of an operator or a customer of this shop. Check that all of it was pasted."
        }
    };
    let said = message(Tone::Bad, "fail", &html! { p { b { "You are not logged in." } " " (why) } });
    page(visit, StatusCode::UNAUTHORIZED, &said, next, "")
}

async fn log_out(visit: Visit) -> Response {
    let secure = visit.console.secure;
    let mut answer = see_other("/login?why=out");
    for jar in [Jar::Session, Jar::Basket, Jar::Guest] {
        answer = frame::with(answer, SET_COOKIE, jar.clear(secure));
    }
    answer
}

fn page(visit: &Visit, status: StatusCode, said: &Markup, next: &str, login: &str) -> Response {
    let main = html! {
        header { div { h1 { "Log in" } p { "Searching needs no log-in. Ordering does, and everything that operators see." } } }
        @if let Some(session) = visit.session() {
            (message(Tone::Ok, "done", &html! {
                p { "You are logged in as " (session.claims.role) " " b { (session.claims.sub) } " until "
                    (day_and_clock(session.ends_at())) " UTC. Logging in again replaces it." }
            }))
        }
        div #said role="status" { (said) }
        div.cols.even {
            (customer(visit, next, login))
            (operator_panel(visit, next))
        }
    };
    visit.page_as(status, Leaf { title: "Log in", current: "", live: None }, &main)
}

fn customer(visit: &Visit, next: &str, login: &str) -> Markup {
    let hints = visit.console.demo.as_ref();
    let login = if login.is_empty() { hints.map_or("", |hints| &hints.login) } else { login };
    html! {
        section.panel aria-labelledby="h-customer" {
            header { h2 #h-customer { "As a customer" } }
            form.pad method="post" action="/login" {
                (visit.token())
                input type="hidden" name="next" value=(next);
                @if hints.is_some() { p.small.dim { "This is a demonstration: a customer is filled in for you." } }
                label.field { "E-mail or user name"
                    input name="login" autocomplete="username" required maxlength="255" value=(login);
                }
                label.field { "Password"
                    input name="password" type="password" autocomplete="current-password" required maxlength="256"
                        value=[hints.map(|hints| &hints.password)];
                }
                button.btn.primary type="submit" { "Log in" }
            }
        }
    }
}

fn operator_panel(visit: &Visit, next: &str) -> Markup {
    let demo = visit.console.demo.as_ref().is_some_and(|demo| demo.operator.is_some());
    html! {
        section.panel aria-labelledby="h-operator" {
            header { h2 #h-operator { "As an operator" } }
            @if demo {
                form.pad method="post" action="/login/demo" {
                    (visit.token())
                    input type="hidden" name="next" value=(next);
                    p.small.dim { "This is a demonstration: whoever can open this page may operate the shop." }
                    button.btn type="submit" { "Log in as the demo’s operator" }
                }
            }
            form.pad method="post" action="/login/operator" {
                (visit.token())
                input type="hidden" name="next" value=(next);
                label.field { "Operator’s token"
                    textarea name="token" required maxlength="4096" autocomplete="off" spellcheck="false" {}
                }
                p.small.dim { "Whoever may read the data directory issues one: "
                    code { "madrigal token issue --role operator --subject NAME" } "." }
                button.btn type="submit" { "Log in with the token" }
            }
        }
    }
}
