//! `madrigal config show`.

use crate::cli::Settings;
use crate::config::Config;
use crate::output;

pub(super) fn show(settings: &Settings) -> anyhow::Result<()> {
    let loaded = Config::load(settings, None)?;
    let rows: Vec<serde_json::Value> = loaded.origins().iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
    output::items(settings.output, &rows, &["key", "value", "source"])?;
    Ok(())
}
