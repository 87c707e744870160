//! `madrigal doctor`: checks the set-up and says what to do.

use serde_json::{Value, json};

use crate::cli::Settings;
use crate::client::Shop;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit::Ended;
use crate::output::{self, Format};

pub(super) async fn check(settings: &Settings) -> anyhow::Result<()> {
    let mut report = Report::default();
    let config = Config::load(settings, None)?.config;
    report.fine("configuration", "every key is known and has a value that can be used");
    match DataDir::open(&config.data) {
        Ok(data) => {
            report.fine("data directory", &format!("{} can be used", data.root().display()));
            key(&mut report, &data);
        }
        Err(error) => report.wrong("data directory", &format!("{error:#}: check --data and the rights on it")),
    }
    shop(&mut report, settings, &config).await;
    report.end(settings.output)
}

fn key(report: &mut Report, data: &DataDir) {
    match std::fs::read_to_string(data.signing_key()) {
        Ok(text) if madrigal_http::TokenSigner::from_text(text.trim()).is_some() => {
            report.fine("signing key", "tokens can be issued here");
        }
        Ok(_) => report.wrong("signing key", "the file is damaged: restore auth/signing.key from a backup"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.fine("signing key", "not made yet; the first `madrigal up` makes it");
        }
        Err(error) => report.wrong("signing key", &format!("cannot be read: {error}")),
    }
}

async fn shop(report: &mut Report, settings: &Settings, config: &Config) {
    let health = match Shop::connect(settings, config) {
        Ok(shop) => shop.send(shop.request(reqwest::Method::GET, "/health")).await,
        Err(error) => Err(error),
    };
    match health {
        Ok(answer) => {
            let checks = answer.body["checks"].as_object().cloned().unwrap_or_default();
            for (name, check) in checks {
                let status = check["status"].as_str().unwrap_or("unknown").to_owned();
                let detail = check["detail"].as_str().unwrap_or_default();
                let line = format!("{status}: {detail}");
                if status == "healthy" { report.fine(&name, &line) } else { report.wrong(&name, &line) }
            }
            if answer.body["checks"] == Value::Null {
                report.wrong("shop", &format!("{} answers, but not like a shop", config.url));
            }
        }
        Err(error) => report.fine("shop", &format!("{error:#}")),
    }
}

#[derive(Default)]
struct Report {
    checks: Vec<Value>,
    problems: usize,
}

impl Report {
    fn fine(&mut self, what: &str, line: &str) {
        self.checks.push(json!({ "result": "ok", "check": what, "detail": line }));
    }

    fn wrong(&mut self, what: &str, line: &str) {
        self.problems += 1;
        self.checks.push(json!({ "result": "wrong", "check": what, "detail": line }));
    }

    fn end(self, format: Format) -> anyhow::Result<()> {
        output::items(format, &self.checks, &["result", "check", "detail"])?;
        match self.problems {
            0 => Ok(()),
            count => {
                Err(Ended::CouldNotCheck(format!("{count} checks failed; each line above says what to do")).into())
            }
        }
    }
}
