//! The view `products`: every product with its stock, one row each, withdrawn ones included.

use madrigal_core::{RecordedEvent, StreamVersion, Timestamp};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use serde::{Deserialize, Serialize};

use crate::domain::{Product, ProductEvent, Stock, StockEvent};

/// A product with its stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRow {
    /// The product.
    pub product: Product,
    /// The version of its stream: its ETag.
    pub version: StreamVersion,
    /// Its stock.
    pub stock: Stock,
    /// The version of the stock's stream.
    pub stock_version: StreamVersion,
    /// When it came into the catalogue.
    pub created_at: Timestamp,
}

/// The fold.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProductView;

impl Projection for ProductView {
    type Row = ProductRow;

    fn name(&self) -> &'static str {
        "products"
    }

    fn version(&self) -> u32 {
        1
    }

    fn column_names(&self) -> &'static [&'static str] {
        &[]
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Interest, ApplyError> {
        match event.stream.category() {
            "product" | "stock" => Ok(Interest::own(event)),
            "reservation" => Ok(Interest::Skip),
            _ => Err(ApplyError::unknown_type(event)),
        }
    }

    fn apply(&self, _: &str, row: Option<ProductRow>, event: &RecordedEvent) -> Result<Option<ProductRow>, ApplyError> {
        let refused = |error: crate::domain::UnreadableEvent| ApplyError::refused(error.to_string());
        if event.stream.category() == "stock" {
            let stock_event = StockEvent::read(event).map_err(refused)?;
            let row = row.ok_or_else(|| ApplyError::refused("a stock without a product"))?;
            let stock = row.stock.after(&stock_event).map_err(|error| ApplyError::refused(error.to_string()))?;
            return Ok(Some(ProductRow { stock, stock_version: event.version(), ..row }));
        }
        let product_event = ProductEvent::read(event).map_err(refused)?;
        let product = Product::evolve(row.as_ref().map(|row| row.product.clone()), &product_event)
            .ok_or_else(|| ApplyError::refused("a product that was not created"))?;
        let (stock, stock_version, created_at) = match row {
            Some(row) => (row.stock, row.stock_version, row.created_at),
            None => (Stock::default(), StreamVersion::NONE, event.metadata.timestamp),
        };
        Ok(Some(ProductRow { product, version: event.version(), stock, stock_version, created_at }))
    }

    fn columns(&self, _: &ProductRow) -> Columns {
        Columns::none()
    }
}
