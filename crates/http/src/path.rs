//! The variable parts of a path.

use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{self, Problem};

/// How much of a wrong part is shown, in characters.
const MAX_SHOWN: usize = 64;

/// The variable parts of the path as a `T`, as in axum: a scalar, a tuple, or a struct.
///
/// # Errors
/// 400 `invalid-path` where a part is not what `T` asks for; of numbers it says the bounds. (Invalid UTF-8 and NUL never come this far: see the edge.)
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) if rejection.status().is_server_error() => {
                tracing::error!(cause = %rejection.body_text(), "a handler asks for parts that its route does not have");
                Err(problem::internal())
            }
            Err(rejection) => Err(problem::invalid_path(in_words(&rejection))),
        }
    }
}

/// What is wrong, without the names of Rust's types.
fn in_words(rejection: &PathRejection) -> String {
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else { return rejection.body_text() };
    let (ErrorKind::ParseError { value, expected_type }
    | ErrorKind::ParseErrorAtKey { value, expected_type, .. }
    | ErrorKind::ParseErrorAtIndex { value, expected_type, .. }) = failed.kind()
    else {
        return rejection.body_text();
    };
    let whole = |from: i128, to: u128| format!("a whole number from {from} to {to}");
    let expected = match *expected_type {
        "i8" => whole(i8::MIN.into(), i8::MAX as u128),
        "i16" => whole(i16::MIN.into(), i16::MAX as u128),
        "i32" => whole(i32::MIN.into(), i32::MAX as u128),
        "i64" => whole(i64::MIN.into(), i64::MAX as u128),
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" => whole(0, u64::MAX.into()),
        "f32" | "f64" => "a number".to_owned(),
        "bool" => "true or false".to_owned(),
        "char" => "one character".to_owned(),
        _ => "something else".to_owned(),
    };
    let shown: String = value.chars().take(MAX_SHOWN).collect();
    let more = if shown.len() < value.len() { "…" } else { "" };
    format!("Expected {expected} in the path, not {shown:?}{more}.")
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use http::Method;
    use serde::Deserialize;

    use super::*;
    use crate::testing::send;

    #[derive(Deserialize)]
    struct Named {
        number: u16,
    }

    async fn detail(path: &str) -> String {
        let router = Router::new()
            .route("/one/{number}", get(async |Path(_): Path<i64>| ()))
            .route("/two/{name}/{number}", get(async |Path(_): Path<(String, u8)>| ()))
            .route("/named/{number}", get(async |Path(Named { number }): Path<Named>| number.to_string()));
        let (status, _, problem) = send(&router, Method::GET, path, &[], ()).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &"invalid-path".into()), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_part_that_is_no_number_is_refused_with_the_bounds_in_words() {
        let whole = "Expected a whole number from -9223372036854775808 to 9223372036854775807 in the path, not";
        assert_eq!(detail("/one/abc").await, format!("{whole} \"abc\"."));
        assert_eq!(detail("/one/9223372036854775808").await, format!("{whole} \"9223372036854775808\"."));
        assert_eq!(detail("/one/%22%0A").await, format!("{whole} \"\\\"\\n\"."));
        assert_eq!(detail("/two/x/256").await, "Expected a whole number from 0 to 255 in the path, not \"256\".");
        assert_eq!(detail("/named/-1").await, "Expected a whole number from 0 to 65535 in the path, not \"-1\".");
        let long = "a".repeat(10_000);
        assert_eq!(detail(&format!("/one/{long}")).await, format!("{whole} \"{}\"….", &long[..MAX_SHOWN]));
    }
}
