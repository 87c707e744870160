//! What products cost now, from memory: asked with every order.

use std::sync::Arc;

use madrigal_contracts::catalog::Quote;
use madrigal_core::{Fault, Position, StreamVersion};
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::commands::ProductListener;
use crate::domain::{Product, ProductId};
use crate::store::Loader;

/// Products kept in memory; others are read from their streams.
const PRODUCTS_KEPT: u64 = 100_000;
/// The most products that one call may ask for.
pub const MAX_QUOTES: usize = 1_000;

/// Products in memory, as the desk last made them durable.
#[derive(Clone)]
pub struct Quotes {
    known: Cache<ProductId, Known>,
    loader: Loader,
}

#[derive(Clone)]
struct Known {
    product: Arc<Product>,
    version: StreamVersion,
}

impl Quotes {
    /// Empty; products come in when they are asked for or change.
    pub fn new(loader: Loader) -> Self {
        Self { known: Cache::new(PRODUCTS_KEPT), loader }
    }

    /// Quotes of the products that exist, in the order asked.
    ///
    /// # Errors
    /// A permanent [`Fault`] above [`MAX_QUOTES`]; a fault if the store broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn quote(&self, product_ids: &[String]) -> Result<Vec<Quote>, Fault> {
        if product_ids.len() > MAX_QUOTES {
            return Err(Fault::permanent("catalog", "quote", format!("at most {MAX_QUOTES} products at once")));
        }
        let mut quotes = Vec::with_capacity(product_ids.len());
        for text in product_ids {
            let Some(id) = ProductId::parse(text) else { continue };
            let Some(product) = self.product(&id).await? else { continue };
            if product.withdrawn {
                continue;
            }
            quotes.push(Quote {
                product_id: text.clone(),
                name: product.details.name.clone(),
                price: product.price.money(),
                discount: product.price.discount,
                orderable: product.orderable(),
            });
        }
        Ok(quotes)
    }

    async fn product(&self, id: &ProductId) -> Result<Option<Arc<Product>>, Fault> {
        if let Some(known) = self.known.get(id) {
            return Ok(Some(known.product));
        }
        let (product, version) = self.loader.product(id).await?;
        let Some(product) = product.map(Arc::new) else { return Ok(None) };
        self.learn(id, &product, version);
        Ok(Some(product))
    }

    /// Keeps a product unless a newer version is known: a reader may be slower than the desk.
    fn learn(&self, id: &ProductId, product: &Arc<Product>, version: StreamVersion) {
        self.known.entry(id.clone()).and_compute_with(|known| match known {
            Some(known) if known.value().version >= version => Op::Nop,
            _ => Op::Put(Known { product: Arc::clone(product), version }),
        });
    }
}

impl Quotes {
    /// Whether completions of this product's name are as they were: a product that is not known says no.
    pub(crate) fn keeps_name(&self, id: &ProductId, product: &Product) -> bool {
        self.known.get(id).is_some_and(|known| {
            known.product.details.name == product.details.name && known.product.withdrawn == product.withdrawn
        })
    }
}

impl ProductListener for Quotes {
    fn changed(&self, id: &ProductId, product: &Arc<Product>, version: StreamVersion, _: Position) {
        self.learn(id, product, version);
    }
}

impl std::fmt::Debug for Quotes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quotes").field("known", &self.known.entry_count()).finish_non_exhaustive()
    }
}
