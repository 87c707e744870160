//! What stands in the sources.

use std::fs;
use std::path::{Path, PathBuf};

use crate::metadata::root;

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> =
        ["crates", "adapters", "services", "app", "tests", "examples"].map(|room| root().join(room)).into();
    while let Some(path) = pending.pop() {
        let Ok(entries) = fs::read_dir(&path) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn offending(files: &[PathBuf], offends: impl Fn(&Path, &str) -> bool) -> Vec<String> {
    let root = root();
    files
        .iter()
        .filter(|path| offends(path, &fs::read_to_string(path).unwrap()))
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .collect()
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    // Written apart, so that this file does not find itself.
    let allow = concat!("#[", "allow(");
    let allow_all = concat!("#![", "allow(");
    assert_eq!(offending(&sources(), |_, text| text.contains(allow) || text.contains(allow_all)), Vec::<String>::new());
}

#[test]
fn no_module_is_named_after_nothing() {
    let empty_words = ["utils", "util", "common", "helpers", "helper", "manager", "types", "misc", "mod"];
    let named = |path: &Path| path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    assert_eq!(offending(&sources(), |path, _| empty_words.contains(&named(path).as_str())), Vec::<String>::new());
}

#[test]
fn no_sql_of_ours_replaces_rows() {
    // REPLACE deletes and inserts: change capture would see the wrong operation, and foreign rows would vanish.
    let replace = concat!("OR ", "REPLACE");
    let replace_into = concat!("REPLACE ", "INTO");
    assert_eq!(
        offending(&sources(), |_, text| text.contains(replace) || text.contains(replace_into)),
        Vec::<String>::new()
    );
}
