//! One request for a page: who asks, for what, and how the page asks the API on their behalf.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use madrigal_core::Timestamp;
use madrigal_http::edge::EdgeContext;
use maud::{Markup, html};
use serde_json::Value;

use super::Console;
use super::forms::{Sent, token_field};
use super::frame::{self, Surroundings};
use super::live::Asker;
use super::marks::{Tone, message};
use super::session::{Absent, Jar, Session, Who};
use super::standing::Standing;
use super::words::segment;
use crate::inside::Ask;

/// The longest path that a log-in leads back to.
const MAX_NEXT_BYTES: usize = 1_000;

/// A request for a page.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// What the pages stand on.
    pub(crate) console: Console,
    /// Who asks.
    pub(crate) who: Who,
    /// The path.
    pub(crate) path: String,
    /// The query as [`Sent`]: the fields of GET forms.
    pub(crate) query: Sent,
    /// The form, where one was sent; its token was right.
    pub(crate) form: Sent,
    /// The request's headers.
    pub(crate) headers: HeaderMap,
    edge: Option<EdgeContext>,
    standing: Option<Arc<Standing>>,
}

/// What a page says about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf<'a> {
    /// The title.
    pub(crate) title: &'a str,
    /// The entry of [`super::pages::RAIL`] that it belongs to.
    pub(crate) current: &'static str,
    /// The stream that it listens to, as in `page=overview`; see [`super::live`].
    pub(crate) live: Option<&'a str>,
}

impl Visit {
    /// Asks the API on behalf of who looks at the page.
    pub(crate) fn get(&self, path: impl Into<String>) -> Ask {
        self.asking(self.console.inside.get(path))
    }

    /// Asks the API for a change.
    pub(crate) fn post(&self, path: impl Into<String>, body: &Value) -> Ask {
        self.asking(self.console.inside.post(path, body))
    }

    fn asking(&self, ask: Ask) -> Ask {
        let ask = ask.bearer(self.session().map(|session| &*session.token));
        match &self.edge {
            Some(edge) => ask.on_behalf_of(edge),
            None => ask,
        }
    }

    /// The session, if somebody is logged in.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.who.session()
    }

    /// Whether an operator is logged in.
    pub(crate) fn is_operator(&self) -> bool {
        self.session().is_some_and(Session::is_operator)
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.console.edge.host.now()
    }

    /// A key for a request that must have its effect once, however often the form is sent.
    pub(crate) fn fresh_key(&self) -> String {
        self.console.edge.host.uuid_v7().to_string()
    }

    /// How copies and sagas stand, where an operator looks and it is known.
    pub(crate) fn standing(&self) -> Option<&Standing> {
        self.standing.as_deref()
    }

    /// The hidden field that every form of a page carries.
    pub(crate) fn token(&self) -> Markup {
        token_field(self.who.secret())
    }

    /// The session, or the way to the log-in and back here.
    #[expect(clippy::result_large_err, reason = "an answer is what every handler returns")]
    pub(crate) fn require_login(&self) -> Result<&Session, Response> {
        self.session().ok_or_else(|| {
            let why = if matches!(self.who, Who::Guest(Absent::Never, _)) { "closed" } else { "ended" };
            frame::see_other(&format!("/login?why={why}&next={}", segment(&self.here())))
        })
    }

    /// The operator's session, the way to the log-in, or a page that says that only operators may.
    #[expect(clippy::result_large_err, reason = "an answer is what every handler returns")]
    pub(crate) fn require_operator(&self) -> Result<&Session, Response> {
        let session = self.require_login()?;
        if session.is_operator() {
            return Ok(session);
        }
        let main = html! {
            header { div { h1 { "Only operators may see this" } p { "You are logged in as a customer." } } }
            (message(Tone::Calm, "no", &html! {
                p { "Nothing was done. Log out and log in with an operator's token, or go to " a href="/shop" { "the shop" } "." }
            }))
        };
        Err(self.page_as(StatusCode::FORBIDDEN, Leaf { title: "Only operators", current: "", live: None }, &main))
    }

    /// This page's path and query, as a target to come back to. After a form: the path, which shows the form.
    pub(crate) fn here(&self) -> String {
        let query: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{}={}", segment(name), segment(value))).collect();
        let here = if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) };
        safe_next(&here).unwrap_or("/").to_owned()
    }

    /// The page.
    pub(crate) fn page(&self, leaf: Leaf<'_>, main: &Markup) -> Response {
        self.page_as(StatusCode::OK, leaf, main)
    }

    /// The page with another status.
    pub(crate) fn page_as(&self, status: StatusCode, leaf: Leaf<'_>, main: &Markup) -> Response {
        let live = leaf.live.map(|query| format!("/console/live?{query}"));
        let foot = format!("madrigal {}", self.console.version);
        let around = Surroundings {
            title: leaf.title,
            current: leaf.current,
            foot: &foot,
            who: Some(&self.who),
            token: self.token(),
            live: live.as_deref(),
            standing: self.standing.as_deref(),
        };
        let answer = frame::answer(status, &frame::document(&around, main));
        match &self.who {
            Who::Guest(_, secret) if secret.fresh => {
                frame::with(answer, SET_COOKIE, Jar::Guest.set(&secret.text, self.console.secure))
            }
            _ => answer,
        }
    }
}

/// A target on this very site: a path from the root. Anything that a browser could read as another site is none.
pub(crate) fn safe_next(next: &str) -> Option<&str> {
    let mut bytes = next.bytes();
    let starts = bytes.next() == Some(b'/') && bytes.next() != Some(b'/');
    let plain = next.len() <= MAX_NEXT_BYTES && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (starts && plain).then_some(next)
}

impl FromRequestParts<Console> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Infallible> {
        let who = Who::of(&parts.headers, console.secure, &console.edge.verifier, &console.edge.host);
        let query = parts.uri.query().and_then(Sent::parse).unwrap_or_default();
        let mut visit = Self {
            console: console.clone(),
            who,
            path: parts.uri.path().to_owned(),
            query,
            form: parts.extensions.get::<Sent>().cloned().unwrap_or_default(),
            headers: parts.headers.clone(),
            edge: EdgeContext::of(&parts.extensions).cloned(),
            standing: None,
        };
        visit.standing = console.standing.glance(console, &Asker::of(&visit)).await;
        Ok(visit)
    }
}

/// What a handler of a page returns: both are answers, the second one left early.
pub(crate) type Paged = Result<Response, Response>;

/// Whichever it is.
pub(crate) fn either(paged: Paged) -> Response {
    paged.unwrap_or_else(IntoResponse::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_back_to_this_site_only() {
        for next in ["/", "/sagas?state=stuck&x=%2F", "/orders/019a"] {
            assert_eq!(safe_next(next), Some(next));
        }
        for next in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "evil",
            "/a\r\nb",
            "/a b",
            "javascript:alert(1)",
            "/\t/evil",
            "/é",
        ] {
            assert_eq!(safe_next(next), None, "{next}");
        }
        assert_eq!(safe_next(&format!("/{}", "a".repeat(1_000))), None);
    }
}
