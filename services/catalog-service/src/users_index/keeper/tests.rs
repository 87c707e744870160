use std::path::Path;

use madrigal_consistency::{Detail, RepairRow, Repaired, Row, RowSet, Seen, number_key};
use madrigal_contracts::rows::kept::{KeptRows, USER_FIELDS};
use madrigal_core::{Host, LogEpoch, Position};
use serde_json::json;

use super::*;

fn user(id: i64, version: u64, username: &str) -> CopyRow {
    let row = json!({"id": id, "email": format!("{username}@example.org"), "username": username,
        "profile": {"firstName": "Ana", "lastName": "Núñez"}, "version": version});
    CopyRow { key: id.to_string(), version: RowVersion::new(1, version).unwrap(), row: Some(row) }
}

fn deleted(id: i64, version: u64) -> CopyRow {
    CopyRow { key: id.to_string(), version: RowVersion::new(1, version).unwrap(), row: None }
}

async fn opened(dir: &Path) -> UsersIndex {
    UsersIndex::open(dir, Host::system()).await.unwrap()
}

async fn apply(index: &UsersIndex, rows: Vec<CopyRow>) -> Vec<RowOutcome> {
    index.apply(ApplyRows { copy: COPY.to_owned(), rows, through: None }).await.unwrap().outcomes
}

async fn found(index: &UsersIndex, words: &str) -> Vec<i64> {
    let users = index.search(words, 0, 10).await.unwrap();
    users.items.iter().map(|user| user["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn users_are_found_by_the_beginnings_of_their_words_until_these_change() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path()).await;
    apply(&index, vec![user(7, 1, "anna"), user(8, 1, "hannah"), user(9, 1, "ann")]).await;
    assert_eq!(found(&index, "ann").await, [7, 9]);
    assert_eq!(found(&index, "NUNEZ hann").await, [8]);
    assert_eq!(found(&index, "anna@example.org").await, [7]);
    apply(&index, vec![user(7, 2, "berta")]).await;
    assert_eq!((found(&index, "anna").await, found(&index, "bert").await), (vec![], vec![7]));
    assert_eq!(apply(&index, vec![user(7, 1, "anna")]).await, [RowOutcome::Older]);
    assert_eq!(found(&index, "anna").await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_deleted_user_stays_deleted_and_nothing_of_it_is_left_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path()).await;
    apply(&index, vec![user(7, 1, "vanishing"), user(8, 1, "staying")]).await;
    apply(&index, vec![deleted(7, 2)]).await;
    assert_eq!(apply(&index, vec![user(7, 1, "vanishing")]).await, [RowOutcome::Older]);
    assert_eq!(found(&index, "vanishing").await, Vec::<i64>::new());
    assert_eq!(index.read("7").await.unwrap(), Some(deleted(7, 2)));
    assert_eq!(index.keys(None, 10).await.unwrap(), ["8"]);
    for file in ["users-index.sqlite", "users-index.sqlite-wal"] {
        let bytes = std::fs::read(dir.path().join(file)).unwrap_or_default();
        assert!(!bytes.windows(9).any(|window| window == b"vanishing"), "{file}");
    }
}

#[tokio::test]
async fn rows_and_place_are_there_after_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let through = AppliedThrough {
        log: LogName::parse("user").unwrap(),
        epoch: LogEpoch::new(&Host::system()),
        position: Position(42),
    };
    let call = ApplyRows { copy: COPY.to_owned(), rows: vec![user(7, 1, "anna")], through: Some(through.clone()) };
    opened(dir.path()).await.apply(call).await.unwrap();
    let index = opened(dir.path()).await;
    assert_eq!(index.applied_through().await.unwrap(), [through]);
    assert_eq!(found(&index, "anna").await, [7]);
}

#[tokio::test]
async fn a_row_without_the_right_form_is_refused_and_others_of_the_call_are_applied() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path()).await;
    let mut nameless = user(7, 1, "anna");
    nameless.row.as_mut().unwrap()["username"] = json!(5);
    let mut secret = user(9, 1, "anna");
    secret.row.as_mut().unwrap()["passwordHash"] = json!("x");
    let outcomes = apply(&index, vec![nameless, secret, user(8, 1, "bert")]).await;
    assert!(
        matches!(outcomes[..], [RowOutcome::Refused { .. }, RowOutcome::Refused { .. }, RowOutcome::Applied]),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_repair_replaces_exactly_the_row_that_was_seen_and_the_terms_that_find_it() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path()).await;
    let replaced = async |seen: Option<CopyRow>, with: Option<CopyRow>| {
        index.replace(vec![ReplaceRow { key: "7".to_owned(), seen, with }]).await.unwrap().remove(0)
    };
    apply(&index, vec![user(7, 9, "wrong")]).await;
    let seen = index.read("7").await.unwrap();
    apply(&index, vec![user(7, 10, "newer")]).await;
    assert_eq!(replaced(seen, Some(user(7, 3, "right"))).await, Replaced::Changed);
    assert_eq!(found(&index, "newer").await, [7]);
    // Its row is damaged: nothing says any more by which terms it was found.
    index.database.write("break", |tx| tx.execute("UPDATE users SET row = 'gibberish'", [])).await.unwrap();
    assert_eq!(found(&index, "newer").await, Vec::<i64>::new(), "what is damaged is not shown");
    let seen = index.read("7").await.unwrap();
    assert_eq!(seen.as_ref().unwrap().row, Some(json!("gibberish")));
    assert_eq!(replaced(seen, Some(user(7, 3, "right"))).await, Replaced::Done);
    assert_eq!((found(&index, "right").await, found(&index, "newer").await), (vec![7], vec![]));
    assert_eq!(index.read("7").await.unwrap().unwrap().version.count(), 3);
    let seen = index.read("7").await.unwrap();
    assert_eq!(replaced(seen, Some(deleted(7, 4))).await, Replaced::Done);
    assert_eq!((found(&index, "right").await, index.page(0, 10).await.unwrap()), (vec![], vec![deleted(7, 4)]));
}

#[tokio::test]
async fn a_row_that_other_words_find_differs_and_its_repair_writes_its_own_anew() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path()).await;
    apply(&index, vec![user(7, 1, "anna"), user(8, 1, "bert")]).await;
    let set = KeptRows::new(index.keeper(), USER_FIELDS);
    let shown = async || -> Row { set.by_key(vec![number_key(7)], Detail::Content).await.unwrap().remove(0) };
    let sound = shown().await;
    let fields: Vec<String> = USER_FIELDS.iter().map(|field| (*field).to_owned()).collect();
    for damage in [
        "DELETE FROM terms WHERE id = 7",
        "DELETE FROM terms WHERE id = 7 AND term = 'anna'",
        "INSERT INTO terms (term, id) VALUES ('somebody', 7)",
        "UPDATE terms SET id = 8 WHERE term = 'anna'",
    ] {
        index.database.write("break", move |tx| tx.execute(damage, [])).await.unwrap();
        let damaged = shown().await;
        assert_ne!(damaged.content, sound.content, "{damage}");
        assert_eq!(damaged.version, sound.version);
        let seen = Some(Seen::of(&damaged, &fields));
        let repair = RepairRow { key: number_key(7), seen, fields: fields.clone(), row: Some(sound.clone()) };
        assert_eq!(set.repair(repair).await.unwrap(), Repaired::Done, "{damage}");
        assert_eq!(shown().await, sound, "{damage}");
        assert!(found(&index, "anna").await.contains(&7) && found(&index, "somebody").await.is_empty(), "{damage}");
    }
}

#[tokio::test]
async fn a_rebuild_replaces_a_row_that_other_words_find() {
    let dir = tempfile::tempdir().unwrap();
    let index = opened(dir.path()).await;
    apply(&index, vec![user(7, 1, "anna")]).await;
    index.database.write("break", |tx| tx.execute("DELETE FROM terms", [])).await.unwrap();
    let seen = index.page(0, 10).await.unwrap().pop();
    assert_eq!(seen, index.read("7").await.unwrap());
    let rows = vec![ReplaceRow { key: "7".to_owned(), seen, with: Some(user(7, 1, "anna")) }];
    assert_eq!(index.replace(rows).await.unwrap(), [Replaced::Done]);
    assert_eq!(found(&index, "anna").await, [7]);
    // What a later version brings, too.
    index.database.write("break", |tx| tx.execute("INSERT INTO terms VALUES ('stray', 7)", [])).await.unwrap();
    apply(&index, vec![user(7, 2, "anna")]).await;
    assert_eq!(found(&index, "stray").await, Vec::<i64>::new());
}
