//! Which service answers which path: the one list, used for proxying and checked when everything runs in one process.

/// A declared path of the API and the service that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// The path, with `{name}` for one segment and `{*rest}` for one or more at the end.
    pub path: &'static str,
    /// The service, as in `order-service`; `gateway` for what the gateway puts together itself.
    pub service: &'static str,
    /// Whether the request's body may be of any length and take its time: imports are streamed, and their service bounds
    /// them line by line. Everything else has the edge's limit.
    pub streamed: bool,
}

const fn to(service: &'static str, path: &'static str) -> Declared {
    Declared { path, service, streamed: false }
}

const fn stream_to(service: &'static str, path: &'static str) -> Declared {
    Declared { path, service, streamed: true }
}

const USER: &str = "user-service";
const CATALOG: &str = "catalog-service";
const ORDER: &str = "order-service";
const PAYMENT: &str = "payment-service";
const NOTIFICATION: &str = "notification-service";
const ANALYTICS: &str = "analytics-service";
const SYNC: &str = "sync-service";
/// What the gateway answers itself, asking several services.
pub(crate) const GATEWAY: &str = "gateway";

/// All paths of the API. Where several fit, literal text goes before `{name}`, and that before `{*rest}`.
pub const TABLE: &[Declared] = &[
    to(USER, "/v1/users"),
    to(USER, "/v1/users/{id}"),
    to(CATALOG, "/v1/users/search"),
    to(USER, "/v1/users/{id}/{*rest}"),
    to(USER, "/v1/sessions"),
    to(ORDER, "/v1/users/{id}/orders"),
    to(ORDER, "/v1/orders"),
    to(ORDER, "/v1/orders/{orderId}"),
    to(ORDER, "/v1/orders/{orderId}/{*rest}"),
    to(GATEWAY, "/v1/orders/{orderId}/story"),
    stream_to(ORDER, "/v1/orders/import"),
    to(ORDER, "/v1/sagas"),
    to(ORDER, "/v1/sagas/{*rest}"),
    to(CATALOG, "/v1/products"),
    to(CATALOG, "/v1/products/{*rest}"),
    stream_to(CATALOG, "/v1/products/import"),
    stream_to(CATALOG, "/v1/products/edits"),
    to(GATEWAY, "/v1/projections"),
    to(GATEWAY, "/v1/projections/{*rest}"),
    to(PAYMENT, "/v1/payments"),
    to(PAYMENT, "/v1/payments/{*rest}"),
    to(NOTIFICATION, "/v1/mails"),
    to(NOTIFICATION, "/v1/mails/{*rest}"),
    to(ANALYTICS, "/v1/analytics/{*rest}"),
    to(GATEWAY, "/v1/customers/{id}/overview"),
    to(SYNC, "/v1/sync/{*rest}"),
    to(SYNC, "/v1/consistency/{*rest}"),
    to(USER, "/v1/logs/user-service"),
    to(USER, "/v1/logs/user-service/{*rest}"),
    to(CATALOG, "/v1/logs/catalog-service"),
    to(CATALOG, "/v1/logs/catalog-service/{*rest}"),
    to(ORDER, "/v1/logs/order-service"),
    to(ORDER, "/v1/logs/order-service/{*rest}"),
    to(PAYMENT, "/v1/logs/payment-service"),
    to(PAYMENT, "/v1/logs/payment-service/{*rest}"),
    to(NOTIFICATION, "/v1/logs/notification-service"),
    to(NOTIFICATION, "/v1/logs/notification-service/{*rest}"),
];

/// The entry for a path, or for a pattern of a path (`/v1/orders/{orderId}`); `None` where none is declared.
pub fn declared_for(path: &str) -> Option<&'static Declared> {
    let fitting = TABLE.iter().filter_map(|entry| Some((rank(entry.path, path)?, entry)));
    fitting.max_by(|one, other| one.0.cmp(&other.0)).map(|(_, entry)| entry)
}

/// What a description of the API promises under `/v1` and the table does not declare: the shop would answer differently as
/// several processes. Other paths are the gateway's own.
pub fn undeclared(openapi: &serde_json::Value) -> Vec<&str> {
    let paths = openapi["paths"].as_object().into_iter().flat_map(|paths| paths.keys().map(String::as_str));
    paths.filter(|path| path.starts_with("/v1") && declared_for(path).is_none()).collect()
}

/// Whether the gateway knows this service behind it.
pub fn knows(service: &str) -> bool {
    service != GATEWAY && TABLE.iter().any(|entry| entry.service == service)
}

/// How well `pattern` fits, segment by segment (2 literal, 1 one segment, 0 the rest); `None` where it does not.
fn rank(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let mut wanted = pattern.split('/');
    let mut given = path.split('/');
    let mut rank = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(rank),
            (Some(rest), Some(segment)) if rest.starts_with("{*") => {
                let some = !segment.is_empty() || given.next().is_some();
                rank.push(0);
                return some.then_some(rank);
            }
            (Some(name), Some(segment)) if name.starts_with('{') && !segment.is_empty() => rank.push(1),
            (Some(literal), Some(segment)) if literal == segment => rank.push(2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_literal_entry_wins() {
        let service = |path| declared_for(path).map(|entry| entry.service);
        assert_eq!(service("/v1/users/7/orders"), Some(ORDER));
        assert_eq!(service("/v1/users/{userId}/orders"), Some(ORDER));
        assert_eq!(service("/v1/users/7/events"), Some(USER));
        assert_eq!(service("/v1/users/7"), Some(USER));
        assert_eq!(service("/v1/orders/{orderId}/items/{productId}"), Some(ORDER));
        assert_eq!(service("/v1/orders/7/story"), Some(GATEWAY));
        assert_eq!(service("/v1/orders/7/events"), Some(ORDER));
        assert_eq!(service("/v1/products/search"), Some(CATALOG));
        assert_eq!(service("/v1/logs/order-service/9"), Some(ORDER));
        assert!(declared_for("/v1/products/import").is_some_and(|entry| entry.streamed));
    }

    #[test]
    fn what_is_not_declared_has_no_service() {
        for path in
            ["/", "/v1", "/v1/userss", "/v1/users/", "/v1/logs/gateway", "/internal/calls/reserve", "/v2/orders"]
        {
            assert_eq!(declared_for(path), None, "{path}");
        }
    }

    #[test]
    fn no_path_is_declared_twice() {
        let mut paths: Vec<_> = TABLE.iter().map(|entry| entry.path).collect();
        paths.sort_unstable();
        assert!(paths.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
