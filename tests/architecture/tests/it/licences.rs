//! Licences and what the default build leaves out, by `deny.toml`.

use std::collections::BTreeSet;

use crate::metadata::{packages, root};

fn deny() -> toml::Table {
    std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

/// Whether an SPDX expression can be met by allowed licences: `OR` needs one side, `AND` both; `/` is an old `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let expression = expression.trim();
    if let Some((left, right)) = split_outside_brackets(expression, " AND ") {
        return is_met(left, allowed) && is_met(right, allowed);
    }
    if let Some((left, right)) = split_outside_brackets(expression, " OR ") {
        return is_met(left, allowed) || is_met(right, allowed);
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_met(inner, allowed),
        None => allowed.contains(expression),
    }
}

fn split_outside_brackets<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0i32;
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && text[index..].starts_with(separator) => {
                return Some((&text[..index], &text[index + separator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[test]
fn every_package_has_an_allowed_licence() {
    let deny = deny();
    let allowed: BTreeSet<String> =
        deny["licenses"]["allow"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| !is_met(&package.licence, &allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.licence))
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("Apache-2.0/MIT", true),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}

#[test]
fn the_default_build_pulls_in_nothing_that_is_denied() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-p", "madrigal", "-e", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let built: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let deny = deny();
    for ban in deny["bans"]["deny"].as_array().unwrap() {
        let name = ban["crate"].as_str().unwrap();
        assert!(!built.contains(name), "the default build pulls in {name}");
    }
}
