//! Logs.

use std::io::IsTerminal;

use madrigal_core::environment;
use tracing_subscriber::EnvFilter;

/// How to log. To standard error, always: standard output is for data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// One JSON object per line instead of lines for people.
    pub json: bool,
    /// What to log, as `tracing` filters: `info`, or `info,madrigal_http=debug` (every request).
    pub level: String,
}

impl Default for LogOptions {
    /// `info`; JSON unless standard error is a terminal.
    fn default() -> Self {
        Self { json: !std::io::stderr().is_terminal(), level: "info".into() }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is no filter.
    #[error("{level:?} is no log level: try info, debug, or info,madrigal_http=debug")]
    Filter {
        /// What was given.
        level: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    AlreadySet,
}

/// Sets up logging for the whole process; once. Colours only on a terminal, and not where `NO_COLOR` is set.
///
/// # Errors
/// Where the level is no filter, or logging is set up already.
pub fn init_logs(options: &LogOptions) -> Result<(), LogError> {
    let filter = EnvFilter::builder()
        .parse(&options.level)
        .map_err(|source| LogError::Filter { level: options.level.clone(), source })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if options.json {
        subscriber.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        let no_color = environment::variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        subscriber.with_ansi(std::io::stderr().is_terminal() && !no_color).try_init()
    };
    set.map_err(|_| LogError::AlreadySet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused_by_name() {
        let options = LogOptions { json: true, level: "info,=loud=".into() };
        assert!(init_logs(&options).unwrap_err().to_string().contains("loud"));
        assert!(init_logs(&LogOptions { level: "debug".into(), ..options.clone() }).is_ok());
        assert!(matches!(init_logs(&LogOptions { level: "debug".into(), ..options }), Err(LogError::AlreadySet)));
    }
}
