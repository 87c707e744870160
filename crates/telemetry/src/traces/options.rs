//! What the environment says about traces: OpenTelemetry's own variables.
//!
//! # Source
//! OpenTelemetry specification: *Environment variables*, *OTLP exporter configuration*, *Resource SDK*.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::sampler::Sampler;

/// How traces are sent.
#[derive(Clone)]
pub struct TraceOptions {
    /// Where to, with the path. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces`.
    pub endpoint: Uri,
    /// What every request carries, as in a key of the collector. `OTEL_EXPORTER_OTLP_HEADERS` (`name=value,…`, values
    /// percent-encoded), `OTEL_EXPORTER_OTLP_TRACES_HEADERS`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What services' names begin with, as in `staging` for `staging-order-service`. `OTEL_SERVICE_NAME`.
    pub service_prefix: Option<String>,
    /// What else is said of every service. `OTEL_RESOURCE_ATTRIBUTES`.
    pub attributes: Vec<(String, String)>,
    /// Which traces are kept. `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`; `parentbased_always_on`.
    pub sampler: Sampler,
    /// How long one request may take. `OTEL_EXPORTER_OTLP_TIMEOUT`; 10 s.
    pub timeout: Duration,
    /// How many spans wait at most. `OTEL_BSP_MAX_QUEUE_SIZE`; 2,048, at most 65,536.
    pub queue: usize,
    /// How many spans a request has at most. `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`; 512, at most the queue.
    pub batch: usize,
    /// How long a span waits for company at most. `OTEL_BSP_SCHEDULE_DELAY`; 5 s.
    pub delay: Duration,
}

/// Which variable cannot be followed, and why; its value is not told, it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {why}")]
pub struct TraceOptionsError {
    /// The variable.
    pub variable: &'static str,
    /// Why.
    pub why: &'static str,
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

impl TraceOptions {
    /// What these variables say; `None` where traces are not asked for, or `OTEL_SDK_DISABLED` is `true`, or
    /// `OTEL_TRACES_EXPORTER` is `none`. An empty variable counts as unset.
    ///
    /// # Errors
    /// The first variable that cannot be followed.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TraceOptionsError> {
        let said = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let off = said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || said("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let endpoint = match (said(TRACES_ENDPOINT), said(ENDPOINT)) {
            _ if off => return Ok(None),
            (Some(whole), _) => endpoint(TRACES_ENDPOINT, &whole)?,
            (None, Some(base)) => endpoint(ENDPOINT, &format!("{}/v1/traces", base.trim_end_matches('/')))?,
            (None, None) => return Ok(None),
        };
        let protocol = said("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| said("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if protocol.is_some_and(|protocol| !protocol.starts_with("http/")) {
            let why = "names a protocol that is not there: send to the collector's HTTP port (4318)";
            return Err(TraceOptionsError { variable: "OTEL_EXPORTER_OTLP_PROTOCOL", why });
        }
        let headers = said("OTEL_EXPORTER_OTLP_TRACES_HEADERS").or_else(|| said("OTEL_EXPORTER_OTLP_HEADERS"));
        let mut attributes =
            said("OTEL_RESOURCE_ATTRIBUTES").map_or(Ok(Vec::new()), |text| pairs("OTEL_RESOURCE_ATTRIBUTES", &text))?;
        let named = attributes.iter().position(|(name, _)| name == "service.name").map(|at| attributes.remove(at).1);
        let number = |name: &'static str, otherwise: u64| match said(name).map(|value| value.parse::<u64>()) {
            None => Ok(otherwise),
            Some(Ok(number)) if number > 0 => Ok(number),
            Some(_) => Err(TraceOptionsError { variable: name, why: "must be a whole number above 0" }),
        };
        let millis = |name, otherwise| number(name, otherwise).map(Duration::from_millis);
        let count = |name, otherwise, most: u64| number(name, otherwise).map(|number| number.min(most));
        let queue = count("OTEL_BSP_MAX_QUEUE_SIZE", 2_048, 65_536)?;
        let batch = count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, queue)?;
        Ok(Some(Self {
            endpoint,
            headers: headers.map_or(Ok(Vec::new()), |text| read_headers(&text))?,
            service_prefix: said("OTEL_SERVICE_NAME").or(named),
            attributes,
            sampler: sampler(said("OTEL_TRACES_SAMPLER").as_deref(), said("OTEL_TRACES_SAMPLER_ARG").as_deref())?,
            timeout: millis("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?,
            queue: usize::try_from(queue).unwrap_or(usize::MAX),
            batch: usize::try_from(batch).unwrap_or(usize::MAX),
            delay: millis("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
        }))
    }
}

impl fmt::Debug for TraceOptions {
    /// Without the headers' values, and without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceOptions")
            .field("sampler", &self.sampler)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

fn endpoint(variable: &'static str, text: &str) -> Result<Uri, TraceOptionsError> {
    let refused = |why| TraceOptionsError { variable, why };
    let uri: Uri = text.parse().map_err(|_| refused("is no address, as in http://127.0.0.1:4318"))?;
    match uri.scheme_str() {
        Some("http") => Ok(uri),
        Some("https") => Err(refused("wants TLS, which is not there: send to a collector on this machine over http")),
        _ => Err(refused("must begin with http://")),
    }
}

/// `name=value,…`, values percent-encoded.
fn pairs(variable: &'static str, text: &str) -> Result<Vec<(String, String)>, TraceOptionsError> {
    let refused = TraceOptionsError { variable, why: "is no list as in name=value,other=value" };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?.into_owned();
        (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value))
    };
    let listed = text.split(',').filter(|part| !part.trim().is_empty());
    listed.map(|part| pair(part).ok_or_else(|| refused.clone())).collect()
}

fn read_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, TraceOptionsError> {
    let variable = "OTEL_EXPORTER_OTLP_HEADERS";
    let refused = TraceOptionsError { variable, why: "has what cannot be a header" };
    let header = |(name, value): (String, String)| {
        let name = HeaderName::try_from(name).ok()?;
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    pairs(variable, text)?.into_iter().map(|pair| header(pair).ok_or_else(|| refused.clone())).collect()
}

fn sampler(name: Option<&str>, argument: Option<&str>) -> Result<Sampler, TraceOptionsError> {
    let refused = TraceOptionsError {
        variable: "OTEL_TRACES_SAMPLER",
        why: "must be always_on, always_off, traceidratio, or one of them after parentbased_, with a share from 0 to 1 in \
              OTEL_TRACES_SAMPLER_ARG",
    };
    Sampler::named(name.unwrap_or("parentbased_always_on"), argument).ok_or(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<TraceOptions>, TraceOptionsError> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        TraceOptions::read(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn traces_are_sent_only_where_somebody_asks_for_them() {
        let asked = (ENDPOINT, "http://127.0.0.1:4318/");
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[(ENDPOINT, " ")]).unwrap().is_none());
        assert!(read(&[asked, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
        assert!(read(&[asked, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
        let options = read(&[asked]).unwrap().unwrap();
        assert_eq!(options.endpoint, "http://127.0.0.1:4318/v1/traces");
        assert_eq!((options.queue, options.batch, options.delay), (2_048, 512, Duration::from_secs(5)));
        assert_eq!(options.sampler, Sampler::ParentOrShare(1.0));
        let whole = read(&[asked, (TRACES_ENDPOINT, "http://c:1/mine")]).unwrap().unwrap();
        assert_eq!(whole.endpoint, "http://c:1/mine");
    }

    #[test]
    fn the_usual_variables_are_followed() {
        let options = read(&[
            (ENDPOINT, "http://127.0.0.1:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-other=c"),
            ("OTEL_SERVICE_NAME", "staging"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=not,deployment.environment.name=test"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.5"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ]);
        let options = options.unwrap().unwrap();
        assert_eq!(options.headers[0].1, "a b");
        assert!(!format!("{options:?} {:?}", options.headers).contains("a b"), "headers hold keys");
        assert_eq!(options.service_prefix.as_deref(), Some("staging"));
        assert_eq!(options.attributes, [("deployment.environment.name".to_owned(), "test".to_owned())]);
        assert_eq!((options.queue, options.batch), (10, 10));
        assert_eq!(options.sampler, Sampler::ParentOrShare(0.5));
    }

    #[test]
    fn what_cannot_be_followed_is_named_without_its_value() {
        let asked = (ENDPOINT, "http://127.0.0.1:4318");
        for (name, value) in [
            (ENDPOINT, "https://secret@collector"),
            (ENDPOINT, "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "ke y=secret"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "secret"),
            ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ] {
            let error = read(&[(name, value), asked]).unwrap_err();
            assert_eq!(error.variable, name, "{value}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
