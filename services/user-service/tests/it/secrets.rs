use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::json;

use crate::shop::{PASSWORD, Shop};

/// Registers, changes, logs in, and tries what is refused, so that everything that writes has written.
async fn busy_shop() -> Shop {
    let shop = Shop::open().await;
    let id = shop.register("quinta").await;
    let path = format!("/v1/users/{id}");
    let patch = json!({"email": "sesta@example.net", "profile": {"street": "Via Appia 1"}});
    assert_eq!(shop.patch(&path, &shop.customer(id), 1, &patch).await.status, 200);
    let login = json!({"login": "quinta", "password": PASSWORD});
    assert_eq!(shop.post("/v1/sessions", &login).await.status, 201);
    shop
}

#[tokio::test]
async fn the_hash_of_a_password_is_in_its_column_and_nowhere_else() {
    let shop = busy_shop().await;
    let mut found = Vec::new();
    for file in ["users.sqlite", "keys/keys.sqlite"] {
        every_cell(&shop.dir().join(file), |table, column, bytes| {
            assert!(!contains(bytes, PASSWORD), "{table}.{column} holds a password");
            if contains(bytes, "$argon2") {
                found.push(format!("{table}.{column}"));
            }
        });
    }
    assert_eq!(found, ["users.password_hash"]);
}

#[tokio::test]
async fn no_answer_carries_a_hash_or_a_password() {
    let shop = busy_shop().await;
    for path in ["/v1/users", "/v1/users/1", "/v1/users/1/profile", "/v1/users/1/events"] {
        let answer = shop.get(path, &shop.operator()).await;
        let text = answer.body.to_string();
        assert_eq!(answer.status, 200, "{text}");
        assert!(!text.contains("$argon2") && !text.contains("assword") && !text.contains(PASSWORD), "{path}: {text}");
    }
}

#[tokio::test]
async fn events_and_keys_hold_no_name_and_no_address_readable() {
    let shop = busy_shop().await;
    let personal = ["quinta", "Quintilla", "Zanzibari", "example.org", "example.net", "sesta", "Via Appia", "q.png"];
    let mut sealed = 0;
    for file in ["users.sqlite", "keys/keys.sqlite"] {
        every_cell(&shop.dir().join(file), |table, column, bytes| {
            // Captured changes of `users` wait in the clear in the file that is their home, and are erased with the row.
            if matches!(table, "users" | "user_profiles" | "changes") {
                return;
            }
            for text in personal {
                assert!(!contains(bytes, text), "{table}.{column} holds {text}");
            }
            sealed += usize::from(contains(bytes, "$sealed"));
        });
    }
    assert_eq!(sealed, 2);
}

#[tokio::test]
async fn a_destroyed_key_is_gone_from_every_file_of_the_key_store() {
    let shop = busy_shop().await;
    let keys = shop.dir().join("keys");
    let connection = Connection::open(keys.join("keys.sqlite")).unwrap();
    let wrapped: Vec<u8> = connection.query_row("SELECT wrapped FROM person_keys", [], |row| row.get(0)).unwrap();
    drop(connection);
    let held =
        || files(&keys).iter().any(|file| fs::read(file).unwrap().windows(24).any(|part| part == &wrapped[..24]));
    assert!(held());
    shop.service.destroy_key(madrigal_core::PersonId(1)).await.unwrap();
    assert!(!held());
}

#[cfg(unix)]
#[tokio::test]
async fn the_master_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::open().await;
    let mode = fs::metadata(shop.dir().join("keys/master.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Every cell of every table and view, shadow and sequence tables included.
fn every_cell(file: &Path, mut visit: impl FnMut(&str, &str, &[u8])) {
    let connection = Connection::open(file).unwrap();
    let mut names = connection.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(names.len() >= 3, "{names:?}");
    for table in names {
        let mut select = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (index, column) in columns.iter().enumerate() {
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(index).unwrap() {
                    visit(&table, column, bytes);
                }
            }
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}
