//! `madrigal doctor`: checks the set-up and says what to do.

use std::path::{Path, PathBuf};

use anyhow::Context;
use madrigal_core::Host;
use madrigal_journal::{Damage, InArchive, JournalOptions, OpenError, SetAside, archive, repair as logs};
use serde_json::{Value, json};

use crate::cli::Settings;
use crate::client;
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

/// `madrigal doctor --repair`: says what is damaged in the logs of a shop that does not run; with `confirm`, sets it
/// aside.
pub(super) fn repair(settings: &Settings, confirm: bool) -> anyhow::Result<()> {
    let config = Config::load(settings, None)?.config;
    let data = DataDir::open(&config.data)?;
    let (options, host) = (JournalOptions::default(), Host::system());
    let mut report = Report::default();
    let mut unconfirmed = 0;
    for log in logs_in(data.root()).with_context(|| format!("cannot list {}", data.root().display()))? {
        let name = log.strip_prefix(data.root()).unwrap_or(&log).display().to_string();
        let damage = if confirm {
            let told = |done: SetAside| {
                let (cost, report) = (cost(&done.damage), done.report.display());
                format!("{cost}; it was set aside: see {report}; the log goes on in epoch {}", done.epoch)
            };
            logs::set_aside(&log, &options, &host).map(|done| done.map(told))
        } else {
            let told = |damage: Damage| format!("{} ({}); nothing was changed", cost(&damage), damage.cause);
            logs::examine(&log, &options).map(|damage| damage.map(told))
        };
        if damage.is_ok() {
            in_archive(&mut report, &name, archive::examine(&log, &options));
        }
        match damage {
            Ok(None) => report.fine(&name, "every record is intact"),
            Ok(Some(line)) if confirm => report.fine(&name, &line),
            Ok(Some(line)) => {
                unconfirmed += 1;
                report.wrong(&name, &line);
            }
            Err(OpenError::InUse { .. }) => {
                report.wrong(&name, "a process has it open: stop the shop first");
            }
            Err(error) => report.wrong(&name, &format!("{:#}", anyhow::Error::from(error))),
        }
    }
    let ended = report.end(settings.output);
    if unconfirmed > 0 {
        return Err(Ended::Refused(format!(
            "{unconfirmed} logs are damaged; restore their files from a backup, or add --confirm to go on without what \
             is said above"
        ))
        .into());
    }
    ended
}

/// What a log has in its archive: opening the log does not read it.
fn in_archive(report: &mut Report, log: &str, found: Result<Option<InArchive>, OpenError>) {
    let name = format!("{log} archive");
    match found {
        Ok(None) => {}
        Ok(Some(found)) if found.damaged.is_empty() => {
            let (count, place, through) = (found.segments, found.dir.display(), found.through);
            report
                .fine(&name, &format!("{count} segments in {place}, positions 1 to {through}: every record is intact"));
        }
        Ok(Some(found)) => {
            for (file, offset) in found.damaged {
                let file = file.display();
                report.wrong(&name, &format!("{file} is damaged at offset {offset}: restore the file from a backup"));
            }
        }
        Err(error) => report.wrong(&name, &format!("{:#}", anyhow::Error::from(error))),
    }
}

/// What going on without what is damaged costs, in one line.
fn cost(damage: &Damage) -> String {
    let lost = damage.lost.as_ref().map_or_else(
        || "no acknowledged record is lost".to_owned(),
        |lost| {
            let count = lost.end() - lost.start() + 1;
            let intact: u64 = damage.intact.iter().map(|range| range.end() - range.start() + 1).sum();
            format!(
                "positions {} to {} ({count}, {intact} of them readable in the copies) are lost to the log",
                lost.start(),
                lost.end()
            )
        },
    );
    format!("positions 1 to {} stay, {lost}", damage.kept)
}

/// The directories with logs: each service's room has one or more.
pub(super) fn logs_in(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let dirs = |dir: &Path| -> std::io::Result<Vec<PathBuf>> {
        let mut dirs = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
        dirs.sort();
        Ok(dirs)
    };
    let is_log = |dir: &PathBuf| {
        let segments = |entry: std::fs::DirEntry| entry.path().extension().is_some_and(|name| name == "segment");
        dir.join("epoch").exists()
            || std::fs::read_dir(dir).is_ok_and(|mut files| files.any(|file| file.is_ok_and(segments)))
    };
    let mut logs = Vec::new();
    for room in dirs(root)? {
        logs.extend(dirs(&room)?.into_iter().filter(is_log));
    }
    Ok(logs)
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
    let health = match client::connect(settings, config) {
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
        Err(error) => report.fine("shop", &format!("{:#}", anyhow::Error::from(error))),
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
