//! `products.search` and `stock.search`: what the search index has of each product in the fields that are kept beside it.
//!
//! A document says the version of the product that it was made from, and none of the stock: most changes of a stock change
//! nothing that is searched for and are not indexed, so that `stock.search` is compared by content. What is only searched for
//! (words, completions) is made of the same fields in the same document and not compared.

use std::collections::BTreeMap;

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Content, Damage, Detail, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription};
use madrigal_core::{Fault, Position, PositionToken, RowVersion, StreamVersion, Timestamp};
use madrigal_tantivy::index::Snapshot;

use crate::indexers::ProductIndex;
use crate::search::fields::VERSION;

const FIELDS: &[&str] = &["name", "effectivePrice", "status", "brand", "categoryNames", "tagSet", "createdAt"];

/// The products in the search index.
#[derive(Debug, Clone)]
pub struct ProductSearchRows {
    index: ProductIndex,
}

/// Whether the search index says of each that there are some.
#[derive(Debug, Clone)]
pub struct StockSearchRows {
    index: ProductIndex,
}

type Shown = BTreeMap<&'static str, Vec<String>>;
type Of = fn(&str, &Shown) -> Row;

fn product_of(key: &str, shown: &Shown) -> Row {
    let all = |field: &str| shown.get(field).cloned().unwrap_or_default();
    let one = |field: &str| all(field).into_iter().next();
    let sorted = |field: &str| {
        let mut texts = all(field);
        texts.sort_unstable();
        texts.dedup();
        texts
    };
    let number = |field: &str| one(field).and_then(|text| text.parse::<i64>().ok());
    let content = Content::new()
        .with("name", one("nameKeyword"))
        .with("effectivePrice", number("price"))
        .with("status", one("status"))
        .with("brand", one("brand"))
        .with("categoryNames", sorted("category"))
        .with("tagSet", sorted("tag"))
        .with_time("createdAt", number("createdAt").map(Timestamp::from_micros));
    Row::new(key, version_of(number(VERSION))).with_content(content)
}

fn version_of(number: Option<i64>) -> Option<RowVersion> {
    number.and_then(|number| u64::try_from(number).ok()).and_then(|number| RowVersion::of_stream(StreamVersion(number)))
}

fn stock_of(key: &str, shown: &Shown) -> Row {
    let flag = shown.get("inStock").and_then(|values| values.first());
    Row::new(key, None).with_content(Content::new().with("inStock", flag.is_some_and(|flag| flag == "true")))
}

/// How far the index is, as copies say it; nothing is served before the first generation is whole.
fn position(index: &ProductIndex) -> PositionToken {
    let (log, epoch) = index.log();
    PositionToken::of(log, epoch, index.serving().map_or(Position::START, |serving| serving.reached()))
}

fn snapshot(index: &ProductIndex) -> Option<Snapshot> {
    index.serving().map(|serving| serving.index.snapshot())
}

async fn rows(snapshot: &Snapshot, keys: Vec<String>, of: Of) -> Result<Vec<Row>, Fault> {
    let shown = snapshot.shown_of(keys.clone()).await?;
    let rows = keys.iter().zip(shown).filter_map(|(key, shown)| shown.map(|shown| of(key, &shown)));
    Ok(rows.collect())
}

async fn page(index: &ProductIndex, read: PageRead, of: Of, versioned: bool) -> Result<Vec<Row>, Fault> {
    let Some(snapshot) = snapshot(index) else { return Ok(Vec::new()) };
    let (mut found, mut after) = (Vec::<Row>::new(), read.range.after.clone());
    'pages: while found.len() < read.limit {
        let page = snapshot.integers(VERSION, after, read.limit - found.len()).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, number) in page {
            if !read.range.contains(&key) {
                break 'pages;
            }
            found.push(Row::new(key, version_of(number).filter(|_| versioned)));
        }
    }
    match read.detail {
        Detail::Versions => Ok(found),
        Detail::Content => rows(&snapshot, found.into_iter().map(|row| row.key).collect(), of).await,
    }
}

async fn by_key(index: &ProductIndex, mut keys: Vec<String>, of: Of) -> Result<Vec<Row>, Fault> {
    keys.sort_unstable();
    match snapshot(index) {
        Some(snapshot) => rows(&snapshot, keys, of).await,
        None => Ok(Vec::new()),
    }
}

async fn mend(index: &ProductIndex, repair: RepairRow, of: Of) -> Result<Repaired, Fault> {
    let RepairRow { key, seen, fields, .. } = repair;
    let unchanged = |shown: Option<&Shown>| shown.map(|shown| Seen::of(&of(&key, shown), &fields)) == seen;
    Ok(if index.mend(&key, unchanged).await? { Repaired::Done } else { Repaired::Changed })
}

async fn plant(index: &ProductIndex, key: &str, damage: Damage, of_stock: bool) -> Result<Planted, Fault> {
    let known = match snapshot(index) {
        Some(snapshot) => snapshot.shown(key).await?,
        None => None,
    };
    let kept = known.as_ref().and_then(|shown| product_of(key, shown).version).map_or(0, RowVersion::count);
    match damage {
        Damage::Older | Damage::Newer if of_stock => {
            return Ok(Planted::Refused { why: "the index keeps no versions of stocks".to_owned() });
        }
        Damage::Older if known.is_some() && kept <= 1 => {
            return Ok(Planted::Refused { why: "the row has no older version".to_owned() });
        }
        Damage::Add if known.is_some() => return Ok(Planted::NoSuchRow),
        Damage::Change | Damage::Delete | Damage::Older | Damage::Newer if known.is_none() => {
            return Ok(Planted::NoSuchRow);
        }
        _ => {}
    }
    index.tamper(key, damage, of_stock).await?;
    Ok(Planted::Done)
}

impl ProductSearchRows {
    pub(super) const fn new(index: ProductIndex) -> Self {
        Self { index }
    }
}

#[async_trait]
impl RowSet for ProductSearchRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy("products.search", FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(position(&self.index))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        page(&self.index, read, product_of, true).await
    }

    async fn by_key(&self, keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        by_key(&self.index, keys, product_of).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        mend(&self.index, repair, product_of).await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        plant(&self.index, key, damage, false).await
    }
}

impl StockSearchRows {
    pub(super) const fn new(index: ProductIndex) -> Self {
        Self { index }
    }
}

#[async_trait]
impl RowSet for StockSearchRows {
    fn description(&self) -> SetDescription {
        // Products that were withdrawn have a stock and are not in the index.
        SetDescription { partial: true, versioned: false, ..SetDescription::copy("stock.search", &["inStock"]) }
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(position(&self.index))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        page(&self.index, read, stock_of, false).await
    }

    async fn by_key(&self, keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        by_key(&self.index, keys, stock_of).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        mend(&self.index, repair, stock_of).await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        plant(&self.index, key, damage, true).await
    }
}
