//! Generations of indexes in one directory.

use std::fs;

use madrigal_core::Host;
use madrigal_tantivy::Generations;

#[tokio::test]
async fn the_registry_survives_and_left_overs_go() {
    let dir = tempfile::tempdir().unwrap();
    let now = Host::seeded(1).now();
    fs::write(dir.path().join("meta.json"), b"an index of a time before generations").unwrap();
    let generations = Generations::open(dir.path()).await.unwrap();
    assert_eq!(generations.registry().serving, None);
    generations.change(|registry| assert_eq!(registry.begin(1, now, true).number, 1)).await.unwrap();
    generations.change(|registry| registry.switch(now)).await.unwrap();
    generations.change(|registry| assert_eq!(registry.begin(2, now, false).number, 2)).await.unwrap();
    let registry = generations.registry();
    let (serving, candidate) = (registry.serving.unwrap(), registry.candidate.clone().unwrap().generation);
    assert_eq!((serving.number, serving.version, candidate.number, candidate.version), (1, 1, 2, 2));
    for generation in [serving, candidate] {
        fs::create_dir(generations.directory(generation)).unwrap();
    }
    fs::create_dir(dir.path().join("generation-9")).unwrap();
    fs::write(dir.path().join("registry.json.new"), b"half wr").unwrap();

    let again = Generations::open(dir.path()).await.unwrap();
    assert_eq!(again.registry(), registry);
    let mut names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["generation-1", "generation-2", "registry.json"]);
    again.change(|registry| registry.switch(now)).await.unwrap();
    let registry = again.registry();
    assert_eq!((registry.serving, registry.candidate), (Some(candidate), None));
    assert_eq!(registry.previous.map(|previous| previous.generation), Some(serving));
}

#[tokio::test]
async fn a_registry_that_cannot_be_read_is_as_good_as_none() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("registry.json"), b"{").unwrap();
    fs::create_dir(dir.path().join("generation-1")).unwrap();
    let generations = Generations::open(dir.path()).await.unwrap();
    assert_eq!((generations.registry().serving, generations.registry().last), (None, 0));
    assert!(!dir.path().join("generation-1").exists());
}
