//! Where personal data is, and where it must not be.

use std::fs;
use std::path::{Path, PathBuf};

use madrigal_harness::{Customer, OneProcess, product};
use reqwest::Method;
use serde_json::json;

use crate::propagation;

fn files_below(room: &Path) -> Vec<PathBuf> {
    let (mut files, mut pending) = (Vec::new(), vec![room.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files
}

fn holds(file: &Path, text: &str) -> bool {
    // A file that went away since it was listed holds nothing.
    fs::read(file).unwrap_or_default().windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_stands_readable_outside_the_users_own_table() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let order = anna.must_place(&[("lute", 2)]).await.unwrap();
    let cancel = format!("/v1/orders/{}/cancel", order["orderId"].as_str().unwrap());
    anna.shop.post(&cancel, &json!({})).await.unwrap().ok().unwrap();
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let mut searched = 0;
    for service in ["order-service", "catalog-service", "payment-service", "notification-service"] {
        // The index that operators search users in is a copy of them, and holds what they are found by.
        let index =
            |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("users-index"));
        for file in files_below(&shop.data().join(service)).into_iter().filter(|file| !index(file)) {
            searched += 1;
            for text in ["anna@customers.example", "Quintavalle", "Via dei Liutai", "Cremona"] {
                assert!(!holds(&file, text), "{} holds {text:?} readable", file.display());
            }
        }
    }
    assert!(searched >= 4, "only {searched} files were searched");
    let user_files = files_below(&shop.data().join("user-service"));
    assert!(user_files.iter().any(|file| holds(file, "anna@customers.example")), "the search would find it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_hash_is_in_no_answer_and_in_no_other_room() {
    let shop = OneProcess::start().await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    for path in ["", "/profile", "/events"] {
        let answer = shop.shop.get(&format!("/v1/users/{}{path}", anna.id)).await.unwrap().to_string();
        assert!(!answer.contains("argon2") && !answer.to_lowercase().contains("password"), "{path}: {answer}");
    }
    propagation::in_every_copy(&shop.shop, anna.id, |row| row["deleted"] == false).await;
    for service in [
        "order-service",
        "catalog-service",
        "payment-service",
        "notification-service",
        "analytics-service",
        "sync-service",
    ] {
        for file in files_below(&shop.data().join(service)) {
            assert!(!holds(&file, "$argon2"), "{}", file.display());
        }
    }
}

/// What is known about the customers of the harness and their orders.
const PERSONAL: [&str; 4] = ["anna@customers.example", "Quintavalle", "Via dei Liutai", "Cremona"];

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_in_no_answer_and_in_no_file_and_the_orders_stay() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let orders = [anna.must_place(&[("lute", 2)]).await.unwrap(), anna.must_place(&[("lute", 1)]).await.unwrap()];
    let ids = orders.map(|order| order["orderId"].as_str().unwrap().to_owned());
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    let path = format!("/v1/users/{}", anna.id);
    propagation::in_every_copy(&shop.shop, anna.id, |row| row["deleted"] == false).await;
    let user = shop.shop.send(shop.shop.request(Method::GET, &path)).await.unwrap();
    let erase = anna.shop.request(Method::DELETE, &path).header("If-Match", user.etag.unwrap());
    assert_eq!(anna.shop.send(erase).await.unwrap().status, 204);
    propagation::in_every_copy(&shop.shop, anna.id, |row| row["deleted"] == true).await;

    // Other services keep a key in memory for two minutes: a process that starts afresh has none.
    let shop = shop.restart().await.unwrap();
    for file in files_below(shop.data()) {
        for text in PERSONAL {
            assert!(!holds(&file, text), "{} holds {text:?}", file.display());
        }
    }
    let mut answers = Vec::new();
    for id in &ids {
        let order = shop.shop.get(&format!("/v1/orders/{id}")).await.unwrap();
        assert_eq!((&order["currentStatus"], &order["summary"]["itemCount"].is_number()), (&json!("confirmed"), &true));
        assert_eq!(order["customerInfo"]["erased"], true, "{order}");
        answers.push(order);
        answers.push(shop.shop.get(&format!("/v1/orders/{id}/events")).await.unwrap());
        answers.push(shop.shop.get(&format!("/v1/mails/{id}.order-confirmation")).await.unwrap());
    }
    for list in ["/v1/users", "/v1/orders", "/v1/mails", "/v1/sagas"] {
        answers.push(shop.shop.get(list).await.unwrap());
    }
    answers.push(shop.shop.get(&format!("{path}/events")).await.unwrap());
    for answer in answers {
        let text = answer.to_string();
        for personal in PERSONAL {
            assert!(!text.contains(personal), "{text}");
        }
    }
    // What is left to do for the orders is done without knowing whose they are; there is nobody to write a mail to.
    let cancel = format!("/v1/orders/{}/cancel", ids[0]);
    let cancelled = shop.shop.post(&cancel, &json!({})).await.unwrap().ok().unwrap();
    assert_eq!(cancelled["currentStatus"], "cancelled");
    let again = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    assert_ne!(again.id, anna.id, "an id never returns");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_orders_nothing_with_a_token_from_before() {
    let shop = OneProcess::start().await.unwrap();
    product(&shop.shop, "lute", 1_000, 10).await.unwrap();
    let anna = Customer::register(&shop.anonymous().unwrap(), "anna").await.unwrap();
    let path = format!("/v1/users/{}", anna.id);
    // The version is that of the registration: a log-in is an event, and changes nothing.
    let erase = shop.shop.request(Method::DELETE, &path).header("If-Match", "\"1\"");
    assert_eq!(shop.shop.send(erase).await.unwrap().status, 204);
    let seen = anna.shop.send(anna.shop.request(Method::GET, &path)).await.unwrap();
    assert_eq!((seen.status.as_u16(), seen.body["code"].as_str()), (401, Some("invalid-token")));
    let placed = anna.place(&[("lute", 1)], "tok_visa", "k").await.unwrap();
    assert!(placed.status.is_client_error(), "{}", placed.problem());
    let stock = shop.shop.get("/v1/products/lute/stock").await.unwrap();
    assert_eq!((&stock["reserved"], &stock["sold"]), (&json!(0), &json!(0)));
}
