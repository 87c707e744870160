//! The frame of every page: head, rail, skip link.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The shapes that pages and the script refer to by id.
const SPRITE: &str = include_str!("../../assets/sprite.svg");

/// A link of the rail; the last says whether it leaves the pages for something that programs read.
const LINKS: [(&str, &[(&str, &str)]); 3] = [
    ("Listen", &[("/#runs", "What runs")]),
    ("Shop", &[("/#shop", "Search and order"), ("/#order", "Your orders")]),
    (
        "Build on it",
        &[("/docs/", "API"), ("/docs/problems", "Problems"), ("/openapi.json", "OpenAPI"), ("/metrics", "Metrics")],
    ),
];

/// A whole document. `current` is the link of the rail that this page belongs to.
pub(crate) fn document(title: &str, current: &str, foot: &str, main: &Markup) -> Markup {
    with_bar(title, current, foot, &html! {}, main)
}

/// A whole document with things of its own in the bar.
pub(crate) fn with_bar(title: &str, current: &str, foot: &str, bar: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Madrigal" }
                link rel="icon" href="/favicon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/console.css";
                // Not deferred: it sets the chosen colours before the first paint.
                script src="/assets/console.js" {}
            }
            body {
                (PreEscaped(SPRITE))
                a.skip href="#main" { "Skip to the page" }
                div.app {
                    (rail(current, foot))
                    div.bar role="region" aria-label="State of the shop" {
                        (bar)
                        button.btn.quiet.small.themebtn type="button" {
                            span aria-hidden="true" { "◐" } span.word { "Dark" }
                        }
                    }
                    main #main tabindex="-1" { (main) }
                }
            }
        }
    }
}

fn rail(current: &str, foot: &str) -> Markup {
    html! {
        aside.rail aria-label="Madrigal" {
            a.brand href="/" { (mark()) "Madrigal" }
            nav aria-label="Pages" {
                @for (at, (group, links)) in LINKS.iter().enumerate() {
                    p id={ "nav-" (at) } { (group) }
                    ul aria-labelledby={ "nav-" (at) } {
                        @for (to, name) in *links {
                            li { a href=(to) aria-current=[(*to == current).then_some("page")] { (name) } }
                        }
                    }
                }
            }
            p.foot { (foot) }
        }
    }
}

fn mark() -> Markup {
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

/// A shape of the sprite.
pub(crate) fn shape(class: &str, id: &str) -> Markup {
    html! { svg class=(class) viewBox="0 0 16 16" aria-hidden="true" { use href={ "#" (id) } {} } }
}
