//! Whatever is asked in whatever order: the books balance and nothing goes below zero.

use std::sync::Arc;

use futures::future::join_all;
use madrigal_catalog_service::commands::{Command, DeskOptions, Reply};
use madrigal_catalog_service::domain::{ReleaseCause, Standing};
use madrigal_core::{FaultRetry, Host};
use madrigal_event_store::{MemorySnapshots, SnapshotStore};
use proptest::prelude::*;

use crate::support::{Desk, FINE, Troubled, id, reserve, saga};

const PRODUCTS: [&str; 3] = ["tea", "milk", "salt"];

#[derive(Debug, Clone)]
enum Step {
    /// Of one of two desks.
    Ask(usize, Asked),
    Trouble(u8),
    /// What is late arrives.
    Land,
    Restart(usize),
}

#[derive(Debug, Clone)]
enum Asked {
    Reserve(u8, Vec<(usize, u32)>),
    Release(u8),
    Confirm(u8),
    TakeBack(u8),
    Change(usize, i64),
}

fn asked() -> impl Strategy<Value = Asked> {
    let lines = proptest::collection::btree_map(0..PRODUCTS.len(), 1u32..5, 1..3);
    prop_oneof![
        4 => (0u8..12, lines).prop_map(|(saga, lines)| Asked::Reserve(saga, lines.into_iter().collect())),
        2 => (0u8..12).prop_map(Asked::Release),
        3 => (0u8..12).prop_map(Asked::Confirm),
        2 => (0u8..12).prop_map(Asked::TakeBack),
        1 => (0..PRODUCTS.len(), -6i64..10).prop_map(|(product, change)| Asked::Change(product, change)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        16 => asked().prop_map(|asked| Step::Ask(0, asked)),
        4 => asked().prop_map(|asked| Step::Ask(1, asked)),
        2 => (1u8..5).prop_map(Step::Trouble),
        1 => Just(Step::Land),
        1 => (0usize..2).prop_map(Step::Restart),
    ];
    proptest::collection::vec(proptest::collection::vec(step, 1..8), 1..20)
}

fn command(asked: &Asked) -> Command {
    match asked {
        Asked::Reserve(saga, lines) => {
            let lines: Vec<(&str, u32)> =
                lines.iter().map(|(product, quantity)| (PRODUCTS[*product], *quantity)).collect();
            reserve(&format!("s{saga}"), &lines)
        }
        Asked::Release(name) => Command::Release { saga: saga(&format!("s{name}")), cause: ReleaseCause::Undone },
        Asked::Confirm(name) => Command::Confirm { saga: saga(&format!("s{name}")) },
        Asked::TakeBack(name) => Command::TakeBack { saga: saga(&format!("s{name}")) },
        Asked::Change(product, change) => {
            Command::ChangeStock { product: id(PRODUCTS[*product]), change: *change, reason: "test".into() }
        }
    }
}

/// Runs groups of steps; what a group asks, it asks at once. Then compares the stocks with the reservations.
async fn run(groups: Vec<Vec<Step>>, shelves: usize, slips: usize) {
    let host = Host::seeded(1);
    let store = Troubled::new(&host);
    let options = DeskOptions {
        shelves: shelves.try_into().unwrap(),
        slips: slips.try_into().unwrap(),
        snapshot_every: 3,
        ..DeskOptions::default()
    };
    let snapshots: Arc<dyn SnapshotStore> = Arc::new(MemorySnapshots::new());
    let open = || Desk::with_snapshots(store.clone(), &host, options, Some(Arc::clone(&snapshots)));
    // The second desk is an old instance that goes on.
    let mut desks = [open(), open()];
    for product in PRODUCTS {
        desks[0].create(product, 10).await;
    }
    for group in groups {
        let mut together = Vec::new();
        for step in &group {
            match step {
                Step::Ask(which, asked) => together.push(desks[*which].ask(command(asked))),
                Step::Trouble(what) => store.next_append(*what),
                Step::Land => store.land().await,
                Step::Restart(_) => {}
            }
        }
        for reply in join_all(together).await {
            // Trouble passes; books that do not balance, or an append that can never be made, do not.
            let stays = reply.as_ref().is_err_and(|fault| fault.retry == FaultRetry::Never);
            assert!(!stays, "{reply:?}");
        }
        for step in &group {
            if let Step::Restart(which) = step {
                desks[*which].desk.close().await;
                desks[*which] = open();
            }
        }
    }
    store.next_append(FINE);
    store.land().await;
    // What is asked once more of whatever desk is answered as the log has it.
    for (name, desk) in (0..12).zip(desks.iter().cycle()) {
        let loaded = desk.loader.slip(&saga(&format!("s{name}"))).await.unwrap().reservation;
        let reply = desk.confirm(&format!("s{name}")).await;
        let as_in_the_log = match loaded.map(|reservation| reservation.standing) {
            None => reply == Reply::NoReservation,
            Some(Standing::Reserved | Standing::Sold | Standing::Returned) => matches!(reply, Reply::Sold { .. }),
            Some(_) => matches!(reply, Reply::SoldAfterRelease { .. }),
        };
        assert!(as_in_the_log, "{reply:?}");
    }
    let desk = Desk::on(store, &host);
    let (mut reserved, mut sold) = ([0i64; 3], [0i64; 3]);
    for name in 0..12 {
        let Some(reservation) = desk.loader.slip(&saga(&format!("s{name}"))).await.unwrap().reservation else {
            continue;
        };
        let count = match reservation.standing {
            Standing::Reserved => &mut reserved,
            Standing::Sold => &mut sold,
            _ => continue,
        };
        for line in &reservation.lines {
            let place = PRODUCTS.iter().position(|product| *product == line.product_id.as_str()).unwrap();
            count[place] += i64::from(line.quantity);
        }
    }
    for (place, product) in PRODUCTS.iter().enumerate() {
        let stock = desk.stock(product).await;
        assert!(stock.balances(), "{stock:?}");
        assert_eq!((stock.reserved, stock.sold), (reserved[place], sold[place]), "{product}");
    }
}

fn block_on(run: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_books_balance_whatever_is_asked(groups in steps()) {
        block_on(run(groups, 100, 100));
    }

    #[test]
    fn the_books_balance_where_states_are_evicted_and_loaded_all_the_time(groups in steps()) {
        block_on(run(groups, 2, 3));
    }
}
