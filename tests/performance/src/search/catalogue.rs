//! The products that queries are made from.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

/// The shortest word that is asked for, in letters.
const SHORT: usize = 3;
/// The shortest word that is misspelt, in letters.
const LONG: usize = 5;

/// What queries are made from. Holds of each product its name's words, categories, brand and price: some 20 MiB for 92,331.
#[derive(Debug)]
pub struct Catalogue {
    products: Vec<Product>,
    /// Those whose names have two words.
    pairs: Vec<usize>,
    /// Those whose names have a long word.
    long: Vec<usize>,
    /// The lines of the file.
    lines: u64,
}

/// What a query is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// The words of its name, each once, in lower case, only letters.
    pub words: Vec<String>,
    /// The paths of its categories.
    pub categories: Vec<String>,
    /// Its brand.
    pub brand: Option<String>,
    /// Its price, in minor units.
    pub price: i64,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    #[serde(default)]
    category: Vec<Category>,
    brand: Option<String>,
    price: Price,
}

#[derive(Deserialize)]
struct Category {
    path: String,
}

#[derive(Deserialize)]
struct Price {
    amount: i64,
}

impl Catalogue {
    /// Reads the products of a file, as `madrigal import products` takes it.
    ///
    /// # Errors
    /// Where it is not there, says how to make it; where a line is no product, or no name has words enough.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let open = File::open(file).with_context(|| {
            format!(
                "there are no products in {}: `data-migration/seeders/retail/run.sh` makes target/retail/products.ndjson, and \
                 --products FILE names another",
                file.display()
            )
        })?;
        Self::of_lines(BufReader::new(open)).with_context(|| format!("{} is not understood", file.display()))
    }

    fn of_lines(reader: impl BufRead) -> anyhow::Result<Self> {
        let (mut products, mut lines) = (Vec::new(), 0);
        for line in reader.lines() {
            let line = line?;
            if line.is_empty() {
                continue;
            }
            lines += 1;
            let line: Line = serde_json::from_str(&line).with_context(|| format!("product {lines}"))?;
            let words = words(&line.name);
            if !words.is_empty() {
                let categories = line.category.into_iter().map(|category| category.path).collect();
                products.push(Product { words, categories, brand: line.brand, price: line.price.amount });
            }
        }
        let of = |fits: fn(&Product) -> bool| (0..products.len()).filter(|at| fits(&products[*at])).collect::<Vec<_>>();
        let pairs = of(|product| product.words.len() > 1);
        let long = of(|product| product.words.iter().any(|word| is_long(word)));
        ensure!(
            !pairs.is_empty() && !long.is_empty(),
            "no name of its {lines} products has two words, or none a long one"
        );
        if products.iter().all(|product| product.categories.is_empty()) {
            bail!("none of its {lines} products is in a category");
        }
        Ok(Self { products, pairs, long, lines })
    }

    /// How many products the file has.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The products that have words.
    pub fn products(&self) -> &[Product] {
        &self.products
    }

    /// Places of products with two words or more.
    pub fn pairs(&self) -> &[usize] {
        &self.pairs
    }

    /// Places of products with a word that can be misspelt.
    pub fn long(&self) -> &[usize] {
        &self.long
    }
}

/// Whether a misspelling of the word can still be found.
pub fn is_long(word: &str) -> bool {
    word.chars().count() >= LONG
}

fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in name.split(|sign: char| !sign.is_alphabetic()).map(str::to_lowercase) {
        if word.chars().count() >= SHORT && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A few products as the file has them.
    pub(crate) fn some() -> Catalogue {
        let line = |name: &str, path: &str, brand: &str, price: i64| {
            let product = serde_json::json!({
                "productId": name, "name": name, "category": [{ "id": "c", "name": "n", "path": path }],
                "price": { "amount": price, "currency": "USD", "discount": 0 }, "brand": brand,
            });
            product.to_string()
        };
        let lines = [
            line("Ice - Crushed/Cubed, 22 LB", "Grocery > Frzn Ice", "National", 349),
            line("Apple Sauce, 50 OZ", "Grocery > Fruit & Nuts", "Private", 274),
            line("Bread:Italian/French", "Pastry > Bread", "Private", 159),
            line("7 UP", "Grocery", "National", 99),
        ];
        Catalogue::of_lines(lines.join("\n").as_bytes()).unwrap()
    }

    #[test]
    fn words_are_letters_only_each_once_and_not_short() {
        assert_eq!(words("Ice - Crushed/Cubed ICE, 22 LB"), ["ice", "crushed", "cubed"]);
        let catalogue = some();
        assert_eq!((catalogue.lines(), catalogue.products().len()), (4, 3));
        assert_eq!(catalogue.products()[1].price, 274);
    }

    #[test]
    fn a_missing_file_says_what_makes_it() {
        let error = Catalogue::read(Path::new("nowhere/products.ndjson")).unwrap_err().to_string();
        assert!(error.contains("nowhere/products.ndjson") && error.contains("run.sh"), "{error}");
    }
}
