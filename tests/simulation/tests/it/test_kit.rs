//! The saga engine's test kit on both sagas of the shop, over their real participants.

use madrigal_saga::SagaState;
use madrigal_saga::testkit::{Report, torture};
use madrigal_simulation::kit::ShopWorld;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

fn made(world: impl Future<Output = Result<ShopWorld, String>>) -> ShopWorld {
    block_in_place(|| Handle::current().block_on(world)).unwrap()
}

fn every_way(report: &Report) {
    assert!(report.trials.iter().all(|trial| trial.struck > 0));
    assert!(report.trials.iter().any(|trial| trial.state == SagaState::Completed));
    assert!(report.trials.iter().any(|trial| trial.state == SagaState::Compensated));
    println!("{} trials", report.trials.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn placing_an_order_survives_every_trouble_at_every_node() {
    let report = torture(|| made(ShopWorld::before_an_order())).await;
    every_way(&report);
    // 10 + 10 + 3 + 6 + 6 injections; crashes before and after each of at least 5 appends forward and 4 on the way back.
    assert!(report.trials.len() >= 35 + 18, "{}", report.trials.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_an_order_survives_every_trouble_at_every_node() {
    let report = torture(|| made(ShopWorld::with_an_order())).await;
    every_way(&report);
    // 3 injections at the pivot, 6 at each of three steps after it, and crashes: the three share appends, or not.
    assert!(report.trials.len() >= 21 + 4, "{}", report.trials.len());
}
