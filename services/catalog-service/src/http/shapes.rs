//! What comes in and what goes out, as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use madrigal_core::{BasisPoints, Currency, StreamVersion, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::{
    Attribute, Category, Details, Price, Product, ProductId, ProductPatch, ProductStatus, Ratings, Stock,
};
use crate::projections::ProductRow;

/// A product to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewProduct {
    /// Its id, not dots only; made up where it is missing.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9._-]*[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        example = "tea-1"
    )]
    pub(crate) product_id: Option<String>,
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) name: String,
    /// What it is, in words.
    #[serde(default)]
    #[schema(max_length = 10_000)]
    pub(crate) description: String,
    /// The categories that it is in.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub(crate) category: Vec<Category>,
    /// What one piece costs.
    pub(crate) price: Price,
    /// Its properties.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) attributes: Vec<Attribute>,
    /// Words to find it by, 100 characters each.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub(crate) tags: Vec<Tag>,
    /// Who makes it.
    #[schema(max_length = 200)]
    pub(crate) brand: Option<String>,
    /// Whether it is for sale.
    #[serde(default)]
    pub(crate) status: ProductStatus,
    /// How many are received at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, default = 0)]
    pub(crate) initial_stock: i64,
}

/// A word to find a product by.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tag(String);

impl PartialSchema for Tag {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(100));
        text.description(Some("A word to find a product by.")).into()
    }
}

impl ToSchema for Tag {
    fn name() -> Cow<'static, str> {
        "Tag".into()
    }
}

impl NewProduct {
    /// What it is, what it costs, and how many there are.
    pub(crate) fn parts(self) -> (Details, Price, i64) {
        let details = Details {
            name: self.name,
            description: self.description,
            category: self.category,
            attributes: self.attributes,
            tags: self.tags.into_iter().map(|tag| tag.0).collect(),
            brand: self.brand,
            status: self.status,
        };
        (details, self.price, self.initial_stock)
    }
}

/// A change of a product (JSON merge patch): fields that are missing stay as they are; `null` empties a field that may be
/// empty.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProductPatchBody {
    /// A new name.
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// A new description.
    #[schema(max_length = 10_000)]
    description: Option<String>,
    /// New categories, all of them.
    #[schema(max_items = 20)]
    category: Option<Vec<Category>>,
    /// Changes of the price.
    #[schema(nullable = false)]
    price: Option<PricePatchBody>,
    /// New attributes, all of them.
    #[schema(max_items = 100)]
    attributes: Option<Vec<Attribute>>,
    /// New tags, all of them.
    #[schema(max_items = 50)]
    tags: Option<Vec<Tag>>,
    /// A new brand.
    #[schema(max_length = 200)]
    brand: Option<String>,
    /// A new status.
    #[schema(nullable = false)]
    status: Option<ProductStatus>,
}

/// A change of a price.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PricePatchBody {
    /// A new amount, in minor units.
    #[schema(nullable = false, minimum = 0, maximum = 1_000_000_000_000_i64)]
    amount: Option<i64>,
    /// A new currency.
    #[schema(nullable = false, value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    currency: Option<Currency>,
    /// A new discount, in basis points.
    #[schema(nullable = false, value_type = Option<u16>, minimum = 0, maximum = 10_000)]
    discount: Option<BasisPoints>,
}

impl ProductPatchBody {
    /// The patch that `members`, of which this was read, says: there `null` differs from missing.
    pub(crate) fn patch(self, members: &Map<String, Value>) -> ProductPatch {
        let emptied = |field: &str| members.get(field).is_some_and(Value::is_null);
        let price = self.price;
        ProductPatch {
            name: self.name,
            description: self.description.or_else(|| emptied("description").then(String::new)),
            category: self.category.or_else(|| emptied("category").then(Vec::new)),
            attributes: self.attributes.or_else(|| emptied("attributes").then(Vec::new)),
            tags: self
                .tags
                .map(|tags| tags.into_iter().map(|tag| tag.0).collect())
                .or_else(|| emptied("tags").then(Vec::new)),
            brand: self.brand.map(Some).or_else(|| emptied("brand").then_some(None)),
            status: self.status,
            amount: price.as_ref().and_then(|price| price.amount),
            currency: price.as_ref().and_then(|price| price.currency),
            discount: price.as_ref().and_then(|price| price.discount),
        }
    }
}

/// A product.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Product)]
pub(crate) struct ProductAnswer {
    /// Its id.
    product_id: String,
    /// Its name.
    name: String,
    /// What it is, in words.
    description: String,
    /// The categories that it is in.
    category: Vec<Category>,
    /// What one piece costs.
    price: Price,
    /// What one piece costs after discount, in minor units: what search filters and sorts by.
    effective_price: i64,
    /// How many there are.
    inventory: Inventory,
    /// Its properties.
    attributes: Vec<Attribute>,
    /// What customers think of it.
    ratings: RatingsAnswer,
    /// Words to find it by.
    tags: Vec<String>,
    /// Who makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<String>,
    /// Whether it is for sale.
    status: ProductStatus,
    /// When it came into the catalogue. Answers to writes leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    created_at: Option<Timestamp>,
    /// When it last changed, stock and ratings aside. Answers to writes leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    updated_at: Option<Timestamp>,
    /// Its version: the ETag without quotes. Stock has a version of its own.
    version: u64,
}

/// How many of a product there are.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inventory {
    /// On hand, reserved or not.
    quantity: i64,
    /// Promised to orders under way.
    reserved: i64,
    /// May be ordered.
    available: i64,
}

/// What customers think of a product.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ratings)]
pub(crate) struct RatingsAnswer {
    /// The average number of stars, to three places; 0 without ratings.
    average: f64,
    /// How many ratings.
    count: u64,
    /// How many of one star, two, … five.
    distribution: [u64; 5],
}

impl ProductAnswer {
    /// The product with its stock and ratings.
    pub(crate) fn of(id: &str, product: &Product, version: StreamVersion, stock: &Stock, ratings: Ratings) -> Self {
        let Product { details, price, .. } = product.clone();
        Self {
            product_id: id.to_owned(),
            name: details.name,
            description: details.description,
            category: details.category,
            effective_price: price.effective(),
            price,
            inventory: Inventory { quantity: stock.on_hand, reserved: stock.reserved, available: stock.available() },
            attributes: details.attributes,
            ratings: RatingsAnswer::of(ratings),
            tags: details.tags,
            brand: details.brand,
            status: details.status,
            created_at: None,
            updated_at: None,
            version: version.0,
        }
    }

    /// The product of a row of the view.
    pub(crate) fn of_row(id: &str, row: &ProductRow) -> Self {
        let answer = Self::of(id, &row.product, row.version, &row.stock, row.ratings);
        Self { created_at: Some(row.created_at), updated_at: Some(row.updated_at.unwrap_or(row.created_at)), ..answer }
    }
}

impl RatingsAnswer {
    fn of(ratings: Ratings) -> Self {
        // Thousandths up to 5,000 are exact in a float.
        let average = u32::try_from(ratings.average_milli()).map_or(0.0, |milli| f64::from(milli) / 1_000.0);
        Self { average, count: ratings.count(), distribution: ratings.distribution }
    }
}

/// A change of a stock.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StockChange {
    /// By how many: more came in, or fewer are there than thought. Not 0.
    #[schema(format = Int64, example = 50)]
    pub(crate) change: i64,
    /// Why.
    #[schema(min_length = 1, max_length = 500, example = "delivery 4711")]
    pub(crate) reason: String,
}

/// The books of a product: `received + adjusted = onHand + sold`, `available = onHand - reserved`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Stock)]
pub(crate) struct StockAnswer {
    /// The product.
    product_id: String,
    /// Everything that ever came in.
    received: i64,
    /// The sum of corrections.
    adjusted: i64,
    /// On hand, reserved or not.
    on_hand: i64,
    /// Promised to orders under way.
    reserved: i64,
    /// Sold and not returned.
    sold: i64,
    /// May be ordered.
    available: i64,
    /// The version of the stock.
    version: u64,
}

impl StockAnswer {
    pub(crate) fn of(id: &ProductId, stock: &Stock, version: StreamVersion) -> Self {
        Self {
            product_id: id.as_str().to_owned(),
            received: stock.received,
            adjusted: stock.adjusted,
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            sold: stock.sold,
            available: stock.available(),
            version: version.0,
        }
    }
}

/// A product that was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hit {
    /// The product.
    #[serde(flatten)]
    pub(crate) product: ProductAnswer,
    /// By field: where the words are, as HTML; everything is escaped but the `<b>` around them.
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) highlight: BTreeMap<&'static str, String>,
}

/// A page of hits.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hits {
    /// The hits, in order.
    pub(crate) items: Vec<Hit>,
    /// By what was asked for (`category`, `brand`, `tag`, `status`, `price`, `attr.NAME`): the most frequent values among
    /// everything that is found, at most 20 each, with exact counts. Prices are in ranges, all of them.
    pub(crate) facets: BTreeMap<String, Vec<FacetValue>>,
    /// How many products are found in all; absent where nothing is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// How many products have a value.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FacetValue {
    /// The value.
    pub(crate) value: String,
    /// How many of the products found have it.
    pub(crate) count: u64,
    /// Where the range begins, of prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<i64>,
    /// Where the range ends, of prices; absent in the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<i64>,
}
