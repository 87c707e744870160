//! Which headers go on, and which end here.

use std::net::IpAddr;

use http::header::{
    CONNECTION, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use madrigal_core::CallContext;
use madrigal_http::edge::{CORRELATION_ID, TRACEPARENT};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What concerns one connection only.
///
/// # Source
/// RFC 9110, 7.6.1, and the older names that are still about.
const ONE_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What says where a request came from: ours to say, and nobody's outside.
const ORIGIN: [HeaderName; 5] = [
    FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
];

/// Drops what concerns the connection that a message came over: the known headers, and those that `Connection` names.
pub(super) fn drop_one_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in ONE_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Makes a request's headers ours: the peer and the host as we saw them, the correlation and the trace that we go by.
pub(super) fn make_ours(headers: &mut HeaderMap, peer: Option<IpAddr>, call: &CallContext) {
    drop_one_hop(headers);
    for name in &ORIGIN {
        headers.remove(name);
    }
    // hyper writes the service's own; answering `100 Continue` is our business.
    let host = headers.remove(HOST);
    headers.remove(EXPECT);
    replace(headers, FORWARDED_HOST, host);
    replace(headers, FORWARDED_FOR, peer.and_then(|peer| HeaderValue::try_from(peer.to_string()).ok()));
    replace(headers, CORRELATION_ID, HeaderValue::try_from(call.correlation_id.as_str()).ok());
    replace(headers, TRACEPARENT, call.traceparent.as_deref().and_then(|text| HeaderValue::try_from(text).ok()));
}

fn replace(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    headers.remove(&name);
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_one_connection_end_here_also_those_that_connection_names() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("accept", "application/json"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        drop_one_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }
}
