//! The examples run as they stand.

use std::process::Command;

#[test]
fn two_edits_of_a_product_become_one() {
    // Cargo builds a package's examples before it runs its tests, beside the directory that this test is in.
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples").join("product_edits");
    let ran = Command::new(example).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let expected = [
        r#"{"description":"Hand-picked! A tea from the south of Italy.","name":"Fine tea","price":500,"stock":27,"tags":["tea","fine","green"]}"#,
        r#"/name (last writer): Some("\"Green tea\"") did not stand"#,
        "/price: a person decides",
        "",
    ];
    assert_eq!(String::from_utf8_lossy(&ran.stdout), expected.join("\n"));
}
