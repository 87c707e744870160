//! Ratings: stars that customers give to products they received.
//!
//! A rating has a stream of its own, `rating-{productId}~{customer}`: it is given once, so that the stream has one event, and
//! many customers rate one product at the same time without getting into each other's way or into that of operators who
//! change it (ratings are no part of the product's version).

use madrigal_core::{PersonId, RecordedEvent, StreamName};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::event::{UnreadableEvent, Written, read, written};
use super::ids::ProductId;

/// How good: 1 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Stars(u8);

impl Stars {
    /// The stars, or `None` outside 1 to 5.
    pub const fn new(stars: u8) -> Option<Self> {
        if matches!(stars, 1..=5) { Some(Self(stars)) } else { None }
    }

    /// How many.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Stars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stars = u8::deserialize(deserializer)?;
        Self::new(stars).ok_or_else(|| serde::de::Error::custom("stars are 1 to 5"))
    }
}

/// The data of `ProductRated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductRated {
    /// The product.
    pub product_id: ProductId,
    /// How good.
    pub stars: Stars,
}

impl ProductRated {
    /// The category of the streams.
    pub const CATEGORY: &'static str = "rating";

    /// The stream of this customer's rating of this product.
    pub fn stream(product: &ProductId, customer: PersonId) -> Option<StreamName> {
        StreamName::new(Self::CATEGORY, format_args!("{product}~{customer}")).ok()
    }

    /// The event's type and data for the store.
    pub fn written(&self) -> Written {
        written("ProductRated", self)
    }

    /// The event as recorded in a `rating-…` stream.
    ///
    /// # Errors
    /// [`UnreadableEvent`] for a type or form that is not known.
    pub fn read(event: &RecordedEvent) -> Result<Self, UnreadableEvent> {
        match event.event_type.as_str() {
            "ProductRated" => read(event),
            _ => Err(UnreadableEvent::of(event, None)),
        }
    }
}

/// What customers think of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Ratings {
    /// How many ratings of one star, two, … five.
    pub distribution: [u64; 5],
}

impl Ratings {
    /// With one more.
    #[must_use]
    pub fn with(mut self, stars: Stars) -> Self {
        self.distribution[usize::from(stars.get()) - 1] += 1;
        self
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.distribution.iter().sum()
    }

    /// The average in thousandths of a star, rounded half up; 0 without ratings.
    pub fn average_milli(&self) -> u64 {
        let stars: u64 = (1..).zip(self.distribution).map(|(stars, count)| stars * count).sum();
        match self.count() {
            0 => 0,
            count => (stars * 1_000 + count / 2) / count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_add_up() {
        let given = [5, 5, 4, 1].map(|stars| Stars::new(stars).unwrap());
        let ratings = given.into_iter().fold(Ratings::default(), Ratings::with);
        assert_eq!((ratings.distribution, ratings.count(), ratings.average_milli()), ([1, 0, 0, 1, 2], 4, 3_750));
        assert_eq!(Ratings::default().average_milli(), 0);
        assert!(Stars::new(0).is_none() && Stars::new(6).is_none());
        assert!(serde_json::from_str::<Stars>("6").is_err());
    }

    #[test]
    fn every_customer_and_product_has_a_stream() {
        let longest = ProductId::parse(&"x".repeat(64)).unwrap();
        let stream = ProductRated::stream(&longest, PersonId(u64::MAX.try_into().unwrap_or(i64::MAX))).unwrap();
        assert_eq!(stream.category(), "rating");
    }
}
