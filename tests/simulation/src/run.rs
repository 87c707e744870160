//! One seed, from beginning to end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use madrigal_core::CallContext;
use madrigal_core::tasks;
use madrigal_sim::World;

use crate::blows;
use crate::books::Books;
use crate::customers::{Customer, Heard};
use crate::invariants::{Invariant, Violation, violations};
use crate::mutants::Mutant;
use crate::plan::Plan;
use crate::shop::{Shop, api};

/// What came of a seed.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What does not hold; empty where everything does.
    pub violations: Vec<Violation>,
    /// Everything that happened: the same for the same seed, byte by byte.
    pub trace: String,
    /// Orders that were acknowledged.
    pub orders: usize,
}

/// The longest that a shop may take to come to rest after the last blow: longer than any message is under way, than a
/// stuck undo waits and than a provider's backoff grows.
const REST: Duration = Duration::from_hours(3);
/// How long nothing must have been open: longer than the latest message is under way.
const QUIET: Duration = Duration::from_secs(75);
/// How long views, mails and reports have to catch up, and the catalogue to give back what the last late message took
/// for a saga that was over: a reservation's age and the pause between two rounds of the expiry are a minute each.
const CATCH_UP: Duration = Duration::from_secs(135);
/// How often the operator looks.
const ROUND: Duration = Duration::from_secs(5);

/// Runs a seed.
///
/// # Errors
/// Where the system refuses the runtime its resources.
pub fn run(seed: u64, mutant: Option<Mutant>) -> io::Result<Outcome> {
    World::run(seed, |world| async move {
        let shop = Shop::new(&world, Plan::drawn(&world.dice("plan"), &world.dice("further plan"), mutant), mutant);
        let violations = live(&shop).await;
        for violation in &violations.0 {
            world.trace().say("verdict", format_args!("{violation}"));
        }
        Outcome { seed, violations: violations.0, trace: world.trace().text(), orders: violations.1 }
    })
}

async fn live(shop: &Arc<Shop>) -> (Vec<Violation>, usize) {
    shop.world.trace().say("plan", format_args!("{:?}", shop.plan));
    shop.open().await;
    let heard = Heard::default();
    let customers = (1..=i64::from(shop.plan.customers)).map(|user| Customer::new(shop, user, &heard).shop());
    let (_, ()) = tokio::join!(join_all(customers), async {
        blows::deal(shop).await;
        shop.network.calm_down();
        shop.world.trace().say("world", format_args!("calm"));
    });
    let rested = rest(shop).await;
    let mut problems = match Books::read(shop, &heard).await {
        Ok(books) => violations(&books),
        Err(problem) => vec![Violation::new(Invariant::LogsOpen, problem)],
    };
    problems.extend(shop.refusals().into_iter().map(|refusal| Violation::new(Invariant::LogsOpen, refusal)));
    if let Err(open) = rested {
        problems.push(Violation::new(Invariant::SagasEnd, open));
    }
    (problems, heard.placed())
}

/// Waits until no saga is open and nothing is under way, resuming what is paused as an operator would.
async fn rest(shop: &Arc<Shop>) -> Result<(), String> {
    let door = shop.front_door("operator");
    let host = shop.world.host("operator");
    let begun = tasks::instant();
    let mut quiet_since = None;
    let mut open = None;
    while begun.elapsed() < REST {
        let answered = door.call(&CallContext::new(&host), api::Tend {}).await;
        open = answered.ok();
        match (open, quiet_since) {
            (Some(0), None) => quiet_since = Some(tasks::instant()),
            (Some(0), Some(since)) if since.elapsed() >= QUIET => {
                tasks::sleep(CATCH_UP).await;
                return Ok(());
            }
            (Some(0), Some(_)) => {}
            _ => quiet_since = None,
        }
        tasks::sleep(ROUND).await;
    }
    Err(open.map_or_else(|| "order-service does not answer".to_owned(), |open| format!("{open} sagas are open")))
}
