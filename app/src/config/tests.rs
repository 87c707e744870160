use std::io::Write as _;

use super::*;

fn loaded(text: &str) -> anyhow::Result<Loaded> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(&Settings { config: Some(file.path().to_owned()), ..Settings::default() }, None)
}

#[test]
fn the_example_is_the_default() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../madrigal.example.toml");
    assert_eq!(Config::from_file(&example).unwrap(), Config::default());
}

#[test]
fn every_problem_is_reported_at_once_with_its_key() {
    let error = loaded("lisen = 1\nurl = 7\n[order]\nlisten = \"nowhere\"\ndelivery_working_days = -1\n").unwrap_err();
    let text = error.to_string();
    for part in ["lisen", "url", "order.listen", "order.delivery_working_days"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn what_a_service_would_refuse_when_it_is_opened_is_a_problem_like_every_other() {
    let text = "url = 7\n[consistency]\nsampled_percent = 100000\nsampled_rows_per_second = 99999999999\n\
                repairs_per_hour = 4294967296\n[console]\nhosts = [1]\n[sync]\n\
                transformers = [{ kind = \"route\", topic = \"users\", to = \"nowhere\" }]\n";
    let text = loaded(text).unwrap_err().to_string();
    for part in [
        "url",
        "consistency.sampled_percent: is not 0 to 100",
        "consistency.sampled_rows_per_second",
        "is more than 4294967295",
        "consistency.repairs_per_hour",
        "console.hosts: is not a list of texts",
        "sync.transformers/0/to: no processor handles the topic \"nowhere\"",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert!(loaded("[consistency]\nsampled_percent = 0\nsampled_rows_per_second = 4294967295\n").is_ok());
}

#[test]
fn flags_win_over_the_file_and_the_origin_is_shown() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"data = \"from-file\"\n[order]\ndelivery_working_days = 5\n").unwrap();
    let settings = Settings {
        config: Some(file.path().to_owned()),
        data: Some(PathBuf::from("from-flag")),
        ..Settings::default()
    };
    let loaded = Config::load(&settings, None).unwrap();
    assert_eq!(loaded.config.data, Path::new("from-flag"));
    let origins = loaded.origins();
    let source = |key: &str| origins.iter().find(|origin| origin.key == key).unwrap().source.clone();
    assert_eq!(source("data"), "flag");
    assert_eq!(source("listen"), "default");
    assert!(source("order.delivery_working_days").ends_with(file.path().file_name().unwrap().to_str().unwrap()));
}

#[test]
fn the_example_names_every_key_and_says_something_about_it() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../madrigal.example.toml");
    let text = std::fs::read_to_string(&example).unwrap();
    let given: toml::Value = toml::from_str(&text).unwrap();
    let mut named = Vec::new();
    leaves("", &serde_json::to_value(given).unwrap(), &mut |key, _| named.push(key.to_owned()));
    let mut known = Vec::new();
    leaves("", &serde_json::to_value(Config::default()).unwrap(), &mut |key, _| known.push(key.to_owned()));
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn a_rate_of_nothing_is_refused_by_its_key() {
    let error = loaded("[limits]\nrequests_per_second = 0\n").unwrap_err();
    assert!(error.to_string().contains("limits.requests_per_second"), "{error}");
}
