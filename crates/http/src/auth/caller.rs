//! The caller, as handlers see them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use madrigal_core::PersonId;

use super::token::{Claims, TokenError};
use crate::edge::EdgeContext;
use crate::problem::{self, Problem};

/// What came with the request.
#[derive(Debug, Clone)]
pub(crate) enum Presented {
    /// No token.
    Nothing,
    /// A token that counts.
    Valid(Arc<Claims>),
    /// Something else.
    Invalid(TokenError),
}

/// The caller of a closed route.
///
/// # Errors
/// 401 `unauthorized` without a token, 401 `invalid-token` with one that does not count.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Claims>);

/// The caller of an open route, if they say who they are.
///
/// # Errors
/// 401 `invalid-token` with a token that does not count: an open route is open to those without one.
#[derive(Debug, Clone)]
pub struct MaybeCaller(pub Option<Caller>);

impl Caller {
    /// The caller with these claims, for tests and for other ways of authenticating than the edge's.
    pub fn of(claims: Arc<Claims>) -> Self {
        Self(claims)
    }

    /// What their token says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }

    /// The user, if the caller is a customer.
    pub fn user_id(&self) -> Option<PersonId> {
        self.0.user_id()
    }

    /// Whether an operator calls.
    pub fn is_operator(&self) -> bool {
        self.0.role == super::Role::Operator
    }

    /// Whether a service calls.
    pub fn is_service(&self) -> bool {
        self.0.role == super::Role::Service
    }

    /// On whose behalf, for metadata and scopes of keys: `42`, `operator:anna`, `service:order-service`.
    pub fn actor(&self) -> String {
        self.0.actor()
    }

    /// Passes operators.
    ///
    /// # Errors
    /// 403 for everybody else.
    pub fn require_operator(&self) -> Result<(), Problem> {
        if self.is_operator() { Ok(()) } else { Err(problem::forbidden("Only operators may do this.")) }
    }

    /// Passes services.
    ///
    /// # Errors
    /// 403 for everybody else.
    pub fn require_service(&self) -> Result<(), Problem> {
        if self.is_service() { Ok(()) } else { Err(problem::forbidden("Only services may do this.")) }
    }

    /// Passes operators and services.
    ///
    /// # Errors
    /// 403 for customers.
    pub fn require_operator_or_service(&self) -> Result<(), Problem> {
        if self.is_operator() || self.is_service() {
            Ok(())
        } else {
            Err(problem::forbidden("Only operators may do this."))
        }
    }

    /// Passes the person themself, operators and services.
    ///
    /// # Errors
    /// 403 for other customers.
    pub fn may_act_for(&self, person: PersonId) -> Result<(), Problem> {
        if self.is_operator() || self.is_service() || self.user_id() == Some(person) {
            Ok(())
        } else {
            Err(problem::forbidden("Customers may see and change their own data only."))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        presented(parts)?.ok_or_else(|| problem::unauthorized("Send a token: Authorization: Bearer …"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        presented(parts).map(Self)
    }
}

fn presented(parts: &Parts) -> Result<Option<Caller>, Problem> {
    let Some(context) = EdgeContext::of(&parts.extensions) else {
        tracing::error!("a router that asks for its caller is served without Edge::wrap: everybody is refused");
        return Err(problem::unauthorized("This service cannot check tokens at the moment."));
    };
    match context.presented() {
        Presented::Nothing => Ok(None),
        Presented::Valid(claims) => Ok(Some(Caller(Arc::clone(claims)))),
        Presented::Invalid(error) => Err(problem::invalid_token(sentence(*error))),
    }
}

fn sentence(error: TokenError) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}
