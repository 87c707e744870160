//! Rating a product.

use madrigal_core::{CallContext, EventId, ExpectedVersion, Fault, NewEvent, PersonId, Position};
use madrigal_event_store::{AppendError, DynEventStore, StreamAppend};

use crate::domain::event::SCHEMA_VERSION;
use crate::domain::{ProductId, ProductRated, Stars};
use crate::neighbours::CatalogNeighbours;
use crate::queries::{ProductCache, Quotes};

/// Takes ratings. They need no desk: each has a stream of its own, whose first event is the only one.
#[derive(Clone)]
pub struct RatingDesk {
    store: DynEventStore,
    quotes: Quotes,
    neighbours: CatalogNeighbours,
    cache: Option<ProductCache>,
}

/// Why a rating was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RateError {
    /// There is no such product.
    #[error("there is no such product")]
    NoProduct,
    /// The customer never received it.
    #[error("the customer did not receive this product")]
    NotReceived,
    /// The customer has rated it.
    #[error("the customer has rated this product")]
    AlreadyRated,
    /// Something broke.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RatingDesk {
    /// Ratings in this store.
    pub const fn new(store: DynEventStore, quotes: Quotes, neighbours: CatalogNeighbours) -> Self {
        Self { store, quotes, neighbours, cache: None }
    }

    /// The same, which tells this cache of every rating.
    #[must_use]
    pub fn telling(self, cache: Option<ProductCache>) -> Self {
        Self { cache, ..self }
    }

    /// Takes a rating, durable when this returns; where it is recorded.
    ///
    /// # Errors
    /// [`RateError`].
    ///
    /// # Cancellation
    /// A dropped call may or may not have its effect; repeated it is [`RateError::AlreadyRated`] then.
    pub async fn rate(
        &self,
        context: &CallContext,
        customer: PersonId,
        product: &ProductId,
        stars: Stars,
    ) -> Result<Position, RateError> {
        if self.quotes.quote(&[product.as_str().to_owned()]).await?.is_empty() {
            return Err(RateError::NoProduct);
        }
        let stream = ProductRated::stream(product, customer)
            .ok_or_else(|| Fault::permanent("catalog", "rate", "a rating's stream has no valid name"))?;
        // Asked first: who has rated it has received it, and the neighbour need not be asked.
        let slice = self.store.read_stream(&stream, madrigal_event_store::StreamRead::START).await?;
        if !slice.events.is_empty() {
            return Err(RateError::AlreadyRated);
        }
        if !self.neighbours.has_received(context, customer, product).await? {
            return Err(RateError::NotReceived);
        }
        let written = ProductRated { product_id: product.clone(), stars }.written();
        // Two ratings at the same time have different ids: the second finds the stream taken.
        let id = EventId::derived(&format!("catalog rating {stream} {}", context.correlation_id));
        let event = NewEvent::new(id, written.event_type, SCHEMA_VERSION, written.data, context);
        let append = StreamAppend { stream, expected: ExpectedVersion::NoStream, events: vec![event] };
        let appended = self.store.append_many(vec![append]).await;
        if let Some(cache) = &self.cache {
            match &appended {
                Ok(appended) => appended.iter().for_each(|appended| cache.committed(product, appended.position)),
                Err(_) => cache.unsure(product),
            }
        }
        match appended {
            Ok(appended) => Ok(appended.iter().map(|appended| appended.position).max().unwrap_or_default()),
            Err(AppendError::WrongVersion { .. } | AppendError::EventIdReused { .. }) => Err(RateError::AlreadyRated),
            Err(AppendError::Fault(fault)) => Err(fault.into()),
            Err(error) => Err(Fault::permanent("catalog", "rate", error).into()),
        }
    }
}

impl std::fmt::Debug for RatingDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RatingDesk").field("neighbours", &self.neighbours).finish_non_exhaustive()
    }
}
