//! The variable parts of a path.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{self, Problem};

/// The variable parts of the path as a `T`, as in axum: a scalar, a tuple, or a struct.
///
/// # Errors
/// 400 `invalid-path` where a part is not what `T` asks for. (Invalid UTF-8 and NUL never come this far: see the edge.)
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
            Err(rejection) => Err(problem::invalid_path(rejection.body_text())),
        }
    }
}
