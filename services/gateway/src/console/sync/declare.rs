//! Declaring a connector: its JSON, and beside it everything that is wrong with it, each with its line.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::super::confirm;
use super::super::frame::see_other;
use super::super::marks::{Tone, message};
use super::super::pages::SYNC;
use super::super::refusal;
use super::super::visit::{Leaf, Paged, Visit, either};
use super::super::words::{plural, segment};
use crate::inside::Refused;

const LEAF: Leaf<'static> = Leaf { title: "Declare a connector", current: SYNC, live: None };
/// The longest declaration, in characters.
const LONGEST: usize = 16_000;
/// What the field shows at first: the brief's connector, as Debezium takes it.
const EXAMPLE: &str = r#"{
  "name": "postgres-connector",
  "config": {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "tasks.max": "1",
    "database.hostname": "postgres",
    "database.port": "5432",
    "database.user": "debezium",
    "database.password": "dbz",
    "database.dbname": "userdb",
    "database.server.name": "userdb",
    "table.include.list": "public.users,public.user_events",
    "plugin.name": "pgoutput",
    "transforms": "route",
    "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
    "transforms.route.regex": "([^.]+)\\.([^.]+)\\.([^.]+)",
    "transforms.route.replacement": "$3"
  }
}"#;

/// Something that is wrong, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    /// The line, from 1, where it is known.
    line: Option<usize>,
    /// The key, as in `config / database.port`.
    place: String,
    /// What is wrong.
    why: String,
}

/// `GET /sync/connectors`: the form.
pub(super) async fn ask(visit: Visit) -> Response {
    either(async { visit.require_operator().map(|_| visit.page(LEAF, &content(&visit, EXAMPLE, None, &[]))) }.await)
}

/// `POST /sync/connectors`.
pub(super) async fn act(visit: Visit) -> Response {
    either(declared(&visit).await)
}

async fn declared(visit: &Visit) -> Paged {
    visit.require_operator()?;
    let text = visit.form.get("declaration");
    let again = |said: &Markup, wrong: &[Wrong]| {
        visit.page_as(StatusCode::UNPROCESSABLE_ENTITY, LEAF, &content(visit, text, Some(said), wrong))
    };
    let declaration: Value = match serde_json::from_str(text) {
        Ok(declaration) => declaration,
        Err(error) => {
            let why = format!("This is no JSON: {}.", before_place(&error.to_string()));
            return Ok(again(&nothing_done(1), &[Wrong { line: Some(error.line()), place: String::new(), why }]));
        }
    };
    match visit.post("/v1/sync/connectors", &declaration).send().await {
        Ok(told) => {
            visit.console.standing.forget();
            let said = if told.status == StatusCode::CREATED { "declared" } else { "known" };
            let name = told.body["name"].as_str().unwrap_or_default();
            Ok(see_other(&format!("/sync?said={said}&name={}#connectors", segment(name))))
        }
        Err(refused) => {
            let wrong = of(&refused, text);
            let said = if wrong.is_empty() {
                refusal::told(&refused, "Nothing was declared.")
            } else {
                nothing_done(wrong.len())
            };
            Ok(again(&said, &wrong))
        }
    }
}

fn nothing_done(count: usize) -> Markup {
    let problems = plural(i64::try_from(count).unwrap_or(i64::MAX), "problem stands", "problems stand");
    message(Tone::Bad, "fail", &html! { p { b { "Nothing was declared." } " " (problems) " beside the text." } })
}

/// `serde_json` ends its errors with the place, which is shown apart.
fn before_place(error: &str) -> &str {
    error.split(" at line ").next().unwrap_or(error)
}

fn of(refused: &Refused, text: &str) -> Vec<Wrong> {
    let wrong = |(pointer, why): (&str, &str)| {
        // A key of a connector has dots, never a slash.
        let keys: Vec<String> =
            pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
        let line = keys.last().and_then(|key| line_of(text, key));
        Wrong { line, place: keys.join(" / "), why: why.to_owned() }
    };
    let mut all: Vec<Wrong> = refused.fields().map(wrong).collect();
    all.sort_by_key(|wrong| wrong.line.unwrap_or(0));
    all
}

/// The line on which a key stands first, from 1.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let quoted = Value::from(key).to_string();
    text.lines().position(|line| line.contains(&quoted)).map(|at| at + 1)
}

fn content(visit: &Visit, text: &str, said: Option<&Markup>, wrong: &[Wrong]) -> Markup {
    let lines = text.lines().count().clamp(16, 40);
    html! {
        p.crumbs { a href="/sync" { "Sync" } " / Declare a connector" }
        header { div {
            h1 { "Declare a connector" }
            p { "A connector says which tables are captured and under which topics their changes come, in the JSON that Debezium takes." }
        } }
        @if let Some(said) = said { div role="status" tabindex="-1" data-arrive { (said) } }
        form.cols method="post" action="/sync/connectors" {
            (visit.token())
            section.panel aria-labelledby="h-json" {
                header { h2 #h-json { label for="declaration" { "Its JSON" } } }
                div.pad {
                    textarea.code #declaration name="declaration" rows=(lines) maxlength=(LONGEST) required spellcheck="false" autocapitalize="off"
                        autocomplete="off" aria-invalid=[(!wrong.is_empty()).then_some("true")] aria-describedby="wrong" { "\n" (text) }
                    div.row {
                        button.btn.primary type="submit" { "Declare" }
                        a.btn href="/sync" { "Leave it" }
                    }
                }
            }
            section.panel aria-labelledby="h-wrong" {
                header { h2 #h-wrong { @if wrong.is_empty() { "What will happen" } @else { "What is wrong with it" } } }
                div.pad #wrong {
                    @if wrong.is_empty() {
                        ul.dots {
                            li { "Everything that the next start asks is checked first; whatever is wrong is said here at once, and nothing is kept." }
                            li { "Tables of user-service are captured from the next start on. A table is captured once." }
                            li { "A connector of PostgreSQL is kept and shown, and not run by this program. Its password is not kept." }
                            li { "The same declaration again changes nothing." }
                        }
                    } @else {
                        ul.plain.stack.tight { @for one in wrong { li { (told(one)) } } }
                    }
                }
            }
        }
    }
}

fn told(wrong: &Wrong) -> Markup {
    html! {
        p.small.dim {
            @if let Some(line) = wrong.line { "Line " (line) } @else { "The whole" }
            @if !wrong.place.is_empty() { ", " code { (wrong.place) } }
        }
        p { (wrong.why) }
    }
}

/// What is said after a declaration.
pub(super) fn done(visit: &Visit) -> Option<Markup> {
    let name = visit.query.get("name");
    match visit.query.get("said") {
        "declared" => Some(confirm::done(&format!("Connector {name} is declared. What becomes of it stands below."))),
        "known" => Some(confirm::done(&format!("Connector {name} was declared like this before. Nothing changed."))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_line_of_its_key() {
        assert_eq!(line_of(EXAMPLE, "database.port"), Some(7));
        assert_eq!(line_of(EXAMPLE, "slot.name"), None, "one that is missing has no line");
        assert_eq!(line_of("{\n\"a\\\"b\": 1}", "a\"b"), Some(2));
        assert!(serde_json::from_str::<Value>(EXAMPLE).is_ok());
    }

    #[test]
    fn the_place_of_a_syntax_error_is_said_once() {
        let error = serde_json::from_str::<Value>("{\n  x").unwrap_err();
        assert_eq!((error.line(), before_place(&error.to_string())), (2, "key must be a string"));
    }
}
