//! An example or more for every command, shown below its `--help`.
//!
//! Whoever adds a command adds its line here: a test walks the whole tree of commands, and fails where a command has no
//! example, where an example does not parse, or where a line names no command.

use clap::{Command, CommandFactory, FromArgMatches};

use super::Cli;

/// Commands and their examples, by the words after `madrigal`; the empty text is `madrigal` itself.
pub const EXAMPLES: &[(&str, &[&str])] = &[
    ("", &["madrigal up --demo", "madrigal order list --output json", "madrigal help sagas"]),
    ("up", &["madrigal up --demo", "madrigal up --data /var/lib/madrigal --listen 127.0.0.1:8080"]),
    ("init", &["madrigal init --data /var/lib/madrigal", "madrigal init --output json"]),
    ("serve", &["madrigal serve order-service", "madrigal serve gateway --listen 127.0.0.1:8080"]),
    ("order", &["madrigal order place --user 1 --item lute", "madrigal order list --status confirmed"]),
    (
        "order place",
        &[
            "madrigal order place --user 1 --item lute --item candle=4",
            "madrigal order place --user 2 --item last-ticket --payment tok_declined --key try-7",
        ],
    ),
    ("order list", &["madrigal order list", "madrigal order list --user 1 --status shipped --output ndjson"]),
    ("order show", &["madrigal order show 01a20534-22c5-7001-bb8f-b4b0e4af2b38"]),
    ("order story", &["madrigal order story 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --output json"]),
    ("order cancel", &["madrigal order cancel 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"ordered twice\""]),
    (
        "order ship",
        &["madrigal order ship 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --carrier Staffetta --tracking IT-4711"],
    ),
    ("order deliver", &["madrigal order deliver 01a20534-22c5-7001-bb8f-b4b0e4af2b38"]),
    ("events", &["madrigal events read --limit 20", "madrigal events tail --log catalog"]),
    (
        "events read",
        &[
            "madrigal events read --log catalog --after 100 --limit 20",
            "madrigal events read --stream order-01a20534-22c5-7001-bb8f-b4b0e4af2b38 --output json",
        ],
    ),
    (
        "events append",
        &[
            "madrigal events append note-incident-17 --json '{\"text\":\"restarted the printer\"}' --confirm note-incident-17",
        ],
    ),
    (
        "events archive",
        &[
            "madrigal events archive --log order --before 1000000 --to /mnt/cold/orders",
            "madrigal events archive --log payment",
        ],
    ),
    ("events tail", &["madrigal events tail", "madrigal events tail --log payment --after 0 --output ndjson"]),
    ("sagas", &["madrigal sagas list --state stuck", "madrigal sagas show 01a20534-22c5-7001-bb8f-b4b0e4af2b38"]),
    ("sagas list", &["madrigal sagas list", "madrigal sagas list --state running --definition place-order"]),
    ("sagas show", &["madrigal sagas show 01a20534-22c5-7001-bb8f-b4b0e4af2b38"]),
    (
        "sagas pause",
        &["madrigal sagas pause 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"the provider is being moved\""],
    ),
    ("sagas resume", &["madrigal sagas resume 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"the provider is back\""]),
    ("sagas retry", &["madrigal sagas retry 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"the provider is back\""]),
    (
        "sagas compensate",
        &["madrigal sagas compensate 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"the customer gave up\""],
    ),
    (
        "sagas abandon",
        &["madrigal sagas abandon 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"settled by hand\" \
           --confirm 01a20534-22c5-7001-bb8f-b4b0e4af2b38"],
    ),
    (
        "sagas skip",
        &["madrigal sagas skip 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"told by telephone\" \
           --step send-confirmation --with {}"],
    ),
    (
        "sagas mark-undone",
        &["madrigal sagas mark-undone 01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"refunded by hand\" \
           --step process-payment --evidence \"bank statement of 22 November\""],
    ),
    ("projections", &["madrigal projections list", "madrigal projections rebuild order-view --wait"]),
    ("projections list", &["madrigal projections list", "madrigal projections list --output json"]),
    ("projections show", &["madrigal projections show order-view"]),
    (
        "projections rebuild",
        &["madrigal projections rebuild order-view", "madrigal projections rebuild order-view --wait"],
    ),
    ("projections compare", &["madrigal projections compare order-view --output json"]),
    (
        "projections switch",
        &[
            "madrigal projections switch order-view",
            "madrigal projections switch order-view --accept-differences --reason \"totals are rounded anew\"",
        ],
    ),
    ("projections discard", &["madrigal projections discard order-view"]),
    ("projections confirm", &["madrigal projections confirm order-view"]),
    (
        "projections parked",
        &["madrigal projections parked order-view", "madrigal projections parked order-view --limit 200"],
    ),
    ("projections retry", &["madrigal projections retry order-view key/01a20534-22c5-7001-bb8f-b4b0e4af2b38"]),
    (
        "projections skip",
        &[
            "madrigal projections skip order-view key/01a20534-22c5-7001-bb8f-b4b0e4af2b38 --reason \"written by a test\"",
        ],
    ),
    ("projections why-stalled", &["madrigal projections why-stalled order-view"]),
    ("consistency", &["madrigal consistency check"]),
    (
        "consistency check",
        &[
            "madrigal consistency check",
            "madrigal consistency check --deep --pair orders.view",
            "madrigal consistency check --deep --repair --output json",
        ],
    ),
    ("consistency report", &["madrigal consistency report", "madrigal consistency report --output json"]),
    ("consistency divergences", &["madrigal consistency divergences --output ndjson"]),
    (
        "consistency repair",
        &["madrigal consistency repair 0f3c9a11d2b7e845", "madrigal consistency repair 0f3c9a11d2b7e845 --apply"],
    ),
    ("consistency repairs", &["madrigal consistency repairs"]),
    ("consistency damage", &["madrigal consistency damage stock.view lute change"]),
    ("sync", &["madrigal sync lag"]),
    (
        "sync connectors",
        &[
            "madrigal sync connectors",
            "madrigal sync connectors --declare connector.json --output json",
            "madrigal sync connectors --remove postgres-connector",
        ],
    ),
    ("sync lag", &["madrigal sync lag", "madrigal sync lag --output json"]),
    ("sync rebuild", &["madrigal sync rebuild users.key-value", "madrigal sync rebuild users.index --wait"]),
    (
        "sync parked",
        &[
            "madrigal sync parked",
            "madrigal sync parked --retry users:7",
            "madrigal sync parked --retry-cause \"profile is no JSON\"",
            "madrigal sync parked --skip users:7 --reason \"written by a test\"",
        ],
    ),
    ("import", &["madrigal import products products.ndjson"]),
    ("import products", &["madrigal import products products.ndjson", "madrigal import products -"]),
    ("import product-edits", &["madrigal import product-edits edits.ndjson --refused conflicts.ndjson"]),
    ("import users", &["madrigal import users users.ndjson --concurrency 32"]),
    ("import orders", &["madrigal import orders orders.ndjson --live"]),
    ("erase", &["madrigal erase 3 --confirm barbara"]),
    ("token", &["madrigal token issue --subject anna --role operator"]),
    (
        "token issue",
        &[
            "madrigal token issue --subject anna --role operator --minutes 480",
            "madrigal token issue --subject 1 --role customer --output json",
        ],
    ),
    ("config", &["madrigal config show"]),
    ("config show", &["madrigal config show", "madrigal config show --config madrigal.toml --output json"]),
    ("doctor", &["madrigal doctor", "madrigal doctor --repair --data /var/lib/madrigal"]),
    ("bench", &["madrigal bench journal", "madrigal bench orders --half"]),
    (
        "bench journal",
        &[
            "madrigal bench journal",
            "madrigal bench journal --appenders 256 --bytes 200 --batches 1 --seconds 10 --records 0",
            "madrigal bench journal --open /var/lib/madrigal/order/journal",
        ],
    ),
    (
        "bench store",
        &[
            "madrigal bench store",
            "madrigal bench store --events 1000000 --json store.json",
            "madrigal bench store --open /var/lib/madrigal/order/journal",
        ],
    ),
    ("bench projection", &["madrigal bench projection", "madrigal bench projection --events 10000000 --reads 0"]),
    ("bench cache", &["madrigal bench cache", "madrigal bench cache --exponent 0 --keys 1000000 --invalidate 100"]),
    (
        "bench orders",
        &[
            "madrigal bench orders --half",
            "madrigal bench orders --connections 64 --rates 500,1000 --seconds 30",
            "madrigal bench orders --until 1000000 --until-connections 128",
        ],
    ),
    (
        "bench search",
        &["madrigal bench search", "madrigal bench search --mixed-only --clients 32 --seconds 30 --output json"],
    ),
    ("bench sync", &["madrigal bench sync", "madrigal bench sync --rates 2000 --users 10000 --seconds 60"]),
    ("bench year", &["madrigal bench year", "madrigal bench year --changes 100 --checks 10"]),
    ("bench consistency", &["madrigal bench consistency", "madrigal bench consistency --rows 100000"]),
    ("bench footprint", &["madrigal bench footprint", "madrigal bench footprint --data /var/lib/madrigal"]),
    (
        "torture",
        &["madrigal torture --kills 10 --clients 8 --mode whole", "madrigal torture --seed 4711 --keep --json"],
    ),
    ("completions", &["madrigal completions bash", "madrigal completions zsh"]),
];

/// The command line with the examples below each command's help.
pub fn command() -> Command {
    with_examples(Cli::command(), "")
}

/// Reads the process's arguments; wrong ones end the process with exit code 2 and a hint.
pub fn parse() -> Cli {
    let matches = command().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn with_examples(command: Command, words: &str) -> Command {
    let examples = EXAMPLES.iter().find(|(of, _)| *of == words).map_or(&[][..], |(_, examples)| examples);
    let mut text = String::new();
    for example in examples {
        text.push_str(if text.is_empty() { "Examples:\n  " } else { "\n  " });
        text.push_str(example);
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.into_iter().fold(command.after_help(text), |command, name| {
        let below = if words.is_empty() { name.clone() } else { format!("{words} {name}") };
        command.mut_subcommand(name, |sub| with_examples(sub, &below))
    })
}
