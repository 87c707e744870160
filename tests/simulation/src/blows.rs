//! What goes wrong: processes and machines die at any moment, syncs become slow or fail, old instances go on.
//!
//! Two hands deal: one those blows that were there from the beginning, the other those that came later, so that seeds
//! which ever failed go on as they did as far as that is possible.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use madrigal_core::tasks;
use madrigal_journal::{Disk, MemoryDisk};
use madrigal_sim::{Cut, Dice};

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

/// One kind of blow that came later.
#[derive(Debug, Clone, Copy)]
enum Further {
    /// The process stands still for a while, and goes on as if nothing had been; where its store is elsewhere, perhaps
    /// after a new instance has taken over.
    Frozen,
    /// The machine of its store stands still for a while.
    FrozenStore,
    /// There is no room on the disk of its store for a while.
    FullDisk,
    /// The disk of its store takes no writes for a while.
    ReadOnlyDisk,
    /// Whatever is sent to the service or to its store, or whatever that answers, is lost for a while.
    CutOff,
}

const FURTHER: &[Further] = &[
    Further::Frozen,
    Further::Frozen,
    Further::Frozen,
    Further::FrozenStore,
    Further::FullDisk,
    Further::FullDisk,
    Further::ReadOnlyDisk,
    Further::CutOff,
    Further::CutOff,
];

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

/// Deals all blows of the plan, then mends everything.
pub async fn deal(shop: &Arc<Shop>) {
    for role in Role::SERVICES {
        shop.node(role).machine_of_store().disk().set(|faults| faults.sync_takes = Some(QUICK));
    }
    tokio::join!(deal_first(shop), deal_further(shop));
    for role in Role::SERVICES {
        let node = shop.node(role);
        node.machine_of_store().disk().set(|faults| faults.sync_takes = Some(QUICK));
        node.machine.bury();
    }
}

/// The blows that were there from the beginning, one after the other.
async fn deal_first(shop: &Arc<Shop>) {
    let dice = shop.world.dice("blows");
    for _ in 0..shop.plan.blows {
        tasks::sleep(until_next(shop, shop.plan.blows, &dice)).await;
        let role = someone(&dice);
        let blow = *dice.pick(BLOWS);
        shop.world.trace().say(role.log(), format_args!("blow: {blow:?}"));
        strike(shop, role, blow, &dice).await;
    }
}

/// Those that came later, one after the other.
async fn deal_further(shop: &Arc<Shop>) {
    let dice = shop.world.dice("further blows");
    for _ in 0..shop.plan.further_blows {
        tasks::sleep(until_next(shop, shop.plan.further_blows, &dice)).await;
        let role = someone(&dice);
        let blow = *dice.pick(FURTHER);
        shop.world.trace().say(role.log(), format_args!("blow: {blow:?}"));
        strike_further(shop, role, blow, &dice).await;
    }
}

fn until_next(shop: &Shop, blows: u32, dice: &Dice) -> Duration {
    let count = u64::from(blows).max(1);
    let pause = u64::try_from(shop.plan.trouble.as_millis()).unwrap_or(u64::MAX) / count;
    dice.millis(0..2 * pause)
}

fn someone(dice: &Dice) -> Role {
    if dice.percent(40) { Role::Order } else { *dice.pick(&Role::SERVICES) }
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
        Blow::Zombie => shop.opens_once(role),
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

async fn strike_further(shop: &Arc<Shop>, role: Role, blow: Further, dice: &Dice) {
    let node = shop.node(role);
    let disk = node.machine_of_store().disk();
    match blow {
        Further::Frozen => {
            let Some(frozen) = node.machine.freeze() else { return };
            tasks::sleep(a_while(dice)).await;
            if node.database.is_some() && dice.percent(60) {
                // The new one has taken over when the old one wakes.
                shop.start(role).await;
                tasks::sleep(a_while(dice)).await;
            }
            shop.world.trace().say(role.log(), format_args!("goes on"));
            frozen.thaw();
        }
        Further::FrozenStore => {
            let Some(frozen) = node.machine_of_store().freeze() else { return };
            tasks::sleep(a_while(dice)).await;
            shop.world.trace().say(role.log(), format_args!("its store goes on"));
            frozen.thaw();
        }
        Further::FullDisk => {
            // Nothing more fits, or less than the next segment takes.
            let left = if dice.percent(50) { 0 } else { dice.below(64 << 10) };
            let room = used(disk) + left;
            shop.world.trace().say(role.log(), format_args!("{left} bytes are left on its disk"));
            disk.set(|faults| faults.room = Some(room));
            tasks::sleep(a_while(dice)).await;
            disk.set(|faults| faults.room = None);
        }
        Further::ReadOnlyDisk => {
            disk.set(|faults| faults.read_only = true);
            tasks::sleep(a_while(dice)).await;
            disk.set(|faults| faults.read_only = false);
        }
        Further::CutOff => {
            let name = if dice.percent(25) { role.store() } else { role.service() };
            let cut = *dice.pick(&[Cut::Requests, Cut::Answers]);
            shop.network.cut(name, cut, a_while(dice));
        }
    }
}

/// How many bytes the files of a disk have.
fn used(disk: &MemoryDisk) -> u64 {
    disk.set(|faults| faults.room = Some(u64::MAX));
    u64::MAX - disk.free(Path::new("/")).unwrap_or(u64::MAX)
}

/// How long a further trouble lasts: shorter and longer than limits of calls and of the order saga.
fn a_while(dice: &Dice) -> Duration {
    if dice.percent(70) { dice.millis(50..5_000) } else { dice.millis(5_000..40_000) }
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
