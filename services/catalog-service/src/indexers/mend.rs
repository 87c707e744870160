//! One document of what serves: made anew where it is wrong, or made wrong to see whether that is found.

use std::collections::BTreeMap;

use madrigal_consistency::Damage;
use madrigal_core::{Fault, LogEpoch, LogName};
use madrigal_projection::Query;

use super::ProductIndex;
use crate::domain::Stock;
use crate::search::fields::{change, in_stock};

impl ProductIndex {
    /// The log that it follows.
    pub(crate) fn log(&self) -> (LogName, LogEpoch) {
        let store = &self.parts.store;
        (store.log().clone(), store.epoch())
    }

    /// Makes a product's document anew from the view, while nothing else is written, if `unchanged` says of what is shown of
    /// it now that it is what was seen; true where it was.
    pub(crate) async fn mend(
        &self,
        key: &str,
        unchanged: impl FnOnce(Option<&BTreeMap<&'static str, Vec<String>>>) -> bool + Send,
    ) -> Result<bool, Fault> {
        let Some(serving) = self.serving() else { return Ok(false) };
        let _gate = serving.gate.lock().await;
        let shown = serving.index.snapshot().shown(key).await?;
        let checkpoint = serving.index.checkpoint()?;
        let Some(checkpoint) = checkpoint.filter(|_| unchanged(shown.as_ref())) else { return Ok(false) };
        // The view may be ahead of the index: the events in between come too, and change nothing then.
        let row = self.parts.view.get(key).await?.map(|viewed| viewed.row);
        serving.index.commit(vec![change(key.to_owned(), row.as_ref())], checkpoint).await?;
        Ok(true)
    }

    /// Damages a product's document behind everybody's back: its version, or (`Change`, `Add`) what it says of the product
    /// or, `of_stock`, of its stock.
    pub(crate) async fn tamper(&self, key: &str, damage: Damage, of_stock: bool) -> Result<(), Fault> {
        let Some(serving) = self.serving() else { return Ok(()) };
        let _gate = serving.gate.lock().await;
        let Some(checkpoint) = serving.index.checkpoint()? else { return Ok(()) };
        let any = match self.parts.view.get(key).await? {
            Some(viewed) => Some(viewed.row),
            None => self.parts.view.query(Query::oldest(1)).await?.pop().map(|viewed| viewed.row),
        };
        let wrong = any.filter(|_| damage != Damage::Delete).map(|mut row| {
            row.product.withdrawn = false;
            match damage {
                Damage::Older => row.version.0 = row.version.0.saturating_sub(1),
                Damage::Newer => row.version.0 = row.version.0.saturating_add(1_000),
                Damage::Change | Damage::Add | Damage::Delete if of_stock => {
                    let some = Stock { received: 1, on_hand: 1, ..Stock::default() };
                    row.stock = if in_stock(&row) { Stock::default() } else { some };
                }
                Damage::Change | Damage::Add | Damage::Delete => row.product.details.name.push_str(" (damaged)"),
            }
            row
        });
        serving.index.commit(vec![change(key.to_owned(), wrong.as_ref())], checkpoint).await
    }
}
