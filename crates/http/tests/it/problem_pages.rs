//! Every code has a page, in every crate of the checkout, and the page says what its reader needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Codes are written out where a problem is made, which is what makes them findable.
fn codes() -> BTreeSet<String> {
    let made = regex::Regex::new(
        r#"(?:Problem::new\(\s*[\w:]+,\s*|\b(?:conflict|bad_request)\(\s*)"([a-z0-9]+(?:-[a-z0-9]+)*)""#,
    )
    .unwrap();
    let mut files = Vec::new();
    for group in ["crates", "services"] {
        for member in std::fs::read_dir(root().join(group)).unwrap().flatten() {
            sources(&member.path().join("src"), &mut files);
        }
    }
    let texts = files.iter().filter(|path| !path.ends_with("http/src/problem.rs"));
    let texts = texts.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    texts.flat_map(|text| made.captures_iter(&text).map(|found| found[1].to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn every_page_is_of_a_code_that_some_source_writes() {
    let mut files = Vec::new();
    for group in ["crates", "services", "app"] {
        sources(&root().join(group), &mut files);
    }
    let texts: String = files.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
    for entry in std::fs::read_dir(root().join("docs/problems")).unwrap().flatten() {
        let code = entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(texts.contains(&format!("\"{code}\"")), "nothing answers {code}: its page goes, too");
    }
}

#[test]
fn every_code_has_a_page_and_says_what_to_do() {
    let codes = codes();
    assert!(codes.len() > 20 && codes.contains("invalid-body") && codes.contains("bad-cursor"), "{codes:?}");
    let missing: Vec<_> =
        codes.iter().filter(|code| !root().join(format!("docs/problems/{code}.md")).exists()).collect();
    assert!(missing.is_empty(), "no page in docs/problems for {missing:?}");
    for entry in std::fs::read_dir(root().join("docs/problems")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let code = entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(text.starts_with(&format!("# {code}\n\n**")), "{code} has another heading");
        assert!(text.contains("**What to do:**"), "{code} does not say what to do");
    }
}
