//! The index against a plain scan of the same documents: generated texts, words with typos, synonyms, filters, pages.

use madrigal_core::Host;
use madrigal_tantivy::index::Change;
use madrigal_tantivy::{
    Direction, Document, Facet, Filter, SearchIndex, SearchRequest, Sort, Synonyms, Wanted, analysis,
};

use super::{at, schema};

const VOCABULARY: [&str; 24] = [
    "milk",
    "silk",
    "mild",
    "chocolate",
    "choclate",
    "cocoa",
    "soft",
    "drink",
    "drinks",
    "soda",
    "pop",
    "tea",
    "té",
    "Crème",
    "creme",
    "brûlée",
    "ice",
    "cream",
    "gelato",
    "22",
    "220",
    "oz",
    "a",
    "抹茶",
];

/// Numbers from a seed, the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn text(&mut self, most: usize) -> String {
        let count = self.roll(most) + 1;
        let words: Vec<&str> = (0..count).map(|_| VOCABULARY[self.roll(VOCABULARY.len())]).collect();
        words.join([" ", ", ", "/", "-"][self.roll(4)])
    }

    /// A word of the vocabulary with up to two edits.
    fn typed(&mut self) -> String {
        let mut chars: Vec<char> = VOCABULARY[self.roll(VOCABULARY.len())].chars().collect();
        for _ in 0..self.roll(3) {
            let place = self.roll(chars.len().max(1));
            match self.roll(4) {
                0 if chars.len() > 1 => drop(chars.remove(place)),
                1 => chars.insert(place, 'o'),
                2 if place + 1 < chars.len() => chars.swap(place, place + 1),
                _ if !chars.is_empty() => chars[place] = 'i',
                _ => {}
            }
        }
        chars.into_iter().collect()
    }
}

struct Product {
    key: String,
    name: String,
    about: String,
    brand: String,
    price: i64,
}

impl Product {
    fn of(number: usize, dice: &mut Dice) -> Self {
        let brand = format!("brand {}", dice.roll(5));
        let price = i64::try_from(dice.roll(40)).unwrap();
        Self { key: format!("p{number}"), name: dice.text(4), about: dice.text(8), brand, price }
    }

    fn change(&self) -> Change {
        let document = Document::new(&self.key).with("name", self.name.as_str()).with("about", self.about.as_str());
        let document = document.with("brand", self.brand.as_str()).with("price", self.price);
        Change::Upsert(document.with("stock", self.price % 2 == 0))
    }

    fn is_wanted(&self, wanted: &Wanted) -> bool {
        let words = |text: &str| analysis::words(text).into_iter().map(|word| word.text).collect::<Vec<_>>();
        wanted.finds(&[words(&self.name), words(&self.about)])
    }
}

fn synonyms() -> Synonyms {
    Synonyms::parse("soda, pop, soft drink\nice cream, gelato\ncocoa => chocolate, hot milk").unwrap()
}

/// 300 products in several commits, some of them changed and deleted since.
async fn shop(dir: &std::path::Path) -> (SearchIndex, Vec<Product>) {
    let (index, mut dice) = (SearchIndex::open(dir, &schema()).await.unwrap(), Dice(7));
    let mut products: Vec<Product> = (0..300).map(|number| Product::of(number, &mut dice)).collect();
    for (round, some) in (1..).zip(products.chunks(60)) {
        index.commit(some.iter().map(Product::change).collect(), at(round)).await.unwrap();
    }
    for number in (0..300).step_by(7) {
        products[number] = Product::of(number, &mut dice);
        index.commit(vec![products[number].change()], at(10)).await.unwrap();
    }
    let gone: Vec<Change> = products.drain(280..).map(|product| Change::Delete(product.key)).collect();
    index.commit(gone, at(11)).await.unwrap();
    (index, products)
}

#[tokio::test]
async fn words_find_what_a_plain_scan_finds() {
    let dir = tempfile::tempdir().unwrap();
    let ((index, products), synonyms, mut dice) = (shop(dir.path()).await, synonyms(), Dice(11));
    let mut found_any = 0;
    for _ in 0..400 {
        let typed: Vec<String> = (0..=dice.roll(3)).map(|_| dice.typed()).collect();
        let wanted = Wanted::of(&typed.join(" "), &synonyms);
        let mut expected: Vec<&str> =
            products.iter().filter(|product| product.is_wanted(&wanted)).map(|product| product.key.as_str()).collect();
        expected.sort_unstable();
        let request = SearchRequest { words: Some(wanted), ..SearchRequest::all(1_000) };
        let found = index.search(request.clone()).await.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected, "{typed:?}");
        let by_relevance = SearchRequest { sort: vec![Sort::Relevance], ..request };
        let found = index.search(by_relevance).await.unwrap();
        let mut keys: Vec<&str> = found.keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, expected, "{typed:?}");
        found_any += usize::from(!expected.is_empty());
    }
    assert!(found_any > 100, "{found_any}");
}

#[tokio::test]
async fn whoever_has_the_words_as_typed_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let (index, products) = shop(dir.path()).await;
    for typed in ["milk", "chocolate", "soft drink", "creme", "drinks"] {
        let words: Vec<String> = typed.split(' ').map(ToOwned::to_owned).collect();
        let request = SearchRequest {
            words: Some(Wanted::of(typed, &Synonyms::default())),
            sort: vec![Sort::Relevance],
            ..SearchRequest::all(1_000)
        };
        let found = index.search(request).await.unwrap();
        let exact: Vec<bool> = found
            .keys()
            .map(|key| {
                let product = products.iter().find(|product| product.key == key).unwrap();
                let text = analysis::folded(&format!("{} {}", product.name, product.about));
                words.iter().all(|word| text.split(' ').any(|other| other == word))
            })
            .collect();
        assert!(exact.iter().any(|exact| *exact), "{typed}");
        assert!(exact.windows(2).all(|pair| pair[0] || !pair[1]), "{typed}: {exact:?}");
    }
}

#[tokio::test]
async fn filters_orders_pages_and_counts_are_those_of_a_plain_scan() {
    let dir = tempfile::tempdir().unwrap();
    let (index, products) = shop(dir.path()).await;
    let filtered = |product: &&Product| product.price >= 5 && product.brand != "brand 3";
    let mut expected: Vec<&Product> = products.iter().filter(filtered).collect();
    let brands = ["brand 0", "brand 1", "brand 2", "brand 4"];
    type Order = fn(&&Product, &&Product) -> std::cmp::Ordering;
    let orders: [(Vec<Sort>, Order); 4] = [
        (vec![], |one, other| one.key.cmp(&other.key)),
        (vec![Sort::Integer("price", Direction::Up)], |one, other| {
            (one.price, &one.key).cmp(&(other.price, &other.key))
        }),
        (vec![Sort::Keyword("brand", Direction::Down), Sort::Integer("price", Direction::Up)], |one, other| {
            other.brand.cmp(&one.brand).then((one.price, &one.key).cmp(&(other.price, &other.key)))
        }),
        (vec![Sort::Integer("price", Direction::Down), Sort::Keyword("brand", Direction::Up)], |one, other| {
            other.price.cmp(&one.price).then((&one.brand, &one.key).cmp(&(&other.brand, &other.key)))
        }),
    ];
    for (sort, order) in orders {
        expected.sort_by(order);
        let mut keys: Vec<String> = Vec::new();
        // The filter on brands is a union here, so every brand is walked and merged by the scan's order below.
        let mut after = None;
        loop {
            let request = SearchRequest {
                filters: vec![Filter::Between("price", Some(5), None)],
                sort: sort.clone(),
                after: after.take(),
                limit: 7,
                ..SearchRequest::default()
            };
            let found = index.search(request).await.unwrap();
            keys.extend(found.keys().map(ToOwned::to_owned));
            after = found.places.last().cloned();
            if !found.more {
                break;
            }
        }
        keys.retain(|key| expected.iter().any(|product| product.key == *key));
        assert_eq!(keys, expected.iter().map(|product| product.key.clone()).collect::<Vec<_>>(), "{sort:?}");
    }
    let facets = vec![Facet::Values { field: "brand", prefix: String::new(), most: 100 }];
    let request =
        SearchRequest { filters: vec![Filter::Between("price", Some(5), None)], facets, ..SearchRequest::all(1) };
    let found = index.search(request).await.unwrap();
    for brand in brands {
        let count = expected.iter().filter(|product| product.brand == brand).count() as u64;
        assert!(found.facets[0].iter().any(|facet| facet.value == brand && facet.count == count), "{brand} {count}");
    }
}

#[tokio::test]
async fn a_walk_sees_every_unchanged_document_once_while_others_change() {
    let dir = tempfile::tempdir().unwrap();
    let ((index, products), host, mut dice) = (shop(dir.path()).await, Host::seeded(3), Dice(5));
    let _ = host;
    for sort in [
        vec![Sort::Integer("price", Direction::Down)],
        vec![Sort::Keyword("brand", Direction::Up)],
        vec![Sort::Relevance, Sort::Integer("price", Direction::Up)],
    ] {
        let (mut seen, mut after) = (Vec::new(), None);
        let words = sort.contains(&Sort::Relevance).then(|| Wanted::of("milk", &Synonyms::default()));
        loop {
            let request = SearchRequest {
                words: words.clone(),
                sort: sort.clone(),
                after: after.take(),
                limit: 5,
                ..SearchRequest::default()
            };
            let found = index.search(request).await.unwrap();
            seen.extend(found.keys().map(ToOwned::to_owned));
            after = found.places.last().cloned();
            if !found.more {
                break;
            }
            // Every tenth product changes all the time; new ones come and go.
            let number = dice.roll(28) * 10;
            let changed = Product::of(number, &mut dice);
            index
                .commit(vec![changed.change(), Product::of(1_000 + number, &mut dice).change()], at(20))
                .await
                .unwrap();
        }
        for product in products.iter().filter(|product| !product.key.ends_with('0')) {
            let times = seen.iter().filter(|key| **key == product.key).count();
            let expected = usize::from(words.as_ref().is_none_or(|words| product.is_wanted(words)));
            assert_eq!(times, expected, "{} {sort:?}", product.key);
        }
    }
}
