//! What a process leaves that dies in the middle of a commit.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use madrigal_core::Position;
use madrigal_tantivy::SearchIndex;
use madrigal_tantivy::index::Change;

use super::{at, filled, keys, product, schema, words};

fn files(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn changes() -> Vec<Change> {
    vec![product("1", "White tea", "", "Sencha", 700), Change::Delete("2".into())]
}

#[tokio::test]
async fn a_commit_that_died_half_way_is_made_again_after_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let before = fs::read(dir.path().join("meta.json")).unwrap();
    let index = SearchIndex::open(dir.path(), &schema()).await.unwrap();
    index.commit(changes(), at(6)).await.unwrap();
    drop(index);
    // All files of the commit are there, but for the last step: the old list of segments still counts.
    assert!(files(dir.path()).iter().any(|name| name.ends_with(".del")), "the commit wrote deletions");
    fs::write(dir.path().join("meta.json"), before).unwrap();
    let left = files(dir.path());

    let index = SearchIndex::open(dir.path(), &schema()).await.unwrap();
    assert_eq!(index.checkpoint().unwrap().unwrap().position, Position(4));
    assert!(files(dir.path()).len() < left.len(), "what no commit names is gone");
    index.commit(changes(), at(6)).await.unwrap();
    assert_eq!(keys(&index, words("tea")).await, ["1"]);
    assert_eq!(index.checkpoint().unwrap().unwrap().position, Position(6));
}
