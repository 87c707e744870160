//! The basket: in a cookie, so that it needs no log-in, no script and no memory of ours.

use axum::response::Response;
use futures::future::join_all;
use http::header::SET_COOKIE;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::super::forms::Sent;
use super::super::frame::{self, see_other};
use super::super::session::Jar;
use super::super::visit::{Visit, safe_next};
use super::super::words::segment;

/// The most lines: what a cookie holds.
pub(super) const MAX_LINES: usize = 20;
/// The most of one product.
pub(super) const MAX_QUANTITY: u32 = 99_999;
/// The longest product id.
const MAX_ID_BYTES: usize = 64;

/// What somebody means to order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lines(pub(super) Vec<(String, u32)>);

impl Lines {
    /// The lines of a cookie; what is not ours is left out.
    fn parse(text: &str) -> Self {
        let mut lines = Self::default();
        for line in text.split('!') {
            let Some((id, quantity)) = line.split_once('*') else { continue };
            let Ok(id) = percent_decode_str(id).decode_utf8() else { continue };
            lines.set(&id, quantity.parse().unwrap_or(0));
        }
        lines
    }

    fn to_text(&self) -> String {
        let lines: Vec<_> = self.0.iter().map(|(id, quantity)| format!("{}*{quantity}", segment(id))).collect();
        lines.join("!")
    }

    /// Sets how many of a product; 0 takes it out. Beyond the limits nothing changes.
    fn set(&mut self, id: &str, quantity: u32) {
        let known = self.0.iter().position(|(known, _)| known == id);
        match (known, quantity.min(MAX_QUANTITY)) {
            (Some(at), 0) => drop(self.0.remove(at)),
            (Some(at), quantity) => self.0[at].1 = quantity,
            (None, 0) => {}
            (None, quantity) => {
                if self.0.len() < MAX_LINES && !id.is_empty() && id.len() <= MAX_ID_BYTES {
                    self.0.push((id.to_owned(), quantity));
                }
            }
        }
    }

    /// The lines as a form has them: `n.PRODUCT` is how many.
    pub(super) fn of_form(form: &Sent) -> Self {
        let mut lines = Self::default();
        for (name, value) in form.iter() {
            if let Some(id) = name.strip_prefix("n.") {
                lines.set(id, value.trim().parse().unwrap_or(0));
            }
        }
        lines
    }

    fn of_cookie(visit: &Visit) -> Self {
        Jar::Basket.read(&visit.headers, visit.console.secure).map(Self::parse).unwrap_or_default()
    }
}

/// A line with what the catalogue says about it now; `None` where it does not know the product.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) quantity: u32,
    pub(super) product: Option<Value>,
}

/// The basket as the page shows it.
#[derive(Debug, Default)]
pub(super) struct Basket(pub(super) Vec<Line>);

impl Basket {
    /// The cookie's lines, or those of the form that was just sent.
    pub(super) async fn read(visit: &Visit) -> Self {
        let sent = Lines::of_form(&visit.form);
        let lines = if sent.0.is_empty() { Lines::of_cookie(visit) } else { sent };
        let ask = |(id, quantity): (String, u32)| async move {
            let told = visit.get(format!("/v1/products/{}", segment(&id))).send().await;
            Line { id, quantity, product: told.ok().map(|told| told.body) }
        };
        Self(join_all(lines.0.into_iter().map(ask)).await)
    }
}

/// `POST /shop/basket`: adds a product, or takes over how many the form says.
pub(super) async fn change(visit: Visit) -> Response {
    let mut lines = Lines::of_form(&visit.form);
    let added = visit.form.get("add");
    if !added.is_empty() {
        lines = Lines::of_cookie(&visit);
        let already = lines.0.iter().find(|(id, _)| id == added).map_or(0, |(_, quantity)| *quantity);
        let more = visit.form.get("quantity").parse().unwrap_or(1).max(1);
        lines.set(added, already.saturating_add(more));
    }
    let back = safe_next(visit.form.get("back")).unwrap_or("/shop#basket");
    put(see_other(back), &visit, &lines)
}

/// The answer that makes the browser keep this basket.
fn put(answer: Response, visit: &Visit, lines: &Lines) -> Response {
    if lines.0.is_empty() {
        return empty(answer, visit);
    }
    frame::with(answer, SET_COOKIE, Jar::Basket.set(&lines.to_text(), visit.console.secure))
}

/// The answer that empties it.
pub(super) fn empty(answer: Response, visit: &Visit) -> Response {
    frame::with(answer, SET_COOKIE, Jar::Basket.clear(visit.console.secure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basket_survives_its_cookie_and_nonsense_is_left_out() {
        let mut lines = Lines::default();
        lines.set("lute", 2);
        lines.set("a b;=*!é", 1);
        lines.set("lute", 3);
        assert_eq!(lines.to_text(), "lute*3!a%20b%3B%3D%2A%21%C3%A9*1");
        assert_eq!(Lines::parse(&lines.to_text()), lines);
        lines.set("lute", 0);
        assert_eq!(lines.0.len(), 1);
        assert_eq!(Lines::parse("!!x*!*3!y*-1!z*1!%ff*1"), Lines(vec![("z".to_owned(), 1)]));
    }

    #[test]
    fn a_basket_never_grows_beyond_what_a_cookie_holds() {
        let mut lines = Lines::default();
        for number in 0..100 {
            lines.set(&format!("{number:064}"), u32::MAX);
        }
        assert_eq!(lines.0.len(), MAX_LINES);
        assert!(lines.to_text().len() < 2_000 && lines.0.iter().all(|(_, quantity)| *quantity == MAX_QUANTITY));
        lines.set(&"x".repeat(65), 1);
        assert_eq!(lines.0.len(), MAX_LINES);
    }
}
