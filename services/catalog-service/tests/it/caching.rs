//! Pages and completions that are kept in memory: as fresh as if they were not.

use std::sync::{Arc, Mutex};

use http::Method;
use madrigal_catalog_service::commands::{Command, DeskOptions, ProductChange, ProductListener, StockDesk};
use madrigal_catalog_service::domain::{Product, ProductId};
use madrigal_catalog_service::store::Loader;
use madrigal_core::{CallContext, Host, Position, StreamVersion};
use serde_json::{Value, json};

use crate::shop::Shop;
use crate::support::{LOSES_ANSWER, REFUSES, Troubled, details, id, price};

const TEA: &str = "/v1/products/tea";

#[tokio::test]
async fn a_page_is_read_from_the_view_once_and_has_every_commit_that_was_answered() {
    let shop = Shop::new().await;
    let mut position = shop.create("tea", 100, 10).await;
    let stats = || shop.service.cache().unwrap().pages().stats();
    for _ in 0..10 {
        assert_eq!(shop.read(TEA, &position).await.2["price"]["amount"], 100);
    }
    assert_eq!((stats().loads, stats().first_hits), (1, 9));
    for round in 1..=30u64 {
        let etag = format!("\"{round}\"");
        let body = json!({"price": {"amount": 100 + round, "currency": "EUR"}});
        let (status, headers, _) = shop.operator(Method::PATCH, TEA, &[("if-match", &etag)], body).await;
        assert_eq!(status, 200);
        headers["madrigal-position"].to_str().unwrap().clone_into(&mut position);
        // Who asks without a position may see the view's lag, but what that leaves in memory must not be seen by others.
        shop.anonymous(Method::GET, TEA, &[], ()).await;
        let (_, headers, page) = shop.read(TEA, &position).await;
        assert_eq!(
            (&page["price"]["amount"], headers["etag"].to_str().unwrap()),
            (&json!(100 + round), &*format!("\"{}\"", round + 1))
        );
        shop.caught_up().await;
        let (_, headers, page) = shop.anonymous(Method::GET, TEA, &[], ()).await;
        assert_eq!(page["price"]["amount"], json!(100 + round), "round {round}");
        assert!(headers.contains_key("madrigal-lag"));
    }
    let (_, headers, _) =
        shop.operator(Method::POST, "/v1/products/tea/stock", &[], json!({"change": 5, "reason": "found"})).await;
    let position = headers["madrigal-position"].to_str().unwrap().to_owned();
    let (_, headers, page) = shop.read(TEA, &position).await;
    assert_eq!(
        (&page["inventory"]["quantity"], headers["etag"].to_str().unwrap()),
        (&json!(15), "\"31\""),
        "stock is no change of the product"
    );
    let (status, headers, _) = shop.operator(Method::DELETE, TEA, &[("if-match", "\"31\"")], ()).await;
    assert_eq!(status, 204);
    let position = headers["madrigal-position"].to_str().unwrap().to_owned();
    assert_eq!(shop.read(TEA, &position).await.0, 404);
    shop.caught_up().await;
    assert_eq!(shop.anonymous(Method::GET, TEA, &[], ()).await.0, 404);
}

#[tokio::test]
async fn that_there_is_no_product_is_forgotten_when_there_is_one() {
    let shop = Shop::new().await;
    assert_eq!(shop.anonymous(Method::GET, TEA, &[], ()).await.0, 404);
    assert_eq!(shop.anonymous(Method::GET, TEA, &[], ()).await.0, 404);
    assert_eq!(shop.service.cache().unwrap().pages().stats().loads, 1);
    let position = shop.create("tea", 100, 10).await;
    assert_eq!(shop.read(TEA, &position).await.0, 200);
}

#[tokio::test]
async fn a_token_of_another_history_is_refused_whatever_is_in_memory() {
    let (shop, other) = (Shop::new().await, Shop::new().await);
    let position = shop.create("tea", 100, 10).await;
    let foreign = other.create("tea", 100, 10).await;
    assert_eq!(shop.read(TEA, &position).await.0, 200);
    assert_eq!(shop.read(TEA, &foreign).await.0, 412);
}

#[tokio::test]
async fn a_writer_who_does_not_tell_is_heard_through_the_log() {
    let shop = Shop::new().await;
    let position = shop.create("tea", 100, 10).await;
    shop.read(TEA, &position).await;
    // Another desk on the same log, as an old instance would be.
    let (store, host) = (shop.service.store(), Host::system());
    let loader = Loader::new(Arc::clone(&store), None);
    let desk = StockDesk::start(store, loader, Arc::new(Hears::default()), host.clone(), DeskOptions::default());
    let command = Command::ChangeStock { product: id("tea"), change: 7, reason: "test".into() };
    desk.ask(CallContext::new(&host), command).await.unwrap();
    shop.caught_up().await;
    let (_, _, page) = shop.anonymous(Method::GET, TEA, &[], ()).await;
    assert_eq!(page["inventory"]["quantity"], 17);
    let inspected = shop.service.inspect_cache(10).await.unwrap();
    assert_eq!((inspected.compared, inspected.right, inspected.wrong.len()), (1, 1, 0));
}

#[tokio::test]
async fn completions_are_kept_until_a_name_changes() {
    let shop = Shop::new().await;
    let position = shop.create("tea", 100, 10).await;
    let suggest = async |position: &str| -> Value {
        let path = "/v1/products/suggest?prefix=the";
        shop.anonymous(Method::GET, path, &[("madrigal-position", position)], ()).await.2["items"].clone()
    };
    let stats = || shop.service.cache().unwrap().completions().stats();
    for _ in 0..5 {
        assert_eq!(suggest(&position).await, json!([{"text": "The tea", "products": 1}]));
    }
    assert_eq!((stats().loads, stats().first_hits), (1, 4));
    let body = json!({"price": {"amount": 5, "currency": "EUR"}});
    shop.operator(Method::PATCH, TEA, &[("if-match", "\"1\"")], body).await;
    shop.caught_up().await;
    suggest(&position).await;
    assert_eq!(stats().loads, 1, "a price is no name");
    let renamed = shop.operator(Method::PATCH, TEA, &[("if-match", "\"2\"")], json!({"name": "The coffee"})).await;
    let position = renamed.1["madrigal-position"].to_str().unwrap().to_owned();
    // While the index is behind, nothing of what it says is kept.
    shop.anonymous(Method::GET, "/v1/products/suggest?prefix=the", &[], ()).await;
    assert_eq!(suggest(&position).await, json!([{"text": "The coffee", "products": 1}]));
    let (_, _, now) = shop.anonymous(Method::GET, "/v1/products/suggest?prefix=the", &[], ()).await;
    assert_eq!(now["items"][0]["text"], "The coffee");
    let position = shop.create("milk", 100, 10).await;
    assert_eq!(suggest(&position).await.as_array().unwrap().len(), 2);
}

/// Notes what it is told.
#[derive(Default)]
struct Hears(Mutex<Vec<String>>);

impl ProductListener for Hears {
    fn changed(&self, _: &ProductId, _: &Arc<Product>, _: StreamVersion, _: Position) {}

    fn committed(&self, id: &ProductId, position: Position) {
        self.0.lock().unwrap().push(format!("{id} at {position}"));
    }

    fn unsure(&self, id: &ProductId) {
        self.0.lock().unwrap().push(format!("{id}, perhaps"));
    }
}

#[tokio::test]
async fn the_desk_tells_of_what_is_durable_and_of_what_may_be() {
    let host = Host::seeded(1);
    let (store, hears) = (Troubled::new(&host), Arc::new(Hears::default()));
    let loader = Loader::new(store.clone(), None);
    let desk = StockDesk::start(store.clone(), loader, Arc::clone(&hears) as _, host.clone(), DeskOptions::default());
    let ask = |command| desk.ask(CallContext::new(&host), command);
    let change = ProductChange::Create { details: details("tea"), price: price(100), initial_stock: 5 };
    ask(Command::ChangeProduct { product: id("tea"), change }).await.unwrap();
    let more = || Command::ChangeStock { product: id("tea"), change: 1, reason: "test".into() };
    store.next_append(REFUSES);
    ask(more()).await.unwrap_err();
    store.next_append(LOSES_ANSWER);
    ask(more()).await.unwrap_err();
    ask(more()).await.unwrap();
    assert_eq!(*hears.0.lock().unwrap(), ["tea at 2", "tea, perhaps", "tea at 4"]);
}
