//! `madrigal erase`.

use reqwest::Method;
use serde_json::json;

use crate::client::Shop;
use crate::exit::Ended;
use crate::output::{self, Format};

/// Erases the user, if `confirm` is the user's name.
pub(super) async fn erase(shop: &Shop, format: Format, user: i64, confirm: &str) -> anyhow::Result<()> {
    let path = format!("/v1/users/{user}");
    let found = shop.send(shop.request(Method::GET, &path)).await?;
    let etag = found.etag.clone().unwrap_or_default();
    let found = found.ok()?;
    if found["username"].as_str() != Some(confirm) {
        return Err(Ended::Refused(format!("--confirm must be the name of user {user}: nothing was erased")).into());
    }
    shop.send(shop.request(Method::DELETE, &path).header("If-Match", etag)).await?.ok()?;
    output::message("erased: other services forget the person's key within two minutes");
    output::document(format, &json!({ "userId": user, "erased": true }))?;
    Ok(())
}
