//! `/users/{id}`: who somebody is, and the values that merges of their changes did not take. Customers see themselves,
//! operators anybody.

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::confirm;
use super::frame::see_other;
use super::marks::{Tone, headline, message};
use super::pages::USERS;
use super::refusal;
use super::visit::{Leaf, Paged, Visit, either};
use super::words::{day_and_clock, number, plural, segment, told_moment};

mod conflicts;

const LEAF: Leaf<'static> = Leaf { title: "Profile", current: USERS, live: None };

pub(super) fn router() -> Router<Console> {
    Router::new()
        .route("/users", get(async |visit: Visit| either(own_or_asked(&visit).await)))
        .route("/users/{id}", get(async |visit: Visit, Path(id): Path<String>| either(show(&visit, &id).await)))
        .route("/users/{id}/conflicts/{conflict}/{choice}", get(conflicts::ask).post(conflicts::act))
}

/// Customers are led to their own page; operators say whose they want.
async fn own_or_asked(visit: &Visit) -> Paged {
    let session = visit.require_login()?;
    let id = visit.query.get("id");
    if !session.is_operator() {
        return Ok(see_other(&format!("/users/{}", segment(&session.claims.sub))));
    }
    if !id.is_empty() {
        return Ok(see_other(&format!("/users/{}", segment(id))));
    }
    let main = html! {
        header { div { h1 { "Whose profile?" } p { "Customers see their own here, with what merges did not take. Operators see anybody’s." } } }
        form.filters aria-label="User" action="/users" method="get" {
            label.field { "User’s id" input name="id" inputmode="numeric" maxlength="20" size="8" required; }
            button.btn.primary type="submit" { "Show" }
        }
    };
    Ok(visit.page(LEAF, &main))
}

/// What was read: the user's page stands on the user; conflicts that cannot be read are said in their place.
async fn show(visit: &Visit, id: &str) -> Paged {
    visit.require_login()?;
    let path = format!("/v1/users/{}", segment(id));
    let (user, lost) = futures::join!(visit.get(path.as_str()).send(), conflicts::read(visit, &path));
    let user = match user {
        Ok(told) => told.body,
        Err(refused) => {
            let main = refusal::content("This profile cannot be shown", &refused, "Nothing was done.");
            return Ok(visit.page_as(refused.status, LEAF, &main));
        }
    };
    let open = lost.as_ref().ok().map(conflicts::open);
    let (answer, meaning) = sentences(&user, open);
    let main = html! {
        (headline(&answer, &html! { (meaning) }, Some(&day_and_clock(visit.now()))))
        @if let Some(said) = conflicts::done(visit) { (said) }
        @match &lost {
            Ok(told) => (conflicts::panel(id, &user, told, visit.now())),
            Err(refused) => (refusal::told(refused, "What merges did not take cannot be shown.")),
        }
        (facts(id, &user))
        (confirm::dialog(visit))
    };
    Ok(visit.page(LEAF, &main))
}

fn sentences(user: &Value, open: Option<(i64, bool)>) -> (String, String) {
    let name = name(user);
    match open {
        Some((0, _)) => {
            (name, "No value waits for a choice: whatever merges did not take was chosen about.".to_owned())
        }
        Some((open, more)) => (
            format!(
                "{name}: {} not taken",
                plural(open, "value", "values")
                    + if more {
                        " or more were"
                    } else if open == 1 {
                        " was"
                    } else {
                        " were"
                    }
            ),
            "Two changes were made from the same version. One value stands; the other is kept and can still be chosen."
                .to_owned(),
        ),
        None => (name, String::new()),
    }
}

/// What to call the person.
fn name(user: &Value) -> String {
    let part = |field: &str| user["profile"][field].as_str().unwrap_or_default().trim().to_owned();
    let whole = format!("{} {}", part("firstName"), part("lastName"));
    let whole = whole.trim();
    if whole.is_empty() { user["username"].as_str().unwrap_or_default().to_owned() } else { whole.to_owned() }
}

/// The fields as user-service has them.
fn facts(id: &str, user: &Value) -> Markup {
    let text = |field: &str| user[field].as_str().unwrap_or_default();
    html! {
        section.panel #profile aria-labelledby="h-profile" {
            header { h2 #h-profile { "Profile" } small { "version " (number(user["version"].as_i64().unwrap_or(0))) } }
            div.pad {
                dl.kv {
                    dt { "User" } dd { code { (id) } " " a.small href={ "/orders?userId=" (segment(id)) } { "Orders" } }
                    dt { "User name" } dd { (text("username")) }
                    dt { "E-mail" } dd { (text("email")) }
                    @for (field, value) in user["profile"].as_object().into_iter().flatten() {
                        dt { code { (field) } } dd { (value_text(value)) }
                    }
                    dt { "Registered, UTC" } dd { (told_moment(text("createdAt"))) }
                    dt { "Last changed, UTC" } dd { (told_moment(text("updatedAt"))) }
                }
            }
        }
    }
}

/// A profile's value as a text.
fn value_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A page that says why nothing of a choice was done.
fn not_there(visit: &Visit, refused: &crate::inside::Refused) -> Response {
    let main = refusal::content("This cannot be chosen now", refused, "Nothing was done.");
    visit.page_as(refused.status, LEAF, &main)
}

/// What is said where there is no such thing to choose.
fn nothing_to_choose() -> Markup {
    html! {
        header { div { h1 { "There is nothing to choose" } } }
        (message(Tone::Calm, "unk", &html! { p { "No value of this profile is kept under this number." } }))
    }
}
