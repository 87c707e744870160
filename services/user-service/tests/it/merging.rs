use std::collections::BTreeSet;

use axum::http::Method;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::shop::{Answer, PASSWORD, Shop};

impl Shop {
    /// A change that is merged where it comes too late.
    async fn merge(&self, id: i64, token: &str, version: u64, body: &Value) -> Answer {
        let (bearer, tag) = (format!("Bearer {token}"), format!("\"{version}\""));
        let headers = [
            ("content-type", "application/merge-patch+json"),
            ("authorization", bearer.as_str()),
            ("if-match", tag.as_str()),
            ("prefer", "respond-async, resolution=merge"),
        ];
        self.send(Method::PATCH, &format!("/v1/users/{id}"), &headers, body.to_string().into()).await
    }

    async fn conflicts(&self, id: i64) -> Vec<Value> {
        let answer = self.get(&format!("/v1/users/{id}/conflicts?limit=200"), &self.operator()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["items"].as_array().unwrap().clone()
    }

    async fn choose(&self, id: i64, conflict: &Value, token: &str, version: u64, choice: &str) -> Answer {
        let (bearer, tag) = (format!("Bearer {token}"), format!("\"{version}\""));
        let headers =
            [("content-type", "application/json"), ("authorization", bearer.as_str()), ("if-match", tag.as_str())];
        let path = format!("/v1/users/{id}/conflicts/{conflict}/choose");
        self.send(Method::POST, &path, &headers, json!({ "choice": choice }).to_string().into()).await
    }
}

fn city(name: &str) -> Value {
    json!({"profile": {"city": name}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_changes_of_one_field_at_once_none_is_silently_lost() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    let patches: Vec<Value> = (0..10).map(|number| json!({"profile": {"counter": number}})).collect();
    let answers = join_all(patches.iter().map(|patch| shop.merge(id, &token, 1, patch))).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["preference-applied"], "resolution=merge");
        assert!(answer.body["losers"].is_array(), "{}", answer.body);
    }
    let user = shop.get(&format!("/v1/users/{id}"), &token).await.body;
    assert_eq!(user["version"], 11);
    assert_eq!(user["profile"]["firstName"], "Quintilla");
    let conflicts = shop.conflicts(id).await;
    assert_eq!(conflicts.len(), 9);
    let told = conflicts.iter().map(|conflict| conflict["loser"].as_i64().unwrap());
    let told: BTreeSet<i64> = told.chain(user["profile"]["counter"].as_i64()).collect();
    assert_eq!(told, (0..10).collect());
    let mut in_answers: Vec<i64> = answers
        .iter()
        .flat_map(|answer| answer.body["losers"].as_array().unwrap())
        .map(|loser| loser["conflictId"].as_i64().unwrap())
        .collect();
    in_answers.sort_unstable();
    assert_eq!(
        in_answers,
        conflicts.iter().map(|conflict| conflict["conflictId"].as_i64().unwrap()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn changes_of_different_fields_from_one_version_both_stand() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    shop.merge(id, &token, 1, &json!({"email": "q@example.org", "profile": {"city": "Roma"}})).await;
    let answer =
        shop.merge(id, &token, 1, &json!({"username": "quinta.z", "profile": {"avatar": null, "age": 40}})).await;
    assert_eq!((answer.status, answer.headers["etag"].to_str().unwrap()), (200, "\"3\""), "{}", answer.body);
    assert_eq!((&answer.body["email"], &answer.body["username"]), (&json!("q@example.org"), &json!("quinta.z")));
    let profile = json!({"firstName": "Quintilla", "lastName": "Zanzibari", "city": "Roma", "age": 40});
    assert_eq!((&answer.body["profile"], &answer.body["losers"]), (&profile, &json!([])));
    assert_eq!(shop.conflicts(id).await, Vec::<Value>::new());
}

#[tokio::test]
async fn without_the_wish_to_merge_a_late_change_is_refused() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let (path, token) = (format!("/v1/users/{id}"), shop.customer(id));
    let answer = shop.patch(&path, &token, 1, &city("Roma")).await;
    assert!(answer.body.get("losers").is_none() && !answer.headers.contains_key("preference-applied"));
    assert_eq!(shop.patch(&path, &token, 1, &city("Ostia")).await.refusal(), (412, "version-mismatch"));
}

#[tokio::test]
async fn a_loser_says_what_it_was_who_wrote_it_and_what_stands() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    shop.merge(id, &shop.customer(id), 1, &city("Roma")).await;
    let answer = shop.merge(id, &shop.operator(), 1, &json!({"profile": {"city": null, "lastName": "Bianchi"}})).await;
    // Nobody had a city before, so removing it is no change; that it was asked for is told all the same.
    assert_eq!(answer.body["profile"]["city"], "Roma");
    let answer = shop.merge(id, &shop.operator(), 2, &json!({"profile": {"city": "Ostia", "lastName": "Verdi"}})).await;
    assert_eq!((answer.status, &answer.body["profile"]["city"]), (200, &json!("Ostia")), "{}", answer.body);
    let conflicts = shop.conflicts(id).await;
    assert_eq!(conflicts.len(), 2, "{conflicts:?}");
    assert_eq!((&conflicts[0]["field"], &conflicts[0]["standing"]), (&json!("/profile/city"), &json!("Roma")));
    assert!(conflicts[0].get("loser").is_none());
    let conflict = &conflicts[1];
    assert_eq!((&conflict["field"], &conflict["rule"]), (&json!("/profile/lastName"), &json!("last writer")));
    assert_eq!(
        (&conflict["base"], &conflict["loser"], &conflict["standing"]),
        (&json!("Zanzibari"), &json!("Bianchi"), &json!("Verdi"))
    );
    assert_eq!(
        (&conflict["loserOrigin"]["by"], &conflict["loserOrigin"]["version"]),
        (&json!("operator:anna"), &json!(3))
    );
    assert_eq!((&conflict["version"], conflict.get("settled")), (&json!(4), None));
}

#[tokio::test]
async fn a_value_that_was_asked_for_is_told_also_where_it_is_the_bases() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    shop.merge(id, &token, 1, &json!({"profile": {"lastName": "Bianchi"}})).await;
    let answer = shop.merge(id, &token, 1, &json!({"profile": {"lastName": "Zanzibari"}})).await;
    assert_eq!((answer.status, &answer.body["version"]), (200, &json!(2)), "{}", answer.body);
    assert_eq!(
        (&answer.body["profile"]["lastName"], &answer.body["losers"][0]["loser"]),
        (&json!("Bianchi"), &json!("Zanzibari"))
    );
    assert_eq!(shop.conflicts(id).await.len(), 1);
}

#[tokio::test]
async fn an_address_that_both_changed_is_a_persons_to_decide_and_nothing_is_changed() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    shop.merge(id, &token, 1, &json!({"email": "roma@example.org"})).await;
    let answer = shop.merge(id, &token, 1, &json!({"email": "ostia@example.org", "profile": {"city": "Ostia"}})).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((409, "merge-conflict"), vec!["/email"]));
    let conflict = &answer.body["conflicts"][0];
    assert_eq!((&conflict["base"], &conflict["rule"]), (&json!("quinta@example.org"), &json!("ask a person")));
    assert_eq!(
        (&conflict["current"], &conflict["proposed"]),
        (&json!("roma@example.org"), &json!("ostia@example.org"))
    );
    let user = shop.get(&format!("/v1/users/{id}"), &token).await.body;
    assert_eq!((&user["version"], &user["profile"].get("city")), (&json!(2), &None));
}

#[tokio::test]
async fn a_merge_keeps_the_rules_of_a_change() {
    let shop = Shop::open().await;
    shop.register("sesta").await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    let fields = |from: u32| (from..from + 20).map(|n| (format!("f{n}"), json!(n))).collect::<serde_json::Map<_, _>>();
    assert_eq!(shop.merge(id, &token, 1, &json!({ "profile": fields(0) })).await.status, 200);
    let answer = shop.merge(id, &token, 1, &json!({ "profile": fields(20) })).await;
    assert_eq!((answer.refusal(), answer.pointers()), ((422, "invalid-body"), vec!["/profile"]));
    let answer = shop.merge(id, &token, 1, &json!({"username": "SESTA"})).await;
    assert_eq!(answer.refusal(), (409, "user-exists"));
    assert_eq!(shop.get(&format!("/v1/users/{id}"), &token).await.body["version"], 2);
}

#[tokio::test]
async fn only_from_a_known_version_is_merged() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    let path = format!("/v1/users/{id}");
    shop.merge(id, &token, 1, &city("Roma")).await;
    let passwords = json!({"current": PASSWORD, "new": "another horse battery"});
    assert_eq!(shop.post_as(&format!("{path}/password"), &token, &passwords).await.status, 204);
    for never_was in [0, 4, u64::MAX] {
        let answer = shop.merge(id, &token, never_was, &city("Ostia")).await;
        assert_eq!(
            (answer.refusal(), &answer.body["currentVersion"]),
            ((412, "base-unknown"), &json!(3)),
            "{never_was}"
        );
        assert_eq!(answer.headers["etag"], "\"3\"");
    }
    // A password is no field of the profile: the version that it made has the fields of the one before.
    shop.merge(id, &token, 3, &json!({"profile": {"age": 1}})).await;
    let answer = shop.merge(id, &token, 3, &city("Milano")).await;
    assert_eq!((answer.status, &answer.body["losers"]), (200, &json!([])), "{}", answer.body);
    // Whoever writes the row by another way leaves no event: nobody knows any more what that version was.
    let elsewhere = rusqlite::Connection::open(shop.dir().join("users.sqlite")).unwrap();
    elsewhere.execute("UPDATE users SET profile = '{\"city\":\"Pisa\"}' WHERE id = ?1", [id]).unwrap();
    drop(elsewhere);
    shop.merge(id, &token, 6, &city("Siena")).await;
    assert_eq!(shop.merge(id, &token, 6, &city("Lucca")).await.refusal(), (412, "base-unknown"));
    assert_eq!(shop.merge(id, &token, 5, &city("Lucca")).await.status, 200);
}

#[tokio::test]
async fn a_person_can_choose_the_loser_later_and_once() {
    let shop = Shop::open().await;
    let (id, other) = (shop.register("quinta").await, shop.register("sesta").await);
    let token = shop.customer(id);
    shop.merge(id, &token, 1, &city("Roma")).await;
    let merged = shop.merge(id, &token, 1, &city("Ostia")).await.body;
    let conflict = &merged["losers"][0]["conflictId"];
    assert_eq!(shop.choose(id, conflict, &token, 2, "loser").await.refusal(), (412, "version-mismatch"));
    assert_eq!(shop.choose(other, conflict, &shop.customer(other), 1, "loser").await.refusal(), (404, "not-found"));
    assert_eq!(shop.choose(id, conflict, &shop.customer(other), 3, "loser").await.status, 403);
    let answer = shop.choose(id, conflict, &token, 3, "loser").await;
    assert_eq!((answer.status, answer.headers["etag"].to_str().unwrap()), (200, "\"4\""), "{}", answer.body);
    assert_eq!(answer.body["profile"]["city"], "Roma");
    let again = shop.choose(id, conflict, &token, 3, "loser").await;
    assert_eq!((again.status, &again.body["version"]), (200, &json!(4)));
    assert_eq!(shop.choose(id, conflict, &token, 4, "standing").await.refusal(), (409, "conflict-settled"));
    let settled = &shop.conflicts(id).await[0]["settled"];
    assert_eq!((&settled["choice"], &settled["by"]), (&json!("loser"), &json!(id.to_string())));
    let open = shop.get(&format!("/v1/users/{id}/conflicts?open=true"), &token).await.body;
    assert_eq!(open["items"], json!([]));
    let events = shop.get(&format!("/v1/users/{id}/events"), &token).await.body;
    assert_eq!(events["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn what_stands_can_be_chosen_too_and_changes_nothing() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    shop.merge(id, &token, 1, &city("Roma")).await;
    let removed = shop.merge(id, &token, 1, &json!({"profile": {"lastName": "Verdi"}})).await;
    assert_eq!(removed.body["losers"], json!([]));
    let merged = shop.merge(id, &token, 2, &json!({"profile": {"lastName": null}})).await.body;
    let conflict = &merged["losers"][0];
    assert_eq!((&conflict["loser"], conflict.get("standing")), (&json!("Verdi"), None));
    let answer = shop.choose(id, &conflict["conflictId"], &token, 4, "standing").await;
    assert_eq!((answer.status, &answer.body["version"]), (200, &json!(4)), "{}", answer.body);
    assert_eq!(shop.conflicts(id).await[0]["settled"]["choice"], "standing");
}

#[tokio::test]
async fn losers_are_sealed_survive_a_restart_and_go_with_their_person() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    shop.merge(id, &shop.customer(id), 1, &city("Romagnano")).await;
    shop.merge(id, &shop.customer(id), 1, &city("Ostia")).await;
    let shop = shop.restart().await;
    assert_eq!(shop.conflicts(id).await[0]["loser"], "Romagnano");
    let stored = |file: &std::path::Path| -> Vec<String> {
        let connection = rusqlite::Connection::open(file).unwrap();
        let mut select = connection.prepare("SELECT loser FROM user_conflicts").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let file = shop.dir().join("users.sqlite");
    assert!(stored(&file).len() == 1 && !stored(&file)[0].contains("Romagnano") && !stored(&file)[0].contains("city"));
    let (bearer, tag) = (format!("Bearer {}", shop.operator()), "\"3\"".to_owned());
    let headers = [("authorization", bearer.as_str()), ("if-match", tag.as_str())];
    let erased = shop.send(Method::DELETE, &format!("/v1/users/{id}"), &headers, Vec::new()).await;
    assert_eq!(erased.status, 204);
    assert_eq!(stored(&file), Vec::<String>::new());
    let answer = shop.get(&format!("/v1/users/{id}/conflicts"), &shop.operator()).await;
    assert_eq!(answer.refusal(), (404, "not-found"));
}

#[tokio::test]
async fn conflicts_are_shown_to_their_person_and_to_operators_page_by_page() {
    let shop = Shop::open().await;
    let (id, other) = (shop.register("quinta").await, shop.register("sesta").await);
    for name in ["Roma", "Ostia", "Pisa", "Siena"] {
        assert_eq!(shop.merge(id, &shop.customer(id), 1, &city(name)).await.status, 200);
    }
    let path = format!("/v1/users/{id}/conflicts");
    assert_eq!(shop.get(&path, &shop.customer(other)).await.status, 403);
    let first = shop.get(&format!("{path}?limit=2"), &shop.customer(id)).await.body;
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap();
    let second = shop.get(&format!("{path}?limit=2&cursor={next}"), &shop.customer(id)).await.body;
    assert_eq!((second["items"].as_array().unwrap().len(), second.get("next")), (1, None));
}

#[tokio::test]
async fn a_merge_that_would_lose_more_than_is_kept_is_refused() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let token = shop.customer(id);
    shop.merge(id, &token, 1, &city("Roma")).await;
    shop.merge(id, &token, 1, &city("Ostia")).await;
    let connection = rusqlite::Connection::open(shop.dir().join("users.sqlite")).unwrap();
    let copies = "INSERT INTO user_conflicts (user_id, version, loser, recorded_at)
                  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
                  SELECT user_id, version, loser, recorded_at FROM user_conflicts, n WHERE id = 1";
    connection.execute(copies, []).unwrap();
    assert_eq!(shop.merge(id, &token, 1, &city("Pisa")).await.refusal(), (409, "too-many-conflicts"));
    assert_eq!(shop.merge(id, &token, 1, &json!({"profile": {"age": 3}})).await.status, 200);
    let oldest = &shop.conflicts(id).await[0]["conflictId"];
    assert_eq!(shop.choose(id, oldest, &token, 4, "standing").await.status, 200);
    assert_eq!(shop.merge(id, &token, 1, &city("Pisa")).await.status, 200);
}
