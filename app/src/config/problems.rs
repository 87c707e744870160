//! Everything that is wrong with a configuration, each with its key and its source.

use figment::Figment;
use figment::value::{Dict, Num, Value};

use super::{Config, source_of};

/// One line per problem: keys that do not exist, values of the wrong kind, values that do not parse.
pub(super) fn of(figment: &Figment, defaults: &Config) -> Vec<String> {
    let known = Figment::from(figment::providers::Serialized::defaults(defaults));
    let (Ok(known), given) = (known.extract::<Dict>(), figment.extract::<Dict>()) else { return Vec::new() };
    let given = match given {
        Ok(given) => given,
        Err(error) => return error.into_iter().map(|error| error.to_string()).collect(),
    };
    let mut problems = Vec::new();
    compare("", &known, &given, &mut |key, what| {
        let source =
            figment.find_metadata(key).map_or_else(String::new, |metadata| format!(" ({})", source_of(metadata)));
        problems.push(format!("{key}{source}: {what}"));
    });
    for key in [
        "listen",
        "user.listen",
        "catalog.listen",
        "order.listen",
        "payment.listen",
        "notification.listen",
        "analytics.listen",
        "sync.listen",
    ] {
        if let Ok(text) = figment.extract_inner::<String>(key)
            && text.parse::<std::net::SocketAddr>().is_err()
        {
            problems.push(format!("{key}: {text:?} is not an address such as 127.0.0.1:8080"));
        }
    }
    for key in
        ["url", "user.url", "catalog.url", "order.url", "payment.url", "notification.url", "analytics.url", "sync.url"]
    {
        if let Ok(text) = figment.extract_inner::<String>(key)
            && !text.starts_with("http://")
        {
            problems.push(format!("{key}: {text:?} is not a URL such as http://127.0.0.1:8080"));
        }
    }
    if let Ok(declared) = figment.extract_inner::<Vec<serde_json::Value>>("sync.transformers")
        && let Err(misfits) = madrigal_sync_service::transformers::Transformers::declared(&declared)
    {
        problems.extend(madrigal_sync_service::service::words("sync.transformers", &misfits));
    }
    for key in ["consistency.versions_every_seconds", "consistency.content_every_seconds"] {
        if figment.extract_inner::<u64>(key).is_ok_and(|seconds| seconds == 0) {
            problems.push(format!("{key}: is 0, expected at least 1"));
        }
    }
    for key in ["consistency.share_percent", "consistency.share_when_busy_percent"] {
        if figment.extract_inner::<u64>(key).is_ok_and(|share| !(1..=100).contains(&share)) {
            problems.push(format!("{key}: is not 1 to 100"));
        }
    }
    let sampled = "consistency.sampled_percent";
    if figment.extract_inner::<u64>(sampled).is_ok_and(|share| share > 100) {
        problems.push(format!("{sampled}: is not 0 to 100"));
    }
    if figment.extract_inner::<Vec<Value>>("console.hosts").is_ok()
        && figment.extract_inner::<Vec<String>>("console.hosts").is_err()
    {
        problems.push("console.hosts: is not a list of texts".to_owned());
    }
    if figment.extract_inner::<u128>("limits.requests_per_second").is_ok_and(|rate| rate == 0) {
        problems.push("limits.requests_per_second: is 0, expected at least 1".to_owned());
    }
    problems
}

fn compare(prefix: &str, known: &Dict, given: &Dict, problem: &mut impl FnMut(&str, String)) {
    for (name, value) in given {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match (known.get(name), value) {
            (None, _) => problem(&key, "there is no such key".to_owned()),
            (Some(Value::Dict(_, known)), Value::Dict(_, given)) => compare(&key, known, given, problem),
            (Some(expected), value) if !same_kind(expected, value) => {
                problem(&key, format!("is {}, expected {}", kind(value), kind(expected)));
            }
            (Some(Value::Num(..)), value) if !is_whole_from_0(value) => {
                problem(&key, "is not a whole number from 0".to_owned());
            }
            (Some(Value::Num(_, expected)), Value::Num(_, given))
                if given.to_u128_lossy().is_some_and(|number| number > most(*expected)) =>
            {
                problem(&key, format!("is more than {}", most(*expected)));
            }
            (Some(_), _) => {}
        }
    }
}

fn is_whole_from_0(value: &Value) -> bool {
    value.to_u128().is_some() || value.to_i128().is_some_and(|number| number >= 0)
}

/// The largest number of the kind that a default has.
const fn most(expected: Num) -> u128 {
    match expected {
        Num::U8(_) => u8::MAX as u128,
        Num::U16(_) => u16::MAX as u128,
        Num::U32(_) => u32::MAX as u128,
        _ => u64::MAX as u128,
    }
}

fn same_kind(expected: &Value, value: &Value) -> bool {
    kind(expected) == kind(value)
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Dict(..) => "a section",
        Value::Array(..) => "a list",
        Value::Empty(..) => "nothing",
    }
}
