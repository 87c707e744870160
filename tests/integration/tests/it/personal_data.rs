//! Where personal data is, and where it must not be.

use std::fs;
use std::path::{Path, PathBuf};

use madrigal_harness::{Customer, OneProcess, product};
use serde_json::json;

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
    fs::read(file).unwrap().windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
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
        for file in files_below(&shop.data().join(service)) {
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
    for service in ["order-service", "catalog-service", "payment-service", "notification-service"] {
        for file in files_below(&shop.data().join(service)) {
            assert!(!holds(&file, "$argon2"), "{}", file.display());
        }
    }
}
