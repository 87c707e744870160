//! Everything comes to its end: unknown outcomes become known, sagas end.

use std::time::Duration;

use futures::future::{join, join_all};
use madrigal_client::Shop;
use madrigal_core::tasks::{self, StopSignal};
use madrigal_invariants::open_sagas;
use serde_json::{Value, json};

use crate::clerks::Clerk;
use crate::customers::Customer;
use crate::facts::Facts;

/// How long customers may ask for what they do not know yet.
const RESOLVING: Duration = Duration::from_secs(120);
/// How long sagas may take to end.
const ENDING: Duration = Duration::from_secs(180);
/// When an operator looks at sagas that wait for a person.
const OPERATOR_LOOKS: Duration = Duration::from_secs(10);
/// How often open sagas are counted.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How it went.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// Sagas that are still open.
    pub(crate) open: Vec<Value>,
    /// Sagas that an operator moved on: paused ones were resumed, stuck ones tried again at once.
    pub(crate) helped: usize,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Waits until everything has come to its end, in bounded time.
pub(crate) async fn come_to_rest(
    (customers, facts): (&[Customer], &mut [Facts]),
    (clerks, known): (&[Clerk], &mut [Facts]),
    operator: &Shop,
    stop: &StopSignal,
) -> anyhow::Result<Rest> {
    let began = tasks::instant();
    let enough = stop.child_token();
    let resolving = join_all(customers.iter().zip(facts).map(|(customer, facts)| customer.resolve(facts, &enough)));
    let settling = join_all(clerks.iter().zip(known).map(|(clerk, facts)| clerk.resolve(facts, &enough)));
    tokio::select! {
        _ = join(resolving, settling) => {}
        // Past the limit what is unknown stays so, and the verdict says it.
        () = async { tasks::sleep(RESOLVING).await; enough.cancel(); std::future::pending::<()>().await } => {}
    }
    let mut rest = Rest::default();
    let (ending, mut looked) = (tasks::instant(), false);
    loop {
        rest.open = open_sagas(operator).await?;
        if rest.open.is_empty() || ending.elapsed() > ENDING || stop.is_cancelled() {
            break;
        }
        if !looked && ending.elapsed() > OPERATOR_LOOKS {
            looked = true;
            rest.helped = help(operator, &rest.open).await?;
        }
        tasks::sleep(LOOK_EVERY).await;
    }
    rest.took = began.elapsed();
    Ok(rest)
}

/// What an operator would do about sagas that wait for one.
async fn help(operator: &Shop, open: &[Value]) -> anyhow::Result<usize> {
    let mut helped = 0;
    for saga in open {
        let verb = match saga["state"].as_str() {
            Some("paused") => "resume",
            Some("stuck") => "retry",
            _ => continue,
        };
        let path = format!("/v1/sagas/{}/{verb}", saga["sagaId"].as_str().unwrap_or_default());
        let answer = operator.post(&path, &json!({ "reason": "everything runs again" })).await?;
        helped += usize::from(answer.status.is_success());
    }
    Ok(helped)
}
