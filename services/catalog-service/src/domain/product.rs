//! A product: what it is, what it costs, whether it is for sale.

use madrigal_core::{BasisPoints, Currency, Money, RecordedEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{UnreadableEvent, Written, read, written};

/// A category that a product is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Category {
    /// Its id.
    #[schema(min_length = 1, max_length = 100)]
    pub id: String,
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// The way to it from the top, as in `Drinks/Tea`.
    #[schema(min_length = 1, max_length = 500)]
    pub path: String,
}

/// A property with a name, as in `weight: 500 g`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attribute {
    /// Its name.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Its value.
    #[schema(max_length = 500)]
    pub value: String,
    /// The unit of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 50)]
    pub unit: Option<String>,
}

/// What one piece costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Minor units (cents), before discount.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    pub amount: i64,
    /// An ISO 4217 code.
    #[schema(value_type = String, pattern = "^[A-Z]{3}$", example = "EUR")]
    pub currency: Currency,
    /// Off the price, in basis points.
    #[serde(default)]
    #[schema(value_type = u16, minimum = 0, maximum = 10_000, default = 0)]
    pub discount: BasisPoints,
}

impl Price {
    /// The price without its discount.
    pub const fn money(&self) -> Money {
        Money { amount: self.amount, currency: self.currency }
    }

    /// What one piece costs with its discount, in minor units; the discount is rounded half up.
    pub fn effective(&self) -> i64 {
        // Amounts are never negative (checked where they come in), and a share of one is never more than it.
        self.amount - self.discount.of(self.amount).unwrap_or(0)
    }
}

/// Whether a product is for sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProductStatus {
    /// It may be ordered.
    #[default]
    Active,
    /// It is shown and cannot be ordered.
    Inactive,
}

/// Everything about a product but its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Its name.
    pub name: String,
    /// What it is, in words.
    pub description: String,
    /// The categories that it is in.
    pub category: Vec<Category>,
    /// Its properties.
    pub attributes: Vec<Attribute>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Whether it is for sale.
    pub status: ProductStatus,
}

/// A product's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// What it is.
    pub details: Details,
    /// What it costs.
    pub price: Price,
    /// Taken out of the catalogue for good: it is neither shown nor sold, and its id stays taken.
    pub withdrawn: bool,
}

/// A change of some fields of a product (RFC 7396, merge patch); what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProductPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// New categories, all of them.
    pub category: Option<Vec<Category>>,
    /// New attributes, all of them.
    pub attributes: Option<Vec<Attribute>>,
    /// New tags, all of them.
    pub tags: Option<Vec<String>>,
    /// A new brand, or none from now on.
    pub brand: Option<Option<String>>,
    /// A new status.
    pub status: Option<ProductStatus>,
    /// A new amount.
    pub amount: Option<i64>,
    /// A new currency.
    pub currency: Option<Currency>,
    /// A new discount.
    pub discount: Option<BasisPoints>,
}

impl ProductPatch {
    /// What `product` looks like after it.
    pub fn applied_to(&self, product: &Product) -> (Details, Price) {
        let Product { details, price, .. } = product.clone();
        let patched = Details {
            name: self.name.clone().unwrap_or(details.name),
            description: self.description.clone().unwrap_or(details.description),
            category: self.category.clone().unwrap_or(details.category),
            attributes: self.attributes.clone().unwrap_or(details.attributes),
            tags: self.tags.clone().unwrap_or(details.tags),
            brand: self.brand.clone().unwrap_or(details.brand),
            status: self.status.unwrap_or(details.status),
        };
        let price = Price {
            amount: self.amount.unwrap_or(price.amount),
            currency: self.currency.unwrap_or(price.currency),
            discount: self.discount.unwrap_or(price.discount),
        };
        (patched, price)
    }
}

/// What happens to a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductEvent {
    /// It came into the catalogue.
    Created(ProductCreated),
    /// Something but its price changed.
    Changed(ProductChanged),
    /// Its price changed.
    PriceChanged(PriceChanged),
    /// It was taken out of the catalogue.
    Withdrawn(ProductWithdrawn),
}

/// The data of `ProductCreated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductCreated {
    /// What it is.
    #[serde(flatten)]
    pub details: Details,
    /// What it costs.
    pub price: Price,
}

/// The data of `ProductChanged`: everything but the price, as it is from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductChanged {
    /// What it is.
    #[serde(flatten)]
    pub details: Details,
}

/// The data of `PriceChanged`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceChanged {
    /// What it costs from now on.
    pub price: Price,
}

/// The data of `ProductWithdrawn`: none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProductWithdrawn {}

/// Why a product's command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProductRefusal {
    /// The id is taken (perhaps by a product that was withdrawn).
    #[error("a product with this id exists")]
    Exists,
    /// There is no such product, or it was withdrawn.
    #[error("there is no such product")]
    NotFound,
    /// The product was withdrawn and cannot come back.
    #[error("the product was withdrawn")]
    Withdrawn,
}

impl Product {
    /// Decides to create.
    ///
    /// # Errors
    /// [`ProductRefusal::Exists`].
    pub fn create(current: Option<&Self>, details: Details, price: Price) -> Result<Vec<ProductEvent>, ProductRefusal> {
        match current {
            Some(_) => Err(ProductRefusal::Exists),
            None => Ok(vec![ProductEvent::Created(ProductCreated { details, price })]),
        }
    }

    /// Decides to make the product look like this; no events where it does already.
    ///
    /// # Errors
    /// [`ProductRefusal::NotFound`].
    pub fn revise(current: Option<&Self>, details: Details, price: Price) -> Result<Vec<ProductEvent>, ProductRefusal> {
        let current = current.filter(|product| !product.withdrawn).ok_or(ProductRefusal::NotFound)?;
        let mut events = Vec::new();
        if current.details != details {
            events.push(ProductEvent::Changed(ProductChanged { details }));
        }
        if current.price != price {
            events.push(ProductEvent::PriceChanged(PriceChanged { price }));
        }
        Ok(events)
    }

    /// Decides to take it out of the catalogue.
    ///
    /// # Errors
    /// [`ProductRefusal::NotFound`].
    pub fn withdraw(current: Option<&Self>) -> Result<Vec<ProductEvent>, ProductRefusal> {
        match current {
            Some(product) if !product.withdrawn => Ok(vec![ProductEvent::Withdrawn(ProductWithdrawn {})]),
            _ => Err(ProductRefusal::NotFound),
        }
    }

    /// Whether it may be ordered now.
    pub fn orderable(&self) -> bool {
        !self.withdrawn && self.details.status == ProductStatus::Active
    }

    /// The product after `event`; an event without a creation before it changes nothing.
    pub fn evolve(current: Option<Self>, event: &ProductEvent) -> Option<Self> {
        match event {
            ProductEvent::Created(ProductCreated { details, price }) => {
                Some(Self { details: details.clone(), price: *price, withdrawn: false })
            }
            ProductEvent::Changed(ProductChanged { details }) => {
                current.map(|product| Self { details: details.clone(), ..product })
            }
            ProductEvent::PriceChanged(PriceChanged { price }) => {
                current.map(|product| Self { price: *price, ..product })
            }
            ProductEvent::Withdrawn(_) => current.map(|product| Self { withdrawn: true, ..product }),
        }
    }
}

impl ProductEvent {
    /// The event's type and data for the store.
    pub fn written(&self) -> Written {
        match self {
            Self::Created(data) => written("ProductCreated", data),
            Self::Changed(data) => written("ProductChanged", data),
            Self::PriceChanged(data) => written("PriceChanged", data),
            Self::Withdrawn(data) => written("ProductWithdrawn", data),
        }
    }

    /// The event as recorded in a `product-…` stream.
    ///
    /// # Errors
    /// [`UnreadableEvent`] for a type or form that is not known.
    pub fn read(event: &RecordedEvent) -> Result<Self, UnreadableEvent> {
        Ok(match event.event_type.as_str() {
            "ProductCreated" => Self::Created(read(event)?),
            "ProductChanged" => Self::Changed(read(event)?),
            "PriceChanged" => Self::PriceChanged(read(event)?),
            "ProductWithdrawn" => Self::Withdrawn(read(event)?),
            _ => return Err(UnreadableEvent::of(event, None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(name: &str) -> Details {
        Details {
            name: name.into(),
            description: String::new(),
            category: vec![],
            attributes: vec![],
            tags: vec![],
            brand: None,
            status: ProductStatus::Active,
        }
    }

    fn price(amount: i64) -> Price {
        Price { amount, currency: Currency::EUR, discount: BasisPoints::ZERO }
    }

    fn fold(events: &[ProductEvent]) -> Option<Product> {
        events.iter().fold(None, Product::evolve)
    }

    #[test]
    fn an_id_is_taken_for_ever() {
        let mut history = Product::create(None, details("tea"), price(5)).unwrap();
        assert_eq!(Product::create(fold(&history).as_ref(), details("x"), price(1)), Err(ProductRefusal::Exists));
        history.extend(Product::withdraw(fold(&history).as_ref()).unwrap());
        let withdrawn = fold(&history);
        assert_eq!(Product::create(withdrawn.as_ref(), details("x"), price(1)), Err(ProductRefusal::Exists));
        assert_eq!(Product::withdraw(withdrawn.as_ref()), Err(ProductRefusal::NotFound));
        assert_eq!(Product::revise(withdrawn.as_ref(), details("x"), price(1)), Err(ProductRefusal::NotFound));
        assert!(!withdrawn.unwrap().orderable());
    }

    #[test]
    fn a_revision_records_what_changed_and_nothing_else() {
        let product = fold(&Product::create(None, details("tea"), price(5)).unwrap());
        let names = |details, price| -> Vec<String> {
            let events = Product::revise(product.as_ref(), details, price).unwrap();
            events.iter().map(|event| event.written().event_type.to_string()).collect()
        };
        assert!(names(details("tea"), price(5)).is_empty());
        assert_eq!(names(details("tea"), price(6)), ["PriceChanged"]);
        assert_eq!(names(details("green tea"), price(5)), ["ProductChanged"]);
        assert_eq!(names(details("green tea"), price(6)), ["ProductChanged", "PriceChanged"]);
    }
}
