//! `/shop/products/{id}`: one product.

use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::super::pages::SHOP;
use super::super::refusal;
use super::super::visit::{Leaf, Visit};
use super::super::words::{plural, segment};
use super::basket::MAX_QUANTITY;
use super::hits::{price, stock};

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Response {
    let told = visit.get(format!("/v1/products/{}", segment(&id))).send().await;
    match told {
        Ok(told) => {
            let name = told.body["name"].as_str().unwrap_or(&id).to_owned();
            visit.page(Leaf { title: &name, current: SHOP, live: None }, &content(&visit, &id, &name, &told.body))
        }
        Err(refused) => {
            let main = refusal::content("This product cannot be shown", &refused, "Nothing was done.");
            visit.page_as(refused.status, Leaf { title: "Product", current: SHOP, live: None }, &main)
        }
    }
}

fn content(visit: &Visit, id: &str, name: &str, product: &Value) -> Markup {
    let left = product["inventory"]["available"].as_i64().unwrap_or(0);
    let for_sale = product["status"] != "inactive" && left > 0;
    let texts = |field: &str| product[field].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        p.crumbs { a href="/shop" { "Search and order" } " / " (name) }
        header { div { h1 { (name) } p { (product["description"].as_str().unwrap_or_default()) } } }
        div.cols {
            section.panel aria-labelledby="h-what" {
                header { h2 #h-what { "What it is" } }
                div.pad {
                    dl.kv {
                        dt { "Product" } dd { code { (id) } }
                        @if let Some(brand) = product["brand"].as_str() { dt { "Brand" } dd { (brand) } }
                        @for category in texts("category") {
                            dt { "Category" } dd { (category["path"].as_str().or(category["name"].as_str()).unwrap_or_default()) }
                        }
                        @for attribute in texts("attributes") {
                            dt { (attribute["name"].as_str().unwrap_or_default()) }
                            dd { (attribute["value"].as_str().unwrap_or_default()) " " (attribute["unit"].as_str().unwrap_or_default()) }
                        }
                        @if !texts("tags").is_empty() {
                            dt { "Tags" }
                            dd.row { @for tag in texts("tags") { span.tag { (tag.as_str().unwrap_or_default()) } } }
                        }
                        dt { "Ratings" } dd { (ratings(&product["ratings"])) }
                    }
                }
            }
            section.panel aria-labelledby="h-buy" {
                header { h2 #h-buy { "Order it" } (stock(product, left)) }
                div.pad {
                    (price(&product["price"]))
                    @if for_sale {
                        form.row method="post" action="/shop/basket" {
                            (visit.token())
                            input type="hidden" name="add" value=(id);
                            input type="hidden" name="back" value="/shop#basket";
                            label.field { "How many" input name="quantity" type="number" min="1" max=(MAX_QUANTITY) value="1"; }
                            button.btn.primary type="submit" { "Add to the basket" }
                        }
                    } @else {
                        p { "It cannot be ordered now." }
                    }
                    p.small.dim { "The figure is a copy’s. The stock’s owner decides when the order reserves." }
                }
            }
        }
    }
}

fn ratings(ratings: &Value) -> String {
    match ratings["count"].as_i64().unwrap_or(0) {
        0 => "none yet".to_owned(),
        count => format!(
            "{:.1} of 5 stars, {}",
            ratings["average"].as_f64().unwrap_or(0.0),
            plural(count, "rating", "ratings")
        ),
    }
}
