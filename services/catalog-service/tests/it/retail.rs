//! The catalogue with the 92,331 products of the retail year, against a plain scan of the file.
//!
//! `data-migration/seeders/retail/run.sh` makes the file. Without it the test says that it is ignored, and fails where it is
//! required (`MADRIGAL_REQUIRE_RETAIL=1`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use http::Method;
use madrigal_tantivy::synonyms::Synonyms;
use madrigal_tantivy::{Wanted, analysis, typos};
use serde_json::{Value, json};

use crate::shop::Shop;

const SEARCHES: &str = include_str!("../retail/searches.txt");
const SYNONYMS: &str = include_str!("../../synonyms/products.txt");

const PRODUCTS: usize = 92_331;

#[expect(clippy::print_stderr, reason = "whoever runs the tests is told that this one did nothing")]
fn file() -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/retail/products.ndjson");
    let missing = match std::fs::read_to_string(&path) {
        Ok(text) if text.lines().count() == PRODUCTS => return Some(text),
        // The seeder can leave out what its orders do not name.
        Ok(text) => format!("{} has {} products, not {PRODUCTS}", path.display(), text.lines().count()),
        Err(error) => format!("{}: {error}", path.display()),
    };
    let required = madrigal_core::environment::variable("MADRIGAL_REQUIRE_RETAIL").is_some();
    assert!(!required, "{missing}; data-migration/seeders/retail/run.sh makes it");
    eprintln!("ignored: {missing}; data-migration/seeders/retail/run.sh makes it");
    None
}

/// A product as the scan sees it.
struct Scanned {
    body: Value,
    id: String,
    name: String,
    /// Words by their numbers, text by text.
    texts: Vec<Vec<u32>>,
    price: i64,
}

struct Scan {
    products: Vec<Scanned>,
    words: Vec<String>,
    numbers: HashMap<String, u32>,
    synonyms: Synonyms,
}

impl Scan {
    fn of(file: &str) -> Self {
        let mut scan = Self {
            products: Vec::new(),
            words: Vec::new(),
            numbers: HashMap::new(),
            synonyms: Synonyms::parse(SYNONYMS).unwrap(),
        };
        for line in file.lines() {
            let body: Value = serde_json::from_str(line).unwrap();
            let texts = texts(&body).iter().map(|text| scan.numbered(text)).collect();
            let price = &body["price"];
            let (amount, discount) = (price["amount"].as_i64().unwrap(), price["discount"].as_i64().unwrap_or(0));
            let (id, name) =
                (body["productId"].as_str().unwrap().to_owned(), analysis::folded(body["name"].as_str().unwrap()));
            scan.products.push(Scanned { id, name, texts, price: amount - (amount * discount + 5_000) / 10_000, body });
        }
        scan
    }

    fn numbered(&mut self, text: &str) -> Vec<u32> {
        let mut numbers = Vec::new();
        for word in analysis::words(text) {
            let next = u32::try_from(self.words.len()).unwrap();
            let number = *self.numbers.entry(word.text.clone()).or_insert(next);
            if number == next {
                self.words.push(word.text);
            }
            numbers.push(number);
        }
        numbers
    }

    /// Which products a search finds.
    fn found(&self, parameters: &[(String, String)]) -> Vec<&Scanned> {
        let filters: Vec<&(String, String)> =
            parameters.iter().filter(|(name, _)| !matches!(name.as_str(), "q" | "sort")).collect();
        let words = parameters.iter().find(|(name, _)| name == "q").map(|(_, text)| self.words_wanted(text));
        let wanted = |product: &&Scanned| words.as_ref().is_none_or(|words| has_words(product, words));
        let holds = |product: &&Scanned| filters.iter().all(|(name, value)| product.holds(name, value));
        self.products.iter().filter(holds).filter(wanted).collect()
    }

    /// Each part of what is typed: the words that stand for each typed one, and phrases that stand for all of them.
    fn words_wanted(&self, text: &str) -> Vec<Part> {
        let wanted = Wanted::of(text, &self.synonyms);
        wanted
            .parts()
            .iter()
            .map(|part| {
                let near = |typed: &String| {
                    let allowed = typos::allowed_edits(typed);
                    let near = (0..).zip(&self.words).filter(|(_, word)| edits(typed, word) <= usize::from(allowed));
                    near.map(|(number, _)| number).collect()
                };
                let phrase = |words: &Vec<String>| words.iter().map(|word| self.numbers.get(word).copied()).collect();
                (part.typed.iter().map(near).collect(), part.others.iter().filter_map(phrase).collect())
            })
            .collect()
    }
}

type Part = (Vec<HashSet<u32>>, Vec<Vec<u32>>);

fn has_words(product: &Scanned, parts: &[Part]) -> bool {
    let typed = |near: &HashSet<u32>| product.texts.iter().flatten().any(|word| near.contains(word));
    let phrase =
        |phrase: &Vec<u32>| product.texts.iter().any(|text| text.windows(phrase.len()).any(|words| words == phrase));
    !parts.is_empty()
        && parts.iter().all(|(all, others)| (!all.is_empty() && all.iter().all(typed)) || others.iter().any(phrase))
}

/// Insertions, deletions, substitutions and swaps of neighbours, over the whole table.
fn edits(one: &str, other: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return 3;
    }
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                let least = (table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1)
                    .min(table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
                if swapped { least.min(table[i - 2][j - 2] + 1) } else { least }
            };
        }
    }
    table[a.len()][b.len()]
}

/// What can be searched for, each text by itself.
fn texts(body: &Value) -> Vec<String> {
    let mut texts =
        vec![body["name"].as_str().unwrap().to_owned(), body["description"].as_str().unwrap_or_default().to_owned()];
    texts.extend(body["brand"].as_str().map(ToOwned::to_owned));
    for category in body["category"].as_array().unwrap() {
        texts.push(category["name"].as_str().unwrap().to_owned());
        let path = category["path"].as_str().unwrap();
        texts.extend(path.split(if path.contains(" > ") { " > " } else { "/" }).map(ToOwned::to_owned));
    }
    texts.extend(body["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()));
    texts
}

impl Scanned {
    fn holds(&self, name: &str, value: &str) -> bool {
        let body = &self.body;
        match name {
            "brand" => body["brand"] == value,
            "status" => body["status"] == value,
            "inStock" => (body["initialStock"].as_i64().unwrap_or(0) > 0) == (value == "true"),
            "minPrice" => self.price >= value.parse().unwrap(),
            "maxPrice" => self.price <= value.parse().unwrap(),
            "category" => body["category"].as_array().unwrap().iter().any(|category| {
                let path = category["path"].as_str().unwrap();
                let separator = if path.contains(" > ") { " > " } else { "/" };
                let below = path.strip_prefix(value).is_some_and(|rest| rest.starts_with(separator));
                category["id"] == value || category["name"] == value || path == value || below
            }),
            name => {
                let name = name.strip_prefix("attr.").unwrap();
                body["attributes"].as_array().unwrap().iter().any(|attribute| {
                    let plain = attribute["value"].as_str().unwrap();
                    let with_unit = attribute["unit"].as_str().map(|unit| format!("{plain} {unit}"));
                    attribute["name"] == name && (plain == value || with_unit.as_deref() == Some(value))
                })
            }
        }
    }

    fn categories(&self) -> BTreeSet<&str> {
        self.body["category"].as_array().unwrap().iter().map(|category| category["name"].as_str().unwrap()).collect()
    }
}

/// Values with their counts as a facet names them: the most frequent first, at most 20.
fn counted<'a>(values: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(20);
    counts.into_iter().map(|(value, count)| json!({"value": value, "count": count})).collect()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_over_the_retail_year_find_what_a_plain_scan_finds() {
    let Some(file) = file() else { return };
    let shop = Shop::new().await;
    let headers = [("content-type", "application/x-ndjson")];
    let (status, _, answers) = shop.operator(Method::POST, "/v1/products/import", &headers, file.as_str()).await;
    assert_eq!(status, 200);
    let Value::String(answers) = answers else { panic!("{answers}") };
    let created = answers.lines().filter(|line| line.contains("\"created\"")).count();
    assert_eq!((created, file.lines().count()), (PRODUCTS, PRODUCTS));
    let scan = Scan::of(&file);
    let position = shop.caught_up().await;
    for search in SEARCHES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        check(&shop, &scan, &position, search).await;
    }
    walk(&shop, &scan, &position).await;
}

async fn check(shop: &Shop, scan: &Scan, position: &str, search: &str) {
    let parameters: Vec<(String, String)> = search
        .split('&')
        .fold(Vec::<String>::new(), |mut parts, part| {
            // A sign inside a value is not the beginning of a parameter.
            match parts.last_mut() {
                Some(last) if !part.contains('=') => last.extend(["&", part]),
                _ => parts.push(part.to_owned()),
            }
            parts
        })
        .iter()
        .map(|part| part.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let query: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let answer = shop.search(position, &format!("{}&limit=100", query.join("&"))).await;
    let mut expected = scan.found(&parameters);
    assert_eq!(answer["total"], expected.len(), "{search}");
    let sort = parameters.iter().find(|(name, _)| name == "sort").map(|(_, sort)| sort.as_str());
    let by_key = |one: &&Scanned, other: &&Scanned| one.id.cmp(&other.id);
    match sort {
        Some("price") => expected.sort_by(|one, other| one.price.cmp(&other.price).then(by_key(one, other))),
        Some("-price") => expected.sort_by(|one, other| other.price.cmp(&one.price).then(by_key(one, other))),
        Some("name") => expected.sort_by(|one, other| one.name.cmp(&other.name).then(by_key(one, other))),
        Some("-name") => expected.sort_by(|one, other| other.name.cmp(&one.name).then(by_key(one, other))),
        _ => {}
    }
    let ids: Vec<&str> =
        answer["items"].as_array().unwrap().iter().map(|item| item["productId"].as_str().unwrap()).collect();
    if sort.is_some() {
        let first: Vec<&str> = expected.iter().take(100).map(|product| product.id.as_str()).collect();
        assert_eq!(ids, first, "{search}");
    } else {
        let known: HashSet<&str> = expected.iter().map(|product| product.id.as_str()).collect();
        assert_eq!(ids.len(), expected.len().min(100), "{search}");
        assert!(ids.iter().all(|id| known.contains(id)), "{search}");
    }
    let facets = &answer["facets"];
    let names = |values: Vec<Value>| Value::Array(values);
    assert_eq!(
        facets["category"],
        names(counted(expected.iter().flat_map(|product| product.categories()))),
        "{search}"
    );
    assert_eq!(
        facets["brand"],
        names(counted(expected.iter().filter_map(|product| product.body["brand"].as_str()))),
        "{search}"
    );
    for range in facets["price"].as_array().unwrap() {
        let (from, to) = (range["from"].as_i64().unwrap(), range["to"].as_i64().unwrap_or(i64::MAX));
        let count = expected.iter().filter(|product| (from..=to).contains(&product.price)).count();
        assert_eq!(range["count"], count, "{search} {range}");
    }
}

/// Through everything, by price, while some products change with every page.
async fn walk(shop: &Shop, scan: &Scan, position: &str) {
    let (mut seen, mut cursor, mut page): (HashMap<String, u32>, String, usize) = (HashMap::new(), String::new(), 0);
    let mut changed = HashSet::new();
    loop {
        let found = shop.search(position, &format!("sort=price&limit=100&facet=none{cursor}")).await;
        for item in found["items"].as_array().unwrap() {
            *seen.entry(item["productId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = found["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
        page += 1;
        if page % 10 == 0 {
            let product = &scan.products[page * 97 % scan.products.len()];
            changed.insert(product.id.as_str());
            let mut body = product.body.clone();
            body["price"]["amount"] = json!((page * 7_919) % 20_000);
            let headers = [("content-type", "application/x-ndjson")];
            shop.operator(Method::POST, "/v1/products/import", &headers, format!("{body}\n").as_str()).await;
        }
    }
    assert!(page > 900 && !changed.is_empty());
    let unchanged = scan.products.iter().filter(|product| !changed.contains(product.id.as_str()));
    let wrong: Vec<&str> =
        unchanged.filter(|product| seen.get(&product.id) != Some(&1)).map(|product| product.id.as_str()).collect();
    assert!(wrong.is_empty(), "{} products were not met once: {:?}", wrong.len(), &wrong[..wrong.len().min(10)]);
}
