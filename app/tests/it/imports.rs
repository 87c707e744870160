//! `madrigal import`: what is refused is named, what is repeated is recognised.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use madrigal::client::Shop;
use madrigal_core::tasks;
use madrigal_harness::{Customer, OneProcess};
use serde_json::{Value, json};

use crate::process::{Process, madrigal, output};

async fn import(shop: &OneProcess, args: &[&str], file: &Path) -> Output {
    let mut command = madrigal(shop.data());
    command.args(["--url", &format!("http://{}", shop.address()), "import"]).args(args).arg(file);
    tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
}

fn said(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn lines(dir: &Path, name: &str, lines: &[String]) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, lines.join("\n") + "\n").unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_in_once_and_refused_lines_are_named() {
    let shop = OneProcess::start().await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let product = |id: &str, stock: i64| {
        json!({ "productId": id, "name": id, "description": "", "category": [], "price": { "amount": 100, "currency": "USD" },
            "attributes": [], "tags": [], "status": "active", "initialStock": stock })
        .to_string()
    };
    let products = lines(
        files.path(),
        "products.ndjson",
        &[product("milk", 100), "{\"productId\":".to_owned(), product("bread", 100), product("a b", 1)],
    );
    let (out, err) = said(&import(&shop, &["products"], &products).await);
    assert!(out.starts_with("products: 2 imported, 0 known already, 2 refused"), "{out}{err}");
    assert!(err.contains("line 2 refused: 400") && err.contains("line 4 refused: 422"), "{err}");
    let (out, err) = said(&import(&shop, &["products"], &products).await);
    assert!(out.starts_with("products: 0 imported, 2 known already, 2 refused"), "{out}{err}");

    let edit = |version: u64, changes: Value| {
        json!({ "productId": "milk", "version": version, "changes": changes }).to_string()
    };
    let edits = lines(
        files.path(),
        "edits.ndjson",
        &[
            edit(1, json!({ "name": "Milk", "price": { "amount": 120 } })),
            edit(1, json!({ "name": "Fresh milk" })),
            edit(1, json!({ "name": "Old milk", "price": { "amount": 90 } })),
            edit(9, json!({ "name": "x" })),
        ],
    );
    let (out, err) = said(&import(&shop, &["product-edits"], &edits).await);
    assert!(out.starts_with("product edits: 2 imported, 0 known already, 2 refused"), "{out}{err}");
    assert!(err.contains(r#"line 2 merged: /name is "Fresh milk", not "Milk""#), "{err}");
    assert!(err.contains("line 3 refused: 409") && err.contains("90") && err.contains("line 4 refused: 412"), "{err}");

    let user = json!({ "email": "h1@retail.example", "username": "household-1", "password": "not-a-secret-1",
        "profile": { "firstName": "Ada", "synthetic": true }, "createdAt": "2017-01-01T00:00:00Z" });
    let users = lines(files.path(), "users.ndjson", &[user.to_string()]);
    let (out, err) = said(&import(&shop, &["users"], &users).await);
    assert!(out.starts_with("users: 1 imported"), "{out}{err}");

    let order = |key: &str, username: &str, product: &str| {
        json!({ "importKey": key, "customer": { "username": username }, "createdAt": "2017-01-01T00:00:00Z", "currency": "USD",
            "items": [{ "productId": product, "name": "x", "quantity": 1, "lineTotal": 0 }] })
        .to_string()
    };
    let orders = lines(
        files.path(),
        "orders.ndjson",
        &[order("b1", "household-1", "milk"), order("b2", "nobody", "milk"), order("b3", "household-1", "nothing")],
    );
    for (round, imported) in ["1 imported", "1 imported"].into_iter().enumerate() {
        let (out, err) = said(&import(&shop, &["orders", "--live"], &orders).await);
        assert!(out.contains(imported) && out.contains("2 refused"), "round {round}: {out}{err}");
        assert!(
            err.contains("line 2 refused: there is no user nobody") && err.contains("line 3 refused: 422"),
            "{err}"
        );
    }
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(books.orders.len(), 1, "the key of a line makes it one order");

    let past = import(&shop, &["orders", "--output", "json"], &orders).await;
    assert_eq!(past.status.code(), Some(1), "a refused line is a failure: {}", said(&past).1);
    let summary: Value = serde_json::from_slice(&past.stdout).unwrap();
    let counts = ["kind", "lines", "imported", "known", "refused"].map(|name| summary[name].clone());
    assert_eq!(counts, [json!("orders"), json!(3), json!(2), json!(0), json!(1)]);
    let refused = files.path().join("refused.ndjson");
    let past = import(&shop, &["orders", "--refused", refused.to_str().unwrap()], &orders).await;
    let (out, err) = said(&past);
    assert!(out.starts_with("orders: 0 imported, 2 known already, 1 refused"), "{out}{err}");
    assert!(err.contains("line 2 refused: 422 No such user"), "{err}");
    let told: Value = serde_json::from_slice(&std::fs::read(&refused).unwrap()).unwrap();
    assert_eq!((&told["line"], &told["key"]), (&json!(2), &json!("b2")));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(books.orders.iter().filter(|order| order["imported"] == true).count(), 2);
    assert_eq!(books.orders.len(), 3, "the live one is another order");
    let fine = lines(files.path(), "fine.ndjson", &[order("b1", "household-1", "milk")]);
    assert_eq!(import(&shop, &["orders"], &fine).await.status.code(), Some(0));
}

/// How many orders an import has that is killed: some batches.
const ORDERS: usize = 9_000;

/// A file of past orders of one customer, who is there.
async fn past_orders(shop: &Shop, dir: &Path) -> PathBuf {
    Customer::register(shop, "household-1").await.unwrap();
    let order = |number: usize| {
        json!({ "importKey": format!("b{number}"), "customer": { "username": "household-1" }, "currency": "USD",
            "createdAt": "2017-01-01T00:00:00Z", "items": [{ "productId": "milk", "quantity": 1, "lineTotal": number }] })
        .to_string()
    };
    lines(dir, "orders.ndjson", &(0..ORDERS).map(order).collect::<Vec<_>>())
}

fn importing(data: &Path, url: &str, file: &Path) -> Command {
    let mut command = madrigal(data);
    command.args(["--url", url, "--output", "json", "import", "orders"]).arg(file);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until the shop has `events` events of orders.
async fn until(shop: &Shop, events: u64) {
    while shop.get("/v1/logs/order-service/events?limit=1").await.unwrap()["end"].as_u64().unwrap() < events {
        tasks::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// The second run goes on where the first was stopped, and every order is there once.
async fn goes_on(shop: &Shop, second: &Output) {
    let (out, err) = said(second);
    assert_eq!(second.status.code(), Some(0), "{out}{err}");
    assert!(err.contains("going on after line"), "{err}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&summary["lines"], &summary["refused"]), (&json!(ORDERS), &json!(0)), "{summary}");
    assert_eq!(summary["imported"].as_u64().unwrap() + summary["known"].as_u64().unwrap(), ORDERS as u64);
    let books = madrigal_invariants::check_at_rest(shop).await.unwrap();
    let paid = |order: &Value| order["summary"]["finalAmount"].as_u64().unwrap();
    assert_eq!(books.orders.len(), ORDERS, "none is missing, none is there twice");
    assert_eq!(books.orders.iter().map(paid).collect::<HashSet<_>>().len(), ORDERS, "and they are those of the file");
    let end = shop.get("/v1/logs/order-service/events?limit=1").await.unwrap()["end"].clone();
    assert_eq!(end, json!(ORDERS), "one event each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_where_it_was_without_doubles() {
    let shop = OneProcess::start().await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let file = past_orders(&shop.shop, files.path()).await;
    let url = format!("http://{}", shop.address());
    let mut first = importing(shop.data(), &url, &file).spawn().unwrap();
    // The first batches are answered by then, as at most four are under way.
    until(&shop.shop, 5_000).await;
    first.kill().unwrap();
    assert!(!first.wait().unwrap().success(), "it was killed before it was done");
    let mut second = importing(shop.data(), &url, &file);
    let second = tokio::task::spawn_blocking(move || output(&mut second)).await.unwrap();
    goes_on(&shop.shop, &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_a_killed_shop_goes_on_when_it_is_back() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::up(data.path()).await;
    let shop = process.shop(data.path());
    let files = tempfile::tempdir().unwrap();
    let file = past_orders(&shop, files.path()).await;
    let first = importing(data.path(), &format!("http://{}", process.address), &file).spawn().unwrap();
    until(&shop, 5_000).await;
    process.kill();
    let first = tokio::task::spawn_blocking(move || first.wait_with_output()).await.unwrap().unwrap();
    let (out, err) = said(&first);
    assert!(!first.status.success() && err.contains("the same command goes on from there"), "{out}{err}");
    let mut process = Process::up(data.path()).await;
    let mut second = importing(data.path(), &format!("http://{}", process.address), &file);
    let second = tokio::task::spawn_blocking(move || output(&mut second)).await.unwrap();
    goes_on(&process.shop(data.path()), &second).await;
    assert_eq!(process.terminate(), Some(0));
}
