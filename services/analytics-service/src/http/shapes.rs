//! What the routes take and give.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::dashboards::ProductRank;

/// Which days, in which time zone.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SeriesQuery {
    /// The first day; 30 days (by hour: 2) unless stated.
    #[param(format = Date, example = "2026-11-01")]
    pub(super) from: Option<String>,
    /// The last day, included; today unless stated.
    #[param(format = Date, example = "2026-11-23")]
    pub(super) to: Option<String>,
    /// Whose days: `UTC` unless stated, or an offset in whole hours, `-12:00` to `+14:00` (`+` is `%2B` in a URL).
    #[param(pattern = "^(UTC|Z|[+]0[0-9]:00|[+]1[0-4]:00|-0[1-9]:00|-1[0-2]:00)$", example = "+02:00")]
    pub(super) tz: Option<String>,
}

/// Which days of UTC.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DaysQuery {
    /// The first day; 30 days unless stated.
    #[param(format = Date, example = "2026-11-01")]
    pub(super) from: Option<String>,
    /// The last day, included; today unless stated.
    #[param(format = Date, example = "2026-11-23")]
    pub(super) to: Option<String>,
}

/// Which products.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProductsQuery {
    /// The first day; 30 days unless stated.
    #[param(format = Date, example = "2026-11-01")]
    pub(super) from: Option<String>,
    /// The last day, included; today unless stated.
    #[param(format = Date, example = "2026-11-23")]
    pub(super) to: Option<String>,
    /// `revenue` unless stated, `units` or `orders`.
    #[param(inline)]
    pub(super) by: Option<ProductRank>,
    /// Only this currency.
    #[param(pattern = "^[A-Z]{3}$")]
    pub(super) currency: Option<String>,
    /// How many in each currency: 1 to 100; 10 unless stated.
    #[param(minimum = 1, maximum = 100)]
    pub(super) limit: Option<u32>,
}

/// Which customers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CustomersQuery {
    /// The first day; 30 days unless stated.
    #[param(format = Date, example = "2026-11-01")]
    pub(super) from: Option<String>,
    /// The last day, included; today unless stated.
    #[param(format = Date, example = "2026-11-23")]
    pub(super) to: Option<String>,
    /// Only this currency.
    #[param(pattern = "^[A-Z]{3}$")]
    pub(super) currency: Option<String>,
    /// How many in each currency: 1 to 100; 10 unless stated.
    #[param(minimum = 1, maximum = 100)]
    pub(super) limit: Option<u32>,
}

/// Rows of a period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed<T> {
    /// The first day.
    pub(super) from: String,
    /// The last day.
    pub(super) to: String,
    /// Whose days these are.
    #[schema(example = "Z")]
    pub(super) tz: String,
    /// The rows.
    pub(super) items: Vec<T>,
}
