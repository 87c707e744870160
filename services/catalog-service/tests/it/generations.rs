//! The search index in its generations.

use madrigal_catalog_service::search::fields::schema;
use madrigal_projection::{CandidateState, Difference, OperateError, Refusal, ServingState, Verdict};
use madrigal_tantivy::SearchIndex;
use madrigal_tantivy::index::Change;
use serde_json::json;

use crate::shop::Shop;

async fn filled() -> (Shop, String) {
    let shop = Shop::new().await;
    for number in 0..20 {
        shop.create(&format!("p{number:02}"), number, 1).await;
    }
    let position = shop.create("last", 1, 1).await;
    assert_eq!(shop.search(&position, "").await["total"], 21);
    (shop, position)
}

fn refused<T: std::fmt::Debug>(result: Result<T, OperateError>) -> Refusal {
    match result {
        Err(OperateError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_index_is_built_beside_compared_and_switched_to() {
    let (shop, _) = filled().await;
    let search = shop.service.product_search();
    let status = search.status().await.unwrap();
    assert_eq!((status.name.as_str(), status.generation, status.state), ("product-search", 1, ServingState::Serving));
    assert!(matches!(refused(search.compare().await), Refusal::NoCandidate));
    assert!(matches!(refused(search.switch(None).await), Refusal::NoCandidate));
    assert!(matches!(refused(search.confirm().await), Refusal::NoPrevious));

    let begun = search.rebuild().await.unwrap().candidate.unwrap();
    assert_eq!(begun.generation, 2);
    assert!(matches!(refused(search.rebuild().await), Refusal::CandidateExists { generation: 2 }));
    let comparison = search.compare().await.unwrap();
    assert_eq!((comparison.compared.verdict, comparison.compared.rows), (Verdict::Equal, 21), "{comparison:?}");
    assert_eq!(search.status().await.unwrap().candidate.unwrap().state, CandidateState::CaughtUp);
    let position = shop.create("meanwhile", 1, 1).await;
    let switched = search.switch(None).await.unwrap();
    assert_eq!(
        (switched.generation, switched.candidate, switched.previous.map(|previous| previous.generation)),
        (2, None, Some(1))
    );
    assert_eq!(shop.search(&position, "").await["total"], 22);
    let position = shop.create("afterwards", 1, 1).await;
    assert_eq!(shop.search(&position, "").await["total"], 23);
    assert_eq!(search.confirm().await.unwrap().previous, None);
    drop(search);

    let shop = shop.restarted(|dir| assert!(!dir.join("search/generation-1").exists())).await;
    assert_eq!(shop.service.product_search().status().await.unwrap().generation, 2);
    assert_eq!(shop.search(&position, "").await["total"], 23);
}

#[tokio::test]
async fn a_candidate_goes_on_after_a_restart_and_can_be_discarded() {
    let (shop, position) = filled().await;
    shop.service.product_search().rebuild().await.unwrap();
    let shop = shop.restarted(|_| ()).await;
    let search = shop.service.product_search();
    assert_eq!(search.status().await.unwrap().candidate.unwrap().generation, 2);
    assert_eq!(search.compare().await.unwrap().compared.verdict, Verdict::Equal);
    let discarded = search.discard().await.unwrap();
    assert_eq!((discarded.candidate, discarded.generation), (None, 1));
    assert_eq!(shop.search(&position, "").await["total"], 21);
    assert_eq!(search.rebuild().await.unwrap().candidate.unwrap().generation, 3, "no number is given twice");
}

#[tokio::test]
async fn an_index_that_is_lost_or_of_another_version_is_built_anew_and_never_served_by_half() {
    let (shop, position) = filled().await;
    let shop = shop.restarted(|dir| std::fs::remove_dir_all(dir.join("search/generation-1")).unwrap()).await;
    assert_eq!(shop.search(&position, "").await["total"], 21);
    let registry = |dir: &std::path::Path| dir.join("search/registry.json");
    let shop = shop
        .restarted(|dir| {
            let text = std::fs::read_to_string(registry(dir)).unwrap();
            let mut written: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&written["serving"]["number"], &written["previous"]), (&json!(2), &json!(null)));
            written["serving"]["version"] = json!(1);
            std::fs::write(registry(dir), written.to_string()).unwrap();
        })
        .await;
    assert_eq!(
        shop.search(&position, "").await["total"],
        21,
        "what is of another version serves until the new one is whole"
    );
    while shop.service.product_search().status().await.unwrap().generation != 3 {
        shop.search(&position, "").await;
    }
    let shop = shop.restarted(|dir| std::fs::write(dir.join("search/generation-3/meta.json"), b"{").unwrap()).await;
    assert_eq!(shop.search(&position, "").await["total"], 21);
    assert_eq!(shop.service.product_search().why_stalled().await.unwrap().cause, "nothing");
}

/// Takes a document out of an index that nobody has open.
#[tokio::main(flavor = "current_thread")]
async fn spoil(dir: &std::path::Path) {
    let index = SearchIndex::open(dir, &schema()).await.unwrap();
    let checkpoint = index.checkpoint().unwrap().unwrap();
    index.commit(vec![Change::Delete("p03".into())], checkpoint).await.unwrap();
}

#[tokio::test]
async fn a_difference_is_shown_and_must_be_accepted() {
    let (shop, position) = filled().await;
    // Something that the log does not have gets into what serves.
    let shop = shop
        .restarted(|dir| {
            let dir = dir.join("search/generation-1");
            std::thread::spawn(move || spoil(&dir)).join().unwrap();
        })
        .await;
    assert_eq!(shop.search(&position, "").await["total"], 20);
    let search = shop.service.product_search();
    search.rebuild().await.unwrap();
    let comparison = search.compare().await.unwrap();
    assert_eq!((comparison.compared.verdict, comparison.compared.differing), (Verdict::Different, 1));
    let [Difference { key, serving: None, candidate: Some(document) }] = &comparison.differences[..] else {
        panic!("{comparison:?}")
    };
    assert_eq!((key.as_str(), &document["nameKeyword"][0]), ("p03", &json!("The p03")));
    assert!(matches!(refused(search.switch(None).await), Refusal::Different { differing: 1 }));
    let accepted = madrigal_projection::Accepted { reason: "it was lost".into() };
    assert_eq!(search.switch(Some(accepted)).await.unwrap().generation, 2);
    assert_eq!(shop.search(&position, "").await["total"], 21);
}
