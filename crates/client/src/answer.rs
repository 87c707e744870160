//! What a shop answered.

use reqwest::StatusCode;
use serde_json::Value;

use crate::AskError;

/// What the shop answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null if there is none.
    pub body: Value,
    /// `Madrigal-Position`, where the answer carries one.
    pub position: Option<String>,
    /// `ETag`, where the answer carries one.
    pub etag: Option<String>,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Errors
    /// [`AskError::Refused`] with the problem in words.
    pub fn ok(self) -> Result<Value, AskError> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        Err(AskError::Refused(self.problem()))
    }

    /// A problem in words: title, detail, each error.
    pub fn problem(&self) -> String {
        let text = |key: &str| self.body[key].as_str().unwrap_or_default();
        let mut words = format!("{} {}", self.status.as_u16(), text("title"));
        if !text("detail").is_empty() {
            words.push_str(&format!(": {}", text("detail")));
        }
        for error in self.body["errors"].as_array().into_iter().flatten() {
            let part = |key: &str| error[key].as_str().unwrap_or_default();
            words.push_str(&format!("; {} {}", part("pointer"), part("detail")));
        }
        for line in self.body["lines"].as_array().into_iter().flatten() {
            words.push_str(&format!(
                "; {}: {} asked for, {} there",
                line["productId"].as_str().unwrap_or_default(),
                line["requested"],
                line["available"]
            ));
        }
        words
    }
}
