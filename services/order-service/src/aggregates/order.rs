//! An order: what it is, and what may be done with it.

use madrigal_core::money::{PricedLine, Totals};
use madrigal_core::{BasisPoints, Currency, MoneyError, PersonId, Sealed, StreamVersion, Timestamp};

use crate::events::{
    Customer, OrderCancelled, OrderCreated, OrderDelivered, OrderEvent, OrderItem, OrderItemAdded, OrderItemRemoved,
    OrderPlaced, OrderShipped, OrderStatus, OrderStatusChanged, PaymentProcessed,
};

/// The most lines that an order may have.
pub const MAX_LINES: usize = 500;
/// The most pieces of one product in an order.
pub const MAX_QUANTITY: u32 = 1_000_000;

/// An order as its events tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Whose it is.
    pub user_id: PersonId,
    /// Name, e-mail, address.
    pub customer: Sealed<Customer>,
    /// What was ordered; none where it was imported.
    pub items: Vec<OrderItem>,
    /// Of all amounts.
    pub currency: Currency,
    /// Where it stands.
    pub status: OrderStatus,
    /// The saga that placed it.
    pub saga_id: Option<String>,
    /// How many events it has.
    pub version: StreamVersion,
}

/// What is asked of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderCommand {
    /// Puts a product into a draft.
    AddItem(OrderItem),
    /// Takes a product out of a draft.
    RemoveItem {
        /// Which.
        product_id: String,
    },
    /// Places a draft, paid.
    Place(Placing),
    /// Hands it to the carrier.
    Ship {
        /// With whom.
        carrier: String,
        /// The carrier's number.
        tracking_number: String,
        /// When it should arrive.
        estimated_delivery: Option<Timestamp>,
    },
    /// Notes its arrival.
    Deliver,
    /// Calls it off.
    Cancel {
        /// In the caller's words.
        reason: String,
    },
}

/// What the saga brings to the pivot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// What was reserved, at the prices of that moment.
    pub items: Vec<OrderItem>,
    /// What it comes to.
    pub summary: Totals,
    /// Name, e-mail, address.
    pub customer: Sealed<Customer>,
    /// The saga.
    pub saga_id: String,
    /// What was charged.
    pub payment: PaymentProcessed,
    /// When it should arrive.
    pub estimated_delivery: Option<Timestamp>,
}

/// Why an order refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRejection {
    /// Its status does not allow that.
    #[error("an order that is {} cannot be {wanted}", status.as_str())]
    Status {
        /// Where it stands.
        status: OrderStatus,
        /// What was asked, as a participle.
        wanted: &'static str,
    },
    /// A draft has no such product.
    #[error("the draft has no product {product_id}")]
    NoSuchItem {
        /// The product.
        product_id: String,
    },
    /// A draft without lines cannot be placed.
    #[error("the draft is empty")]
    Empty,
    /// Too many lines or pieces.
    #[error("an order has at most {MAX_LINES} lines and {MAX_QUANTITY} pieces of a product")]
    TooLarge,
    /// The amounts do not fit.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A product of another currency.
    #[error("product {product_id} is priced in {currency}, the order in {order_currency}")]
    OtherCurrency {
        /// The product.
        product_id: String,
        /// Its currency.
        currency: Currency,
        /// The order's.
        order_currency: Currency,
    },
}

/// What lines come to.
///
/// # Errors
/// [`OrderRejection::Money`] or [`OrderRejection::OtherCurrency`].
pub fn totals(items: &[OrderItem], currency: Currency) -> Result<Totals, OrderRejection> {
    if let Some(item) = items.iter().find(|item| item.price.currency != currency) {
        return Err(OrderRejection::OtherCurrency {
            product_id: item.product_id.clone(),
            currency: item.price.currency,
            order_currency: currency,
        });
    }
    let lines = items.iter().map(|item| PricedLine {
        unit_amount: item.price.amount,
        quantity: item.quantity,
        discount: item.discount,
    });
    Ok(Totals::of(lines)?)
}

/// The first events of an order that is placed at once.
pub fn place_new(order_id: String, user_id: PersonId, currency: Currency, placing: Placing) -> Vec<OrderEvent> {
    let created = OrderCreated {
        order_id,
        user_id,
        customer: placing.customer,
        items: placing.items,
        currency,
        summary: placing.summary,
        draft: false,
        saga_id: Some(placing.saga_id),
        fingerprint: None,
    };
    vec![OrderEvent::Created(created), paid(placing.payment), confirmed(placing.estimated_delivery)]
}

impl Order {
    /// Decides what happens; nothing happens yet.
    ///
    /// # Errors
    /// [`OrderRejection`].
    pub fn decide(&self, command: OrderCommand) -> Result<Vec<OrderEvent>, OrderRejection> {
        match command {
            OrderCommand::AddItem(item) => self.add_item(item),
            OrderCommand::RemoveItem { product_id } => self.remove_item(product_id),
            OrderCommand::Place(placing) => {
                self.require(&[OrderStatus::Draft], "placed")?;
                let placed = OrderPlaced {
                    items: placing.items,
                    summary: placing.summary,
                    customer: placing.customer,
                    saga_id: placing.saga_id,
                };
                Ok(vec![OrderEvent::Placed(placed), paid(placing.payment), confirmed(placing.estimated_delivery)])
            }
            OrderCommand::Ship { carrier, tracking_number, estimated_delivery } => {
                self.require(&[OrderStatus::Confirmed], "shipped")?;
                let note = format!("Shipped with {carrier}");
                let shipped = OrderShipped { carrier, tracking_number, estimated_delivery };
                Ok(vec![OrderEvent::Shipped(shipped), status(OrderStatus::Shipped, note)])
            }
            OrderCommand::Deliver => {
                self.require(&[OrderStatus::Shipped], "delivered")?;
                Ok(vec![
                    OrderEvent::Delivered(OrderDelivered {}),
                    status(OrderStatus::Delivered, "Delivered".to_owned()),
                ])
            }
            OrderCommand::Cancel { reason } => {
                self.require(&[OrderStatus::Draft, OrderStatus::Confirmed], "cancelled")?;
                let note = format!("Cancelled: {reason}");
                Ok(vec![OrderEvent::Cancelled(OrderCancelled { reason }), status(OrderStatus::Cancelled, note)])
            }
        }
    }

    /// The order after one more event; `None` before its first.
    #[must_use]
    pub fn evolve(order: Option<Self>, event: &OrderEvent) -> Option<Self> {
        if let OrderEvent::Created(created) = event {
            return Some(Self {
                user_id: created.user_id,
                customer: created.customer.clone(),
                items: created.items.clone(),
                currency: created.currency,
                status: OrderStatus::Draft,
                saga_id: created.saga_id.clone(),
                version: StreamVersion(1),
            });
        }
        if let OrderEvent::Imported(imported) = event {
            return Some(Self {
                user_id: imported.user_id,
                customer: imported.customer.clone(),
                // Nothing is decided on the lines of an order that was delivered long ago, and they have no unit prices.
                items: Vec::new(),
                currency: imported.currency,
                status: OrderStatus::Delivered,
                saga_id: None,
                version: StreamVersion(1),
            });
        }
        let mut order = order?;
        order.version = order.version.plus(1);
        match event {
            OrderEvent::ItemAdded(added) => {
                order.items.retain(|item| item.product_id != added.item.product_id);
                order.items.push(added.item.clone());
            }
            OrderEvent::ItemRemoved(removed) => order.items.retain(|item| item.product_id != removed.product_id),
            OrderEvent::Placed(placed) => {
                order.items.clone_from(&placed.items);
                order.customer = placed.customer.clone();
                order.saga_id = Some(placed.saga_id.clone());
            }
            OrderEvent::StatusChanged(changed) => order.status = changed.status,
            OrderEvent::Created(_)
            | OrderEvent::Imported(_)
            | OrderEvent::PaymentProcessed(_)
            | OrderEvent::Shipped(_)
            | OrderEvent::Delivered(_)
            | OrderEvent::Cancelled(_) => {}
        }
        Some(order)
    }

    fn add_item(&self, mut item: OrderItem) -> Result<Vec<OrderEvent>, OrderRejection> {
        self.require(&[OrderStatus::Draft], "changed")?;
        let mut items = self.items.clone();
        if let Some(known) = items.iter_mut().find(|known| known.product_id == item.product_id) {
            item.quantity = known.quantity.checked_add(item.quantity).ok_or(OrderRejection::TooLarge)?;
            *known = item.clone();
        } else {
            items.push(item.clone());
        }
        if items.len() > MAX_LINES || item.quantity > MAX_QUANTITY {
            return Err(OrderRejection::TooLarge);
        }
        let summary = totals(&items, self.currency)?;
        Ok(vec![OrderEvent::ItemAdded(OrderItemAdded { item, summary })])
    }

    fn remove_item(&self, product_id: String) -> Result<Vec<OrderEvent>, OrderRejection> {
        self.require(&[OrderStatus::Draft], "changed")?;
        let items: Vec<OrderItem> = self.items.iter().filter(|item| item.product_id != product_id).cloned().collect();
        if items.len() == self.items.len() {
            return Err(OrderRejection::NoSuchItem { product_id });
        }
        let summary = totals(&items, self.currency)?;
        Ok(vec![OrderEvent::ItemRemoved(OrderItemRemoved { product_id, summary })])
    }

    fn require(&self, allowed: &[OrderStatus], wanted: &'static str) -> Result<(), OrderRejection> {
        if allowed.contains(&self.status) {
            Ok(())
        } else {
            Err(OrderRejection::Status { status: self.status, wanted })
        }
    }
}

fn paid(payment: PaymentProcessed) -> OrderEvent {
    OrderEvent::PaymentProcessed(payment)
}

fn confirmed(estimated_delivery: Option<Timestamp>) -> OrderEvent {
    OrderEvent::StatusChanged(OrderStatusChanged {
        status: OrderStatus::Confirmed,
        note: "Paid and confirmed".to_owned(),
        estimated_delivery,
    })
}

fn status(status: OrderStatus, note: String) -> OrderEvent {
    OrderEvent::StatusChanged(OrderStatusChanged { status, note, estimated_delivery: None })
}

/// The line of a product at a price.
pub fn item(
    product_id: String,
    name: String,
    price: madrigal_core::Money,
    discount: BasisPoints,
    quantity: u32,
) -> OrderItem {
    OrderItem { product_id, name, price, discount, quantity }
}

#[cfg(test)]
mod tests;
