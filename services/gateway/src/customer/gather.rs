//! Asking the services, and putting together what they answer.

use std::collections::BTreeMap;

use futures::future::{OptionFuture, join3};
use madrigal_contracts::analytics::{CustomerFigures, GetCustomerFigures};
use madrigal_contracts::catalog::QuoteProducts;
use madrigal_contracts::copies::CopyRow;
use madrigal_contracts::copies::fresh::{FreshCopyRow, ReadFreshCopyRow};
use madrigal_contracts::order::{CustomerOrders, ListCustomerOrders};
use madrigal_core::{CallContext, Fault, PersonId, PositionToken};
use madrigal_http::Neighbour;
use madrigal_http::problem::{self, Answered};
use serde_json::Value;

use super::Include;
use super::shapes::{CustomerOverview, MissingPart};
use crate::story::Storytellers;

/// How many orders are shown.
const ORDERS: usize = 10;
/// The copy of users that is read: the brief's read model, kept by user-service itself.
const USERS: &str = "users.key-value";

/// The overview of a customer.
///
/// # Errors
/// 404 where every service answers and none knows of them; 412 where one follows another history than `seen` names.
pub(super) async fn overview(
    services: &Storytellers,
    context: &CallContext,
    user_id: PersonId,
    include: Include,
    seen: Option<PositionToken>,
) -> Answered<CustomerOverview> {
    let read = ReadFreshCopyRow { copy: USERS.to_owned(), key: user_id.to_string(), seen: seen.clone() };
    let list = ListCustomerOrders { user_id, limit: ORDERS, seen: seen.clone() };
    let figures = GetCustomerFigures { user_id, seen: seen.clone() };
    let asked_orders: OptionFuture<_> = include.orders.then(|| services.orders.call(context, list)).into();
    let asked_figures: OptionFuture<_> = include.figures().then(|| services.analytics.call(context, figures)).into();
    let (user, orders, figures) = join3(services.users.call(context, read), asked_orders, asked_figures).await;

    let mut overview = CustomerOverview {
        user_id,
        user: None,
        orders: None,
        spending: None,
        recent: None,
        recommendations: None,
        as_of: BTreeMap::new(),
        missing: Vec::new(),
    };
    let known = match user {
        Ok(FreshCopyRow { row, position }) => {
            same_history(seen.as_ref(), &position)?;
            overview.as_of.insert("user-service", position);
            overview.user = row.and_then(shown);
            overview.user.is_some()
        }
        Err(fault) => {
            without(&mut overview, &services.users, &["user"], &fault);
            true
        }
    };
    match orders {
        Some(Ok(CustomerOrders { orders, position })) => {
            same_history(seen.as_ref(), &position)?;
            overview.as_of.insert("order-service", position);
            overview.orders = Some(orders);
        }
        Some(Err(fault)) => without(&mut overview, &services.orders, &["orders"], &fault),
        None => {}
    }
    match figures {
        Some(Ok(figures)) => {
            same_history(seen.as_ref(), &figures.position)?;
            recommend(&mut overview, services, context, include, &figures).await;
            let CustomerFigures { spending, recent, position, .. } = figures;
            overview.as_of.insert("analytics-service", position);
            overview.spending = include.spending.then_some(spending);
            overview.recent = include.recent.then_some(recent);
        }
        Some(Err(fault)) => {
            let parts = [
                (include.spending, "spending"),
                (include.recent, "recent"),
                (include.recommendations, "recommendations"),
            ];
            let parts: Vec<_> = parts.into_iter().filter(|(asked, _)| *asked).map(|(_, part)| part).collect();
            without(&mut overview, &services.analytics, &parts, &fault);
        }
        None => {}
    }
    let orders = overview.orders.as_ref().is_some_and(|orders| !orders.is_empty());
    let spent = overview.spending.as_ref().is_some_and(|spending| !spending.is_empty());
    if !known && !orders && !spent && overview.missing.is_empty() {
        return Err(problem::not_found("such customer"));
    }
    Ok(overview)
}

/// Refuses an answer of another history of a log than the caller has seen: positions say nothing then, and no waiting helps.
fn same_history(seen: Option<&PositionToken>, position: &PositionToken) -> Answered<()> {
    let mut seen = seen.into_iter().flat_map(PositionToken::components);
    let differs = |log, epoch| position.component(log).is_some_and(|(known, _)| known != epoch);
    if seen.any(|(log, epoch, _)| differs(log, epoch)) { Err(problem::other_epoch()) } else { Ok(()) }
}

/// What analytics-service proposes, as far as catalog-service sells it.
async fn recommend(
    overview: &mut CustomerOverview,
    services: &Storytellers,
    context: &CallContext,
    include: Include,
    figures: &CustomerFigures,
) {
    if !include.recommendations {
        return;
    }
    if figures.candidates.is_empty() {
        overview.recommendations = Some(Vec::new());
        return;
    }
    match services.catalog.call(context, QuoteProducts { product_ids: figures.candidates.clone() }).await {
        Ok(quotes) => overview.recommendations = Some(quotes.into_iter().filter(|quote| quote.orderable).collect()),
        Err(fault) => without(overview, &services.catalog, &["recommendations"], &fault),
    }
}

/// The read model without what is about the copy itself; `None` where the user was deleted.
fn shown(row: CopyRow) -> Option<Value> {
    let fields = row.row?;
    let shown = ["username", "email", "profile", "createdAt"].into_iter();
    let mut user: serde_json::Map<String, Value> =
        shown.filter_map(|field| Some((field.to_owned(), fields.get(field)?.clone()))).collect();
    user.insert("version".to_owned(), row.version.count().into());
    Some(Value::Object(user))
}

/// What is inside of a fault is for the log, not for whoever asks.
fn without(overview: &mut CustomerOverview, service: &Neighbour, parts: &[&'static str], fault: &Fault) {
    let service = service.service();
    tracing::warn!(service, cause = %fault.chain(), "an overview is given without this service");
    let detail = format!("{service} does not answer now. Try again later.");
    overview.missing.extend(parts.iter().map(|part| MissingPart { part, service, detail: detail.clone() }));
}
