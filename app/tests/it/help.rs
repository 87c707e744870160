//! Every command explains itself: what it does, and examples that can be typed as they are.

use clap::{ColorChoice, Command, FromArgMatches};
use madrigal::cli::{self, Cli, EXAMPLES};
use madrigal_harness::OneProcess;
use serde_json::Value;

use crate::process::{madrigal, output};

/// Every command of the tree with the words that lead to it; clap's own `help` aside.
fn tree(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    found.push((words.to_owned(), command.clone()));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let below = format!("{words} {}", sub.get_name());
        tree(sub, below.trim_start(), found);
    }
}

fn commands() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    tree(&cli::command().color(ColorChoice::Never), "", &mut found);
    found
}

/// Splits an example as a shell would, as far as examples go: blanks, and double quotes around them.
pub(crate) fn words(example: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in example.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    assert!(!quoted, "{example}");
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_command_has_a_text_and_an_example_in_its_help() {
    for (words, mut command) in commands() {
        assert!(command.get_about().is_some(), "`madrigal {words}` does not say what it does");
        let examples = EXAMPLES.iter().find(|(of, _)| *of == words).map_or(&[][..], |(_, examples)| examples);
        assert!(!examples.is_empty(), "`madrigal {words}` has no example: add one in app/src/cli/examples.rs");
        let help = command.render_long_help().to_string();
        assert!(help.contains("Examples:") && examples.iter().all(|example| help.contains(example)), "{help}");
        for argument in
            command.get_arguments().filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
        {
            assert!(argument.get_help().is_some(), "`madrigal {words}`: {} is not explained", argument.get_id());
        }
    }
}

#[test]
fn every_example_belongs_to_a_command_and_parses() {
    let known: Vec<String> = commands().into_iter().map(|(words, _)| words).collect();
    for (of, examples) in EXAMPLES {
        assert!(known.iter().any(|words| words == of), "there is no command `madrigal {of}`");
        for example in *examples {
            let parsed = cli::command().try_get_matches_from(words(example));
            match parsed {
                Ok(matches) => {
                    drop(Cli::from_arg_matches(&matches).unwrap_or_else(|error| panic!("{example}: {error}")))
                }
                Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                Err(error) => panic!("{example}: {error}"),
            }
            let leaf = of.split(' ').all(|word| word.is_empty() || example.split(' ').any(|given| given == word));
            assert!(leaf, "{example} is no example of `madrigal {of}`");
        }
    }
}

/// Commands that are not run below, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("consistency repair", "needs a row that diverges; tests/it/monitor.rs of sync-service"),
    ("consistency damage", "needs a shop that may be damaged"),
    ("init", "the shop must not run; run by the scripts"),
    ("up", "stays; started by the tests of processes"),
    ("serve", "stays; started by the tests of several processes"),
    ("events tail", "stays"),
    ("torture", "has tests of its own"),
    ("bench", "takes long; tested where benchmarks are"),
    ("events archive", "has tests of its own"),
    ("events append", "has tests of its own, where notes are"),
    ("import", "has tests of its own"),
    ("sagas", "the verbs need a saga that waits for them; tested where sagas are"),
    ("projections", "the verbs need a candidate or parked events; tested where projections are"),
    ("sync", "tested where sync-service is"),
    ("order story", "tested where stories are"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_json_where_it_is_asked_for() {
    let shop = OneProcess::start().await.unwrap();
    madrigal_harness::product(&shop.shop, "lute", 1_000, 100).await.unwrap();
    let anna = madrigal_harness::Customer::register(&shop.shop, "anna").await.unwrap();
    let (data, url, user) = (shop.data().to_owned(), format!("http://{}", shop.address()), anna.id.to_string());
    let ran = std::sync::Mutex::new(Vec::new());
    let json = async |args: &str| -> Value {
        ran.lock().unwrap().push(args.to_owned());
        let mut command = madrigal(&data);
        command.args(["--output", "json", "--no-input", "--url", &url]).args(words(args));
        let ended = tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap();
        assert!(ended.status.success(), "{args}: {}", String::from_utf8_lossy(&ended.stderr));
        let text = String::from_utf8(ended.stdout).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args}: {error} in {text}"))
    };
    let place = format!("order place --user {user} --item lute=2");
    let (one, two) = (json(&place).await, json(&place).await);
    let (one, two) = (one["orderId"].as_str().unwrap(), two["orderId"].as_str().unwrap());
    madrigal_invariants::check_at_rest(&shop.shop).await.unwrap();
    assert_eq!(json("order list").await.as_array().unwrap().len(), 2);
    assert_eq!(json(&format!("order list --user {user} --status shipped")).await, serde_json::json!([]));
    assert_eq!(json(&format!("order show {one}")).await["orderId"], one);
    json(&format!("order ship {one} --carrier Staffetta --tracking 7")).await;
    assert_eq!(json(&format!("order deliver {one}")).await["currentStatus"], "delivered");
    assert_eq!(json(&format!("order cancel {two} --reason \"ordered twice\"")).await["currentStatus"], "cancelled");
    assert_eq!(json("events read --limit 3").await.as_array().unwrap().len(), 3);
    let sagas = json("sagas list").await;
    json(&format!("sagas show {}", sagas[0]["sagaId"].as_str().unwrap())).await;
    assert!(json("token issue --subject anna").await["token"].is_string());
    assert!(json("completions bash").await["script"].is_string());
    assert!(json("config show").await.is_array() && json("doctor").await.is_array());
    assert_eq!(json("consistency check --deep").await["overallStatus"], "consistent");
    assert_eq!(json("consistency report").await["metrics"]["inconsistentEntities"], 0);
    assert_eq!(json("consistency divergences").await, serde_json::json!([]));
    assert_eq!(json("consistency repairs").await, serde_json::json!([]));
    assert_eq!(json(&format!("erase {user} --confirm anna")).await["erased"], true);

    let ran = ran.into_inner().unwrap();
    for (words, _) in commands().iter().filter(|(_, command)| !command.has_subcommands()) {
        let run = ran.iter().any(|args| args.starts_with(words.as_str()));
        let excused = NOT_RUN.iter().any(|(of, _)| words == of || words.starts_with(&format!("{of} ")));
        assert!(run || excused, "`madrigal {words}` is not run with --output json, and nobody says why");
    }
}

#[test]
fn wrong_use_is_exit_code_2_with_a_hint() {
    let data = tempfile::tempdir().unwrap();
    for (args, hint) in [
        ("ordr list", "similar subcommand"),
        ("order place --user 1", "--item"),
        ("order list --limit 0", "1..=100000"),
        ("events read --log x/y", "no name of a log"),
        ("order show 7", "no order's id"),
        ("token issue --subject anna --role customer", "the user's id"),
        ("order list --output yaml", "ndjson"),
    ] {
        let ended = output(madrigal(data.path()).args(words(args)));
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{args}: {said}");
        assert!(said.contains(hint) && ended.stdout.is_empty(), "{args}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_asks_for_the_name_of_the_user() {
    let shop = OneProcess::start().await.unwrap();
    let anna = madrigal_harness::Customer::register(&shop.shop, "anna").await.unwrap();
    let (data, url) = (shop.data().to_owned(), format!("http://{}", shop.address()));
    let mut command = madrigal(&data);
    command.args(["--url", &url, "erase", &anna.id.to_string(), "--confirm", "annna"]);
    let refused = tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap();
    assert_eq!(refused.status.code(), Some(5), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(shop.shop.get(&format!("/v1/users/{}", anna.id)).await.unwrap()["username"], "anna");
}
