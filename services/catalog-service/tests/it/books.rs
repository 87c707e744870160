//! Whatever is asked in whatever order: the books balance and nothing goes below zero.

use futures::future::join_all;
use madrigal_catalog_service::commands::{Command, DeskOptions};
use madrigal_catalog_service::domain::{ReleaseCause, Standing};
use madrigal_core::Host;
use proptest::prelude::*;

use crate::support::{Desk, Troubled, id, reserve, saga};

const PRODUCTS: [&str; 3] = ["tea", "milk", "salt"];

#[derive(Debug, Clone)]
enum Step {
    Ask(Asked),
    Trouble(u8),
    Restart,
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
        20 => asked().prop_map(Step::Ask),
        1 => (1u8..3).prop_map(Step::Trouble),
        1 => Just(Step::Restart),
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
async fn run(groups: Vec<Vec<Step>>) {
    let host = Host::seeded(1);
    let store = Troubled::new(&host);
    // Caches smaller than the shop: states are evicted and loaded again all the time.
    let small = DeskOptions {
        shelves: std::num::NonZeroUsize::new(2).unwrap(),
        slips: std::num::NonZeroUsize::new(3).unwrap(),
        ..DeskOptions::default()
    };
    let mut desk = Desk::with(store.clone(), &host, small);
    for product in PRODUCTS {
        desk.create(product, 10).await;
    }
    for group in groups {
        let mut together = Vec::new();
        for step in &group {
            match step {
                Step::Ask(asked) => together.push(desk.ask(command(asked))),
                Step::Trouble(what) => store.next_append(*what),
                Step::Restart => {}
            }
        }
        join_all(together).await;
        if group.iter().any(|step| matches!(step, Step::Restart)) {
            desk.desk.close().await;
            desk = Desk::with(store.clone(), &host, small);
        }
    }
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_books_balance_whatever_is_asked(groups in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(groups));
    }
}
