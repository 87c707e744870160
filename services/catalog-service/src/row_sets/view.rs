//! `products.view` and `stock.view`: the rows of the view `products` as they are stored, once for the product in them and
//! once for its stock, because each has a version of its own.

use async_trait::async_trait;
use madrigal_consistency::row_set::PageRead;
use madrigal_consistency::{
    Content, Damage, Detail, KeyRange, Planted, RepairRow, Repaired, Row, RowSet, Seen, SetDescription,
};
use madrigal_core::{Fault, JsonBytes, Position, PositionToken, StreamVersion};
use madrigal_projection::{Mended, ProjectionRunner, Query, StoredRow, ViewStore};
use madrigal_sqlite::SqliteViews;
use serde_json::{Value, json};

use super::streams::{
    PRODUCT_FIELDS, ProductEvents, STOCK_FIELDS, StockEvents, product_content, stock_content, version,
};
use crate::domain::{Product, ProductEvent, Stock, StockEvent};
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
        Ok(row) if row.product.withdrawn => Row::tombstone(key, version(row.version)),
        Ok(row) => {
            Row::new(key, version(row.version)).with_content(product_content(&row.product, Some(row.created_at)))
        }
        Err(_) => unreadable(key, stored),
    }
}

fn stock_of(key: &str, stored: &StoredRow) -> Row {
    match stored.body.decode::<ProductRow>() {
        Ok(row) => Row::new(key, version(row.stock_version)).with_content(stock_content(&row.stock)),
        Err(_) => unreadable(key, stored),
    }
}

fn unreadable(key: &str, stored: &StoredRow) -> Row {
    let text: String = String::from_utf8_lossy(stored.body.as_bytes()).chars().take(2_000).collect();
    Row::new(key, version(stored.version)).with_content(Content::new().with("unreadable", text))
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

    /// The row as the streams make it up to `position`. Ratings have streams of their own, by customer: they stay as they
    /// are, so that a row that is not there cannot be made.
    async fn told(&self, key: &str, stored: &StoredRow, position: Position) -> Result<Mended<ProductRow>, Fault> {
        let broken = |error: crate::domain::UnreadableEvent| Fault::permanent("catalog", "mend product view", error);
        let (mut row, mut last): (Option<ProductRow>, _) = (None, (StreamVersion::NONE, Position::START));
        for event in self.products.events(key).await?.iter().filter(|event| event.position <= position) {
            let read = ProductEvent::read(event).map_err(broken)?;
            let product = Product::evolve(row.as_ref().map(|row| row.product.clone()), &read);
            let Some(product) = product else { continue };
            let at = event.metadata.timestamp;
            let created_at = row.as_ref().map_or(at, |row| row.created_at);
            row = Some(ProductRow {
                product,
                version: event.version(),
                stock: Stock::default(),
                stock_version: StreamVersion::NONE,
                created_at,
                updated_at: Some(at),
                ratings: Default::default(),
            });
            last = (event.version(), event.position);
        }
        let Some(mut row) = row else { return Ok(Mended::Nothing) };
        for event in self.stocks.events(key).await?.iter().filter(|event| event.position <= position) {
            let read = StockEvent::read(event).map_err(broken)?;
            row.stock =
                row.stock.after(&read).map_err(|error| Fault::permanent("catalog", "mend product view", error))?;
            row.stock_version = event.version();
            if event.position > last.1 {
                last = (event.version(), event.position);
            }
        }
        if let Ok(stored) = stored.body.decode::<ProductRow>() {
            row.ratings = stored.ratings;
        }
        Ok(Mended::Row { row, version: last.0, position: last.1.max(stored.position.min(position)) })
    }

    async fn mend(&self, repair: RepairRow, of: Of) -> Result<Repaired, Fault> {
        let RepairRow { key, seen, fields, row } = repair;
        if seen.is_none() && row.is_some() {
            let why = "its ratings cannot be told from its own streams: `madrigal projections rebuild products`";
            return Ok(Repaired::Refused { why: why.to_owned() });
        }
        let (this, name) = (self.clone(), key.clone());
        let mended = self.runner.mend(&key, |stored, checkpoint| async move {
            let now = stored.as_ref().map(|stored| Seen::of(&of(&name, stored), &fields));
            match stored {
                Some(stored) if now == seen => this.told(&name, &stored, checkpoint.position).await,
                _ => Ok(Mended::Left),
            }
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
        self.read(read.range, read.limit, product_of).await
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
        self.view.read(read.range, read.limit, stock_of).await
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
