//! The view `products`: every product with its stock, one row each, withdrawn ones included.

use madrigal_core::{RecordedEvent, StreamVersion, Timestamp};
use madrigal_projection::{ApplyError, Columns, Interest, Projection};
use serde::{Deserialize, Serialize};

use crate::domain::{Product, ProductEvent, ProductRated, Ratings, Request, Stock, StockEvent};

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
    /// When the product itself last changed; stock and ratings do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// What customers think of it.
    #[serde(default)]
    pub ratings: Ratings,
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
            ProductRated::CATEGORY => {
                let rated = ProductRated::read(event).map_err(|error| ApplyError::refused(error.to_string()))?;
                Ok(Interest::Key(rated.product_id.as_str().to_owned()))
            }
            "reservation" | Request::CATEGORY => Ok(Interest::Skip),
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
        if event.stream.category() == ProductRated::CATEGORY {
            let rated = ProductRated::read(event).map_err(refused)?;
            let row = row.ok_or_else(|| ApplyError::refused("a rating without a product"))?;
            return Ok(Some(ProductRow { ratings: row.ratings.with(rated.stars), ..row }));
        }
        let product_event = ProductEvent::read(event).map_err(refused)?;
        let product = Product::evolve(row.as_ref().map(|row| row.product.clone()), &product_event)
            .ok_or_else(|| ApplyError::refused("a product that was not created"))?;
        let version = event.version();
        let updated_at = Some(event.metadata.timestamp);
        Ok(Some(match row {
            Some(row) => ProductRow { product, version, updated_at, ..row },
            None => ProductRow {
                product,
                version,
                stock: Stock::default(),
                stock_version: StreamVersion::NONE,
                created_at: event.metadata.timestamp,
                updated_at,
                ratings: Ratings::default(),
            },
        }))
    }

    fn columns(&self, _: &ProductRow) -> Columns {
        Columns::none()
    }
}
