//! The in-memory references keep their contracts, and the test projection passes the kit.

use std::sync::Arc;

use madrigal_conformance::projection_kit::{check_projection, memory_views};
use madrigal_projection::{DynOffsets, MemoryOffsets};

use crate::shop::{Carts, eventful_history};

mod views {
    madrigal_conformance::view_store_suite!(madrigal_conformance::projection_kit::memory_views);
}

mod offsets {
    madrigal_conformance::offsets_suite!(super::memory_offsets);
}

async fn memory_offsets() -> (DynOffsets, ()) {
    (Arc::new(MemoryOffsets::new()), ())
}

#[tokio::test]
async fn the_same_history_gives_the_same_view_whatever_happens_on_the_way() {
    check_projection(|| Carts, memory_views, eventful_history().await).await;
}
