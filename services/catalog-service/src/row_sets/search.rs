//! `products.search` and `stock.search`: what the search index has of each product in the fields that are kept beside it.
//!
//! The index keeps no versions, so that both are compared by content. What is only searched for (words, completions) is made
//! of the same fields in the same document and not compared.

use std::collections::BTreeMap;

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Content, Damage, Detail, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription};
use madrigal_core::{Fault, Position, PositionToken, Timestamp};
use madrigal_tantivy::index::Snapshot;

use crate::indexers::ProductIndex;

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

type Of = fn(&BTreeMap<&'static str, Vec<String>>) -> Content;

fn product_of(shown: &BTreeMap<&'static str, Vec<String>>) -> Content {
    let all = |field: &str| shown.get(field).cloned().unwrap_or_default();
    let one = |field: &str| all(field).into_iter().next();
    let sorted = |field: &str| {
        let mut texts = all(field);
        texts.sort_unstable();
        texts.dedup();
        texts
    };
    let number = |field: &str| one(field).and_then(|text| text.parse::<i64>().ok());
    Content::new()
        .with("name", one("nameKeyword"))
        .with("effectivePrice", number("price"))
        .with("status", one("status"))
        .with("brand", one("brand"))
        .with("categoryNames", sorted("category"))
        .with("tagSet", sorted("tag"))
        .with_time("createdAt", number("createdAt").map(Timestamp::from_micros))
}

fn stock_of(shown: &BTreeMap<&'static str, Vec<String>>) -> Content {
    let flag = shown.get("inStock").and_then(|values| values.first());
    Content::new().with("inStock", flag.is_some_and(|flag| flag == "true"))
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
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(shown) = snapshot.shown(&key).await? {
            rows.push(Row::new(key, None).with_content(of(&shown)));
        }
    }
    Ok(rows)
}

async fn page(index: &ProductIndex, read: PageRead, of: Of) -> Result<Vec<Row>, Fault> {
    let Some(snapshot) = snapshot(index) else { return Ok(Vec::new()) };
    let (mut keys, mut after) = (Vec::new(), read.range.after.clone());
    while keys.len() < read.limit {
        let found = snapshot.digests(after, read.limit - keys.len()).await?;
        let Some((last, _)) = found.last() else { break };
        after = Some(last.clone());
        let before = found.len();
        keys.extend(found.into_iter().map(|(key, _)| key).take_while(|key| read.range.contains(key)));
        if keys.len() < before {
            // Beyond the range, at the latest with the next page.
            if keys.last().is_none_or(|last| after.as_ref() != Some(last)) {
                break;
            }
        }
    }
    if read.detail == Detail::Versions {
        return Ok(keys.into_iter().map(|key| Row::new(key, None)).collect());
    }
    rows(&snapshot, keys, of).await
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
    let unchanged = |shown: Option<&BTreeMap<&'static str, Vec<String>>>| {
        let row = shown.map(|shown| Row::new("", None).with_content(of(shown)));
        row.map(|row| Seen::of(&row, &fields)) == seen
    };
    Ok(if index.mend(&key, unchanged).await? { Repaired::Done } else { Repaired::Changed })
}

async fn plant(index: &ProductIndex, key: &str, damage: Damage, of_stock: bool) -> Result<Planted, Fault> {
    let known = match snapshot(index) {
        Some(snapshot) => snapshot.shown(key).await?.is_some(),
        None => false,
    };
    match damage {
        Damage::Older | Damage::Newer => {
            return Ok(Planted::Refused { why: "the index keeps no versions".to_owned() });
        }
        Damage::Add if known => return Ok(Planted::NoSuchRow),
        Damage::Change | Damage::Delete if !known => return Ok(Planted::NoSuchRow),
        Damage::Add | Damage::Change | Damage::Delete => {}
    }
    index.tamper(key, damage != Damage::Delete, of_stock).await?;
    Ok(Planted::Done)
}

fn described(name: &str, fields: &[&str]) -> SetDescription {
    SetDescription { versioned: false, ..SetDescription::copy(name, fields) }
}

impl ProductSearchRows {
    pub(super) const fn new(index: ProductIndex) -> Self {
        Self { index }
    }
}

#[async_trait]
impl RowSet for ProductSearchRows {
    fn description(&self) -> SetDescription {
        described("products.search", FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(position(&self.index))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        page(&self.index, read, product_of).await
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
        SetDescription { partial: true, ..described("stock.search", &["inStock"]) }
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(position(&self.index))
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        page(&self.index, read, stock_of).await
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
