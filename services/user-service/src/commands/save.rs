//! Writing other fields of a user, inside a command's transaction.

use madrigal_core::{CallContext, Fault, Host, PersonKey};
use madrigal_sqlite::sql::{self, Connection};

use crate::commands::ChangeError;
use crate::events::{ChangedField, PersonalFields, UserChanged, UserFact, seal};
use crate::models::User;
use crate::repositories::{events, users};

/// What every write about a person needs.
pub(crate) struct Writing {
    pub(crate) host: Host,
    pub(crate) key: PersonKey,
    pub(crate) context: CallContext,
}

/// Gives the user these fields and writes the event; the inner error says why not. Fields that are the same already are
/// no change: same version, no event.
pub(crate) fn save(
    transaction: &Connection,
    before: User,
    fields: PersonalFields,
    writing: &Writing,
) -> sql::Result<Result<User, ChangeError>> {
    let taken = users::taken(transaction, &fields.email, &fields.username, Some(before.id))?;
    if !taken.is_empty() {
        return Ok(Err(ChangeError::Taken(taken)));
    }
    let touched = [
        (before.email != fields.email, ChangedField::Email),
        (before.username != fields.username, ChangedField::Username),
        (before.profile != fields.profile, ChangedField::Profile),
    ];
    let changed: Vec<ChangedField> =
        touched.into_iter().filter(|(differs, _)| *differs).map(|(_, field)| field).collect();
    if changed.is_empty() {
        return Ok(Ok(before));
    }
    let PersonalFields { email, username, profile } = fields;
    let (id, after) = (before.id, User { email, username, profile, updated_at: writing.host.now(), ..before });
    users::update(transaction, &after)?;
    // Read back: the version is the store's.
    let Some(user) = users::find(transaction, id)? else { return Ok(Err(ChangeError::Unknown)) };
    let person = seal(&writing.host, &user, &writing.key).map_err(broken)?;
    let fact = UserFact::Changed(UserChanged { changed, person });
    events::insert(transaction, &writing.host, (user.id, user.version), &fact, &writing.context)?;
    Ok(Ok(user))
}

/// A fault inside a transaction, which undoes it.
pub(crate) fn broken(fault: Fault) -> sql::Error {
    sql::Error::ToSqlConversionFailure(Box::new(fault))
}
