//! Before a verb has its effect: what it will do, why (kept in the audit trail), and for severe ones the end of an id typed.
//!
//! A verb is a link. Without a script it leads to a page that asks; with one the same question comes in place, as a dialog.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::json;

use super::marks::glyph;
use super::visit::Visit;

/// A verb about to be done.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// The verb on the button, as in "Pause".
    pub(crate) verb: String,
    /// The question's heading, as in "Pause saga 01a202c9…4c1e?".
    pub(crate) title: String,
    /// What will happen, sentence by sentence.
    pub(crate) effects: Vec<String>,
    /// Where the page is that asks, and where the form is sent to.
    pub(crate) action: String,
    /// What the form carries along.
    pub(crate) fields: BTreeMap<&'static str, String>,
    /// Whether a reason is needed.
    pub(crate) reason: bool,
    /// Whether evidence is asked for.
    pub(crate) evidence: bool,
    /// For severe verbs: what must be typed.
    pub(crate) typed: Option<String>,
}

impl Act {
    /// Whether the form typed what was asked for.
    pub(crate) fn is_typed(&self, visit: &Visit) -> bool {
        self.typed.as_deref().is_none_or(|typed| visit.form.get("typed") == typed)
    }

    fn spec(&self) -> String {
        json!({
            "verb": self.verb, "title": self.title, "effects": self.effects, "action": self.action, "fields": self.fields,
            "reason": self.reason, "evidence": self.evidence, "typed": self.typed,
        })
        .to_string()
    }

    fn address(&self) -> String {
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| format!("{name}={}", super::words::segment(value))).collect();
        if fields.is_empty() { self.action.clone() } else { format!("{}?{}", self.action, fields.join("&")) }
    }

    /// The verb as a link, that asks in place where it can.
    pub(crate) fn link(&self, class: &str) -> Markup {
        self.link_about(class, "")
    }

    /// As [`Act::link`], among others of the same verb: `about` is read after it and not shown.
    pub(crate) fn link_about(&self, class: &str, about: &str) -> Markup {
        let dots = if self.typed.is_some() || self.evidence { "…" } else { "" };
        html! {
            a class={ "btn " (class) } href=(self.address()) data-confirm=(self.spec()) { (self.verb) (dots) (unseen(about)) }
        }
    }

    /// The verb as a link to its own page, where the question needs more room than a dialog.
    pub(crate) fn page_link(&self, class: &str) -> Markup {
        self.page_link_about(class, "")
    }

    /// As [`Act::page_link`], among others of the same verb.
    pub(crate) fn page_link_about(&self, class: &str, about: &str) -> Markup {
        html! { a class={ "btn " (class) } href=(self.address()) { (self.verb) "…" (unseen(about)) } }
    }

    /// The page that asks. `more` are fields of this verb's own, `back` leads away without doing anything.
    pub(crate) fn page(&self, visit: &Visit, said: Option<&Markup>, more: &Markup, back: &str) -> Markup {
        let button = if self.typed.is_some() { "btn severe" } else { "btn primary" };
        let sent = |name: &str| visit.form.get(name).to_owned();
        html! {
            header { div { h1 { (self.title) } p { "Nothing has been done yet." } } }
            @if let Some(said) = said { div role="status" tabindex="-1" data-arrive { (said) } }
            section.panel aria-label="What will happen" {
                form.pad method="post" action=(self.action) {
                    (visit.token())
                    @for (name, value) in &self.fields { input type="hidden" name=(name) value=(value); }
                    ul.dots { @for effect in &self.effects { li { (effect) } } }
                    (more)
                    @if self.reason {
                        label.field { "Why (kept in the audit trail)"
                            textarea name="reason" maxlength="500" required { (sent("reason")) }
                        }
                    }
                    @if self.evidence {
                        label.field { "How it is known"
                            textarea name="evidence" maxlength="1000" required { (sent("evidence")) }
                        }
                    }
                    @if let Some(typed) = &self.typed {
                        label.field { span { "Type " b { (typed) } " to go on" }
                            input name="typed" autocomplete="off" required maxlength="40";
                        }
                    }
                    div.row {
                        button class=(button) type="submit" { (self.verb) }
                        a.btn href=(back) { "Keep as it is" }
                    }
                }
            }
        }
    }
}

fn unseen(about: &str) -> Markup {
    html! { @if !about.is_empty() { span.visually-hidden { ": " (about) } } }
}

/// The dialog that asks in place; once on a page that has verbs.
pub(crate) fn dialog(visit: &Visit) -> Markup {
    html! {
        dialog #confirm aria-labelledby="confirm-title" {
            form method="post" action="" {
                (visit.token())
                div data-part="fields" hidden {}
                h2 #confirm-title { "Are you sure?" }
                ul.dots.effects {}
                label.field data-part="reason" { "Why (kept in the audit trail)"
                    textarea name="reason" maxlength="500" {}
                }
                label.field data-part="evidence" hidden { "How it is known"
                    textarea name="evidence" maxlength="1000" disabled {}
                }
                label.field data-part="severe" hidden { span { "Type " b {} " to go on" }
                    input name="typed" autocomplete="off" maxlength="40" disabled;
                }
                menu {
                    button.btn type="button" data-part="keep" { "Keep as it is" }
                    button.btn.primary type="submit" data-part="go" { "Go on" }
                }
            }
        }
    }
}

/// A verb that cannot be done now, and why not.
pub(crate) fn unavailable(verb: &str, why: &str) -> Markup {
    html! { span.btn aria-disabled="true" { (verb) } small { "Not now: " (why) } }
}

/// What was done, after the way back from a form.
pub(crate) fn done(text: &str) -> Markup {
    html! { div.msg.ok role="status" tabindex="-1" data-arrive { (glyph("done")) p { (text) } } }
}
