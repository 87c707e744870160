//! Which query comes next; the same seed asks the same, as long as the answers' pages are the same.

use std::sync::Arc;

use reqwest::Url;

use super::catalogue::{Catalogue, Product, is_long};
use crate::orders::workload::Random;

/// Hits of a page, as clients get it that do not say otherwise.
pub const PAGE: u32 = 20;
/// How many pages a walk has before another one begins.
pub const WALK_PAGES: u32 = 40;
/// Hits of each of these pages.
const WALK_PAGE: u32 = 50;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A word of a name.
    Word,
    /// Two words of one name.
    Words,
    /// A word with one letter wrong.
    Typo,
    /// A category, a brand or both, mostly within prices, with all facets.
    Filters,
    /// A word, cheapest or dearest first.
    Sorted,
    /// Completing the beginning of a word.
    Suggest,
    /// The next page of a long walk through a category, in an order.
    Cursor,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Word, Self::Words, Self::Typo, Self::Filters, Self::Sorted, Self::Suggest, Self::Cursor];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Words => "two words",
            Self::Typo => "typo",
            Self::Filters => "filters",
            Self::Sorted => "by price",
            Self::Suggest => "suggest",
            Self::Cursor => "cursor",
        }
    }

    /// How many of a hundred mixed queries are of this kind.
    pub const fn share(self) -> u64 {
        match self {
            Self::Word | Self::Words | Self::Filters => 20,
            Self::Typo | Self::Sorted | Self::Suggest | Self::Cursor => 10,
        }
    }

    fn drawn(random: &mut Random) -> Self {
        let mut at = random.below(Self::ALL.iter().map(|kind| kind.share()).sum());
        for kind in Self::ALL {
            match at.checked_sub(kind.share()) {
                Some(rest) => at = rest,
                None => return kind,
            }
        }
        Self::Word
    }
}

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// What kind it is.
    pub kind: Kind,
    /// Path and parameters.
    pub target: String,
}

/// Queries of one client, without end.
#[derive(Debug)]
pub struct Queries {
    catalogue: Arc<Catalogue>,
    random: Random,
    only: Option<Kind>,
    walk: Option<Walk>,
}

/// A walk through pages.
#[derive(Debug)]
struct Walk {
    parameters: Vec<(&'static str, String)>,
    /// The `next` of the page before.
    next: Option<String>,
    pages: u32,
}

impl Queries {
    /// Queries of this client: all kinds by their shares, or only one.
    pub fn new(catalogue: &Arc<Catalogue>, seed: u64, client: u64, only: Option<Kind>) -> Self {
        // The generators of clients must not be steps of each other's: their seeds are mixed first.
        let random = Random::seeded(Random::seeded(seed ^ client.wrapping_mul(0xd1b5_4a32_d192_ed03)).bits());
        Self { catalogue: Arc::clone(catalogue), random, only, walk: None }
    }

    /// The next query.
    pub fn next_query(&mut self) -> Query {
        let kind = self.only.unwrap_or_else(|| Kind::drawn(&mut self.random));
        let catalogue = Arc::clone(&self.catalogue);
        let all = catalogue.products();
        let (path, parameters) = match kind {
            Kind::Word => ("search", plain(self.word_of(all).to_owned())),
            Kind::Words => {
                let words = &all[*self.one_of(catalogue.pairs())].words;
                let first = self.random.below(words.len() as u64) as usize;
                let second = (first + 1 + self.random.below(words.len() as u64 - 1) as usize) % words.len();
                ("search", plain(format!("{} {}", words[first], words[second])))
            }
            Kind::Typo => {
                let words = &all[*self.one_of(catalogue.long())].words;
                let long: Vec<&String> = words.iter().filter(|word| is_long(word)).collect();
                let word = self.one_of(&long).as_str();
                ("search", plain(misspelt(word, &mut self.random)))
            }
            Kind::Filters => ("search", self.filters(all)),
            Kind::Sorted => {
                let mut parameters = plain(self.word_of(all).to_owned());
                parameters.push(("sort", self.one_of(&["price", "-price"]).to_string()));
                ("search", parameters)
            }
            Kind::Suggest => {
                let word = self.word_of(all);
                let letters = 2 + self.random.below(5) as usize;
                ("suggest", vec![("prefix", word.chars().take(letters).collect())])
            }
            Kind::Cursor => ("search", self.page(all)),
        };
        Query { kind, target: target(path, &parameters) }
    }

    /// Takes in where the page after the last answer of a walk begins; `None` where that was the last one.
    pub fn walked(&mut self, next: Option<String>) {
        match &mut self.walk {
            Some(walk) if next.is_some() && walk.pages < WALK_PAGES => walk.next = next,
            _ => self.walk = None,
        }
    }

    fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.random.below(of.len() as u64) as usize]
    }

    /// A word of a product, so that words come as often as products have them.
    fn word_of<'a>(&mut self, products: &'a [Product]) -> &'a str {
        let product = self.one_of(products);
        self.one_of(product.words.as_slice()).as_str()
    }

    /// What finds a product, and others: its category, its brand, or both, half of the time within prices around its own.
    fn filters(&mut self, products: &[Product]) -> Vec<(&'static str, String)> {
        let product = self.one_of(products);
        let which = self.random.below(3);
        let mut parameters = Vec::new();
        if which != 1 && !product.categories.is_empty() {
            parameters.push(("category", self.one_of(&product.categories).clone()));
        }
        if let Some(brand) = product.brand.as_ref().filter(|_| which != 0) {
            parameters.push(("brand", brand.clone()));
        }
        if parameters.is_empty() || self.random.below(2) == 0 {
            parameters.push(("minPrice", (product.price / 2).to_string()));
            parameters.push(("maxPrice", product.price.saturating_mul(2).to_string()));
        }
        parameters
    }

    /// The next page of the walk, the first of another one where it is at its end.
    fn page(&mut self, products: &[Product]) -> Vec<(&'static str, String)> {
        let mut walk = self.walk.take().unwrap_or_else(|| {
            // The highest category, which has the most pages.
            let category = self.one_of(products).categories.iter().min_by_key(|path| path.len());
            let mut parameters = vec![("facet", "none".to_owned()), ("limit", WALK_PAGE.to_string())];
            parameters.extend(category.map(|path| ("category", path.clone())));
            parameters.push(("sort", self.one_of(&["relevance", "price", "-price", "name", "newest"]).to_string()));
            Walk { parameters, next: None, pages: 0 }
        });
        let mut parameters = walk.parameters.clone();
        parameters.extend(walk.next.take().map(|next| ("cursor", next)));
        walk.pages += 1;
        self.walk = Some(walk);
        parameters
    }
}

/// Words, without facets.
fn plain(words: String) -> Vec<(&'static str, String)> {
    vec![("q", words), ("facet", "none".to_owned())]
}

fn target(path: &str, parameters: &[(&str, String)]) -> String {
    let url = format!("http://shop/v1/products/{path}");
    // Neither the address nor a parameter can be refused: both are written here.
    let query = Url::parse_with_params(&url, parameters).ok().and_then(|url| url.query().map(ToOwned::to_owned));
    format!("/v1/products/{path}?{}", query.unwrap_or_default())
}

/// The word with a letter left out, doubled, or exchanged with the next one; never its first letter.
fn misspelt(word: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = 1 + random.below(letters.len() as u64 - 2) as usize;
    match random.below(3) {
        0 => drop(letters.remove(at)),
        1 if letters[at] != letters[at + 1] => letters.swap(at, at + 1),
        _ => letters.insert(at, letters[at]),
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::catalogue::tests::some;
    use super::*;

    fn asked(seed: u64, client: u64, only: Option<Kind>, count: usize) -> Vec<Query> {
        let mut queries = Queries::new(&Arc::new(some()), seed, client, only);
        let ask = |at: usize| {
            let query = queries.next_query();
            if query.kind == Kind::Cursor {
                queries.walked(Some(format!("page{at}")));
            }
            query
        };
        (0..count).map(ask).collect()
    }

    #[test]
    fn the_same_seed_asks_the_same_and_each_client_something_else() {
        assert_eq!(asked(7, 0, None, 500), asked(7, 0, None, 500));
        assert_ne!(asked(7, 0, None, 500), asked(7, 1, None, 500));
        assert_ne!(asked(7, 0, None, 500), asked(8, 0, None, 500));
    }

    #[test]
    fn kinds_come_by_their_shares() {
        let mut counts = BTreeMap::new();
        for query in asked(7, 0, None, 20_000) {
            *counts.entry(query.kind).or_insert(0u64) += 1;
        }
        assert_eq!(Kind::ALL.iter().map(|kind| kind.share()).sum::<u64>(), 100);
        for kind in Kind::ALL {
            let (wanted, got) = (kind.share() * 200, counts.get(&kind).copied().unwrap_or(0));
            assert!(got.abs_diff(wanted) < wanted / 8, "{kind:?}: {got}, wanted {wanted}");
        }
    }

    #[test]
    fn a_loop_of_one_kind_asks_nothing_else() {
        for kind in Kind::ALL {
            assert!(asked(7, 0, Some(kind), 50).iter().all(|query| query.kind == kind));
        }
    }

    #[test]
    fn a_misspelt_word_is_another_one_of_about_the_same_length() {
        let mut random = Random::seeded(7);
        for _ in 0..500 {
            let wrong = misspelt("apple", &mut random);
            assert!(wrong != "apple" && (4..=6).contains(&wrong.len()) && wrong.starts_with('a'), "{wrong}");
        }
    }

    #[test]
    fn a_walk_follows_its_pages_and_ends_after_so_many() {
        let walk = asked(7, 0, Some(Kind::Cursor), WALK_PAGES as usize + 1);
        let with_cursor = |query: &Query| query.target.contains("cursor=");
        assert!(!with_cursor(&walk[0]) && walk[1].target.ends_with("cursor=page0"), "{}", walk[1].target);
        assert!(walk[1..WALK_PAGES as usize].iter().all(with_cursor));
        assert!(!with_cursor(&walk[WALK_PAGES as usize]));
    }

    #[test]
    fn what_a_name_or_path_has_is_encoded() {
        let made = target("search", &[("category", "Grocery > Fruit & Nuts".to_owned())]);
        assert_eq!(made, "/v1/products/search?category=Grocery+%3E+Fruit+%26+Nuts");
    }
}
