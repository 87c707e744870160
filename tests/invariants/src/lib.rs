//! The books that must balance, read from a running shop over its public API: the one place that says what "nothing is
//! lost" means, for every test that breaks something.
//!
//! At rest (no saga open): every unit of stock is accounted for and none is reserved; what the provider charged and did
//! not refund is what the orders that stand come to; every placed order has exactly one confirmation in the outbox, every
//! cancelled one exactly one cancellation; the view says of each order what its events say. Imported orders are outside of the
//! books of stock, money and mail. [`rules`] names each rule.

mod books;
mod read;
pub mod rules;
mod violation;

use std::time::Duration;

use anyhow::{Context, bail};
use madrigal_client::Shop;
use madrigal_core::tasks;
use serde_json::Value;

pub use books::{Account, Books};
pub use violation::Violation;

/// How long sagas may take to come to their end.
const REST: Duration = Duration::from_secs(60);

/// Waits until no saga is open, reads the books, and says everything that is wrong with them.
///
/// # Errors
/// Where the shop cannot be read, sagas do not end in a minute, or the books do not balance (each problem in a line).
pub async fn check_at_rest(shop: &Shop) -> anyhow::Result<Books> {
    let rested = tasks::within(REST, async {
        loop {
            let open = open_sagas(shop).await?;
            if open.is_empty() {
                return anyhow::Ok(());
            }
            tasks::sleep(Duration::from_millis(50)).await;
        }
    });
    rested.await.with_context(|| format!("sagas are still open after {} s", REST.as_secs()))??;
    let books = Books::read(shop).await?;
    let problems = books.problems();
    if !problems.is_empty() {
        bail!("the books do not balance:\n  {}", problems.join("\n  "));
    }
    Ok(books)
}

/// The sagas that have not ended, at most 200 of each state.
///
/// # Errors
/// Where the shop cannot be read.
pub async fn open_sagas(shop: &Shop) -> anyhow::Result<Vec<Value>> {
    let (mut open, now) = (Vec::new(), read::ends(shop).await?);
    for state in ["running", "compensating", "paused", "stuck", "parked"] {
        let page = read::seen(shop, &format!("/v1/sagas?state={state}&limit=200"), &now).await?;
        open.extend(page["items"].as_array().cloned().unwrap_or_default());
    }
    Ok(open)
}
