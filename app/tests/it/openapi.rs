//! The API's description is checked in, so that a change of the API is seen in review.

use std::path::Path;

#[test]
fn every_described_path_is_found_in_other_processes_too() {
    let described = madrigal::compose::openapi();
    assert_eq!(madrigal_gateway::table::undeclared(&described), Vec::<&str>::new());
}

/// Run with `UPDATE=1` to write the description anew.
#[test]
fn the_description_that_is_checked_in_is_the_one_that_is_served() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let described = serde_json::to_string_pretty(&madrigal::compose::openapi()).unwrap() + "\n";
    if madrigal_core::environment::variable("UPDATE").is_some() {
        std::fs::write(&file, &described).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == described,
        "docs/openapi.json is not what is served: run this test with UPDATE=1 and look at the change"
    );
}
