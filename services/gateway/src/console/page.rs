//! The first page: what runs, search, place an order, see it.

use maud::{Markup, html};

use super::frame::{self, shape};
use crate::parts::DemoHints;

/// A service, and where it runs.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) service: &'static str,
    pub(crate) place: String,
}

/// The sandbox's tokens and what happens with each.
const TOKENS: [(&str, &str, &str); 7] = [
    ("tok_visa", "pays", "The card is charged at once."),
    ("tok_mastercard", "pays", "The card is charged at once."),
    ("tok_declined", "declined", "The bank says no: nothing is charged, and what was reserved goes back."),
    ("tok_insufficient", "not enough money", "The bank says no: nothing is charged, and what was reserved goes back."),
    (
        "tok_timeout_paid",
        "charged, answer lost",
        "The card is charged and the answer gets lost. The shop asks again and finds the one charge.",
    ),
    (
        "tok_timeout_unpaid",
        "never answers",
        "The bank never answers. The shop asks again until its time is up, then gives everything back.",
    ),
    (
        "tok_flaky",
        "fails twice, then pays",
        "The bank is not available for the first two calls. The shop tries again by itself.",
    ),
];

/// The orders of hits, as the catalogue names them.
const SORTS: [(&str, &str); 5] = [
    ("", "Best match"),
    ("price", "Lowest price"),
    ("-price", "Highest price"),
    ("name", "Name"),
    ("newest", "Newest"),
];

/// The page.
pub(crate) fn first_page(services: &[Place], demo: Option<&DemoHints>, version: &str) -> Markup {
    let main = html! {
        header {
            div {
                h1 #headline { "A shop of " (services.len()) " services" }
                p #subline { "Asking each of them how it is." }
            }
            p.small.dim #asof {}
        }
        noscript {
            p.msg.wait { span {} "This page needs JavaScript. The API does not: see " a href="/docs/" { "its description" } "." }
        }
        (runs(services))
        (shop(demo))
        (order())
        (confirm())
    };
    let bar = html! {
        div.sum #sum { span.dim { "Asking …" } }
        a.small.nowrap #basket-link href="#basket" { "Basket is empty" }
        span.row #who {}
        button.btn.quiet.small.livebtn #live type="button" aria-pressed="false" {
            span.beat aria-hidden="true" {} span.visually-hidden { "Pause live updates, now " } span.word { "Live" }
        }
    };
    frame::with_bar("Shop", "/#runs", &format!("madrigal {version}"), &bar, &main)
}

fn runs(services: &[Place]) -> Markup {
    html! {
        section.panel #runs aria-labelledby="h-runs" {
            header { h2 #h-runs { "What runs" } small { a href="/health" { "All checks as JSON" } } }
            table.data.tidy.fold.compact {
                thead { tr {
                    th scope="col" { "Service" }
                    th scope="col" { "State" }
                    th.wide-only scope="col" { "Runs" }
                    th scope="col" { "Its checks" }
                } }
                tbody #services {
                    @for Place { service, place } in services {
                        tr data-service=(service) {
                            th scope="row" { (voice(service)) }
                            td data-l="State" { span.mark.calm { (shape("glyph", "g-clock")) "asking" } }
                            td.wide-only data-l="Runs" { (place) }
                            td data-l="Its checks" { }
                        }
                    }
                }
            }
        }
    }
}

fn voice(service: &str) -> Markup {
    let short = service.trim_end_matches("-service");
    html! { span.voice { (shape(&format!("note v-{short}"), &format!("n-{short}"))) (short) } }
}

fn shop(demo: Option<&DemoHints>) -> Markup {
    html! {
        section.stack.tight #shop aria-labelledby="h-shop" {
            h2 #h-shop { "Search and order" }
            div.cols.side {
                div.stack.tight {
                    form.row role="search" aria-label="Products" #find {
                        div.field.find {
                            label for="q" { "Search products" }
                            input #q name="q" type="search" autocomplete="off" maxlength="200"
                                placeholder="Name, brand, category …";
                        }
                        label.field { "Sort by"
                            select #sort name="sort" {
                                @for (value, name) in SORTS { option value=(value) { (name) } }
                            }
                        }
                        label.check { input #in-stock type="checkbox"; "In stock only" }
                    }
                    p.small.dim #found role="status" { "Reading the catalogue" }
                    div #search-problem {}
                    ul.cards #products {}
                    div { button.btn #more type="button" hidden { "Show more" } }
                }
                div.stack.tight.sticky { (basket()) (account(demo)) }
            }
        }
    }
}

fn basket() -> Markup {
    html! {
        section.panel #basket aria-labelledby="h-basket" {
            header { h2 #h-basket { "Place an order" } small #as-whom { "not logged in" } }
            form.pad #place {
                div.lines #lines {}
                label.field { "Ships to"
                    input #address name="address" autocomplete="street-address" maxlength="200"
                        value="Rua das Flores 18, 4050 Porto";
                }
                div.field {
                    label for="token" { "Payment, sandbox" }
                    select #token name="token" {
                        @for (token, short, sentence) in TOKENS {
                            option value=(token) data-sentence=(sentence) { (token) ": " (short) }
                        }
                    }
                    p.small.dim #token-says { (TOKENS[0].2) }
                }
                p.small.dim #key-says { "Pressing twice orders once: both presses carry the same Idempotency-Key." }
                button.btn.primary #place-button type="submit" disabled { "Place order" }
                div #answer role="status" tabindex="-1" {
                    p.small.dim {
                        "The answer appears here. An order is final when it says so; until then nothing is charged twice."
                    }
                }
            }
        }
    }
}

fn account(demo: Option<&DemoHints>) -> Markup {
    html! {
        section.panel #account aria-labelledby="h-account" {
            header { h2 #h-account { "Who orders" } }
            div.pad {
                div.tabs role="tablist" aria-label="Log in or register" {
                    button #tab-in type="button" role="tab" aria-selected="true" aria-controls="panel-in" {
                        "Log in"
                    }
                    button #tab-new type="button" role="tab" aria-selected="false" aria-controls="panel-new" tabindex="-1" {
                        "Register"
                    }
                }
                div #panel-in role="tabpanel" aria-labelledby="tab-in" { (log_in_form(demo)) }
                div #panel-new role="tabpanel" aria-labelledby="tab-new" hidden { (register_form()) }
                div #account-says role="status" {}
                p.tiny.dim { "The token stays in this page's memory: reloading the page logs you out." }
            }
        }
    }
}

fn log_in_form(demo: Option<&DemoHints>) -> Markup {
    html! {
        form.stack.tight #login {
            @if demo.is_some() { p.small { "This is a demonstration: a customer is filled in for you." } }
            label.field { "E-mail or user name"
                input name="login" autocomplete="username" required maxlength="255" value=[demo.map(|hints| &hints.login)];
            }
            label.field { "Password"
                input name="password" type="password" autocomplete="current-password" required maxlength="256"
                    value=[demo.map(|hints| &hints.password)];
            }
            button.btn type="submit" { "Log in" }
        }
    }
}

fn register_form() -> Markup {
    html! {
        form.stack.tight #register {
            div.two {
                label.field { "First name" input name="firstName" autocomplete="given-name" maxlength="100"; }
                label.field { "Last name" input name="lastName" autocomplete="family-name" maxlength="100"; }
            }
            label.field { "E-mail" input name="email" type="email" autocomplete="email" required maxlength="255"; }
            label.field { "User name"
                input name="username" autocomplete="username" required minlength="3" maxlength="100"
                    pattern="[A-Za-z0-9._\\-]+" title="Letters, digits, dots, hyphens, underscores";
            }
            label.field { "Password, ten characters or more"
                input name="password" type="password" autocomplete="new-password" required minlength="10" maxlength="256";
            }
            button.btn type="submit" { "Register" }
        }
    }
}

fn order() -> Markup {
    html! {
        section.stack.tight #order aria-labelledby="h-order" tabindex="-1" {
            h2 #h-order { "Your orders" }
            p.dim #no-order { "Log in to see your orders. A new one appears here as soon as it is placed." }
            div #order-problem role="status" {}
            div.cols {
                div.stack.tight #one-order {}
                section.panel #my-orders aria-labelledby="h-mine" hidden {
                    header { h2 #h-mine { "Latest" } button.btn.quiet.small #reread type="button" { "Read again" } }
                    table.data.tidy.fold.compact {
                        thead { tr {
                            th scope="col" { "Order" }
                            th scope="col" { "Status" }
                            th.num scope="col" { "Paid" }
                        } }
                        tbody #orders {}
                    }
                }
            }
        }
    }
}

/// What a severe verb does, said before it is done.
fn confirm() -> Markup {
    html! {
        dialog #confirm aria-labelledby="confirm-title" {
            form method="dialog" {
                h2 #confirm-title {}
                ul.effects {}
                label.field { "Why" textarea name="reason" maxlength="500" required {} }
                menu {
                    button.btn type="submit" value="keep" formnovalidate { "Keep as it is" }
                    button.btn.severe type="submit" value="go" { "Cancel the order" }
                }
            }
        }
    }
}
