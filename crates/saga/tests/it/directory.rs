//! Both directories show the same, and recovery works over the view.

use std::sync::Arc;
use std::time::Duration;

use madrigal_core::PersonId;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_projection::{MemoryViews, ProjectionRunner, RunnerOptions};
use madrigal_saga::{
    MemoryDirectory, SagaDirectory, SagaEngine, SagaFilter, SagaOptions, SagaState, SagaSummaries, StepOutcome,
    ViewDirectory,
};
use serde_json::json;

use crate::shop::{LONG, Shop};

async fn all(directory: &dyn SagaDirectory, filter: &SagaFilter) -> Vec<String> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = directory.list(filter, cursor.as_deref(), 2).await.unwrap();
        rows.extend(page.items.iter().map(|row| serde_json::to_string(row).unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return rows;
        }
    }
}

#[tokio::test]
async fn the_view_and_the_scan_show_the_same_and_recovery_takes_up_what_the_view_shows() {
    let mut shop = Shop::new();
    shop.payment.answers((0..3).map(|_| StepOutcome::Rejected { reason: json!("no") }));
    for number in 0..5 {
        let id = shop.start(&number.to_string()).await;
        shop.engine.settled(&id, LONG).await.unwrap();
    }
    shop.payment.shut();
    let open = shop.start("open").await;
    shop.engine.halt();
    let views = Arc::new(MemoryViews::new());
    let options = RunnerOptions::default();
    let runner =
        ProjectionRunner::new(SagaSummaries, Arc::clone(&shop.store), views, shop.host.clone(), options).unwrap();
    let view = ViewDirectory::new(Arc::clone(&shop.store), runner.reader());
    let scan = MemoryDirectory::new(Arc::clone(&shop.store));
    runner.catch_up().await.unwrap();
    let filters = [
        SagaFilter::default(),
        SagaFilter { state: Some(SagaState::Compensated), ..SagaFilter::default() },
        SagaFilter { state: Some(SagaState::Running), definition: Some("place-order".to_owned()), owner: None },
        SagaFilter { state: Some(SagaState::Completed), ..SagaFilter::default() },
        SagaFilter { definition: Some("place-order".to_owned()), ..SagaFilter::default() },
        SagaFilter { definition: Some("another".to_owned()), ..SagaFilter::default() },
        SagaFilter { owner: Some(PersonId(42)), ..SagaFilter::default() },
        SagaFilter { owner: Some(PersonId(7)), ..SagaFilter::default() },
    ];
    let counts = [6, 3, 1, 2, 6, 0, 6, 0];
    for (filter, count) in filters.iter().zip(counts) {
        let rows = all(&view, filter).await;
        assert_eq!(rows, all(&scan, filter).await, "{filter:?}");
        assert_eq!(rows.len(), count, "{filter:?}");
    }
    let page = view.open(None, 10).await.unwrap();
    assert_eq!(page.items.iter().map(|row| row.saga_id).collect::<Vec<_>>(), [open]);
    assert_eq!(page.items[0].current_steps, ["pay".into()]);

    shop.payment.let_in(10);
    let directory = Arc::new(view);
    let definitions = vec![shop.definition()];
    let options = SagaOptions::default();
    shop.engine = SagaEngine::new(Arc::clone(&shop.store), definitions, directory.clone(), shop.host.clone(), options);
    let stop = StopSignal::new();
    let (engine, signal) = (shop.engine.clone(), stop.clone());
    let running = tasks::spawn("engine", async move { engine.run(signal).await });
    let signal = stop.clone();
    let projecting = tasks::spawn("projection", async move { runner.run(signal).await });
    while shop.engine.show(&open).await.unwrap().unwrap().state != SagaState::Completed {
        tokio::task::yield_now().await;
    }
    directory.caught_up(Duration::from_secs(30)).await.unwrap();
    assert!(shop.engine.stuck().await.unwrap().is_empty());
    stop.cancel();
    running.await.unwrap();
    projecting.await.unwrap().unwrap();
}
