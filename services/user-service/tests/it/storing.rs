use std::fs;
use std::sync::Arc;

use madrigal_contracts::user::{GetBuyer, GetPersonKey};
use madrigal_core::{Host, PersonId, Secret};
use madrigal_http::TokenSigner;
use madrigal_telemetry::Status;
use madrigal_user_service::{MasterKeySource, UserService, new_master_key};
use rusqlite::Connection;
use serde_json::json;

use crate::shop::{PASSWORD, Shop, config};

#[tokio::test]
async fn a_restart_keeps_everything() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let path = format!("/v1/users/{id}");
    shop.patch(&path, &shop.operator(), 1, &json!({"profile": {"city": "Roma"}})).await;
    let key = shop.neighbour().call(&shop.context(), GetPersonKey { person: PersonId(id) }).await.unwrap().unwrap();
    let mut before = Vec::new();
    for rest in ["", "/profile", "/events"] {
        before.push(shop.get(&format!("{path}{rest}"), &shop.operator()).await.body);
    }
    let shop = shop.restart().await;
    for (rest, before) in ["", "/profile", "/events"].into_iter().zip(before) {
        assert_eq!(shop.get(&format!("{path}{rest}"), &shop.operator()).await.body, before);
    }
    let login = json!({"login": "quinta", "password": PASSWORD});
    assert_eq!(shop.post("/v1/sessions", &login).await.status, 201);
    let after = shop.neighbour().call(&shop.context(), GetPersonKey { person: PersonId(id) }).await.unwrap().unwrap();
    assert_eq!(after.0.expose(), key.0.expose());
    assert_eq!(shop.register("sesta").await, id + 1);
}

#[tokio::test]
async fn the_version_counts_every_writer_and_nobody_sets_it() {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let elsewhere = Connection::open(shop.dir().join("users.sqlite")).unwrap();
    for recursive in [false, true] {
        elsewhere.pragma_update(None, "recursive_triggers", recursive).unwrap();
        elsewhere.execute("UPDATE users SET profile = '{\"city\":\"Ostia\"}' WHERE id = ?1", [id]).unwrap();
    }
    elsewhere.execute("UPDATE users SET version = version + 1 WHERE id = ?1", [id]).unwrap();
    let user = shop.get(&format!("/v1/users/{id}"), &shop.operator()).await;
    assert_eq!((&user.body["version"], &user.body["profile"]["city"]), (&json!(4), &json!("Ostia")));
    assert!(user.body["updatedAt"].as_str() > user.body["createdAt"].as_str());
    for odd in
        ["version = 99", "version = 1", "version = version - 1", "id = id + 1", "profile = 'x'", "profile = '[]'"]
    {
        assert!(elsewhere.execute(&format!("UPDATE users SET {odd}"), []).is_err(), "{odd}");
    }
}

#[tokio::test]
async fn an_id_never_returns_and_events_outlive_their_user() {
    let shop = Shop::open().await;
    shop.register("quinta").await;
    let last = shop.register("sesta").await;
    let elsewhere = Connection::open(shop.dir().join("users.sqlite")).unwrap();
    elsewhere.pragma_update(None, "foreign_keys", true).unwrap();
    assert_eq!(elsewhere.execute("DELETE FROM users WHERE id = ?1", [last]).unwrap(), 1);
    let shop = shop.restart().await;
    assert_eq!(shop.register("settima").await, last + 1);
    assert_eq!(shop.count("users.sqlite", "user_events"), 3);
    // Not even if the users come back from an older copy: the key store remembers.
    elsewhere.execute_batch("DELETE FROM users; DELETE FROM user_events; DELETE FROM sqlite_sequence").unwrap();
    let shop = shop.restart().await;
    assert_eq!(shop.register("ottava").await, last + 2);
}

#[tokio::test]
async fn a_missing_or_another_master_key_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::system();
    let signer = Arc::new(TokenSigner::generate(&host));
    let open = |source: MasterKeySource| {
        UserService::open(config(dir.path(), |config| config.master_key = source), Arc::clone(&signer), host.clone())
    };
    drop(open(MasterKeySource::Own).await.unwrap());
    let own = dir.path().join("keys/master.key");
    let text = fs::read_to_string(&own).unwrap();
    assert_starts_not(open(MasterKeySource::Given(new_master_key(&host))).await, "another");
    assert_starts_not(open(MasterKeySource::Given(Secret::new("too short".to_owned()))).await, "32 bytes");
    drop(open(MasterKeySource::Given(Secret::new(text.clone()))).await.unwrap());
    drop(open(MasterKeySource::File(own.clone())).await.unwrap());
    fs::rename(&own, dir.path().join("elsewhere")).unwrap();
    assert_starts_not(open(MasterKeySource::Own).await, "gone");
    assert!(!own.exists());
    fs::write(&own, &text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
        assert_starts_not(open(MasterKeySource::Own).await, "chmod 600");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    }
    drop(open(MasterKeySource::Own).await.unwrap());
}

#[tokio::test]
async fn a_buyer_is_answered_from_memory_once_it_was_asked_for() {
    let shop = Shop::open().await;
    let id = PersonId(shop.register("quinta").await);
    shop.neighbour().call(&shop.context(), GetBuyer { user_id: id }).await.unwrap().unwrap();
    // With the row gone only memory can answer.
    let elsewhere = Connection::open(shop.dir().join("users.sqlite")).unwrap();
    elsewhere.execute("DELETE FROM users", []).unwrap();
    assert!(shop.neighbour().call(&shop.context(), GetBuyer { user_id: id }).await.unwrap().is_some());
}

#[tokio::test]
async fn health_says_whether_both_databases_answer() {
    let shop = Shop::open().await;
    let status = async || shop.service.health().await.iter().map(|check| check.status).collect::<Vec<_>>();
    assert_eq!(status().await, [Status::Healthy, Status::Healthy]);
    let keys = Connection::open(shop.dir().join("keys/keys.sqlite")).unwrap();
    keys.execute_batch("DROP TABLE person_keys").unwrap();
    assert_eq!(status().await, [Status::Unhealthy, Status::Healthy]);
}

#[track_caller]
fn assert_starts_not(opened: Result<UserService, madrigal_core::Fault>, because: &str) {
    let fault = opened.unwrap_err().chain();
    assert!(fault.contains(because), "{fault}");
}
