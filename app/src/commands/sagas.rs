//! `madrigal sagas …`.

use serde_json::{Value, json};

use crate::cli::{SagaVerb, SagasCommand};
use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

pub(super) async fn run(shop: &Shop, format: Format, command: SagasCommand) -> anyhow::Result<()> {
    match command {
        SagasCommand::List { state, definition, limit } => list(shop, format, state, definition, limit).await,
        SagasCommand::Show { saga } => {
            let story = shop.get(&format!("/v1/sagas/{}", id(&saga)?)).await?;
            output::document(format, &story)?;
            Ok(())
        }
        SagasCommand::Pause(verb) => operate(shop, format, &verb, "pause", json!({})).await,
        SagasCommand::Resume(verb) => operate(shop, format, &verb, "resume", json!({})).await,
        SagasCommand::Retry(verb) => operate(shop, format, &verb, "retry", json!({})).await,
        SagasCommand::Compensate(verb) => operate(shop, format, &verb, "compensate", json!({})).await,
        SagasCommand::Abandon { verb, confirm } => {
            if confirm != verb.saga {
                return Err(Ended::Refused("--confirm must repeat the saga's id".to_owned()).into());
            }
            operate(shop, format, &verb, "abandon", json!({})).await
        }
        SagasCommand::Skip { verb, step, with } => {
            let output: Value =
                serde_json::from_str(&with).map_err(|error| Ended::Usage(format!("--with is no JSON: {error}")))?;
            operate(shop, format, &verb, "skip", json!({ "step": step, "output": output })).await
        }
        SagasCommand::MarkUndone { verb, step, evidence } => {
            operate(shop, format, &verb, "mark-undone", json!({ "step": step, "evidence": evidence })).await
        }
    }
}

async fn list(
    shop: &Shop,
    format: Format,
    state: Option<String>,
    definition: Option<String>,
    limit: u32,
) -> anyhow::Result<()> {
    let request = shop.request(reqwest::Method::GET, "/v1/sagas").query(&[("limit", limit.to_string())]);
    let request = state.map(|state| [("state", state)]).iter().fold(request, |request, pair| request.query(pair));
    let request =
        definition.map(|name| [("definition", name)]).iter().fold(request, |request, pair| request.query(pair));
    let page = shop.send(request).await?.ok()?;
    let items = page["items"].as_array().cloned().unwrap_or_default();
    output::items(format, &items, &["sagaId", "definition", "state", "startedAt", "lastProgressAt", "reason"])?;
    Ok(())
}

async fn operate(shop: &Shop, format: Format, verb: &SagaVerb, name: &str, mut body: Value) -> anyhow::Result<()> {
    body["reason"] = Value::from(verb.reason.clone());
    let story = shop.post(&format!("/v1/sagas/{}/{name}", id(&verb.saga)?), &body).await?.ok()?;
    output::document(format, &story)?;
    Ok(())
}

fn id(text: &str) -> anyhow::Result<uuid::Uuid> {
    text.parse().map_err(|_| Ended::Usage(format!("{text:?} is no saga's id")).into())
}
