//! Every command explains itself: what it does, and examples that can be typed as they are.

use clap::{ColorChoice, Command, FromArgMatches};
use madrigal::cli::{self, Cli, EXAMPLES};

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
