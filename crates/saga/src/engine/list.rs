//! Lists of sagas.

use madrigal_core::Fault;

use super::SagaEngine;
use crate::directory::{SagaFilter, SagaPage};
use crate::state::SagaState;

/// The most sagas of one page.
const PAGE: usize = 1_000;
/// How many pages of open sagas are looked at for those that are set aside; a list that is not done then goes on with `next`.
const PAGES_FOR_PARKED: usize = 10;

impl SagaEngine {
    /// The sagas that the filter admits, paged; at most 1,000 a page. A page can hold less than there are, even none, and still
    /// name a `next`: of more than 10,000 open sagas so many are looked at for those that are set aside.
    ///
    /// # Errors
    /// A fault if the directory broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub async fn list(&self, filter: &SagaFilter, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        let limit = limit.clamp(1, PAGE);
        if filter.state == Some(SagaState::Parked) {
            return self.list_parked(filter, cursor, limit).await;
        }
        let mut page = self.shared.directory.list(filter, cursor, limit).await?;
        for row in &mut page.items {
            self.shared.show_parked(row);
        }
        Ok(page)
    }

    /// That a saga is set aside is known to the engine only, so the open ones are looked through.
    async fn list_parked(&self, filter: &SagaFilter, cursor: Option<&str>, limit: usize) -> Result<SagaPage, Fault> {
        let mut page = SagaPage { items: Vec::new(), next: cursor.map(str::to_owned) };
        for _ in 0..PAGES_FOR_PARKED {
            let open = self.shared.directory.open(page.next.as_deref(), PAGE).await?;
            for mut row in open.items {
                self.shared.show_parked(&mut row);
                if !filter.admits(&row) {
                    continue;
                }
                if page.items.len() == limit {
                    page.next = page.items.last().map(|last| last.saga_id.to_string());
                    return Ok(page);
                }
                page.items.push(row);
            }
            page.next = open.next;
            if page.next.is_none() {
                break;
            }
        }
        Ok(page)
    }
}
