//! Query strings, checked strictly.

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

use crate::problem::{self, FieldError, Problem};

mod read;

use read::{Parameters, QueryError};

/// The longest value of a parameter, in characters.
pub const MAX_PARAMETER_CHARS: usize = 10_000;
/// The most parameters of a query.
pub const MAX_PARAMETERS: usize = 100;

/// The query string as a `T`: a struct of scalars, `Option`s, unit enums, and `Vec`s for what may be given several times.
///
/// Parameters that `T` does not know are refused even without `deny_unknown_fields`; a flattened map takes them. Empty
/// values count as given. A route without parameters takes `Query<()>`, so that none is passed over.
///
/// # Errors
/// 400 `invalid-query`, naming the parameter, also for invalid UTF-8, NUL, a scalar given twice, more than 100 parameters.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// The text after the question mark as a `T`.
///
/// # Errors
/// As [`Query`].
pub fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let refused = |error: QueryError| {
        let pointer = error.name.map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")));
        problem::invalid_query(vec![FieldError { pointer: pointer.unwrap_or_default(), detail: error.detail }])
    };
    let parameters = split(query).map_err(refused)?;
    T::deserialize(Parameters::new(&parameters)).map_err(refused)
}

/// Parameters in the order of their first appearance, each with all its values.
fn split(query: &str) -> Result<Vec<(String, Vec<String>)>, QueryError> {
    let mut parameters: Vec<(String, Vec<String>)> = Vec::new();
    for (count, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if count >= MAX_PARAMETERS {
            return Err(QueryError { name: None, detail: format!("at most {MAX_PARAMETERS} parameters are accepted") });
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decoded(name).map_err(|detail| QueryError { name: None, detail })?;
        let value = match decoded(value) {
            Ok(value) if value.chars().count() > MAX_PARAMETER_CHARS => {
                let detail = format!("at most {MAX_PARAMETER_CHARS} characters are accepted");
                return Err(QueryError { name: Some(name), detail });
            }
            Ok(value) => value,
            Err(detail) => return Err(QueryError { name: Some(name), detail }),
        };
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => parameters.push((name, vec![value])),
        }
    }
    Ok(parameters)
}

fn decoded(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().map_err(|_| "is not UTF-8".to_owned())?;
    if decoded.contains('\0') { Err("must not contain the character NUL".into()) } else { Ok(decoded.into_owned()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Search {
        q: String,
        min_price: Option<u32>,
        in_stock: Option<bool>,
        sort: Option<Sort>,
        #[serde(default)]
        tag: Vec<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Sort {
        PriceUp,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Open {
        limit: Option<u32>,
        #[serde(flatten)]
        rest: BTreeMap<String, String>,
    }

    fn error(query: &str) -> String {
        let problem = parse::<Search>(query).unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.code()), (400, "invalid-query"));
        format!("{} {}", problem.field_errors()[0].pointer, problem.field_errors()[0].detail)
    }

    #[test]
    fn parameters_become_the_types_that_are_asked_for() {
        let search: Search = parse("q=red+caf%C3%A9%20x&minPrice=5&inStock=true&sort=price-up&tag=a&tag=b&").unwrap();
        let expected = Search {
            q: "red café x".into(),
            min_price: Some(5),
            in_stock: Some(true),
            sort: Some(Sort::PriceUp),
            tag: vec!["a".into(), "b".into()],
        };
        assert_eq!(search, expected);
        let open: Open = parse("limit=5&attr.size=XL").unwrap();
        assert_eq!(open, Open { limit: Some(5), rest: BTreeMap::from([("attr.size".into(), "XL".into())]) });
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        assert!(error("q=a&minPrice=-1").starts_with("/minPrice "));
        assert!(error("q=a&minPrice=1e3").starts_with("/minPrice "));
        assert!(error("q=a&minPrice=4294967296").starts_with("/minPrice "));
        assert!(error("q=a&minPrice=").starts_with("/minPrice "));
        assert!(error("q=a&inStock=yes").starts_with("/inStock "));
        assert!(error("q=a&sort=down").starts_with("/sort "));
        assert_eq!(error("q=a&q=b"), "/q given more than once");
        assert_eq!(error("q=a&other=1"), "/other not a known parameter");
        assert_eq!(error("q=%ff"), "/q is not UTF-8");
        assert_eq!(error("q=%00"), "/q must not contain the character NUL");
        assert_eq!(error(""), " missing field `q`");
        assert!(error(&"q=a&".repeat(101)).contains("at most 100"));
    }

    #[test]
    fn a_route_without_parameters_refuses_every_one() {
        parse::<()>("").unwrap();
        parse::<()>("&").unwrap();
        let problem = parse::<()>("a=1").unwrap_err();
        assert_eq!((problem.code(), problem.field_errors()[0].pointer.as_str()), ("invalid-query", "/a"));
        assert_eq!(problem.field_errors()[0].detail, "not a known parameter");
    }
}
