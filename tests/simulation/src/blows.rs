//! What goes wrong: processes and machines die at any moment, syncs become slow or fail, old instances go on.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks;
use madrigal_sim::Dice;

use crate::shop::{Role, Shop};

/// One kind of blow.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// The service dies.
    Crash,
    /// The machine of its store dies.
    StoreCrash,
    /// The power goes in the middle of a write or a sync, some changes from now.
    TornWrite,
    /// The device answers a sync with an error; the process is restarted soon after.
    FailedSync,
    /// Syncs take long for a while.
    SlowSyncs,
    /// A new instance starts while the old one goes on.
    Zombie,
    /// The views' file is lost with the process.
    LostViews,
    /// Whatever is sent to the service, or to its store, is held up, longer than sagas have before their pivot, perhaps.
    HeldUp,
}

const BLOWS: &[Blow] = &[
    Blow::Crash,
    Blow::Crash,
    Blow::Crash,
    Blow::StoreCrash,
    Blow::StoreCrash,
    Blow::TornWrite,
    Blow::TornWrite,
    Blow::FailedSync,
    Blow::SlowSyncs,
    Blow::Zombie,
    Blow::Zombie,
    Blow::LostViews,
    Blow::HeldUp,
    Blow::HeldUp,
    Blow::HeldUp,
];

/// How long a sync takes on a good day: less than the clock can tell, up to what a busy device needs.
const QUICK: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_millis(4);
/// How long a sync takes on a bad one.
const SLOW: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_millis(3_000);

/// Deals all blows of the plan, one after the other, then mends everything.
pub async fn deal(shop: &Arc<Shop>) {
    let dice = shop.world.dice("blows");
    for role in Role::SERVICES {
        shop.node(role).machine_of_store().disk().set(|faults| faults.sync_takes = Some(QUICK));
    }
    let count = u64::from(shop.plan.blows).max(1);
    let pause = u64::try_from(shop.plan.trouble.as_millis()).unwrap_or(u64::MAX) / count;
    for _ in 0..shop.plan.blows {
        tasks::sleep(dice.millis(0..2 * pause)).await;
        let role = if dice.percent(40) { Role::Order } else { *dice.pick(&Role::SERVICES) };
        let blow = *dice.pick(BLOWS);
        shop.world.trace().say(role.log(), format_args!("blow: {blow:?}"));
        strike(shop, role, blow, &dice).await;
    }
    for role in Role::SERVICES {
        let node = shop.node(role);
        node.machine_of_store().disk().set(|faults| faults.sync_takes = Some(QUICK));
        node.machine.bury();
    }
}

async fn strike(shop: &Arc<Shop>, role: Role, blow: Blow, dice: &Dice) {
    let node = shop.node(role);
    let disk = node.machine_of_store().disk();
    match blow {
        Blow::Crash => {
            shop.kill(role);
            pause(dice).await;
            shop.start(role).await;
        }
        Blow::StoreCrash => restart_store(shop, role, dice).await,
        Blow::TornWrite => {
            disk.set(|faults| faults.power_off_after = Some(dice.below(12)));
            tasks::sleep(dice.millis(1..1_000)).await;
            restart_store(shop, role, dice).await;
        }
        Blow::FailedSync => {
            disk.set(|faults| faults.syncs_fail = true);
            tasks::sleep(dice.millis(1..500)).await;
            disk.set(|faults| faults.syncs_fail = false);
            restart_store(shop, role, dice).await;
        }
        Blow::SlowSyncs => {
            disk.set(|faults| faults.sync_takes = Some(SLOW));
            tasks::sleep(dice.millis(100..8_000)).await;
            disk.set(|faults| faults.sync_takes = Some(QUICK));
        }
        Blow::Zombie if node.database.is_some() => {
            shop.start(role).await;
            tasks::sleep(dice.millis(100..8_000)).await;
        }
        // A store in a directory has one process, by its lock.
        Blow::Zombie => {}
        Blow::HeldUp => {
            let name = if dice.percent(25) { role.store() } else { role.service() };
            shop.network.hold(name, hold_up(dice));
        }
        Blow::LostViews => {
            shop.kill(role);
            shop.lose_views(role);
            pause(dice).await;
            shop.start(role).await;
        }
    }
}

/// How long messages are held up: the order saga has 30 s before its pivot.
fn hold_up(dice: &Dice) -> Duration {
    if dice.percent(50) { dice.millis(100..6_000) } else { dice.millis(6_000..45_000) }
}

async fn restart_store(shop: &Arc<Shop>, role: Role, dice: &Dice) {
    shop.kill_database(role);
    pause(dice).await;
    if shop.node(role).database.is_some() {
        shop.start_database(role).await;
    } else {
        shop.start(role).await;
    }
}

async fn pause(dice: &Dice) {
    let down = if dice.percent(70) { dice.millis(2..300) } else { dice.millis(300..9_000) };
    tasks::sleep(down).await;
}
