//! What user-service answers.

use madrigal_core::PersonId;
use madrigal_http::calls::Call;
use serde::{Deserialize, Serialize};

use crate::person_keys::WireKey;

/// Asks for what an order needs to know about its buyer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetBuyer {
    /// The user.
    pub user_id: PersonId,
}

/// What an order needs to know about its buyer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Buyer {
    /// First and last name, or the user name where there is none.
    pub name: String,
    /// The address that mails go to.
    pub email: String,
    /// Seals the buyer's personal fields.
    pub key: WireKey,
}

impl Call for GetBuyer {
    /// `None`: there is no such user (any more).
    type Answer = Option<Buyer>;
    const NAME: &'static str = "user.get-buyer";
}

/// Asks for the buyer with a user name: imported orders name theirs so.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindBuyer {
    /// The user name, regardless of case.
    pub username: String,
}

/// A buyer, and who it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundBuyer {
    /// The user.
    pub user_id: PersonId,
    /// What an order needs to know.
    pub buyer: Buyer,
}

impl Call for FindBuyer {
    /// `None`: there is no such user (any more).
    type Answer = Option<FoundBuyer>;
    const NAME: &'static str = "user.find-buyer";
}

/// Asks for the key of a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetPersonKey {
    /// The person.
    pub person: PersonId,
}

impl Call for GetPersonKey {
    /// `None`: the person was erased or never existed.
    type Answer = Option<WireKey>;
    const NAME: &'static str = "user.get-person-key";
}
