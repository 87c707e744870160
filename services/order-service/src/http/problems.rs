//! How refusals become problems.

use std::time::Duration;

use http::StatusCode;
use madrigal_http::problem;
use madrigal_http::{FieldError, Problem};
use madrigal_projection::NotYet;
use serde_json::Value;

use crate::aggregates::order::OrderRejection;
use crate::commands::{BuyerName, ChangeError, ImportRefusal, PlaceError};

/// Nothing was begun, and the key is free again (but for a reused key).
pub(super) fn of_place(error: PlaceError) -> Problem {
    match error {
        PlaceError::UnknownUser(user) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-user", "No such user")
            .detail(format!("There is no user {user}."))
            .error("/userId", "there is no such user"),
        PlaceError::Lines(lines) => {
            let errors = lines
                .into_iter()
                .map(|(index, detail)| FieldError { pointer: format!("/items/{index}/productId"), detail })
                .collect();
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unorderable-lines", "Some lines cannot be ordered")
                .detail("See errors for each line that cannot be ordered. Nothing was reserved or charged.")
                .errors(errors)
        }
        PlaceError::Refused(rejection) => of_rejection(&rejection),
        PlaceError::NoSuchDraft => problem::not_found("such draft"),
        PlaceError::OtherRequest => problem::idempotency_key_reused(),
        PlaceError::Draining => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "No new orders now")
            .detail("The service is being stopped. Nothing was begun.")
            .retry_after(Duration::from_secs(5)),
        PlaceError::Fault(fault) => problem::from_fault(&fault),
    }
}

pub(super) fn of_change(error: ChangeError) -> Problem {
    match error {
        ChangeError::NotFound => problem::not_found("such order"),
        ChangeError::WrongVersion(current) => problem::version_mismatch(current),
        ChangeError::Refused(rejection) => of_rejection(&rejection),
        ChangeError::Contended => {
            problem::conflict("contended", "Too many changes at once", "Others changed this order at the same time.")
                .retryable(true)
        }
        ChangeError::Fault(fault) => problem::from_fault(&fault),
    }
}

/// Why a line of an import is refused.
pub(super) fn of_import(refusal: ImportRefusal) -> Problem {
    match refusal {
        ImportRefusal::UnknownBuyer(name) => {
            let (who, pointer) = match name {
                BuyerName::Id(user_id) => (format!("user {user_id}"), "/userId"),
                BuyerName::Username(username) => (format!("user named {username}"), "/customer/username"),
            };
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-user", "No such user")
                .detail(format!("There is no {who}."))
                .error(pointer, "there is no such user")
        }
        ImportRefusal::Exists => problem::conflict(
            "order-exists",
            "Another order has this id",
            "An order with this id is there with other contents. It was not changed.",
        ),
        ImportRefusal::Money(error) => of_rejection(&OrderRejection::Money(error)),
    }
}

pub(super) fn of_rejection(rejection: &OrderRejection) -> Problem {
    match rejection {
        OrderRejection::Status { .. } => {
            problem::conflict("order-status", "The order's status does not allow that", sentence(rejection))
        }
        OrderRejection::NoSuchItem { .. } => problem::not_found("such product in this draft"),
        OrderRejection::Empty
        | OrderRejection::TooLarge
        | OrderRejection::Money(_)
        | OrderRejection::OtherCurrency { .. } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "order-refused", "The order is refused")
                .detail(sentence(rejection))
                .error("/items", rejection.to_string())
        }
    }
}

/// What a saga's refusal means to the caller: nothing is reserved or charged, or is being given back.
pub(super) fn of_refusal(reason: &Value) -> Problem {
    let detail = reason["detail"].as_str().unwrap_or_default();
    match reason["code"].as_str().unwrap_or_default() {
        "out-of-stock" => {
            problem::conflict("out-of-stock", "Out of stock", "Some lines cannot be served. Nothing was charged.")
                .with("lines", reason["lines"].clone())
        }
        "payment-declined" => Problem::new(StatusCode::PAYMENT_REQUIRED, "payment-declined", "Payment declined")
            .detail("The payment was declined. Nothing was charged and nothing is reserved.")
            .with("reason", detail.into()),
        "order-status" => problem::conflict("order-status", "The order's status does not allow that", detail),
        "order-not-found" => problem::not_found("such order"),
        "draft-changed" => problem::conflict("draft-changed", "The draft was changed meanwhile", detail),
        "order-refused" => problem::conflict("order-refused", "The order is refused", detail),
        _ => {
            problem::conflict("order-refused", "The order is refused", "The order was called off before it was placed.")
        }
    }
}

/// The saga gave up before its pivot for another reason than a refusal: what was done is given back.
pub(super) fn of_failure(step: Option<&str>) -> Problem {
    if step == Some(crate::sagas::place_order::PAY) {
        return Problem::new(StatusCode::PAYMENT_REQUIRED, "payment-unconfirmed", "The payment was not confirmed")
            .detail(
                "The payment provider did not confirm in time. There is no order; whatever was charged is given back.",
            );
    }
    problem::conflict(
        "order-failed",
        "The order was not placed",
        "The order was given up. Whatever was done is taken back.",
    )
}

pub(super) fn of_not_yet(error: NotYet) -> Problem {
    match error {
        NotYet::Behind { lag, .. } => problem::not_yet_visible(lag.events),
        NotYet::OtherEpoch { .. } | NotYet::BeyondEnd { .. } => problem::other_epoch(),
    }
}

fn sentence(rejection: &OrderRejection) -> String {
    let mut text = rejection.to_string();
    if let Some(first) = text.get(..1) {
        let first = first.to_uppercase();
        text.replace_range(..1, &first);
    }
    text.push('.');
    text
}
