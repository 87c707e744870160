//! Every member of the workspace plays by the workspace's lints.

use crate::metadata::{members, root};

#[test]
fn every_member_takes_the_workspaces_lints_and_fields() {
    for (room, _) in members() {
        let text = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = text.parse().unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{room} has lints of its own");
        for field in ["version", "edition", "rust-version", "license"] {
            assert_eq!(manifest["package"][field]["workspace"].as_bool(), Some(true), "{room} has its own {field}");
        }
    }
}
