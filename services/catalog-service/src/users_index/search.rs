//! Searching users.

use madrigal_core::Fault;
use madrigal_sqlite::sql;
use madrigal_tantivy::analysis::folded;
use serde_json::Value;

use super::{UsersIndex, keeper};

/// The most words of a search; further ones are passed over.
const MAX_WORDS: usize = 8;

/// What a search found.
#[derive(Debug)]
pub(crate) struct UsersFound {
    /// The users' documents, in the order of their numbers.
    pub(crate) items: Vec<Value>,
    /// The number to go on after, where there may be more.
    pub(crate) next: Option<i64>,
}

impl UsersIndex {
    /// The users who have, for every word, a word that begins so; at most `limit` of those numbered above `after`.
    ///
    /// # Errors
    /// A [`Fault`] if the engine broke.
    ///
    /// # Cancellation
    /// Safe: reads only.
    pub(crate) async fn search(&self, text: &str, after: i64, limit: usize) -> Result<UsersFound, Fault> {
        // An address or a name with a dot is one term as a whole; then its words must not be asked for apart.
        let mut words: Vec<String> = text.split_whitespace().map(folded).filter(|word| !word.is_empty()).collect();
        words.truncate(MAX_WORDS);
        if words.is_empty() {
            return Ok(UsersFound { items: Vec::new(), next: None });
        }
        let limit = limit.clamp(1, 1_000);
        let found =
            self.database.read("search-users", move |connection| matching(connection, &words, after, limit + 1));
        let mut found = found.await?;
        let next = if found.len() > limit { found.get(limit - 1).map(|(id, _)| *id) } else { None };
        found.truncate(limit);
        Ok(UsersFound { items: found.into_iter().map(|(_, document)| document).collect(), next })
    }
}

fn matching(
    connection: &sql::Connection,
    words: &[String],
    after: i64,
    limit: usize,
) -> sql::Result<Vec<(i64, Value)>> {
    let mut text = String::from("SELECT id, version, row FROM users WHERE id > ?1 AND row IS NOT NULL");
    let mut values: Vec<sql::Value> = vec![after.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
    for word in words {
        // Every text that begins so is from the word itself to the word with the last letter behind it.
        let first = values.len() + 1;
        text.push_str(&format!(" AND id IN (SELECT id FROM terms WHERE term >= ?{first} AND term < ?{})", first + 1));
        values.extend([word.clone().into(), format!("{word}\u{10ffff}").into()]);
    }
    text.push_str(" ORDER BY id LIMIT ?2");
    let mut select = connection.prepare_cached(&text)?;
    let rows = select.query_map(sql::params_from_iter(values), |row| {
        let id = row.get(0)?;
        Ok((id, keeper::copied(id, row.get(1)?, row.get(2)?).row.unwrap_or_default()))
    })?;
    // What is damaged is not shown; the monitor finds it.
    rows.filter(|row| row.as_ref().map_or(true, |(_, document)| document.is_object())).collect()
}
