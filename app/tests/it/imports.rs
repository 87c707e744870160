//! `madrigal import`: what is refused is named, what is repeated is recognised.

use std::path::Path;
use std::process::Output;

use madrigal_harness::OneProcess;
use serde_json::json;

use crate::process::{madrigal, output};

async fn import(shop: &OneProcess, args: &[&str], file: &Path) -> Output {
    let mut command = madrigal(shop.data());
    command.args(["--url", &format!("http://{}", shop.address()), "import"]).args(args).arg(file);
    tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
}

fn said(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn lines(dir: &Path, name: &str, lines: &[String]) -> std::path::PathBuf {
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
    let summary: serde_json::Value = serde_json::from_slice(&past.stdout).unwrap();
    let counts = ["kind", "lines", "imported", "known", "refused"].map(|name| summary[name].clone());
    assert_eq!(counts, [json!("orders"), json!(3), json!(2), json!(0), json!(1)]);
    let refused = files.path().join("refused.ndjson");
    let past = import(&shop, &["orders", "--refused", refused.to_str().unwrap()], &orders).await;
    let (out, err) = said(&past);
    assert!(out.starts_with("orders: 0 imported, 2 known already, 1 refused"), "{out}{err}");
    assert!(err.contains("line 2 refused: 422 No such user"), "{err}");
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&refused).unwrap()).unwrap();
    assert_eq!((&told["line"], &told["key"]), (&json!(2), &json!("b2")));
    let books = madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(books.orders.iter().filter(|order| order["imported"] == true).count(), 2);
    assert_eq!(books.orders.len(), 3, "the live one is another order");
    let fine = lines(files.path(), "fine.ndjson", &[order("b1", "household-1", "milk")]);
    assert_eq!(import(&shop, &["orders"], &fine).await.status.code(), Some(0));
}
