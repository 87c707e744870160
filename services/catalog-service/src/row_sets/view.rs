//! `products.view` and `stock.view`: the rows of the view `products` as they are stored, once for the product in them and
//! once for its stock, because each has a version of its own.

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{Damage, Detail, KeyRange, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription};
use madrigal_core::{Fault, JsonBytes, Position, PositionToken, RowVersion, StreamVersion};
use madrigal_projection::{Mended, Projection, ProjectionRunner, Query, StoredRow, ViewStore};
use madrigal_sqlite::SqliteViews;
use serde::Deserialize;
use serde_json::{Value, json};

use super::stocks::{STOCK_FIELDS, StockEvents, stock_content};
use super::streams::{PRODUCT_FIELDS, ProductEvents, product_content};
use crate::projections::{ProductRow, ProductView};

/// The products in the view.
#[derive(Clone)]
pub struct ProductViewRows {
    runner: ProjectionRunner<ProductView>,
    views: SqliteViews,
    products: ProductEvents,
    stocks: StockEvents,
}

/// Their stocks.
#[derive(Debug, Clone)]
pub struct StockViewRows {
    view: ProductViewRows,
}

type Of = fn(&str, &StoredRow) -> Row;

fn product_of(key: &str, stored: &StoredRow) -> Row {
    match stored.body.decode::<ProductRow>() {
        Ok(row) if row.product.withdrawn => Row::tombstone(key, RowVersion::of_stream(row.version)),
        Ok(row) => Row::new(key, RowVersion::of_stream(row.version))
            .with_content(product_content(&row.product, Some(row.created_at))),
        Err(_) => unreadable(key, stored),
    }
}

fn stock_of(key: &str, stored: &StoredRow) -> Row {
    match stored.body.decode::<ProductRow>() {
        Ok(row) => Row::new(key, RowVersion::of_stream(row.stock_version)).with_content(stock_content(&row.stock)),
        Err(_) => unreadable(key, stored),
    }
}

/// What a sweep by versions reads of a row: the rest of it, most of its bytes, is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    product: Withdrawn,
    version: StreamVersion,
    stock_version: StreamVersion,
}

/// See [`Versions`].
#[derive(Debug, Deserialize)]
struct Withdrawn {
    withdrawn: bool,
}

fn product_version_of(key: &str, stored: &StoredRow) -> Row {
    match stored.body.decode::<Versions>() {
        Ok(row) if row.product.withdrawn => Row::tombstone(key, RowVersion::of_stream(row.version)),
        Ok(row) => Row::new(key, RowVersion::of_stream(row.version)),
        Err(_) => unreadable(key, stored),
    }
}

fn stock_version_of(key: &str, stored: &StoredRow) -> Row {
    match stored.body.decode::<Versions>() {
        Ok(row) => Row::new(key, RowVersion::of_stream(row.stock_version)),
        Err(_) => unreadable(key, stored),
    }
}

/// How pages of products are read; rows that are asked for by their keys have their contents, for whoever wants to repair them.
const fn products(detail: Detail) -> Of {
    match detail {
        Detail::Versions => product_version_of,
        Detail::Content => product_of,
    }
}

/// How pages of stocks are read.
const fn stocks(detail: Detail) -> Of {
    match detail {
        Detail::Versions => stock_version_of,
        Detail::Content => stock_of,
    }
}

fn unreadable(key: &str, stored: &StoredRow) -> Row {
    let text: String = String::from_utf8_lossy(stored.body.as_bytes()).chars().take(2_000).collect();
    Row::unreadable(key, RowVersion::of_stream(stored.version), text)
}

impl ProductViewRows {
    pub(super) const fn new(
        runner: ProjectionRunner<ProductView>,
        views: SqliteViews,
        products: ProductEvents,
        stocks: StockEvents,
    ) -> Self {
        Self { runner, views, products, stocks }
    }

    /// The view's table is known once its runner has begun.
    async fn begun(&self) -> Result<(), Fault> {
        self.runner.reader().query(Query::oldest(1)).await.map(drop).or_else(|fault| {
            // Rows that do not decode are what is looked for.
            if fault.operation == "decode-row" { Ok(()) } else { Err(fault) }
        })
    }

    async fn read(&self, range: KeyRange, limit: usize, of: Of) -> Result<Vec<Row>, Fault> {
        self.begun().await?;
        let rows = self.views.rows(&self.runner.view(), range.after, range.through, limit).await?;
        Ok(rows.iter().map(|(key, stored)| of(key, stored)).collect())
    }

    async fn load(&self, keys: Vec<String>, of: Of) -> Result<Vec<Row>, Fault> {
        self.begun().await?;
        let found = self.views.load(&self.runner.view(), keys).await?;
        let mut rows: Vec<Row> = found.iter().map(|(key, stored)| of(key, stored)).collect();
        rows.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Ok(rows)
    }

    /// The row as its streams make it up to `position`, by the view's own fold. Ratings have streams of their own, one for
    /// each customer: they are read where there is no row that has them.
    async fn told(
        &self,
        key: &str,
        stored: Option<&StoredRow>,
        position: Position,
    ) -> Result<Mended<ProductRow>, Fault> {
        let kept = stored.and_then(|stored| stored.body.decode::<ProductRow>().ok()).map(|row| row.ratings);
        let mut events = self.products.events(key).await?;
        events.extend(self.stocks.events(key).await?);
        if kept.is_none() {
            events.extend(self.products.ratings(key).await?);
        }
        events.retain(|event| event.position <= position);
        events.sort_unstable_by_key(|event| event.position);
        let mut row: Option<ProductRow> = None;
        for event in &events {
            row = ProductView
                .apply(key, row, event)
                .map_err(|error| Fault::permanent("catalog", "mend product view", error))?;
        }
        let (Some(mut row), Some(last)) = (row, events.last()) else { return Ok(Mended::Nothing) };
        row.ratings = kept.unwrap_or(row.ratings);
        // A rating that is kept may be the row's last event.
        let position = stored.map_or(Position::START, |stored| stored.position).min(position).max(last.position);
        Ok(Mended::Row { row, version: last.version(), position })
    }

    async fn mend(&self, repair: RepairRow, of: Of) -> Result<Repaired, Fault> {
        let RepairRow { key, seen, fields, .. } = repair;
        let (this, name) = (self.clone(), key.clone());
        let mended = self.runner.mend(&key, |stored, checkpoint| async move {
            let now = stored.as_ref().map(|stored| Seen::of(&of(&name, stored), &fields));
            if now != seen {
                return Ok(Mended::Left);
            }
            this.told(&name, stored.as_ref(), checkpoint.position).await
        });
        Ok(if mended.await? { Repaired::Done } else { Repaired::Changed })
    }

    async fn damage(&self, key: &str, damage: Damage, number: &str, version_field: &str) -> Result<Planted, Fault> {
        self.begun().await?;
        let view = self.runner.view();
        let known = self.views.get(&view, key).await?;
        let changed = |stored: StoredRow, change: &dyn Fn(&mut Value)| {
            let mut body: Value = stored.body.decode().unwrap_or_default();
            change(&mut body);
            let body = JsonBytes::of(&body).unwrap_or_else(|_| stored.body.clone());
            StoredRow { body, ..stored }
        };
        let more = |by: i64| move |field: &mut Value| *field = json!(field.as_i64().unwrap_or_default() + by);
        let planted = match (damage, known) {
            (Damage::Add, Some(_)) => return Ok(Planted::NoSuchRow),
            (Damage::Add, None) => match self.views.rows(&view, None, None, 1).await?.pop() {
                Some((_, any)) => Some(any),
                None => return Ok(Planted::NoSuchRow),
            },
            (_, None) => return Ok(Planted::NoSuchRow),
            (Damage::Delete, Some(_)) => None,
            (Damage::Change, Some(stored)) => Some(changed(stored, &|body| {
                body.pointer_mut(number).into_iter().for_each(more(1));
            })),
            (Damage::Older, Some(stored)) => Some(changed(stored, &|body| more(-1)(&mut body[version_field]))),
            (Damage::Newer, Some(stored)) => Some(changed(stored, &|body| more(1_000)(&mut body[version_field]))),
        };
        self.views.tamper(&view, key, move |_| planted).await?;
        Ok(Planted::Done)
    }
}

#[async_trait]
impl RowSet for ProductViewRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy("products.view", PRODUCT_FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        Ok(self.runner.reader().position().unwrap_or_default())
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.read(read.range, read.limit, products(read.detail)).await
    }

    async fn by_key(&self, keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        self.load(keys, product_of).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        self.mend(repair, product_of).await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        self.damage(key, damage, "/product/price/amount", "version").await
    }
}

impl StockViewRows {
    pub(super) const fn new(view: ProductViewRows) -> Self {
        Self { view }
    }
}

#[async_trait]
impl RowSet for StockViewRows {
    fn description(&self) -> SetDescription {
        SetDescription::copy("stock.view", STOCK_FIELDS)
    }

    async fn position(&self) -> Result<PositionToken, Fault> {
        self.view.position().await
    }

    async fn page(&self, read: PageRead) -> Result<Vec<Row>, Fault> {
        self.view.read(read.range, read.limit, stocks(read.detail)).await
    }

    async fn by_key(&self, keys: Vec<String>, _: Detail) -> Result<Vec<Row>, Fault> {
        self.view.load(keys, stock_of).await
    }

    async fn repair(&self, repair: RepairRow) -> Result<Repaired, Fault> {
        self.view.mend(repair, stock_of).await
    }

    async fn plant(&self, key: &str, damage: Damage) -> Result<Planted, Fault> {
        self.view.damage(key, damage, "/stock/onHand", "stockVersion").await
    }
}

impl std::fmt::Debug for ProductViewRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProductViewRows").finish_non_exhaustive()
    }
}
