//! The index over the public API.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use madrigal_core::{Host, LogEpoch, Position};
use madrigal_projection::Checkpoint;
use madrigal_tantivy::index::Change;
use madrigal_tantivy::{
    Direction, Document, Facet, FieldKind, Filter, Found, IndexSchema, SearchIndex, SearchRequest, Sort, Synonyms,
    Wanted,
};

mod crash;
mod generations;
mod oracle;

fn schema() -> IndexSchema {
    IndexSchema::new([
        ("name", FieldKind::Text { weight: 64 }),
        ("about", FieldKind::Text { weight: 16 }),
        ("brand", FieldKind::Keyword),
        ("price", FieldKind::Integer),
        ("stock", FieldKind::Flag),
    ])
}

fn product(key: &str, name: &str, about: &str, brand: &str, price: i64) -> Change {
    let document = Document::new(key).with("name", name).with("about", about);
    Change::Upsert(document.with("brand", brand).with("price", price).with("stock", price % 2 == 0))
}

fn at(position: u64) -> Checkpoint {
    Checkpoint { epoch: LogEpoch::new(&Host::seeded(1)), position: Position(position) }
}

async fn filled(dir: &std::path::Path) -> SearchIndex {
    let index = SearchIndex::open(dir, &schema()).await.unwrap();
    let changes = vec![
        product("1", "Green tea", "leaves from Kyōto", "Sencha", 500),
        product("2", "Black tea", "strong, with milk", "Assam", 401),
        product("3", "Milk", "from the green hills", "Alm", 120),
        product("4", "Crème brûlée", "dessert", "Alm", 333),
    ];
    index.commit(changes, at(4)).await.unwrap();
    index
}

fn words(text: &str) -> SearchRequest {
    SearchRequest {
        words: Some(Wanted::of(text, &Synonyms::default())),
        sort: vec![Sort::Relevance],
        ..SearchRequest::all(10)
    }
}

async fn keys(index: &SearchIndex, request: SearchRequest) -> Vec<String> {
    index.search(request).await.unwrap().keys().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn what_documents_show_is_read_for_many_over_all_segments() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let changes = vec![product("2", "Black tea", "", "Ceylon", 402), product("5", "Rice", "", "Alm", 7)];
    index.commit(changes, at(6)).await.unwrap();
    index.commit(vec![Change::Delete("3".to_owned())], at(7)).await.unwrap();
    let keys = ["5", "3", "2", "none", "1", "2"].map(str::to_owned);
    let shown = index.snapshot().shown_of(keys.to_vec()).await.unwrap();
    let told = shown.iter().map(|shown| {
        let shown = shown.as_ref()?;
        Some(format!("{} {} {}", shown["brand"][0], shown["price"][0], shown["stock"][0]))
    });
    let expected =
        [Some("Alm 7 false"), None, Some("Ceylon 402 true"), None, Some("Sencha 500 true"), Some("Ceylon 402 true")];
    assert_eq!(told.collect::<Vec<_>>(), expected.map(|told| told.map(str::to_owned)));
    for (key, shown) in keys.iter().zip(shown) {
        assert_eq!(index.snapshot().shown(key).await.unwrap(), shown, "{key}");
    }
}

#[tokio::test]
async fn keys_are_paged_in_order_over_all_segments() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    index
        .commit(vec![product("2", "Tea", "", "Ceylon", 402), product("11", "Rice", "", "Alm", 7)], at(6))
        .await
        .unwrap();
    index.commit(vec![Change::Delete("3".to_owned())], at(7)).await.unwrap();
    let page = async |after: Option<&str>, limit: usize| {
        let page = index.snapshot().integers("price", after.map(str::to_owned), limit).await.unwrap();
        page.into_iter().map(|(key, price)| format!("{key} {}", price.unwrap())).collect::<Vec<_>>()
    };
    let all = ["1 500", "11 7", "2 402", "4 333"];
    assert_eq!(page(None, 10).await, all);
    for (after, limit, expected) in
        [(None, 2, &all[..2]), (Some("1"), 1, &all[1..2]), (Some("11"), 10, &all[2..]), (Some("3"), 9, &all[3..])]
    {
        assert_eq!(page(after, limit).await, expected, "after {after:?}");
    }
    assert!(page(Some("4"), 10).await.is_empty());
}

#[tokio::test]
async fn every_word_must_be_found_and_names_count_more() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    assert_eq!(keys(&index, words("green tea")).await, ["1"]);
    assert_eq!(keys(&index, words("milk")).await, ["3", "2"]);
    assert_eq!(keys(&index, words("CREME brulee")).await, ["4"]);
    assert_eq!(keys(&index, words("kyoto")).await, ["1"]);
    assert!(keys(&index, words("green coffee")).await.is_empty());
}

#[tokio::test]
async fn odd_searches_are_plain_text() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    assert_eq!(keys(&index, words("name:tea AND (green")).await.len(), 0);
    for odd in ["", " ", "!!!", "\"", "tea^", "*", "~~", "a:b:c", "\0", "\u{202e}", &"x".repeat(100_000)] {
        assert!(keys(&index, words(odd)).await.len() <= 2, "{odd:?}");
    }
    assert_eq!(keys(&index, words("+green -(tea)")).await, ["1"]);
    assert!(keys(&index, words(&"tea ".repeat(1_000))).await.len() == 2);
}

#[tokio::test]
async fn filters_sorts_and_pages_hold_together() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let by_price = SearchRequest { sort: vec![Sort::Integer("price", Direction::Up)], ..SearchRequest::all(10) };
    assert_eq!(keys(&index, by_price.clone()).await, ["3", "4", "2", "1"]);
    let some = SearchRequest { filters: vec![Filter::Between("price", Some(333), Some(401))], ..by_price.clone() };
    assert_eq!(keys(&index, some).await, ["4", "2"]);
    let alm = SearchRequest { filters: vec![Filter::Is("brand", "Alm".into())], ..by_price.clone() };
    assert_eq!(keys(&index, alm).await, ["3", "4"]);
    let even = SearchRequest { filters: vec![Filter::Flag("stock", true)], ..by_price.clone() };
    assert_eq!(keys(&index, even).await, ["3", "1"]);
    let by_brand = SearchRequest { sort: vec![Sort::Keyword("brand", Direction::Down)], ..SearchRequest::all(2) };
    let first: Found = index.search(by_brand.clone()).await.unwrap();
    assert_eq!((first.keys().collect::<Vec<_>>(), first.more), (vec!["1", "2"], true));
    let rest = SearchRequest { after: first.places.last().cloned(), ..by_brand.clone() };
    let rest = index.search(rest).await.unwrap();
    assert_eq!((rest.keys().collect::<Vec<_>>(), rest.more), (vec!["3", "4"], false));
    let other_order = SearchRequest { after: rest.places.last().cloned(), ..by_price };
    assert!(index.search(other_order).await.is_err());
}

#[tokio::test]
async fn facets_count_all_that_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let brands = |prefix: &str, most| Facet::Values { field: "brand", prefix: prefix.to_owned(), most };
    let prices =
        Facet::Ranges { field: "price", ranges: vec![(None, Some(333)), (Some(334), Some(499)), (Some(500), None)] };
    let facets = vec![brands("", 2), brands("A", 9), prices, brands("Zzz", 9)];
    let found = index.search(SearchRequest { facets, ..SearchRequest::all(1) }).await.unwrap();
    let named = |index: usize| -> Vec<(&str, u64)> {
        found.facets[index].iter().map(|facet| (facet.value.as_str(), facet.count)).collect()
    };
    assert_eq!((found.places.len(), found.total), (1, Some(4)));
    assert_eq!(named(0), [("Alm", 2), ("Assam", 1)]);
    assert_eq!(named(1), [("lm", 2), ("ssam", 1)]);
    assert_eq!(named(2), [("0", 2), ("1", 1), ("2", 1)]);
    assert!(named(3).is_empty());
}

#[tokio::test]
async fn documents_and_checkpoint_survive_together() {
    let dir = tempfile::tempdir().unwrap();
    let index = filled(dir.path()).await;
    let changes = vec![product("1", "White tea", "", "Sencha", 700), Change::Delete("2".into())];
    index.commit(changes, at(6)).await.unwrap();
    drop(index);
    let index = SearchIndex::open(dir.path(), &schema()).await.unwrap();
    assert_eq!(index.checkpoint().unwrap().unwrap().position, Position(6));
    assert_eq!(keys(&index, words("tea")).await, ["1"]);
    assert!(keys(&index, words("green tea")).await.is_empty());
    index.clear().await.unwrap();
    assert_eq!((index.checkpoint().unwrap(), index.documents()), (None, 0));
}

#[tokio::test]
async fn an_index_of_another_schema_or_a_damaged_one_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let other = IndexSchema::new([("title", FieldKind::Text { weight: 16 })]);
    let index = SearchIndex::open(dir.path(), &other).await.unwrap();
    assert_eq!((index.checkpoint().unwrap(), index.documents()), (None, 0));
    drop(index);
    std::fs::write(dir.path().join("meta.json"), b"{").unwrap();
    let index = SearchIndex::open(dir.path(), &other).await.unwrap();
    assert_eq!((index.checkpoint().unwrap(), index.documents()), (None, 0));
}

#[tokio::test]
async fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = filled(dir.path()).await;
    assert!(SearchIndex::open(dir.path(), &schema()).await.is_err());
}
