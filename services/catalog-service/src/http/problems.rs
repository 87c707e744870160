//! Refusals as problems, each in one way.

use http::StatusCode;
use madrigal_core::{Fault, FaultRetry, StreamVersion};
use madrigal_http::problem::{self, Problem};
use madrigal_projection::NotYet;

use crate::commands::Reply;
use crate::domain::{ProductId, ProductRefusal, StockRefusal};
use crate::queries::{PageError, SearchError};
use crate::search::ReloadError;

/// The id in a path, or 404: a text of another form names no product.
pub(super) fn product_id(text: &str) -> Result<ProductId, Problem> {
    ProductId::parse(text).ok_or_else(no_product)
}

pub(super) fn no_product() -> Problem {
    problem::not_found("such product")
}

/// A rating of somebody who did not receive the product.
pub(super) fn not_received() -> Problem {
    problem::conflict(
        "product-not-received",
        "The product was not received",
        "Only customers to whom an order with this product was delivered rate it.",
    )
}

/// A second rating.
pub(super) fn already_rated() -> Problem {
    problem::conflict("product-already-rated", "The product is rated", "Each customer rates a product once.")
}

/// Why nothing was searched.
pub(super) fn of_search(error: &SearchError) -> Problem {
    match error {
        SearchError::BeingBuilt { events } => problem::not_yet_visible(*events),
        SearchError::Fault(fault) => problem::from_fault(fault),
    }
}

/// Why the old synonyms stay.
pub(super) fn of_reload(error: &ReloadError) -> Problem {
    match error {
        ReloadError::BadLines(lines) => {
            let errors = lines.iter().map(|bad| problem::FieldError {
                pointer: format!("/lines/{}", bad.line),
                detail: bad.problem.clone(),
            });
            Problem::new(StatusCode::CONFLICT, "bad-synonyms", "The synonyms are not understood")
                .detail("The old synonyms stay in force. Lines are counted from 1; 0 is the file as a whole.")
                .errors(errors.collect())
        }
        ReloadError::Unreadable(_) => problem::conflict(
            "synonyms-unreadable",
            "The file of synonyms cannot be read",
            "The old synonyms stay in force. The file is missing, not UTF-8, or not readable for the service.",
        ),
    }
}

/// An edit from a version that the product never had.
pub(super) fn unknown_base(current: StreamVersion) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "base-unknown", "It is not known what this was based on")
        .detail(format!("The product has no such version; the current one is {current}."))
        .with("currentVersion", current.0.into())
}

/// Fields that both changed, and that no rule decides.
pub(super) fn merge_conflict(fields: Vec<problem::FieldError>, current: StreamVersion) -> Problem {
    problem::conflict("merge-conflict", "A person must decide", "See errors for both values. Nothing was changed.")
        .errors(fields)
        .with("currentVersion", current.0.into())
}

/// A product that others change all the time.
pub(super) fn contended() -> Problem {
    problem::conflict("contended", "Too many changes at once", "Others changed this product at the same time.")
        .retryable(true)
}

/// The problem behind an answer of the desk that is not the one hoped for.
pub(super) fn of_reply(reply: &Reply) -> Problem {
    match reply {
        Reply::ProductRefused(ProductRefusal::Exists) => problem::conflict(
            "product-exists",
            "The product exists",
            "A product with this productId exists, or existed and was withdrawn.",
        ),
        Reply::ProductRefused(ProductRefusal::Withdrawn) => problem::conflict(
            "product-withdrawn",
            "The product was withdrawn",
            "It was taken out of the catalogue and cannot come back under the same productId.",
        ),
        Reply::ProductRefused(ProductRefusal::NotFound) => no_product(),
        Reply::OtherRequest => problem::idempotency_key_reused(),
        Reply::OtherVersion { current } => problem::version_mismatch(*current),
        Reply::StockRefused(StockRefusal::Overdrawn { available }) => problem::conflict(
            "stock-overdrawn",
            "Not so many are available",
            format!("Only {available} are on hand and not reserved."),
        )
        .with("available", (*available).into()),
        Reply::StockRefused(StockRefusal::Overflow) => {
            problem::conflict("stock-overflow", "The stock would be too large", "The sum does not fit into 64 bits.")
        }
        Reply::StockRefused(StockRefusal::NoChange) => problem::invalid_body(vec![problem::FieldError {
            pointer: "/change".to_owned(),
            detail: "must not be 0".to_owned(),
        }]),
        other => problem::from_fault(
            &Fault::unknown("catalog", "answer", format!("the desk answered another question: {other:?}"))
                .with_retry(FaultRetry::Never),
        ),
    }
}

/// A page that cannot be shown now.
pub(super) fn of_page(error: PageError) -> Problem {
    match error {
        PageError::NotYet(error) => of_not_yet(error),
        PageError::Fault(fault) => problem::from_fault(&fault),
    }
}

/// A view that is not as fresh as the token asks.
pub(super) fn of_not_yet(error: NotYet) -> Problem {
    match error {
        NotYet::Behind { lag, .. } => problem::not_yet_visible(lag.events),
        NotYet::OtherEpoch { .. } | NotYet::BeyondEnd { .. } => problem::other_epoch(),
    }
}

/// A line of an import that could not be repeated safely.
pub(super) fn product_id_required() -> Problem {
    problem::invalid_body(vec![problem::FieldError {
        pointer: "/productId".to_owned(),
        detail: "is required in an import: without it, importing again would create the product again".to_owned(),
    }])
}
