//! Merging a change into a user who changed since the version that it is based on.

use std::time::Duration;

use madrigal_conflict::{FieldPath, Loser, MergeError, Merging, Origin, Rule, Rules, RulesError, Side, merge};
use madrigal_core::{Fault, Sealed};
use madrigal_sqlite::sql::{self, Connection};
use serde_json::Value;

use crate::commands::change::{ChangeError, ChangeUser};
use crate::commands::save::{Writing, broken};
use crate::events::PersonalFields;
use crate::models::{User, UserConflict};
use crate::repositories::{conflicts, events};

/// The fields of a person; a profile's names are free.
const FIELDS: [&str; 3] = ["/email", "/username", "/profile/*"];

/// How a user's fields are merged. Nobody's address or name changes behind somebody's back; of a profile's fields the later
/// change stands, and the other one can be chosen afterwards.
///
/// # Errors
/// Where the rules make no sense together.
pub(crate) fn rules() -> Result<Rules, RulesError> {
    let declared = [("/email", Rule::AskAPerson), ("/username", Rule::AskAPerson), ("/profile/*", Rule::LastWriter)];
    let texts = declared.map(|(path, rule)| (path, rule.to_string()));
    let rules = Rules::parse(texts.iter().map(|(path, rule)| (*path, rule.as_str())), None)?;
    rules.check_fields(&FIELDS)?;
    Ok(rules)
}

/// The fields as they are to be, and what was not taken.
pub(crate) struct MergedFields {
    pub(crate) fields: PersonalFields,
    pub(crate) losers: Vec<Loser>,
}

/// Merges `command`, which is based on another version than the one of `before`.
pub(crate) fn merged(
    transaction: &Connection,
    rules: &Rules,
    before: &User,
    command: &ChangeUser,
    writing: &Writing,
) -> sql::Result<Result<MergedFields, ChangeError>> {
    let Some(base) = events::fields_at(transaction, before.id, command.expected)? else {
        return Ok(Err(ChangeError::UnknownBase(before.version)));
    };
    let base =
        base.open(Some(&writing.key)).map_err(|error| broken(Fault::permanent("user-service", "open", error)))?;
    let Some(base) = base.value() else { return Ok(Err(ChangeError::UnknownBase(before.version))) };
    let proposed = match command.applied_to(&base) {
        Ok(proposed) => proposed,
        Err(invalid) => return Ok(Err(ChangeError::Invalid(invalid))),
    };
    let now = writing.host.now();
    let current_origin = Origin {
        version: Some(before.version),
        at: before.updated_at,
        by: events::last_writer(transaction, before.id)?,
    };
    // Whoever comes later is the later writer, whatever the clock says.
    let proposed_origin = Origin {
        version: None,
        at: now.max(before.updated_at.plus(Duration::from_micros(1))),
        by: writing.context.user_id.clone(),
    };
    let [base, current, proposed] = [&base, &PersonalFields::of(before), &proposed].map(document);
    let (base, current, proposed) = (base?, current?, proposed?);
    let merging = Merging {
        base: &base,
        current: Side { document: &current, origin: &current_origin },
        proposed: Side { document: &proposed, origin: &proposed_origin },
        named: &named(command),
    };
    let merged = match merge(rules, merging) {
        Ok(merged) => merged,
        Err(MergeError::Conflicts(conflicts)) => return Ok(Err(ChangeError::Conflicts(conflicts))),
        Err(error) => return Err(broken(Fault::permanent("user-service", "merge", error))),
    };
    let fields: PersonalFields = serde_json::from_value(merged.document)
        .map_err(|error| broken(Fault::permanent("user-service", "merge", error)))?;
    // Two profiles within their bounds may be beyond them together.
    Ok(match fields.profile.checked() {
        Ok(()) => Ok(MergedFields { fields, losers: merged.losers }),
        Err(invalid) => Err(ChangeError::Invalid(invalid)),
    })
}

/// Records what was not taken, in the transaction that decided so.
pub(crate) fn record(
    transaction: &Connection,
    user: &User,
    losers: Vec<Loser>,
    writing: &Writing,
) -> sql::Result<Result<Vec<UserConflict>, ChangeError>> {
    if losers.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    if conflicts::open_of(transaction, user.id)? + losers.len() > conflicts::MAX_OPEN {
        return Ok(Err(ChangeError::TooManyConflicts));
    }
    let now = writing.host.now();
    let mut recorded = Vec::with_capacity(losers.len());
    for loser in losers {
        let sealed = Sealed::seal(&writing.host, user.id, &writing.key, &loser)
            .map_err(|error| broken(Fault::permanent("user-service", "seal", error)))?;
        let id = conflicts::insert(transaction, (user.id, user.version), &sealed, now)?;
        recorded.push(UserConflict::of(id, loser, (user.version, now), None));
    }
    Ok(Ok(recorded))
}

fn document(fields: &PersonalFields) -> sql::Result<Value> {
    serde_json::to_value(fields).map_err(|error| sql::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The fields that the patch names.
fn named(command: &ChangeUser) -> Vec<FieldPath> {
    let email = command.email.iter().map(|_| FieldPath::of(["email"]));
    let username = command.username.iter().map(|_| FieldPath::of(["username"]));
    let profile = command.profile.0.keys().map(|name| FieldPath::of(["profile", name]));
    email.chain(username).chain(profile).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_users_make_sense() {
        assert!(rules().is_ok(), "{:?}", rules());
    }
}
