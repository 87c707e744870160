//! From the messages of the topic `orders` to a fact. Only what figures need is decoded; sealed fields are passed over.

use std::borrow::Cow;

use madrigal_bus::Message;
use madrigal_core::money::Totals;
use madrigal_core::{BasisPoints, Currency, Money, Timestamp};
use serde::Deserialize;

use super::{Line, Named, OrderFact, OrderState};

/// A line as it is told.
pub type Told<'a> = Line<Named<'a>>;

/// Why a message cannot be folded.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// This program does not know its type.
    #[error("messages of type {0} are not known here: use a newer program")]
    UnknownType(String),
    /// Its data has another form.
    #[error("the data of {kind} cannot be read: {source}")]
    Data {
        /// The type.
        kind: String,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// An amount below zero, or one that does not fit.
    #[error("an amount of {0} cannot be counted")]
    Amount(String),
}

/// What a message does to an order's fact.
#[derive(Debug)]
pub enum Folding<'a> {
    /// It begins the fact.
    Begins(Box<OrderFact<Named<'a>>>),
    /// It puts a line into the draft (or replaces the product's).
    Adds(Told<'a>, Totals),
    /// It takes a product out of the draft.
    Removes(Cow<'a, str>, Totals),
    /// It places the draft: other lines, other totals, and from now on it counts.
    Places(Vec<Told<'a>>, Totals),
    /// The order stands elsewhere.
    Moves(OrderState),
    /// Nothing that figures know of.
    Nothing,
}

impl<'a> Folding<'a> {
    /// What the message does.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn of(message: &'a Message) -> Result<Self, MessageError> {
        let folding = match message.kind.as_str() {
            "OrderCreated" => read::<Created<'_>>(message)?.begun(message)?,
            "OrderImported" => read::<Imported<'_>>(message)?.begun(message)?,
            "OrderItemAdded" => {
                let added: Added<'_> = read(message)?;
                Self::Adds(added.item.line(message)?, added.summary)
            }
            "OrderItemRemoved" => {
                let removed: Removed<'_> = read(message)?;
                Self::Removes(removed.product_id, removed.summary)
            }
            "OrderPlaced" => {
                let placed: Placed<'_> = read(message)?;
                Self::Places(lines(placed.items, message)?, placed.summary)
            }
            "OrderStatusChanged" => {
                let changed: Changed<'_> = read(message)?;
                let state = OrderState::parse(&changed.status);
                Self::Moves(state.ok_or_else(|| MessageError::UnknownType(format!("status {}", changed.status)))?)
            }
            "PaymentProcessed" | "OrderShipped" | "OrderDelivered" | "OrderCancelled" => Self::Nothing,
            other => return Err(MessageError::UnknownType(other.to_owned())),
        };
        match &folding {
            Self::Begins(fact) => sound(&fact.totals, message)?,
            Self::Adds(_, totals) | Self::Removes(_, totals) | Self::Places(_, totals) => sound(totals, message)?,
            Self::Moves(_) | Self::Nothing => {}
        }
        Ok(folding)
    }
}

fn read<'a, T: Deserialize<'a>>(message: &'a Message) -> Result<T, MessageError> {
    serde_json::from_slice(message.data.as_bytes())
        .map_err(|source| MessageError::Data { kind: message.kind.clone(), source })
}

fn sound(totals: &Totals, message: &Message) -> Result<(), MessageError> {
    let amounts = [totals.total_amount, totals.discount_amount, totals.tax_amount, totals.final_amount];
    if amounts.iter().all(|amount| *amount >= 0) && i64::try_from(totals.item_count).is_ok() {
        Ok(())
    } else {
        Err(MessageError::Amount(message.kind.clone()))
    }
}

fn lines<'a>(items: Vec<Item<'a>>, message: &Message) -> Result<Vec<Told<'a>>, MessageError> {
    items.into_iter().map(|item| item.line(message)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    price: Money,
    #[serde(default)]
    discount: BasisPoints,
    quantity: u32,
}

impl<'a> Item<'a> {
    fn line(self, message: &Message) -> Result<Told<'a>, MessageError> {
        let unsound = || MessageError::Amount(message.kind.clone());
        let before = self.price.amount.checked_mul(i64::from(self.quantity)).ok_or_else(unsound)?;
        let off = self.discount.of(before).map_err(|_| unsound())?;
        let product = Named { product_id: self.product_id, name: self.name };
        Ok(Line { product, quantity: self.quantity.into(), amount: before - off })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    user_id: i64,
    #[serde(borrow)]
    items: Vec<Item<'a>>,
    currency: Currency,
    summary: Totals,
    #[serde(default)]
    draft: bool,
}

impl<'a> Created<'a> {
    fn begun(self, message: &Message) -> Result<Folding<'a>, MessageError> {
        Ok(Folding::Begins(Box::new(OrderFact {
            version: 1,
            user_id: self.user_id,
            currency: self.currency,
            state: OrderState::Draft,
            imported: false,
            created_at: message.time,
            placed_at: (!self.draft).then_some(message.time),
            totals: self.summary,
            lines: lines(self.items, message)?,
        })))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PastItem<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    quantity: u32,
    line_total: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Imported<'a> {
    user_id: i64,
    #[serde(borrow)]
    items: Vec<PastItem<'a>>,
    currency: Currency,
    summary: Totals,
    ordered_at: Timestamp,
}

impl<'a> Imported<'a> {
    fn begun(self, message: &Message) -> Result<Folding<'a>, MessageError> {
        let line = |item: PastItem<'a>| {
            let product = Named { product_id: item.product_id, name: item.name };
            let amount = Some(item.line_total).filter(|amount| *amount >= 0);
            let amount = amount.ok_or_else(|| MessageError::Amount(message.kind.clone()))?;
            Ok(Line { product, quantity: item.quantity.into(), amount })
        };
        Ok(Folding::Begins(Box::new(OrderFact {
            version: 1,
            user_id: self.user_id,
            currency: self.currency,
            state: OrderState::Delivered,
            imported: true,
            created_at: self.ordered_at,
            placed_at: Some(self.ordered_at),
            totals: self.summary,
            lines: self.items.into_iter().map(line).collect::<Result<_, _>>()?,
        })))
    }
}

#[derive(Deserialize)]
struct Added<'a> {
    #[serde(borrow)]
    item: Item<'a>,
    summary: Totals,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Removed<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    summary: Totals,
}

#[derive(Deserialize)]
struct Placed<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
    summary: Totals,
}

#[derive(Deserialize)]
struct Changed<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
}
