//! What every request for a page must pass: a host that is ours, and for forms an origin that is ours and the right token.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use madrigal_core::tasks;

use super::Console;
use super::forms::Sent;
use super::refusal::{self, Page};
use super::session::Who;

/// The longest form, in bytes.
const MAX_FORM_BYTES: usize = 64 * 1024;
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The hosts by which the pages may be asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    names: Vec<String>,
    any_address: bool,
}

impl Hosts {
    /// The names of this machine to itself, and these. A name may carry a port, which is not looked at. `0.0.0.0` and `::`
    /// stand for every address: whoever names an address has not been led here by a name that somebody else rebound.
    pub(crate) fn new(configured: &[String]) -> Self {
        let names: Vec<_> = configured.iter().map(|name| bare(name).to_ascii_lowercase()).collect();
        let any_address = names.iter().any(|name| name == "0.0.0.0" || name == "::");
        Self { names, any_address }
    }

    fn admit(&self, authority: &str) -> bool {
        let name = bare(authority).to_ascii_lowercase();
        if let Ok(address) = name.parse::<IpAddr>() {
            return address.is_loopback() || self.any_address || self.names.contains(&name);
        }
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }
}

/// The host of an authority, without its port and without the brackets of an IPv6 address.
fn bare(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    match authority.rsplit_once(':') {
        // More than one colon without brackets: an IPv6 address alone.
        Some((host, _)) if !host.contains(':') => host,
        _ => authority,
    }
}

/// Passes what may be answered, with the form's fields as [`Sent`] where one was sent.
pub(crate) async fn guard(State(console): State<Console>, request: Request, next: Next) -> Response {
    let Some(host) = authority(&request).filter(|host| console.hosts.admit(host)) else {
        return refusal::page(Page {
            status: StatusCode::FORBIDDEN,
            title: "This is not the shop's address",
            what: "The pages are shown under the shop's own addresses only, so that no other site can put its name on them. \
                   Nothing was done.",
            helps: "Open the shop by its address, or add the name to [console] hosts in madrigal.toml.",
        });
    };
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    if !same_origin(request.headers(), &host) {
        return refusal::page(Page {
            status: StatusCode::FORBIDDEN,
            title: "This form comes from elsewhere",
            what: "Another site, or a page of another address, sent it. Nothing was done.",
            helps: "Open the page here and send the form again.",
        });
    }
    match form(&console, request).await {
        Ok(request) => next.run(request).await,
        Err(page) => refusal::page(page),
    }
}

/// Reads the form and checks its token.
async fn form(console: &Console, request: Request) -> Result<Request, Page> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let unreadable = Page {
        status: StatusCode::BAD_REQUEST,
        title: "This form cannot be read",
        what: "It is no form of these pages, is longer than 64 KiB, or did not arrive within ten seconds. Nothing was done.",
        helps: "Open the page again and send the form again.",
    };
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(unreadable);
    }
    let (mut parts, body) = request.into_parts();
    let whole = tasks::within(console.edge.limits.body_time, Limited::new(body, MAX_FORM_BYTES).collect()).await;
    let bytes = whole.and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    let sent = bytes.and_then(|bytes| Sent::parse(std::str::from_utf8(&bytes).ok()?)).ok_or(unreadable)?;
    let who = Who::of(&parts.headers, console.secure, &console.edge.verifier, &console.edge.host);
    if !sent.is_of(who.secret()) {
        return Err(Page {
            status: StatusCode::FORBIDDEN,
            title: "This form is no longer valid",
            what: "It was made for another log-in, or before you logged in or out. Nothing was done.",
            helps: "Open the page again: the form is made anew, and then it works.",
        });
    }
    parts.extensions.insert(sent);
    Ok(Request::from_parts(parts, Body::empty()))
}

fn authority(request: &Request) -> Option<String> {
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    named.or_else(|| request.headers().get(HOST)?.to_str().ok()).map(str::to_owned)
}

/// Whether a browser says that the form is from this very address. Every browser says so with a form; who does not is refused.
fn same_origin(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = text(&ORIGIN).map(|origin| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    let site = text(&FETCH_SITE).map(|site| site == "same-origin");
    match (origin, site) {
        (None, None) => false,
        (origin, site) => origin.unwrap_or(true) && site.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_and_configured_ones_are_admitted() {
        let hosts = Hosts::new(&["shop.example:8080".to_owned(), "10.0.0.7".to_owned()]);
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "shop.example",
            "Shop.Example:443",
            "10.0.0.7:80",
        ] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in [
            "evil.example",
            "shop.example.evil.example",
            "10.0.0.8",
            "",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
        ] {
            assert!(!hosts.admit(host), "{host}");
        }
        let anywhere = Hosts::new(&["0.0.0.0:8080".to_owned()]);
        assert!(anywhere.admit("192.168.1.5:8080") && !anywhere.admit("evil.example"));
    }

    #[test]
    fn a_form_is_taken_from_its_own_origin_only() {
        let same = |origin: Option<&str>, site: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            if let Some(site) = site {
                headers.insert(FETCH_SITE, site.parse().unwrap());
            }
            same_origin(&headers, "127.0.0.1:8080")
        };
        assert!(same(Some("http://127.0.0.1:8080"), Some("same-origin")));
        assert!(same(Some("https://127.0.0.1:8080"), None));
        assert!(same(None, Some("same-origin")));
        assert!(!same(None, None));
        for origin in
            ["null", "http://evil.example", "http://127.0.0.1:8081", "http://127.0.0.1:8080.evil.example", "file://"]
        {
            assert!(!same(Some(origin), None), "{origin}");
            assert!(!same(Some(origin), Some("same-origin")), "{origin}");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert!(!same(Some("http://127.0.0.1:8080"), Some(site)), "{site}");
        }
    }
}
